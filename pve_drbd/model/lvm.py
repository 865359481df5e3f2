"""LVM's and the device mapper's words: PVs, VGs, LVs, filters and block devices of one node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of an LV: `extents` physical extents of PV `pv`, from physical extent `first` on.

    `start` is the first logical extent of the LV that it serves. A PV LVM cannot see is '[unknown]'. A segment on
    another LV (RAID, pools) has that LV's name here, without a slash; one on nothing (a thin volume) has ''.
    """

    start: int
    pv: str
    first: int
    extents: int


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """One LV with its segments in logical order.

    `is_open` is None where LVM does not know (inactive). `device` is (major, minor) while active, else None.
    `made_on` and `made_at` are the node and local time at which it was created (lv_host, lv_time). A hidden LV's name
    stands in [brackets]. `segment_type` names each type once, in logical order, with commas between them.
    """

    uuid: str
    vg: str
    name: str
    size_b: int
    attributes: str
    is_active: bool
    is_open: bool | None
    health: str
    made_on: str
    made_at: str
    tags: tuple[str, ...]
    segment_type: str
    segments: tuple[Segment, ...]
    device: tuple[int, int] | None

    @property
    def is_partial(self) -> bool:
        """A part of it lies on a PV that LVM cannot see."""
        return self.health == "partial" or self.attributes[8:9] == "p"

    @property
    def has_stale_table(self) -> bool:
        """The kernel's table does not match the metadata (`X` in lv_attr): resized or moved from elsewhere."""
        return "X" in self.attributes


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """One VG; `pvs` are the PV names in LVM's order."""

    uuid: str
    name: str
    seqno: int
    attributes: str
    size_b: int
    free_b: int
    extent_size_b: int
    missing_pvs: int
    pvs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhysicalVolume:
    """One PV; `vg` is '' while it belongs to none, `pe_start_b` the offset of its first extent."""

    uuid: str
    name: str
    vg: str
    size_b: int
    free_b: int
    attributes: str
    is_missing: bool
    is_duplicate: bool
    pe_start_b: int


@dataclass(frozen=True, slots=True)
class Lvm:
    """`lvs`, `vgs` and `pvs` of one node, checked against each other and found whole."""

    lvs: tuple[LogicalVolume, ...]
    vgs: tuple[VolumeGroup, ...]
    pvs: tuple[PhysicalVolume, ...]

    def vg(self, name: str) -> VolumeGroup | None:
        """The VG called `name`, None if this node's LVM does not show it."""
        return next((each for each in self.vgs if each.name == name), None)

    def lv(self, vg: str, name: str) -> LogicalVolume | None:
        """The LV `name` of `vg`, None if this node's LVM does not show it."""
        return next((each for each in self.lvs if each.vg == vg and each.name == name), None)


@dataclass(frozen=True, slots=True)
class FilterRule:
    """One entry of an LVM filter: accept or reject the paths in which `pattern` is found."""

    is_accept: bool
    pattern: str


@dataclass(frozen=True, slots=True)
class LvmFilters:
    """The settings that decide which devices LVM sees."""

    filter: tuple[FilterRule, ...]
    global_filter: tuple[FilterRule, ...]
    has_devices_file: bool


@dataclass(frozen=True, slots=True)
class DmDevice:
    """One device-mapper device; an LVM one has a `uuid` of 'LVM-' + VG uuid + LV uuid without dashes."""

    name: str
    major: int
    minor: int
    open_count: int
    uuid: str

    @property
    def lv_key(self) -> tuple[str, str] | None:
        """(VG uuid, LV uuid), both without dashes; None for a device that is not a plain LV."""
        body = self.uuid.removeprefix("LVM-")
        return (body[:32], body[32:]) if self.uuid.startswith("LVM-") and len(body) == 64 else None


@dataclass(frozen=True, slots=True)
class DmTarget:
    """One stretch of a device-mapper table: `sectors` of 512 bytes on `device` from `offset` on.

    `device` is None where the stretch is not linear (striped, thin, ...): where it lies is not told here.
    """

    start: int
    sectors: int
    device: tuple[int, int] | None
    offset: int


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One block device of `lsblk`; `parents` are kernel names, several for a device on top of several."""

    name: str
    kernel_name: str
    parents: tuple[str, ...]
    major: int
    minor: int
    type: str
    size_b: int
    filesystem: str
    mounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiskCounters:
    """/proc/diskstats of one device since boot: completed writes and sectors of 512 bytes written."""

    writes: int
    sectors_written: int


DiskStats = Mapping[tuple[int, int], DiskCounters]
"""(major, minor) to counters."""
