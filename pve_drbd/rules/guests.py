"""What Proxmox VE itself says against moving or starting a guest: target, locks, entries, devices, drives."""

from __future__ import annotations

from collections.abc import Iterator

from pve_drbd.findings import Finding, find
from pve_drbd.model.pve import Guest, GuestConfig, GuestKind, GuestState, GuestVolume, StorageEntry, VolumeUse
from pve_drbd.model.survey import PVE, NoView, PveAccount
from pve_drbd.rules.views import missing

_IO_DRIVES = (VolumeUse.DISK, VolumeUse.OTHER)


def judge_cluster(pve: PveAccount, source: str, target: str) -> Iterator[Finding]:
    """Is there a quorum, and are both nodes members and online."""
    cluster = pve.cluster
    yield from missing(cluster)
    if isinstance(cluster, NoView):
        return
    yield from judge_quorum(pve)
    member = cluster.node(target)
    if member is None:
        names = ", ".join(sorted(each.name for each in cluster.nodes))
        yield find("PVE-E307", node=target, nodes=names)
    for node in dict.fromkeys((source, target)):
        member = cluster.node(node)
        if member is not None and not member.is_online:
            yield find("PVE-E308", node=node)


def judge_quorum(pve: PveAccount) -> Iterator[Finding]:
    """Has the cluster lost its quorum, by the node that was asked; nothing where it could not be."""
    cluster = pve.cluster
    if not isinstance(cluster, NoView) and not cluster.is_quorate:
        yield find("PVE-E309", node=next((each.name for each in cluster.nodes if each.is_local), PVE))


def judge_guest(guest: Guest, config: GuestConfig, target: str) -> Iterator[Finding]:
    """The guest's own state, lock, hardware and HA."""
    vmid = str(guest.vmid)
    subject = {"node": guest.node, "vmid": vmid}
    if guest.state is GuestState.UNKNOWN:
        yield find("VIEW-E001", node=PVE, subject=f"the state of guest {vmid}", reason=f"{guest.node} does not report")
    lock = config.lock or guest.lock
    if lock:
        yield find("PVE-E306", **subject, lock=lock)
    if guest.state in (GuestState.RUNNING, GuestState.PAUSED):
        yield find("PVE-E321", **subject, state=guest.state.value)
        if guest.kind is GuestKind.CONTAINER:
            yield find("PVE-E315", **subject, target=target)
    if config.local_devices:
        yield find("PVE-E311", **subject, keys=", ".join(config.local_devices), target=target)
    for key in config.host_paths:
        yield find("PVE-E310", **subject, key=key, what="a path of the node instead of a storage")
    if config.has_pending:
        yield find("PVE-N320", **subject)
    if guest.ha_state and guest.ha_state != "ignored":
        kind = "vm" if guest.kind is GuestKind.VM else "ct"
        yield find("PVE-W316", **subject, state=guest.ha_state, sid=f"{kind}:{vmid}")


def judge_entry(entry: StorageEntry, vmid: int, nodes: tuple[str, ...]) -> Iterator[Finding]:
    """Can the entry be used on every one of `nodes`, and does PVE know that it is on both."""
    words = {"storage": entry.storeid, "vmid": str(vmid)}
    if not entry.is_shared:
        yield find("PVE-E303", **words)
    if entry.is_disabled:
        yield find("PVE-E304", **words)
    for node in nodes:
        if entry.nodes and node not in entry.nodes:
            yield find("PVE-E305", node=node, **words, nodes=",".join(entry.nodes))


def judge_drive(guest: Guest, volume: GuestVolume, entry: StorageEntry) -> Iterator[Finding]:
    """Cache and aio of one drive of a VM on a volume group on DRBD."""
    if guest.kind is not GuestKind.VM or volume.use not in _IO_DRIVES or volume.snapshot:
        return
    subject = {"node": guest.node, "vmid": str(guest.vmid), "key": volume.key, "volid": volume.volid}
    cache = volume.options.get("cache", "none")
    if cache == "unsafe":
        yield find("PVE-E312", **subject)
    elif cache in ("writeback", "writethrough"):
        yield find("PVE-W313", **subject, cache=cache)
    if "aio" not in volume.options and entry.type != "lvm":
        drive = ",".join((volume.volid, *(f"{key}={value}" for key, value in sorted(volume.options.items()))))
        yield find("PVE-W314", **subject, drive=drive, type=entry.type)


def judge_local(guest: Guest, volume: GuestVolume, entry: StorageEntry) -> Iterator[Finding]:
    """A volume that is not on DRBD: nothing to us if shared, in the way of a live migration if not."""
    if not entry.is_shared:
        what = f"{volume.volid} on the local storage {entry.storeid}"
        yield find("PVE-E310", node=guest.node, vmid=str(guest.vmid), key=volume.key, what=what)
