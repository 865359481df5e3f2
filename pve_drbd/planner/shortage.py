"""When nothing fits: what is short, by how much, and the least that would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pve_drbd.model.plan import Infeasible, Shortfall
from pve_drbd.planner.fit import Fit
from pve_drbd.planner.greedy import first_choice
from pve_drbd.planner.ledger import Choice, Ledger, vector_of
from pve_drbd.planner.levels import Best, is_small, lowest, place

_STAGES = 2

Addition = tuple[Shortfall, ...]


def explain_shortage(ledger: Ledger, unplaceable: tuple[int, ...], placed: Fit) -> Infeasible:
    """Why the guests of the ledger and the `unplaceable` cannot all be saved; `placed` is how far placing them came."""
    if placed.choice is not None:
        return Infeasible(unplaceable, (), (), True)
    singles = [(addition, is_least) for addition, is_least in _single_additions(ledger)]
    found = singles or [_combined_addition(ledger)]
    additions = tuple(sorted((addition for addition, _ in found), key=_size))
    is_proven = bool(unplaceable) or placed.is_final
    return Infeasible(unplaceable, additions[0], additions, is_proven and all(is_least for _, is_least in found))


def _size(addition: Addition) -> tuple[int, str]:
    return sum(part.short_by for part in addition), addition[0].pool


def _single_additions(ledger: Ledger) -> Iterator[tuple[Addition, bool]]:
    """For each pool that could make all fit by itself, the least that must be added to it."""
    for row in range(len(ledger.pools)):
        wider = ledger.limited((row,), ledger.most()[row])
        placed = place(wider, first_choice(wider))
        if placed.choice is not None:
            best = lowest(wider, (row,), placed.choice, _STAGES)
            yield _overdrawn(ledger, best.choice), best.is_proven


def _combined_addition(ledger: Ledger) -> tuple[Addition, bool]:
    """What must be added to several pools; of several ways that cannot be reduced the one with the smallest sum.

    Each way brings the pools down one after the other, in a different order, each as far as the earlier ones allow.
    """
    rows = range(len(ledger.pools))
    orders = [(*rows[first:], *rows[:first]) for first in (rows if is_small(ledger) else rows[:1])]
    ways = [_reduced(ledger, order) for order in orders]
    best = min(ways, key=lambda way: _size(_overdrawn(ledger, way.choice)))
    return _overdrawn(ledger, best.choice), all(way.is_proven for way in ways)


def _reduced(ledger: Ledger, order: Sequence[int]) -> Best:
    wider = ledger
    for row, top in enumerate(ledger.most()[: len(ledger.pools)]):
        wider = wider.limited((row,), top)
    choice, is_proven = first_choice(wider), True
    for row in order:
        best = lowest(wider, (row,), choice, _STAGES, floor=ledger.limits[row])
        choice, is_proven = best.choice, is_proven and best.is_proven
        wider = wider.limited((row,), max(ledger.limits[row], ledger.value((row,), choice)))
    return Best(choice, is_proven)


def _overdrawn(ledger: Ledger, choice: Choice) -> Addition:
    """What the choice takes beyond each pool's free amount, a debt from before included."""
    sums = ledger.loads(choice)
    vectors = [vector_of(options, index) for options, index in zip(ledger.guests, choice, strict=True)]
    return tuple(
        Shortfall(
            pool=pool.name,
            unit=pool.unit,
            short_by=sums[row] - pool.free,
            vmids=tuple(vmid for vmid, vector in zip(ledger.vmids, vectors, strict=True) if vector[row]),
        )
        for row, pool in enumerate(ledger.pools)
        if sums[row] > ledger.limits[row]
    )
