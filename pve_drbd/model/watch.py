"""What a node remembers of its links: when each was lost, what was active then, what was last seen of the peer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pve_drbd.model.survey import NoView

_STEP_S = 1.5
"""More than a leap second. Slewing moves both clocks alike; only a step moves one against the other."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by one node's clocks: the epoch's seconds, and those of the monotonic clock of boot `boot_id`."""

    seen_at: float
    monotonic_s: float
    boot_id: str

    def seen_at_by(self, now: Moment) -> float | NoView:
        """`seen_at` by the clock as it stands `now`; a NoView if it was stepped in between, or may have been."""
        if self.boot_id != now.boot_id:
            return NoView("", "the time of the loss", "the node was booted since, and its clock may have been set")
        step_s = (now.seen_at - self.seen_at) - (now.monotonic_s - self.monotonic_s)
        if abs(step_s) > _STEP_S:
            return NoView("", "the time of the loss", f"the clock was set by {step_s:+.0f} s since")
        return self.seen_at


@dataclass(frozen=True, slots=True)
class ActiveLv:
    """An LV that is active on a node: its uuids without dashes, 'VG/LV', and its device's write counters since boot."""

    vg_uuid: str
    lv_uuid: str
    name: str
    writes: int
    sectors_written: int


@dataclass(frozen=True, slots=True)
class PeerLvs:
    """The LVs that `node` said were active there, at `seen` by our own clock; (VG uuid, LV uuid, 'VG/LV')."""

    node: str
    seen: Moment
    lvs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """A link that is not, or not yet again, whole.

    `peer` is '' on 8.4, whose events do not name it. `lost` is when it left Connected, if we `saw` that; else it was
    found lost then, and left Connected some time before. `active` are this node's own LVs at that moment: read some
    milliseconds after the event, so writes that the loss itself released may be counted already. Equal counters since
    then say nothing of those; DRBD's out-of-sync has them.
    """

    resource: str
    peer: str
    lost: Moment
    saw: bool
    active: tuple[ActiveLv, ...] | NoView
    peer_active: PeerLvs | NoView


@dataclass(frozen=True, slots=True)
class WatchState:
    """All that is remembered: losses by (resource, peer), peers by name. Empty is a state like any other."""

    losses: Mapping[tuple[str, str], Loss] = field(default_factory=dict)
    peers: Mapping[str, PeerLvs] = field(default_factory=dict)
