"""Whether `lvs`, `vgs` and `pvs` of one node account for each other: no row missing, none too many.

LVM reads its metadata from the disks for each command, so three healthy answers say the same. What cannot be seen: the
loss of a row that stands on no extent and that no other row names (a thin volume, a PV of no VG).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import LogicalVolume, Lvm, PhysicalVolume, Segment, VolumeGroup

UNKNOWN_PV = "[unknown]"
"""LVM's name for every PV that it cannot find; several of one VG share it."""

_UNASSIGNED = "unassigned"
"""LVM's name for an area of a RAID that has lost its place."""


def is_physical(name: str) -> bool:
    """`name` of an area is a PV's; another LV's has no slash."""
    return name.startswith("/") or name == UNKNOWN_PV


def check_whole(lvm: Lvm) -> None:
    """Raises Unreadable unless the three reports are whole and agree."""
    _check_unique("vgs", "VG uuid", (vg.uuid for vg in lvm.vgs))
    _check_unique("pvs", "PV uuid", (pv.uuid for pv in lvm.pvs if not pv.is_duplicate))
    _check_unique("pvs", "PV name", (pv.name for pv in lvm.pvs if pv.name != UNKNOWN_PV))
    _check_unique("lvs", "LV", (f"{lv.vg}/{lv.name.strip('[]')}" for lv in lvm.lvs))
    # An LV with layers (thin, cache, snapshot, ...) may be shown with the number of its layer.
    plain = (lv.device for lv in lvm.lvs if lv.device and lv.attributes[0] == "-")
    _check_unique("lvs", "device number", (f"{major}:{minor}" for major, minor in plain))
    members: dict[str, list[PhysicalVolume]] = {vg.name: [] for vg in lvm.vgs}
    for pv in lvm.pvs:
        if pv.vg and not pv.is_duplicate:
            if pv.vg not in members:
                raise Unreadable("vgs", 0, f"VG {pv.vg} of PV {pv.name} is missing")
            members[pv.vg].append(pv)
    logical: dict[str, list[LogicalVolume]] = {vg.name: [] for vg in lvm.vgs}
    for lv in lvm.lvs:
        logical[lv.vg].append(lv)
    for vg in lvm.vgs:
        _check_members(vg, members[vg.name])
        _check_areas(vg, members[vg.name], logical[vg.name])
        # LVM does not show the LVs of an exported VG (vg_attr x).
        if logical[vg.name] or vg.attributes[2] != "x":
            _check_extents(vg, members[vg.name], logical[vg.name])


def _check_unique(source: str, what: str, values: Iterable[str]) -> None:
    twice = next((value for value, count in Counter(values).items() if count > 1), None)
    if twice is not None:
        raise Unreadable(source, 0, f"{what} {twice} stands twice")


def _check_members(vg: VolumeGroup, pvs: Sequence[PhysicalVolume]) -> None:
    """The VG's PVs in vgs are those in pvs, and add up to its size."""
    if Counter(vg.pvs) != Counter(pv.name for pv in pvs):
        names = sorted((Counter(vg.pvs) - Counter(pv.name for pv in pvs)).elements())
        raise Unreadable("pvs" if names else "vgs", 0, f"the PVs of VG {vg.name} differ between vgs and pvs")
    odd = next((pv.name for pv in pvs if pv.size_b % vg.extent_size_b or pv.free_b % vg.extent_size_b), None)
    if odd:
        raise Unreadable("pvs", 0, f"PV {odd} is not a whole number of extents of VG {vg.name}")
    if (sum(pv.size_b for pv in pvs), sum(pv.free_b for pv in pvs)) != (vg.size_b, vg.free_b):
        raise Unreadable("vgs", 0, f"size and free space of VG {vg.name} are not those of its PVs")
    missing = sum(pv.is_missing for pv in pvs)
    if missing != vg.missing_pvs or (vg.attributes[3] == "p") is not bool(missing):
        raise Unreadable("vgs", 0, f"VG {vg.name} misses {vg.missing_pvs} PVs, pvs says {missing}")
    odd = next((pv.name for pv in pvs if pv.name == UNKNOWN_PV and not pv.is_missing), None)
    if odd or any((pv.attributes[1] == "x") is not (vg.attributes[2] == "x") for pv in pvs):
        raise Unreadable("pvs", 0, f"the attributes of VG {vg.name} and its PVs do not agree")


def _check_areas(vg: VolumeGroup, pvs: Sequence[PhysicalVolume], lvs: Sequence[LogicalVolume]) -> None:
    """Every area lies on a PV or an LV of this VG, and an LV is partial just where a PV below it is missing."""
    names = {lv.name.strip("[]") for lv in lvs} | {pv.name for pv in pvs} | {"", _UNASSIGNED}
    missing = {pv.name for pv in pvs if pv.is_missing}
    for lv in lvs:
        odd = next((segment.pv for segment in lv.segments if segment.pv not in names), None)
        if odd:
            raise Unreadable("lvs", 0, f"LV {vg.name}/{lv.name} lies on {odd}, which is not part of the VG")
        if all(is_physical(segment.pv) for segment in lv.segments):
            if lv.is_partial is not any(segment.pv in missing for segment in lv.segments):
                raise Unreadable("lvs", 0, f"LV {vg.name}/{lv.name} and the missing PVs do not agree")
        elif lv.is_partial and not missing:
            raise Unreadable("lvs", 0, f"LV {vg.name}/{lv.name} is partial, but no PV is missing")


def _check_extents(vg: VolumeGroup, pvs: Sequence[PhysicalVolume], lvs: Iterable[LogicalVolume]) -> None:
    """Of each PV (of all that are [unknown] together) every extent is free or in one segment."""
    used: dict[str, list[Segment]] = {name: [] for name in vg.pvs}
    for lv in lvs:
        for segment in lv.segments:
            if is_physical(segment.pv):
                used[segment.pv].append(segment)
    for name, segments in used.items():
        same = [pv for pv in pvs if pv.name == name]
        allocated = sum(pv.size_b - pv.free_b for pv in same) // vg.extent_size_b
        shown = sum(segment.extents for segment in segments)
        if shown != allocated:
            raise Unreadable("lvs", 0, f"LVs use {shown} extents of {name} in VG {vg.name}, pvs says {allocated}")
        if len(same) == 1:
            _check_apart(vg, name, same[0].size_b // vg.extent_size_b, segments)


def _check_apart(vg: VolumeGroup, name: str, size: int, segments: Iterable[Segment]) -> None:
    end = 0
    for segment in sorted(segments, key=lambda each: each.first):
        if segment.first < end:
            raise Unreadable("lvs", 0, f"extent {segment.first} of {name} in VG {vg.name} is used twice")
        end = segment.first + segment.extents
    if end > size:
        raise Unreadable("lvs", 0, f"extent {end - 1} is beyond the end of {name} in VG {vg.name}")
