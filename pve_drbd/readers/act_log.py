"""debugfs `resources/RES/volumes/N/act_log_extents`: the hot extents, whose bits may be newer in memory than on disk.

Formats: device_act_log_extents_show in drbd/drbd_debugfs.c of LINBIT/drbd and drbd-8.4 (Linux: drivers/block/drbd),
with lc_seq_printf_stats and lc_seq_dump_details of lru_cache.c: the same text in all. What leaves the log has its bits
written out before (drbd_actlog.c, al_write_transaction), as long as the log is not switched off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from heapq import merge

from pve_drbd.errors import Unreadable
from pve_drbd.model.bitmap import DumpedBitmap
from pve_drbd.model.evacuation import DirtyMap

_SOURCE = "act_log_extents"
_EXTENT_KIB = 4096

_STATS = re.compile(
    r"\tact_log: used:[0-9]{1,10}/([0-9]{1,5})(?: [a-z]{4,8}:[0-9]{1,20}){5}",
)
_TITLE = "\tnn: lc_number (new nr) refcnt "
# The title ends with a blank too many, which stands before the first line.
_LINE = re.compile(r" ?\t *([0-9]{1,5}): +(-1|[0-9]{1,10}) (?:-\"-     | *(-1|[0-9]{1,10})) +[0-9]{1,10} ")
_FREE = -1


def read_act_log_extents(text: str) -> frozenset[int]:
    """Numbers of the extents of 4 MiB that are in the activity log, or just on the way into or out of it.

    Raises Unreadable unless every slot of the log stands there once and in order; also where DRBD lists nothing, as it
    does without a disk.
    """
    lines = text.split("\n")
    if lines.pop() != "":
        raise Unreadable(_SOURCE, len(lines) + 1, "it stops within a line")
    if lines[:2] != ["v: 0", ""]:
        raise Unreadable(_SOURCE, 1, "not version 0 of the list of extents")
    stats = _STATS.fullmatch(lines[2]) if len(lines) > 2 else None
    if stats is None or lines[3:4] != [_TITLE]:
        raise Unreadable(_SOURCE, 3, "it has no list: the volume has no disk" if len(lines) == 2 else "not its title")
    if len(lines) - 4 != int(stats[1]):
        raise Unreadable(_SOURCE, len(lines), f"it has {len(lines) - 4} slots of {stats[1]}")
    found: set[int] = set()
    for slot, line in enumerate(lines[4:]):
        match = _LINE.fullmatch(line)
        if match is None or int(match[1]) != slot or line.startswith(" ") is not (slot == 0):
            raise Unreadable(_SOURCE, slot + 5, f"not the line of slot {slot}")
        found.update(int(number) for number in match.groups()[1:] if number is not None)
    return frozenset(found - {_FREE})


def dirty_map(bitmap: DumpedBitmap, hot: Iterable[int], later_kib: int | None) -> DirtyMap:
    """What this side may have changed: the bits towards every peer, and all of each hot extent.

    `later_kib` is out-of-sync as told after the bitmap was read. Where the bitmap has exactly as many bits, memory has
    no other ones, and the hot extents nothing to add: DRBD writes all of the bitmap out when it loses the peer
    (drbd_receiver.c, drbd_disconnected), and from then on only sets bits, so that those on the disk are among those in
    memory. Raises Unreadable where an extent is not on the volume, or no peer has a bitmap.
    """
    slots = tuple(bitmap.slots.values())
    if not slots:
        raise Unreadable("drbdmeta dump-md", 0, "it keeps no bitmap for any peer")
    extents = sorted(set(hot))
    if extents and extents[-1] * _EXTENT_KIB >= bitmap.size_kib:
        raise Unreadable(_SOURCE, 0, f"extent {extents[-1]} is beyond the end of the volume of {bitmap.size_kib} KiB")
    whole = ((each * _EXTENT_KIB, min((each + 1) * _EXTENT_KIB, bitmap.size_kib)) for each in extents)
    bits = _joined(merge(*(slot.runs for slot in slots)))
    is_current = len(slots) == 1 and slots[0].set_kib == later_kib
    return DirtyMap(bits if is_current else _joined(merge(bits, whole)), max(slot.set_kib for slot in slots), bits)


def _joined(runs: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """`runs`, which begin in ascending order, with those that touch made one."""
    found: list[tuple[int, int]] = []
    for first, end in runs:
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return tuple(found)
