"""Everything that lies on one node's DRBD devices: LVs, hidden ones too, orphans, and what is no LV at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pve_drbd.model.lvm import DmDevice, LogicalVolume, Lvm, Segment
from pve_drbd.model.survey import NodeAccount, NoView
from pve_drbd.rules.devices import DRBD_MAJOR, replicas_of
from pve_drbd.rules.orphans import number_of, orphans_of
from pve_drbd.rules.placement import guest_number
from pve_drbd.rules.replica_changes import Range, Slot

Places = Mapping[Slot, tuple[Range, ...]]

WHOLE: tuple[Range, ...] = ((0, 2**60),)
"""All of a DRBD volume, however large."""

_KIB = 1024
_SECTORS_PER_KIB = 2
_DEPTH = 8
"""LVs of RAIDs, pools and caches lie on LVs; none of LVM's types goes deeper."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One node's LVM, and which DRBD volume each PV is: `above` by the DRBD device, `below` by the disk under it.

    `lvs` are by VG and name without brackets.
    """

    view: NodeAccount
    lvm: Lvm
    above: Mapping[str, Slot]
    below: Mapping[str, Slot]
    minors: Mapping[int, Slot]
    lvs: Mapping[tuple[str, str], LogicalVolume]
    pe_start_b: Mapping[str, int]
    extent_b: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that lies on DRBD as one node shows it; `key` is its uuid without dashes, or its name if it is no LV.

    `places` is a NoView where it cannot be said which part of a device it has. An orphan has no `lv`.
    """

    key: str
    name: str
    vmid: int | None
    size_b: int
    places: Places | NoView
    lv: LogicalVolume | None = None


def layout_of(view: NodeAccount) -> Layout | NoView:
    """The layout of a node's LVM, or why it has none."""
    lvm = view.lvm.lvm
    if isinstance(lvm, NoView):
        return lvm
    replicas = [(each, (each.resource, each.number)) for each in replicas_of(view)]
    return Layout(
        view=view,
        lvm=lvm,
        above={path: slot for each, slot in replicas for path in each.device_paths},
        below={path: slot for each, slot in replicas for disk in each.disks for path in disk.paths},
        minors={each.minor: slot for each, slot in replicas},
        lvs={(lv.vg, lv.name.strip("[]")): lv for lv in lvm.lvs},
        pe_start_b={pv.name: pv.pe_start_b for pv in lvm.pvs},
        extent_b={vg.name: vg.extent_size_b for vg in lvm.vgs},
    )


def slots_of_vg(layout: Layout, vg: str) -> frozenset[Slot]:
    """The DRBD volumes that the VG lies on, by this node; also those whose disk below it LVM has taken instead."""
    group = layout.lvm.vg(vg)
    names = group.pvs if group else ()
    return frozenset(each[name] for each in (layout.above, layout.below) for name in names if name in each)


def uses_of_vg(layout: Layout, vg: str) -> Iterator[Use]:
    """The LVs of `vg` that lie on DRBD, and the orphans among its devices."""
    for lv in layout.lvm.lvs:
        places = _places(layout, lv) if lv.vg == vg else {}
        if places:
            yield Use(lv.uuid.replace("-", ""), lv.name, guest_number(lv), lv.size_b, places, lv)
    for orphan in orphans_of(layout.view, vg):
        name = orphan.name.removeprefix(vg.replace("-", "--") + "-").replace("--", "-")
        key = orphan.lv_key[1] if orphan.lv_key else orphan.name
        yield Use(key, name, number_of(orphan), _size_b(layout.view, orphan.name), _orphan_places(layout, orphan))


def pv_below_drbd(layout: Layout, vg: str) -> str:
    """The first PV of `vg` that is a disk below DRBD instead of DRBD itself; '' if none is."""
    group = layout.lvm.vg(vg)
    names = group.pvs if group else ()
    return next((name for name in names if name in layout.below and name not in layout.above), "")


