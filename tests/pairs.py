"""Pairs for tests: two healthy nodes, built by hand, and what a story changes of them.

    survey = two_nodes(r0=connected()).with_view("pveB", connection=STANDALONE)

pveA and pveB run DRBD 9 unless `series` says otherwise. r0 is minor 0 on /dev/sdb below the VG drbdvg, r1 is minor 1 on
/dev/sdc below drbdvg1. Guest 100 has its disk on drbdvg, guest 102 on drbdvg1; both are VMs that run on pveA.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pve_drbd.findings import Finding, Report, Severity
from pve_drbd.model.drbd import (
    ConnectionState,
    DiskState,
    GenerationIds,
    ReplicationState,
    Resource,
    Role,
    RunningOptions,
)
from pve_drbd.model.lvm import Lvm
from pve_drbd.model.pve import (
    Cluster,
    ClusterNode,
    Guest,
    GuestConfig,
    GuestKind,
    GuestState,
    GuestVolume,
    StorageEntry,
    VolumeUse,
)
from pve_drbd.model.survey import NodeAccount, NoView, PveAccount, Survey
from tests.pair_parts import (
    GUEST_ON,
    MINORS,
    NET,
    VG_OF,
    A,
    B,
    View,
    dm_name,
    drbd_account,
    layout_of,
    lvm_account,
    minor_told,
    other,
    probes_of,
    resource_told,
    view_of,
)

STANDALONE = ConnectionState.STAND_ALONE
CONNECTING = ConnectionState.CONNECTING


def connected() -> View:
    """Both sides Primary and UpToDate, and every write goes to both."""
    return View()


def lost(state: ConnectionState = CONNECTING) -> Mapping[str, object]:
    """What a node that has lost its peer says of it."""
    return {
        "connection": state,
        "peer_role": Role.UNKNOWN,
        "replication": ReplicationState.OFF,
        "peer_disk": DiskState.UNKNOWN,
    }


def ids(current: int, bitmap: int = 0, *history: int) -> GenerationIds:
    """Generation identifiers without flags."""
    return GenerationIds(current, bitmap, history, ())


@dataclass(frozen=True, slots=True)
class TwoNodes(Survey):
    """A survey of a pair that a story changes step by step; each step gives a new one."""

    def with_view(self, node: str, resource: str = "r0", **changes: object) -> TwoNodes:
        """`node` tells this of `resource`, by every one of its sources."""
        drbd = self.nodes[node].drbd
        told = replace(view_of(drbd, resource), **changes)
        own = resource_told(resource, node, told)
        parts = {"resources": _put(drbd.resources, own)}
        parts["witness"] = _put(drbd.witness, own)
        if drbd.loaded.minors:
            minors = {**{each.minor: each for each in drbd.loaded.minors}, MINORS[resource]: minor_told(resource, told)}
            parts["loaded"] = replace(drbd.loaded, minors=tuple(minors.values()))
        return self.with_drbd(node, **parts)

    def with_views(self, resource: str = "r0", **changes: object) -> TwoNodes:
        """Both nodes tell this of `resource`."""
        return self.with_view(A, resource, **changes).with_view(B, resource, **changes)

    def with_ids(self, **told: GenerationIds) -> TwoNodes:
        """Both nodes' identifiers of r0/0, by node."""
        found = self
        for node, each in told.items():
            known = self.nodes[node].drbd.generation_ids
            found = found.with_drbd(node, generation_ids={**known, ("r0", 0): each})
        return found

    def with_net(self, node: str, resource: str = "r0", **settings: str) -> TwoNodes:
        """`node` runs `resource` with these net options (underscores stand for dashes)."""
        net = {key.replace("_", "-"): value for key, value in settings.items()}
        running = RunningOptions(resource, {other(node): {**NET, **net}})
        return self.with_drbd(node, running=(running,))

    def with_drbd(self, node: str, **parts: object) -> TwoNodes:
        """Parts of the node's account of DRBD."""
        view = self.nodes[node]
        return self.with_node(node, replace(view, drbd=replace(view.drbd, **parts)))

    def with_lvm(self, node: str, **parts: object) -> TwoNodes:
        """Parts of the node's account of LVM."""
        view = self.nodes[node]
        return self.with_node(node, replace(view, lvm=replace(view.lvm, **parts)))

    def with_lv(self, node: str, lv: str = "drbdvg/vm-100-disk-0", /, **changes: object) -> TwoNodes:
        """The LV `lv` as `node` shows it; `is_gone=True` takes it away there, with its device."""
        account = self.nodes[node].lvm
        is_gone = changes.pop("is_gone", False)
        lvs, dm = [], list(account.dm)
        for each in account.lvm.lvs:
            if f"{each.vg}/{each.name}" != lv:
                lvs.append(each)
            elif is_gone:
                dm = [device for device in dm if device.name != dm_name(each.vg, each.name)]
            else:
                lvs.append(replace(each, **changes))
        return self.with_lvm(node, lvm=replace(account.lvm, lvs=tuple(lvs)), dm=tuple(dm))

    def with_vg(self, node: str, name: str = "drbdvg", /, **changes: object) -> TwoNodes:
        """The VG `name` as `node` shows it; `is_gone=True` takes it away there, with its LVs and PVs."""
        lvm = self.nodes[node].lvm.lvm
        if changes.pop("is_gone", False):
            found = Lvm(
                tuple(each for each in lvm.lvs if each.vg != name),
                tuple(each for each in lvm.vgs if each.name != name),
                tuple(each for each in lvm.pvs if each.vg != name),
            )
        else:
            found = replace(lvm, vgs=tuple(replace(g, **changes) if g.name == name else g for g in lvm.vgs))
        return self.with_lvm(node, lvm=found)

    def with_probe(self, node: str, **changes: object) -> TwoNodes:
        """What a ping of r0's link from `node` gave."""
        view = self.nodes[node]
        probes = tuple(replace(each, **changes) if each.resource == "r0" else each for each in view.probes)
        return self.with_node(node, replace(view, probes=probes))

    def with_node(self, node: str, view: NodeAccount | NoView) -> TwoNodes:
        """Another account of `node`, or none."""
        return replace(self, nodes={**self.nodes, node: view})

    def with_age(self, node: str, age_s: float) -> TwoNodes:
        """The account of `node` is this old."""
        return self.with_node(node, replace(self.nodes[node], age_s=age_s))

    def with_pve(self, **parts: object) -> TwoNodes:
        """Parts of PVE's account."""
        return replace(self, pve=replace(self.pve, **parts))

    def without_pve(self) -> TwoNodes:
        """The API does not answer."""
        return replace(self, pve=NoView("PVE", "the API", "it does not answer"))

    def with_guest(self, vmid: int, **changes: object) -> TwoNodes:
        """Guest `vmid` as /cluster/resources lists it."""
        guests = (replace(each, **changes) if each.vmid == vmid else each for each in self.pve.guests)
        return self.with_pve(guests=tuple(guests))

    def with_config(self, vmid: int, **changes: object) -> TwoNodes:
        """The configuration of guest `vmid`."""
        configs = self.pve.configs
        return self.with_pve(configs={**configs, vmid: replace(configs[vmid], **changes)})

    def with_volumes(self, *volumes: GuestVolume) -> TwoNodes:
        """Guest 100 has just these volumes."""
        return self.with_config(100, volumes=volumes)

    def with_entry(self, storeid: str = "drbdvg", **changes: object) -> TwoNodes:
        """The storage entry `storeid`."""
        storages = (replace(each, **changes) if each.storeid == storeid else each for each in self.pve.storages)
        return self.with_pve(storages=tuple(storages))

    def with_more_entries(self, *entries: StorageEntry) -> TwoNodes:
        """Further storage entries."""
        return self.with_pve(storages=(*self.pve.storages, *entries))


