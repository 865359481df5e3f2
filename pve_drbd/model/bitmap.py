"""DRBD's record of what a peer lacks, as it stands on the disk: the bitmap of one volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BitmapSlot:
    """What one peer lacks: half-open runs (first KiB, KiB after the last) in order and apart, with `set_kib` of bits.

    The runs cover every set bit. Where a bitmap is very ragged they also cover what lies between two set bits.
    """

    runs: tuple[tuple[int, int], ...]
    set_kib: int


@dataclass(frozen=True, slots=True)
class DumpedBitmap:
    """One volume's bitmap; `slots` maps the node id of each peer (8.x: 0) to its part.

    `size_kib` is the volume's size in whole bits, `current` its generation identifier without the role bit. A bit that
    is set in memory only lies in a hot extent of the activity log, unless that log is off; drbd-utils before 9.33 do
    not tell `is_log_off` of 8.x.
    """

    size_kib: int
    current: int
    is_log_off: bool
    slots: Mapping[int, BitmapSlot]
