"""An evacuation plan's words: what changed where, who survives, how each guest is saved, and the steps.

Sizes are MiB and times seconds, whole numbers, so that the same survey gives the same plan everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pve_drbd.model.plan import Candidate, Pool, Shortfall


class Change(Enum):
    """What is known of one LV on one side since the link was last known good."""

    UNCHANGED = "unchanged"
    NOT_RUN_HERE = "not run here"
    CHANGED = "changed"
    UNKNOWN = "unknown"

    @property
    def has_nothing_to_lose(self) -> bool:
        """Discarding this side loses nothing of the LV."""
        return self in (Change.UNCHANGED, Change.NOT_RUN_HERE)


class Method(Enum):
    """How a guest, or its data, gets through the discard of its side."""

    KEEP = "keep"
    MOVE_DISK = "move-disk"
    MOVE_AND_MIGRATE = "move-and-migrate"
    SHUTDOWN_MOVE = "shutdown-move"
    MERGE = "merge"
    BACKUP_RESTORE = "backup-restore"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class DirtyMap:
    """Which KiB of one DRBD volume one side has changed, as far as metadata and activity log tell.

    `extents` are half-open runs (first KiB, KiB after the last), an upper bound: bits of the dumped bitmap and hot
    activity-log extents together, or the bits alone where they are known to be all. `bitmap_kib` is what the bitmap
    alone holds, a lower bound, on `bitmap_extents`.
    """

    extents: tuple[tuple[int, int], ...]
    bitmap_kib: int
    bitmap_extents: tuple[tuple[int, int], ...] = ()


class Twin(Enum):
    """How an LV stands to what the other side has; none of them where both have the same LV in the same place."""

    UNSEEN = "the other side's volume group is not seen"
    ALONE = "only one side has it"
    RESIZED = "its size differs"
    MOVED = "it lies on other extents"
    SAME_NAME = "another LV has its name on the other side"
    SAME_EXTENTS = "another LV has extents of it on the other side"


@dataclass(frozen=True, slots=True)
class VolumeChange:
    """One LV, or what is left of one, of a VG on a split resource; `evidence` says per node what the answer rests on.

    `exists_on` are the nodes whose LVM shows it, under this uuid. `vmid` is None for an LV of no guest. `changed_mib`
    is the most that can have changed. Another use of a DRBD device has no `vg`, and no uuid; `resources` are below it.
    """

    vg: str
    lv: str
    lv_uuid: str
    vmid: int | None
    size_mib: int
    exists_on: tuple[str, ...]
    per_side: Mapping[str, Change]
    evidence: Mapping[str, str]
    changed_mib: Mapping[str, int]
    resources: tuple[str, ...] = ()
    twins: tuple[Twin, ...] = ()


@dataclass(frozen=True, slots=True)
class VgChange:
    """Did one side change a VG's own metadata (made, removed, resized LVs): what stands before the first extent.

    It is no loss by itself. Changed on both sides, the two VGs have grown apart, and the discard takes one of them.
    """

    vg: str
    per_side: Mapping[str, Change]
    evidence: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rates:
    """What the estimates rest on, in MiB/s and s; measured where possible, else these careful defaults.

    Defaults: a gigabit link (facts: LINBIT's guide reckons with a third for resync), SATA disks, vzdump with zstd.
    """

    link_mib_s: int = 100
    disk_read_mib_s: int = 150
    disk_write_mib_s: int = 120
    backup_mib_s: int = 80
    restore_mib_s: int = 80
    guest_stop_s: int = 60
    guest_start_s: int = 30


@dataclass(frozen=True, slots=True)
class StorageStatus:
    """One storage on one node: `free_mib` of it now, and what it may hold."""

    storeid: str
    node: str
    type: str
    is_active: bool
    is_shared: bool
    free_mib: int
    content: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node's memory."""

    node: str
    memory_free_mib: int
    memory_total_mib: int


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator decided on the command line.

    `survivors` maps a resource, or '' for every one, to its survivor; `sides` a guest to the side whose copy counts.
    """

    survivors: Mapping[str, str] = field(default_factory=dict)
    priorities: Mapping[int, int] = field(default_factory=dict)
    abandoned: frozenset[int] = frozenset()
    sides: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A method that cannot save the guest, and why."""

    method: str
    target: str
    why: str


@dataclass(frozen=True, slots=True)
class GuestPlan:
    """How one guest gets through; `chosen` is the index of its candidate, None where nothing fits."""

    vmid: int
    kind: str
    name: str
    node: str
    priority: int
    reason: str
    chosen: int | None
    candidates: tuple[Candidate, ...]
    ruled_out: tuple[RuledOut, ...]
    is_running: bool = False

    @property
    def choice(self) -> Candidate | None:
        """The chosen candidate."""
        return None if self.chosen is None else self.candidates[self.chosen]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the discard of one side would cost; `is_feasible` is false where it cannot be done at all."""

    weighted_downtime_s: int
    makespan_s: int
    is_feasible: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Resources that must go the same way, and the side that survives in all of them."""

    resources: tuple[str, ...]
    vgs: tuple[str, ...]
    survivor: str
    victim: str
    why: str
    evidence: Mapping[str, Mapping[str, str]]
    cost_if_victim: Mapping[str, Cost]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `shown` is the exact command or API call; `pre` and `post` are conditions: (kind, subject, value).

    `needs` are the ids of steps that must be done before. One with `is_no_return` destroys something.
    """

    id: str
    action: str
    node: str
    args: Mapping[str, str]
    needs: tuple[str, ...]
    pre: tuple[tuple[str, str, str], ...]
    post: tuple[tuple[str, str, str], ...]
    is_repeatable: bool
    is_no_return: bool
    timeout_s: int
    estimate_s: int
    shown: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole decision with everything it rests on; each of the `additions` alone would make it fit.

    `unknown` are the resources of which nobody can tell whether they are split. An infeasible plan has no steps.
    """

    plan_id: str
    taken_at: str
    survey_digest: str
    is_feasible: bool
    groups: tuple[Group, ...]
    pools: tuple[Pool, ...]
    guests: tuple[GuestPlan, ...]
    volumes: tuple[VolumeChange, ...]
    weighted_downtime_s: int
    makespan_s: int
    additions: tuple[tuple[Shortfall, ...], ...]
    steps: tuple[Step, ...]
    rates: Rates
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
