"""Split pairs for the planner: both nodes StandAlone and written on, with guests drawn or written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pve_drbd.model.drbd import DiskState
from pve_drbd.model.evacuation import Change, NodeStatus, Rates, StorageStatus, VolumeChange, Wishes
from pve_drbd.model.pve import Guest, GuestConfig, GuestKind, GuestState, GuestVolume, HaResource, VolumeUse
from pve_drbd.model.survey import NodeAccount
from pve_drbd.planner.survivor import Inputs
from tests.pair_parts import VG_OF, A, B, layout_of, lvm_account
from tests.pairs import STANDALONE, TwoNodes, connected, entry, ids, lost, two_nodes

GIB = 1024
RESOURCE_OF = {vg: name for name, vg in VG_OF.items()}


@dataclass(frozen=True)
class Mail:
    """One guest: `disks` maps a VG to what pveA and pveB know of its disk there."""

    vmid: int = 100
    disks: Mapping[str, tuple[Change, Change]] = field(
        default_factory=lambda: {"drbdvg": (Change.CHANGED, Change.NOT_RUN_HERE)}
    )
    node: str = A
    kind: GuestKind = GuestKind.VM
    state: GuestState = GuestState.RUNNING
    size_mib: int = 32 * GIB
    memory_mib: int = 1024
    name: str = ""
    lock: str = ""
    ha: str = ""
    tags: tuple[str, ...] = ()
    backup: str = "1"
    snapshots: tuple[str, ...] = ()
    is_template: bool = False
    more: tuple[GuestVolume, ...] = ()

    def volumes(self) -> tuple[GuestVolume, ...]:
        """Its drives, one on each VG."""
        use, first = (VolumeUse.DISK, "scsi") if self.kind is GuestKind.VM else (VolumeUse.MOUNT_POINT, "mp")
        return (
            *(
                GuestVolume(f"{first}{n}", use, vg, f"vm-{self.vmid}-disk-0", {"aio": "native", "backup": self.backup})
                for n, vg in enumerate(sorted(self.disks))
            ),
            *self.more,
        )


def split_pair(guests: Iterable[Mail], *resources: str, **told: object) -> TwoNodes:
    """A pair on which the resources (r0 if none is named) are split, and which has these guests."""
    names, guests = resources or ("r0",), tuple(guests)
    pair = two_nodes(**{name: connected() for name in names})
    lvs = {
        f"{vg}/vm-{each.vmid}-disk-0": [(RESOURCE_OF[vg], 2 * n, 2)]
        for n, each in enumerate(guests)
        for vg in sorted(each.disks)
    }
    layout = layout_of({VG_OF[name]: (name,) for name in names}, lvs)
    for name in names:
        pair = pair.with_views(name, **{**lost(STANDALONE), "out_of_sync_kib": 1024, **told})
    for node, current in ((A, 0xA1), (B, 0xB1)):
        found = {(name, 0): ids(current, 0xC0, 0xC0) for name in names}
        pair = pair.with_drbd(node, generation_ids=found).with_lvm(node, lvm=lvm_account(node, layout).lvm)
    return pair.with_pve(
        guests=tuple(
            Guest(
                each.vmid,
                each.kind,
                each.node,
                each.name or f"guest{each.vmid}",
                each.state,
                each.lock,
                each.is_template,
                each.ha,
                each.tags,
            )
            for each in guests
        ),
        configs={
            each.vmid: GuestConfig(each.volumes(), memory_mib=each.memory_mib, snapshots=each.snapshots)
            for each in guests
        },
        ha=tuple(HaResource(each.vmid, each.ha) for each in guests if each.ha),
        storages=(*(entry(VG_OF[name]) for name in names), entry("local", type="dir", vgname="", is_shared=False)),
    )


def changes_of(guests: Iterable[Mail]) -> tuple[VolumeChange, ...]:
    """What is known of each disk, as the guests say."""
    return tuple(
        VolumeChange(
            vg,
            f"vm-{each.vmid}-disk-0",
            f"u-{vg}-{each.vmid}",
            each.vmid,
            each.size_mib,
            (A, B),
            {A: here, B: there},
            {A: "seen", B: "seen"},
            {
                node: 0 if state.has_nothing_to_lose else min(GIB, each.size_mib)
                for node, state in ((A, here), (B, there))
            },
            (RESOURCE_OF[vg],),
        )
        for each in guests
        for vg, (here, there) in sorted(each.disks.items())
    )


def stores(local_mib: int = 500 * GIB, nfs_mib: int | None = None, vg_mib: int = 0) -> tuple[StorageStatus, ...]:
    """Each node's own directory, the split VG, and a share where `nfs_mib` says how much of it is free."""
    both = ("images", "rootdir")
    found = [StorageStatus("local", node, "dir", True, False, local_mib, both) for node in (A, B)]
    found += [StorageStatus("drbdvg", node, "drbdlvm", True, True, vg_mib, both) for node in (A, B)]
    if nfs_mib is not None:
        found += [StorageStatus("nfs", node, "nfs", True, True, nfs_mib, ("backup", *both)) for node in (A, B)]
    return tuple(found)


def inputs_of(
    guests: Iterable[Mail],
    storages: tuple[StorageStatus, ...] | None = None,
    memory_mib: int = 64 * GIB,
    **wishes: object,
) -> Inputs:
    """What the plan is made from beside the survey."""
    memory = tuple(NodeStatus(node, memory_mib, memory_mib) for node in (A, B))
    return Inputs(changes_of(guests), stores() if storages is None else storages, memory, Rates(), Wishes(**wishes))


def degraded(pair: TwoNodes, node: str) -> TwoNodes:
    """r0's own disk on `node` is not UpToDate."""
    return pair.with_view(node, disk=DiskState.INCONSISTENT)


def with_hidden_vg(pair: TwoNodes, node: str, role: object) -> TwoNodes:
    """r0 is in another role on `node`, whose LVM then shows no VG on it."""
    return pair.with_view(node, role=role).with_vg(node, is_gone=True)


def without_config(pair: TwoNodes, vmid: int, view: object) -> TwoNodes:
    """The configuration of `vmid` is another view."""
    return pair.with_pve(configs={**pair.pve.configs, vmid: view})


def other_lvm(pair: TwoNodes, node: str, view: object) -> TwoNodes:
    """LVM of `node` is another view."""
    own: NodeAccount = pair.nodes[node]
    return pair.with_node(node, replace(own, lvm=replace(own.lvm, lvm=view)))
