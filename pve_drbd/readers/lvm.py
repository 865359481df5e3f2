"""`lvs`, `vgs` and `pvs` in JSON, one row per segment or PV; read_filters stands here for its callers.

Formats: lvm2 lib/report/report.c and columns.h; lib/metadata/lv.c (lv_attr_dup_with_info_and_seg_status,
_format_pvsegs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pve_drbd.model.lvm import LogicalVolume, Lvm, PhysicalVolume, Segment, VolumeGroup
from pve_drbd.readers.fields import Odd, shown
from pve_drbd.readers.lvm_filters import read_filters
from pve_drbd.readers.lvm_rows import AREA, LV_FIELDS, VG_FIELDS, Report, Row, lv_report, pv_report, vg_report
from pve_drbd.readers.lvm_whole import check_whole, is_physical

__all__ = ["read_filters", "read_lvm"]

_SEGMENT_FIELDS = frozenset({"segtype", "seg_start_pe", "seg_pe_ranges", "devices"})


def read_lvm(lvs: str, vgs: str, pvs: str) -> Lvm:
    """What LVM of one node shows, read from the three reports together.

    Sorted by VG and name; a hidden LV keeps its [brackets]. Raises Unreadable unless the three account for each other:
    every extent of every PV is either free or stands in exactly one segment, and no row is there twice or missing.
    """
    groups = _volume_groups(vg_report(vgs))
    volumes = _physical_volumes(pv_report(pvs))
    extents = {group.name: group.extent_size_b for group in groups}
    logical = _logical_volumes(lv_report(lvs), extents)
    found = Lvm(logical, groups, volumes)
    check_whole(found)
    return found


def _volume_groups(report: Report) -> tuple[VolumeGroup, ...]:
    found: dict[str, tuple[Row, list[str]]] = {}
    for index, row in enumerate(report.rows):
        first, names = found.setdefault(row["vg_name"], (row, []))
        odd = next((key for key in VG_FIELDS if key != "pv_name" and row[key] != first[key]), None)
        if odd:
            raise report.refusal(index, f"{odd} of VG {row['vg_name']} differs from its other rows")
        names.append(row["pv_name"])
    return tuple(_volume_group(row, tuple(names)) for _, (row, names) in sorted(found.items()))


def _volume_group(row: Row, pvs: tuple[str, ...]) -> VolumeGroup:
    return VolumeGroup(
        uuid=row["vg_uuid"],
        name=row["vg_name"],
        seqno=int(row["vg_seqno"]),
        attributes=row["vg_attr"],
        size_b=int(row["vg_size"]),
        free_b=int(row["vg_free"]),
        extent_size_b=int(row["vg_extent_size"]),
        missing_pvs=int(row["vg_missing_pv_count"]),
        pvs=pvs,
    )


def _physical_volumes(report: Report) -> tuple[PhysicalVolume, ...]:
    found = []
    for index, row in enumerate(report.rows):
        pv = PhysicalVolume(
            uuid=row["pv_uuid"],
            name=row["pv_name"],
            vg=row["vg_name"],
            size_b=int(row["pv_size"]),
            free_b=int(row["pv_free"]),
            attributes=row["pv_attr"],
            is_missing=row["pv_missing"] != "",
            is_duplicate=row["pv_duplicate"] != "",
            pe_start_b=int(row["pe_start"]),
        )
        if (pv.attributes[2] == "m") is not pv.is_missing or (pv.attributes[0] == "d") is not pv.is_duplicate:
            raise report.refusal(index, f"pv_attr {pv.attributes} does not agree with pv_missing and pv_duplicate")
        found.append(pv)
    return tuple(sorted(found, key=lambda pv: (pv.name, pv.uuid)))


def _logical_volumes(report: Report, extents: Mapping[str, int]) -> tuple[LogicalVolume, ...]:
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for index, row in enumerate(report.rows):
        found.setdefault((row["vg_name"], row["lv_uuid"]), []).append((int(row["seg_start_pe"]), index))
    return tuple(
        sorted((_logical_volume(report, sorted(at), extents) for at in found.values()), key=lambda lv: (lv.vg, lv.name))
    )


def _logical_volume(report: Report, at: list[tuple[int, int]], extents: Mapping[str, int]) -> LogicalVolume:
    """The LV whose segments stand in the rows `at`: (first logical extent, row) each, in order."""
    index = at[0][1]
    row = report.rows[index]
    segments: list[Segment] = []
    try:
        size = _size_in_extents(row, extents)
        starts = [start for start, _ in at]
        if starts[0] != 0:
            raise Odd("its first segment is missing")
        for (start, index), end in zip(at, [*starts[1:], size], strict=True):
            _check_same_lv(report.rows[index], row)
            segments.extend(_segments(report.rows[index], start, end - start))
        _check_state(row)
    except Odd as err:
        raise report.refusal(index, f"LV {row['vg_name']}/{row['lv_name']}: {err}") from err
    return LogicalVolume(
        uuid=row["lv_uuid"],
        vg=row["vg_name"],
        name=row["lv_name"],
        size_b=int(row["lv_size"]),
        attributes=row["lv_attr"],
        is_active=row["lv_active"] != "",
        is_open=None if row["lv_device_open"] == "unknown" else row["lv_device_open"] == "open",
        health=row["lv_health_status"],
        made_on=row["lv_host"],
        made_at=row["lv_time"],
        tags=tuple(row["lv_tags"].split(",")) if row["lv_tags"] else (),
        segment_type=",".join(dict.fromkeys(report.rows[index]["segtype"] for _, index in at)),
        segments=tuple(segments),
        device=_device(row),
    )


def _size_in_extents(row: Row, extents: Mapping[str, int]) -> int:
    if row["vg_name"] not in extents:
        raise Odd("vgs does not show its VG")
    size, rest = divmod(int(row["lv_size"]), extents[row["vg_name"]])
    if rest:
        raise Odd("its size is not a whole number of extents")
    return size


def _check_same_lv(row: Row, first: Row) -> None:
    odd = next((key for key in LV_FIELDS if key not in _SEGMENT_FIELDS and row[key] != first[key]), None)
    if odd:
        raise Odd(f"{odd} differs from its other rows")


def _check_state(row: Row) -> None:
    """The columns that say the same thing twice agree.

    An LV that has layers (thin, cache, snapshot, ...) is asked for another device in one column than in the next, so of
    those only the pair of device numbers is held against each other.
    """
    attributes, is_active, device = row["lv_attr"], row["lv_active"] != "", _device(row)
    if (attributes[8] == "p") is not (row["lv_health_status"] == "partial"):
        raise Odd("lv_attr and lv_health_status do not agree")
    if attributes[0] != "-":
        return
    if is_active is not (device is not None) or is_active is (row["lv_device_open"] == "unknown"):
        raise Odd("lv_active, lv_device_open and the device number do not agree")
    if attributes[4] != "X" and is_active is (attributes[4] == "-"):
        raise Odd("lv_attr and lv_active do not agree")
    if attributes[5] != "X" and (attributes[5] == "o") is not (row["lv_device_open"] == "open"):
        raise Odd("lv_attr and lv_device_open do not agree")


def _device(row: Row) -> tuple[int, int] | None:
    major, minor = int(row["lv_kernel_major"]), int(row["lv_kernel_minor"])
    if (major < 0) is not (minor < 0):
        raise Odd(f"its device number is {major}:{minor}")
    return (major, minor) if major >= 0 else None


def _segments(row: Row, start: int, length: int) -> Iterator[Segment]:
    """The areas of one row, which serves `length` logical extents from `start` on.

    Physical areas must add up to it: one after the other (striped over several PVs they share it), or each of them for
    itself in a mirror. An area on another LV is as long as that LV, which says nothing.
    """
    areas = _areas(row)
    if length <= 0:
        raise Odd("its segments do not fit its size")
    kind, counts = row["segtype"], [count for _, _, count in areas]
    if areas and all(is_physical(name) for name, _, _ in areas):
        is_whole = set(counts) == {length} if kind == "mirror" else sum(counts) == length
        if kind in ("linear", "striped", "mirror") and not is_whole:
            raise Odd(f"{row['seg_pe_ranges']} are not {length} extents")
    if (kind == "linear" and len(areas) != 1) or (kind == "striped" and len(areas) < 2):
        raise Odd(f"a {kind} segment on {len(areas)} areas")
    for name, first, count in areas or [("", 0, 0)]:
        yield Segment(start, name, first, count)


def _areas(row: Row) -> list[tuple[str, int, int]]:
    """Name, first extent and number of extents of each PV or LV below one row; none for a thin volume."""
    found = []
    for word in row["seg_pe_ranges"].split():
        match = AREA.fullmatch(word)
        if match is None or int(match[3]) < int(match[2]):
            raise Odd(f"seg_pe_ranges holds {shown(word)}")
        found.append((match[1], int(match[2]), int(match[3]) - int(match[2]) + 1))
    if row["devices"] != ",".join(f"{name}({first})" for name, first, _ in found):
        raise Odd("devices and seg_pe_ranges do not agree")
    return found