def uses_without_vg(layout: Layout, owners: Mapping[str, frozenset[int]]) -> Iterator[tuple[Slot, Use]]:
    """What stands on a DRBD volume without being an LV or an orphan of a VG that is shown; `owners` are guests by path.

    These are partitions, other mappings, filesystems, and devices that a guest has as a raw disk. A volume that is no
    PV here counts as one use: whatever may be on it cannot be told apart. So does one where nobody could look.
    """
    view, shown = layout.view.lvm, {vg.uuid.replace("-", "") for vg in layout.lvm.vgs}
    # 'LVM-', the VG's uuid, the LV's, and for a hidden part of an LV a suffix.
    mapped = () if isinstance(view.dm, NoView) else view.dm
    of_vg = {each.name for each in mapped if each.uuid.startswith("LVM-") and each.uuid[4:36] in shown}
    blind = next((each for each in (view.devices, view.dm) if isinstance(each, NoView)), None)
    blocks = () if isinstance(view.devices, NoView) or blind else view.devices
    pvs = {pv.name for pv in layout.lvm.pvs if pv.vg}
    for replica in replicas_of(layout.view):
        device, slot = f"drbd{replica.minor}", (replica.resource, replica.number)
        paths = {*replica.device_paths, *(path for disk in replica.disks for path in disk.paths)}
        users = frozenset[int]().union(*(owners.get(path, frozenset()) for path in replica.device_paths))
        is_mounted = any(each.kernel_name == device and each.mounts for each in blocks)
        if users or is_mounted or blind or not pvs & paths:
            whole = device_use(slot, _size_b(layout.view, device), min(users, default=None))
            yield slot, replace(whole, places=blind) if blind else whole
        for each in blocks:
            if device in each.parents and each.name not in of_vg:
                name = f"{slot[0]}/{slot[1]}: {each.name}"
                owner = min(owners.get(f"/dev/{each.name}", ()), default=None)
                yield slot, Use(name, name, owner, each.size_b, {slot: WHOLE})


def device_use(slot: Slot, size_b: int = 0, vmid: int | None = None) -> Use:
    """All of a DRBD volume as one use."""
    name = f"{slot[0]}/{slot[1]}"
    return Use(name, name, vmid, size_b, {slot: WHOLE})


def metadata_of_vg(layout: Layout, vg: str) -> Places:
    """Where the VG's own metadata lies: before the first extent of each PV."""
    return {
        layout.above[pv.name]: ((0, -(-pv.pe_start_b // _KIB)),)
        for pv in layout.lvm.pvs
        if pv.vg == vg and pv.name in layout.above
    }


def _places(layout: Layout, lv: LogicalVolume, depth: int = 0) -> Places | NoView:
    """Where the LV lies; what is on a PV that is not on DRBD is left out."""
    found: dict[Slot, list[Range]] = {}
    for part in lv.segments:
        area = _area(layout, lv, part, depth)
        if isinstance(area, NoView):
            return area
        for slot, ranges in area.items():
            found.setdefault(slot, []).extend(ranges)
    return {slot: tuple(_joined(ranges)) for slot, ranges in found.items()}


def _area(layout: Layout, lv: LogicalVolume, part: Segment, depth: int) -> Places | NoView:
    slot = layout.above.get(part.pv)
    if slot is not None:
        start_b = layout.pe_start_b[part.pv] + part.first * layout.extent_b[lv.vg]
        end_b = start_b + part.extents * layout.extent_b[lv.vg]
        return {slot: ((start_b // _KIB, -(-end_b // _KIB)),)}
    if part.pv.startswith("/") and part.pv not in layout.below:
        return {}
    other = layout.lvs.get((lv.vg, part.pv))
    if other is None or depth >= _DEPTH:
        return _untold(layout, lv.name, f"LVM does not tell where a {lv.segment_type} LV lies")
    return _places(layout, other, depth + 1)


def _orphan_places(layout: Layout, orphan: DmDevice) -> Places | NoView:
    tables = layout.view.lvm.tables
    targets = () if isinstance(tables, NoView) else tables.get(orphan.name, ())
    found: dict[Slot, list[Range]] = {}
    for target in targets:
        major, minor = target.device or (0, 0)
        slot = layout.minors.get(minor) if major == DRBD_MAJOR else None
        if slot is None:
            return _untold(layout, orphan.name, f"its table leads to {major}:{minor}, which is not a DRBD device")
        first, end = target.offset, target.offset + target.sectors
        found.setdefault(slot, []).append((first // _SECTORS_PER_KIB, -(-end // _SECTORS_PER_KIB)))
    if not found:
        return _untold(layout, orphan.name, "its table was not read")
    return {slot: tuple(_joined(ranges)) for slot, ranges in found.items()}


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """`ranges` in order and apart."""
    last: Range | None = None
    for first, end in sorted(ranges):
        if last is not None and first <= last[1]:
            last = (last[0], max(last[1], end))
        else:
            if last is not None:
                yield last
            last = (first, end)
    if last is not None:
        yield last


def _untold(layout: Layout, subject: str, why: str) -> NoView:
    return NoView(layout.view.node, subject, why)


def _size_b(view: NodeAccount, name: str) -> int:
    blocks = () if isinstance(view.lvm.devices, NoView) else view.lvm.devices
    return next((each.size_b for each in blocks if each.name == name), 0)