def two_nodes(series: str = "9", **views: View) -> TwoNodes:
    """A healthy pair with the resources named, r0 if none is; each view is both nodes' own."""
    told = views or {"r0": connected()}
    layout = layout_of(
        {VG_OF[name]: (name,) for name in told},
        {f"{VG_OF[name]}/vm-{GUEST_ON[name]}-disk-0": [(name, 0, 2)] for name in told},
    )
    guests = {GUEST_ON[name]: VG_OF[name] for name in told}
    return TwoNodes(
        taken_at="2026-11-22T10:00:00Z",
        taken_on=A,
        nodes={
            node: NodeAccount(
                node, 0.5, drbd_account(node, series, told), lvm_account(node, layout), probes_of(node, told)
            )
            for node in (A, B)
        },
        pve=PveAccount(
            version="9.2.11",
            cluster=Cluster(
                "lab", True, (ClusterNode(A, True, True, "10.0.0.1"), ClusterNode(B, True, False, "10.0.0.2"))
            ),
            storages=tuple(entry(vg) for vg in guests.values()),
            guests=tuple(Guest(vmid, GuestKind.VM, A, f"guest{vmid}", GuestState.RUNNING) for vmid in guests),
            ha=(),
            configs={vmid: GuestConfig((disk(f"{vg}:vm-{vmid}-disk-0"),)) for vmid, vg in guests.items()},
        ),
    )


def entry(storeid: str, **changes: object) -> StorageEntry:
    """A shared entry of our type for the VG of the same name."""
    return replace(StorageEntry(storeid, "drbdlvm", vgname=storeid, is_shared=True), **changes)


def disk(volid: str, key: str = "scsi0", use: VolumeUse = VolumeUse.DISK, **options: str) -> GuestVolume:
    """A drive on `volid`, with aio set so that nothing is said of it."""
    storage, name = volid.split(":")
    return GuestVolume(key, use, storage, name, {"aio": "native", **options})


def codes(told: Report | Iterable[Finding]) -> list[str]:
    """The codes of a report's blockers, or of all of a rule's findings; each once, in alphabetical order."""
    findings = told.of(Severity.BLOCKER) if isinstance(told, Report) else told
    return sorted({each.code for each in findings})


def everything(report: Report) -> list[str]:
    """The codes of all of a report's findings, whatever their weight."""
    return codes(report.findings)


def _put(resources: tuple[Resource, ...], own: Resource) -> tuple[Resource, ...]:
    return tuple(own if each.name == own.name else each for each in resources)
