"""First assignments: several orders of the guests and several tastes in pools, of which the best is kept.

One order alone can be far off where space is tight (the largest first waste little, the costliest first hurt few), so
they compete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pve_drbd.planner.ledger import Choice, Ledger, Vector

_PARTS = 1 << 20

Rank = tuple[int, ...]
Order = Callable[[Ledger, int], Rank]
"""Ranks guests: the least goes first."""
Taste = Callable[[Ledger, Vector, Vector], Rank]
"""Ranks an option by its amounts and by the sums with it: the least is taken."""


def first_choice(ledger: Ledger) -> Choice:
    """The best of all greedy choices; where none fits, the one that overdraws least."""
    return min(_choices(ledger), key=lambda choice: _merit(ledger, choice))


def _merit(ledger: Ledger, choice: Choice) -> tuple[Rank, Choice]:
    sums = ledger.loads(choice)
    makespan = max((sums[row] for row in ledger.channels), default=0)
    return (_overdraft(ledger, sums), sums[ledger.downtime[0]], makespan, sums[ledger.leaving[0]]), choice


def _choices(ledger: Ledger) -> Iterator[Choice]:
    for order in _ORDERS:
        ranked = sorted(range(len(ledger.guests)), key=lambda guest: (order(ledger, guest), guest))
        for taste in _TASTES:
            yield _choose(ledger, ranked, taste)


def _choose(ledger: Ledger, ranked: Sequence[int], taste: Taste) -> Choice:
    """Each guest in turn takes, of the options that overdraw least, the one that tastes best."""
    sums: Vector = (0,) * len(ledger.limits)
    choice = [0] * len(ranked)
    for guest in ranked:
        best: tuple[Rank, int, Vector] | None = None
        for index, vector in ledger.guests[guest]:
            after = tuple(map(int.__add__, sums, vector))
            rank = (_overdraft(ledger, after), vector[ledger.downtime[0]], *taste(ledger, vector, after))
            if best is None or rank < best[0]:
                best = rank, index, after
        if best is not None:
            _, choice[guest], sums = best
    return tuple(choice)


def _overdraft(ledger: Ledger, sums: Vector) -> int:
    """In parts of each pool: amounts of different pools do not add up."""
    return sum(
        (used - free) * _PARTS // (free + 1) for used, free in zip(sums, ledger.limits, strict=True) if used > free
    )


def _largest(ledger: Ledger, guest: int) -> Rank:
    return (-_room(ledger, guest),)


def _costliest(ledger: Ledger, guest: int) -> Rank:
    return (-_at_stake(ledger, guest), -_room(ledger, guest))


def _costliest_for_its_room(ledger: Ledger, guest: int) -> Rank:
    return (-_at_stake(ledger, guest) * _PARTS // (_room(ledger, guest) + 1),)


def _fewest_ways(ledger: Ledger, guest: int) -> Rank:
    row = ledger.downtime[0]
    least = min(vector[row] for _, vector in ledger.guests[guest])
    return (sum(vector[row] == least for _, vector in ledger.guests[guest]), -_room(ledger, guest))


def _room(ledger: Ledger, guest: int) -> int:
    """The most that a guest may take of any pool, in parts of it."""
    pools = list(enumerate(ledger.limits[: len(ledger.pools)]))
    return max((vector[p] * _PARTS // (free + 1) for _, vector in ledger.guests[guest] for p, free in pools), default=0)


def _at_stake(ledger: Ledger, guest: int) -> int:
    """What the worst place costs more than the best."""
    amounts = [vector[ledger.downtime[0]] for _, vector in ledger.guests[guest]]
    return max(amounts) - min(amounts)


def _soonest_done(ledger: Ledger, vector: Vector, after: Vector) -> Rank:
    return (max((after[row] for row in ledger.channels if vector[row]), default=0), vector[ledger.leaving[0]])


def _emptiest(ledger: Ledger, vector: Vector, after: Vector) -> Rank:
    return (_fullness(ledger, vector, after),)


def _fullest(ledger: Ledger, vector: Vector, after: Vector) -> Rank:
    return (-_fullness(ledger, vector, after),)


def _fullness(ledger: Ledger, vector: Vector, after: Vector) -> int:
    """The fullest of the pools it takes from, in parts."""
    pools = range(len(ledger.pools))
    return max((after[pool] * _PARTS // (ledger.limits[pool] + 1) for pool in pools if vector[pool]), default=0)


_ORDERS: tuple[Order, ...] = (_largest, _costliest, _costliest_for_its_room, _fewest_ways)
_TASTES: tuple[Taste, ...] = (_soonest_done, _emptiest, _fullest)
