"""The planner's words: who must be evacuated, by which candidates, from which pools, and what was chosen.

Amounts are whole numbers (seconds, MiB), so that a result is exact and the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to bring a guest to safety.

    `work` is the seconds it keeps each channel busy; `uses` is what it takes from each pool, in the pool's unit.
    None of the amounts is negative.
    """

    method: str
    target: str
    downtime_s: int
    work: Mapping[str, int]
    uses: Mapping[str, int]
    leaves_node: bool


@dataclass(frozen=True, slots=True)
class Evacuee:
    """A guest that must be saved, by one of its candidates; each second of its downtime counts `priority` times."""

    vmid: int
    priority: int
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """Something finite that candidates take from: a storage's space or a node's RAM.

    `free` may be negative: overdrawn already, which concerns nobody who takes nothing from it.
    """

    name: str
    unit: str
    free: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """One candidate for every guest: `chosen` maps vmid to its index, in the order of the vmid.

    `weighted_downtime_s` is the sum of priority times downtime, `makespan_s` the largest sum of work over any channel,
    `leaving` the number of guests that leave their node. `is_proven_optimal` covers all of these and the tie-break.
    """

    chosen: Mapping[int, int]
    weighted_downtime_s: int
    makespan_s: int
    leaving: int
    is_proven_optimal: bool


@dataclass(frozen=True, slots=True)
class Shortfall:
    """By how much a pool falls short, and the guests that would take from it if it did not."""

    pool: str
    unit: str
    short_by: int
    vmids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Why there is no assignment, and what would make one.

    `unplaceable` are guests without any candidate: no space helps them. Each of the `additions` alone makes all other
    guests fit, the smallest first: one pool each, or several pools together if no single one suffices. `shortfalls` is
    the first of them. `is_proven` says that there is no assignment and that no addition can be smaller: of several
    pools, none without another growing.
    """

    unplaceable: tuple[int, ...]
    shortfalls: tuple[Shortfall, ...]
    additions: tuple[tuple[Shortfall, ...], ...]
    is_proven: bool
