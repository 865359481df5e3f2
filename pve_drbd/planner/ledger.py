"""Candidates as rows of whole numbers: the form in which the search adds, compares and bounds them.

Every candidate becomes one vector over the same rows: what it takes from each pool, its work on each channel, its
weighted downtime, and 1 if the guest leaves its node. Every question of the search is then one of limits on sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pve_drbd.model.plan import Candidate, Evacuee, Pool

Vector = tuple[int, ...]
Options = tuple[tuple[int, Vector], ...]
"""What a guest may choose from: candidate index and amounts per row, in the order of the index."""
Choice = tuple[int, ...]
"""A candidate index per guest, in the order of the vmid."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Guests in vmid order, pools by name: the same problem whatever the order it was given in.

    `limits` of rows other than pools start at what can never be exceeded. `downtime`, `channels` and `leaving` name the
    rows whose largest sum is each objective's value.
    """

    vmids: tuple[int, ...]
    guests: tuple[Options, ...]
    pools: tuple[Pool, ...]
    limits: Vector
    channels: tuple[int, ...]
    downtime: tuple[int, ...]
    leaving: tuple[int, ...]

    def limited(self, rows: Sequence[int], cap: int) -> Ledger:
        """The same with `cap` as the limit of some rows."""
        return replace(self, limits=capped(self.limits, rows, cap))

    def loads(self, choice: Sequence[int]) -> Vector:
        """The sums of all rows."""
        return total(
            (vector_of(options, index) for options, index in zip(self.guests, choice, strict=True)), self.limits
        )

    def value(self, goals: Sequence[int], choice: Sequence[int]) -> int:
        """The largest sum of the rows `goals`."""
        sums = self.loads(choice)
        return max((sums[row] for row in goals), default=0)

    def most(self) -> Vector:
        """The sums if every guest took the most of every row."""
        tops = (tuple(map(max, zip(*(vector for _, vector in options), strict=True))) for options in self.guests)
        return total(tops, self.limits)

    def fits(self, choice: Sequence[int]) -> bool:
        """No row above its limit."""
        return all(map(int.__le__, self.loads(choice), self.limits))


def open_ledger(evacuees: Iterable[Evacuee], pools: Iterable[Pool]) -> Ledger:
    """The ledger of guests that have candidates, each without those that another one makes pointless."""
    by_vmid = sorted(evacuees, key=lambda evacuee: evacuee.vmid)
    by_name = _all_pools(by_vmid, pools)
    channels = sorted({name for evacuee in by_vmid for each in evacuee.candidates for name in each.work})
    guests = tuple(
        _worthwhile([_vector(each, evacuee.priority, by_name, channels) for each in evacuee.candidates])
        for evacuee in by_vmid
    )
    first, last = len(by_name), len(by_name) + len(channels)
    ledger = Ledger(
        vmids=tuple(evacuee.vmid for evacuee in by_vmid),
        guests=guests,
        pools=by_name,
        limits=(0,) * (last + 2),
        channels=tuple(range(first, last)),
        downtime=(last,),
        leaving=(last + 1,),
    )
    # A pool overdrawn before the evacuation must not rule out the guests that take nothing from it.
    free = (max(0, pool.free) for pool in by_name)
    return replace(ledger, limits=(*free, *ledger.most()[first:]))


def _all_pools(evacuees: Sequence[Evacuee], pools: Iterable[Pool]) -> tuple[Pool, ...]:
    """By name; a pool that a candidate takes from but nobody has measured has nothing free."""
    used = sorted({name for evacuee in evacuees for each in evacuee.candidates for name in each.uses})
    known = {name: Pool(name, "MiB", 0) for name in used} | {pool.name: pool for pool in pools}
    return tuple(known[name] for name in sorted(known))


def _vector(candidate: Candidate, priority: int, pools: Sequence[Pool], channels: Sequence[str]) -> Vector:
    return (
        *(candidate.uses.get(pool.name, 0) for pool in pools),
        *(candidate.work.get(channel, 0) for channel in channels),
        priority * candidate.downtime_s,
        int(candidate.leaves_node),
    )


def _worthwhile(vectors: Sequence[Vector]) -> Options:
    """Without those for which an earlier candidate asks no more in any row: no optimum ever needs them."""
    return tuple(
        (index, vector)
        for index, vector in enumerate(vectors)
        if not any(all(map(int.__le__, earlier, vector)) for earlier in vectors[:index])
    )


def vector_of(options: Options, index: int) -> Vector:
    """The amounts of the candidate `index`."""
    return next(vector for at, vector in options if at == index)


def total(vectors: Iterable[Vector], like: Vector) -> Vector:
    """Sums per row; zeros, as many as `like` has, for no vectors."""
    sums = tuple(map(sum, zip(*vectors, strict=True)))
    return sums or (0,) * len(like)


def capped(limits: Vector, rows: Sequence[int], cap: int) -> Vector:
    """The limits with `cap` in some rows."""
    return tuple(cap if row in rows else limit for row, limit in enumerate(limits))
