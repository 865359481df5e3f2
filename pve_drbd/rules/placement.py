"""Where a guest's volumes lie: storage entry → VG → LV → segments → PV → DRBD volume → resource."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pve_drbd.model.lvm import LogicalVolume, Lvm
from pve_drbd.model.pve import GuestVolume, StorageEntry, VolumeUse
from pve_drbd.model.survey import NodeAccount, NoView, PveAccount, Survey
from pve_drbd.rules.devices import replicas_of
from pve_drbd.rules.views import account, resource_names

_GUEST_LV = re.compile(r"(?:snap_)?(?:vm|base|subvol|basevol)-(\d+)-\S+")


@dataclass(frozen=True, slots=True)
class Placement:
    """One volume of a guest on a VG that lies on DRBD.

    `resources` are those below the LV's own segments; where no node shows the LV they are all of the VG's,
    and where no node can tell what is below the VG (`is_guess`) all that may be. `vg_resources` are those below the VG.
    """

    volume: GuestVolume
    vg: str
    lv: str
    resources: tuple[str, ...]
    vg_resources: tuple[str, ...]
    is_guess: bool = False

    @property
    def name(self) -> str:
        """'VG/LV', as LVM writes it."""
        return f"{self.vg}/{self.lv}"


def lvm_of(survey: Survey, node: str) -> Lvm | NoView:
    """What LVM on `node` shows, or why it could not be asked."""
    view = account(survey, node)
    return view if isinstance(view, NoView) else view.lvm.lvm


def vg_resources(survey: Survey, vg: str) -> tuple[str, ...] | None:
    """The resources below `vg` by every node's account; () if it lies on none, None if no node can tell.

    That it lies on none is only known where a node shows it and has told what its DRBD is configured on.
    """
    found: set[str] = set()
    is_known = False
    for view, pvs in _showing(survey, vg):
        is_known = is_known or not isinstance(view.drbd.config, NoView)
        owners = pv_owners(view)
        found.update(owners[pv] for pv in pvs if pv in owners)
    return tuple(sorted(found)) if found or is_known else None


def _showing(survey: Survey, vg: str) -> Iterator[tuple[NodeAccount, tuple[str, ...]]]:
    """The accounts whose LVM shows `vg`, each with the PVs it has there."""
    for view in survey.nodes.values():
        if isinstance(view, NodeAccount) and not isinstance(view.lvm.lvm, NoView):
            group = view.lvm.lvm.vg(vg)
            if group is not None:
                yield view, group.pvs


def shown_off_drbd(survey: Survey, vg: str) -> tuple[str, ...]:
    """The nodes that show `vg`, if it is known to lie on no DRBD resource of any node."""
    return tuple(sorted(view.node for view, _ in _showing(survey, vg))) if vg_resources(survey, vg) == () else ()


def pv_owners(view: NodeAccount) -> dict[str, str]:
    """Every device path of this node that belongs to DRBD, above or below it, to its resource."""
    owners: dict[str, str] = {}
    for replica in replicas_of(view):
        for path in (*replica.device_paths, *(name for disk in replica.disks for name in disk.paths)):
            owners[path] = replica.resource
    return owners


def place(survey: Survey, volume: GuestVolume, entry: StorageEntry) -> Placement | None:
    """Where `volume` of `entry` lies; None if its VG is not on DRBD."""
    return _place_lv(survey, volume, entry.vgname, volume.name.rsplit("/", 1)[-1], entry)


def _place_lv(
    survey: Survey, volume: GuestVolume, vg: str, lv: str, entry: StorageEntry | None = None
) -> Placement | None:
    below = vg_resources(survey, vg)
    if below is None:
        # A Secondary resource hides its VG without a word, so a VG that nobody shows may be below any resource
        # that shows no VG. An entry that is neither ours nor shared names a VG of one node's own.
        is_shown = any(True for _ in _showing(survey, vg))
        if entry is not None and entry.type != "drbdlvm" and not entry.is_shared and not is_shown:
            return None
        hidden = resources_without_vg(survey)
        return Placement(volume, vg, lv, hidden, hidden, is_guess=True)
    if not below:
        return None
    return Placement(volume, vg, lv, _segment_resources(survey, vg, lv) or below, below)


def resources_without_vg(survey: Survey) -> tuple[str, ...]:
    """Resources on which no node's LVM shows a VG."""
    carrying: set[str] = set()
    for view in survey.nodes.values():
        if isinstance(view, NodeAccount) and not isinstance(view.lvm.lvm, NoView):
            owners = pv_owners(view)
            carrying.update(owners[pv.name] for pv in view.lvm.lvm.pvs if pv.vg and pv.name in owners)
    return tuple(name for name in resource_names(survey) if name not in carrying)


def _segment_resources(survey: Survey, vg: str, name: str) -> tuple[str, ...]:
    found: set[str] = set()
    for view in survey.nodes.values():
        if isinstance(view, NodeAccount) and not isinstance(view.lvm.lvm, NoView):
            lv = view.lvm.lvm.lv(vg, name)
            found.update(segment_resources(view, lv) if lv else ())
    return tuple(sorted(found))


def segment_resources(view: NodeAccount, lv: LogicalVolume) -> Iterable[str]:
    """The resources below the segments of `lv`, as this node names its PVs."""
    owners = pv_owners(view)
    return {owners[segment.pv] for segment in lv.segments if segment.pv in owners}


def guest_number(lv: LogicalVolume) -> int | None:
    """The guest an LV belongs to by PVE's naming or by its tag; None for one of nobody's."""
    named = _GUEST_LV.fullmatch(lv.name)
    if named:
        return int(named.group(1))
    tags = [tag.removeprefix("pve-vm-") for tag in lv.tags if tag.startswith("pve-vm-")]
    return int(tags[0]) if tags and tags[0].isdigit() else None


def volumes_by_name(survey: Survey, vmid: int) -> tuple[Placement, ...]:
    """The volumes on DRBD that carry the number of guest `vmid`: all there is to go by without PVE's account."""
    names = {
        (lv.vg, lv.name)
        for node in survey.nodes
        for lv in _lvs(lvm_of(survey, node))
        if guest_number(lv) == vmid and not lv.name.startswith("[")
    }
    placements = (_place_lv(survey, GuestVolume(lv, VolumeUse.OTHER, vg, lv, {}), vg, lv) for vg, lv in sorted(names))
    return tuple(each for each in placements if each)


def _lvs(lvm: Lvm | NoView) -> tuple[LogicalVolume, ...]:
    return () if isinstance(lvm, NoView) else lvm.lvs


def storage_vgs(pve: PveAccount) -> tuple[StorageEntry, ...]:
    """The entries whose volumes are plain LVs, ours and PVE's own."""
    return () if isinstance(pve.storages, NoView) else tuple(each for each in pve.storages if each.is_lvm)
