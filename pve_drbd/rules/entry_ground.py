"""What must hold before a storage entry is written: its VG on both nodes, and the plugin on every node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pve_drbd.findings import Finding, find
from pve_drbd.model.entry import PluginAccount
from pve_drbd.model.lvm import Lvm, VolumeGroup
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NodeAccount, NoView, PveAccount, Survey
from pve_drbd.rules.devices import replicas_of
from pve_drbd.rules.entry import hosts_of_vg
from pve_drbd.rules.filters import judge_filters
from pve_drbd.rules.placement import storage_vgs, vg_resources
from pve_drbd.rules.views import account, missing
from pve_drbd.rules.volumes import judge_backing

OPTIONS_LOST = ("base",)
"""Options of the type lvm that drbdlvm does not have: `base` would make a volume group on an iSCSI disk."""


def judge_ground(survey: Survey, vg: str, storeid: str, left_out: Sequence[str] = ()) -> Iterator[Finding]:
    """Every reason against an entry `storeid` on `vg`: on each host of its resources, the same VG on DRBD alone.

    Nodes `left_out` are not looked at; the caller has made sure that they do not answer.
    """
    below = vg_resources(survey, vg)
    hosts = hosts_of_vg(survey, vg) or tuple(sorted(survey.nodes))
    seen: dict[str, VolumeGroup] = {}
    for node in (each for each in hosts if each not in left_out):
        view = account(survey, node)
        if isinstance(view, NoView):
            yield from missing(view)
            continue
        yield from _judge_node(view, vg, below or ())
        group = view.lvm.lvm.vg(vg) if isinstance(view.lvm.lvm, Lvm) else None
        if group is not None:
            seen[node] = group
    yield from _judge_identity(seen, vg)
    yield from missing(survey.pve)
    if isinstance(survey.pve, PveAccount):
        yield from missing(survey.pve.storages)
        yield from judge_neighbours(survey.pve, vg, storeid)


def judge_neighbours(pve: PveAccount, vg: str, storeid: str) -> Iterator[Finding]:
    """Other entries on `vg`: Proxmox VE locks an entry, not a volume group, so two do not exclude each other."""
    for each in sorted(storage_vgs(pve), key=lambda each: each.storeid):
        if each.vgname == vg and each.storeid != storeid:
            yield find("PVE-E406", volume=vg, storage=storeid, other=each.storeid, vg=vg)


def _judge_node(view: NodeAccount, vg: str, below: Sequence[str]) -> Iterator[Finding]:
    for part in (view.lvm.lvm, view.lvm.devices, view.drbd.config):
        yield from missing(part)
    for each in judge_filters(view, vg, below):
        # Below a running guest this is a warning; an entry that promises a mirror is not built upon it.
        yield replace(each, code="PVE-E408") if each.code == "LVM-W202" else each
    if isinstance(view.lvm.lvm, NoView):
        return
    group = view.lvm.lvm.vg(vg)
    if group is None:
        yield find("LVM-E205", node=view.node, volume=vg, vg=vg)
        return
    yield from judge_backing(view, group)
    mirrored = {path for replica in replicas_of(view) for path in replica.device_paths}
    others = sorted(set(group.pvs) - mirrored - {path for r in replicas_of(view) for d in r.disks for path in d.paths})
    if others and len(others) == len(group.pvs):
        yield find("LVM-E219", node=view.node, volume=vg, vg=vg)
    elif others:
        yield find("PVE-E407", node=view.node, volume=vg, vg=vg, pvs=", ".join(others))


def _judge_identity(seen: Mapping[str, VolumeGroup], vg: str) -> Iterator[Finding]:
    if len({each.uuid for each in seen.values()}) > 1:
        first, *rest = sorted(seen)
        peer = next(node for node in rest if seen[node].uuid != seen[first].uuid)
        words = {"what": "its uuid", "here": seen[first].uuid, "there": seen[peer].uuid}
        yield find("LVM-E206", node=first, volume=vg, peer=peer, vg=vg, **words)


def judge_retype(entry: StorageEntry, to: str) -> Iterator[Finding]:
    """What of the entry itself speaks against its becoming one of type `to`, with all else unchanged."""
    if entry.type not in ("lvm", "drbdlvm"):
        words = {"storage": entry.storeid, "type": entry.type, "to": to}
        yield find("PVE-E409", volume=entry.vgname, **words, why=f"its type is {entry.type}")
        return
    lost = [key for key in OPTIONS_LOST if key in (entry.options or {})]
    if lost and to == "drbdlvm":
        words = {"storage": entry.storeid, "type": entry.type, "to": to}
        yield find("PVE-E409", volume=entry.vgname, **words, why=f"it has the option {', '.join(lost)}")
    if not entry.is_shared:
        yield find("PVE-E303", volume=entry.vgname, storage=entry.storeid, vmid="of any number")


def judge_plugins(
    pve: PveAccount | NoView,
    plugins: Mapping[str, PluginAccount | NoView],
    here: str,
    left_out: Sequence[str] = (),
) -> Iterator[Finding]:
    """Does every member of the cluster but those `left_out` have the plugin of this node, in every daemon there.

    A member without it deletes every entry of the type with its next write of storage.cfg, for the whole cluster.
    """
    if isinstance(pve, NoView) or isinstance(pve.cluster, NoView):
        yield from missing(pve if isinstance(pve, NoView) else pve.cluster)
        return
    own = plugins.get(here)
    wanted = own.sha256 if isinstance(own, PluginAccount) else ""
    for member in (each for each in pve.cluster.nodes if each.name not in left_out):
        seen = plugins.get(member.name, NoView(member.name, "the storage plugin", "it was not asked"))
        if not member.is_online:
            yield find("PVE-E308", node=member.name)
        elif isinstance(seen, NoView):
            yield from missing(seen)
        else:
            yield from _judge_plugin(seen, wanted, here)


def _judge_plugin(seen: PluginAccount, wanted: str, here: str) -> Iterator[Finding]:
    if seen.problem:
        yield find("PVE-E410", node=seen.node, why=seen.problem)
    elif wanted and seen.sha256 != wanted:
        yield find("PVE-E410", node=seen.node, why=f"its plugin is another version than that of {here}")
    else:
        late = [each.unit for each in seen.daemons if each.is_active and each.loaded_at <= seen.changed_at]
        if late:
            names = [unit.removesuffix(".service") for unit in late]
            yield find("PVE-E411", node=seen.node, daemons=", ".join(names), units=" ".join(names))
