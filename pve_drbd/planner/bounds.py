"""What prices prove, in whole numbers: rounding can weaken these bounds but never make them wrong.

Any prices >= 0 add all rows up to one more row that every solution keeps (a surrogate constraint, Glover 1968). With
the relaxation's prices it is the Lagrangian bound of the multiple-choice multidimensional knapsack problem.
"""

from __future__ import annotations

from collections.abc import Sequence

from pve_drbd.planner.ledger import Options, Vector

_SCALE = 1 << 32


def whole(prices: Sequence[float]) -> Vector:
    """The prices as whole numbers; only their proportions matter."""
    top = max(prices)
    return tuple(int(price / top * _SCALE) for price in prices) if top > 0 else (0,) * len(prices)


def least_value(guests: Sequence[Options], limits: Vector, goals: Sequence[int], prices: Vector) -> int:
    """No choice within the other rows' limits brings the largest of the rows `goals` below this."""
    weight = sum(prices[row] for row in goals)
    if not weight:
        return 0
    cost = sum(min(_cost(prices, vector) for _, vector in options) for options in guests)
    spare = sum(prices[row] * limit for row, limit in enumerate(limits) if row not in goals)
    return max(0, -((spare - cost) // weight))


def with_prices(
    guests: Sequence[Options], limits: Vector, prices: Sequence[Vector]
) -> tuple[tuple[Options, ...], Vector]:
    """Options and limits with one more row for each set of prices."""
    priced = tuple(
        tuple((index, (*vector, *(_cost(each, vector) for each in prices))) for index, vector in options)
        for options in guests
    )
    return priced, (*limits, *(_cost(each, limits) for each in prices))


def _cost(prices: Vector, amounts: Vector) -> int:
    return sum(map(int.__mul__, prices, amounts))


def narrow(guests: Sequence[Options], limits: Vector) -> tuple[Options, ...] | None:
    """Without the options that overflow a row even if all other guests take their least of it, again and again.

    None if that leaves a guest without any option.
    """
    while True:
        if not all(guests):
            return None
        least = [tuple(map(min, zip(*(vector for _, vector in options), strict=True))) for options in guests]
        slack = [limit - sum(column) for limit, column in zip(limits, zip(*least, strict=True), strict=True)]
        if min(slack) < 0:
            return None
        kept = tuple(
            tuple(
                option for option in options if all(a - b <= c for a, b, c in zip(option[1], own, slack, strict=True))
            )
            for options, own in zip(guests, least, strict=True)
        )
        if sum(map(len, kept)) == sum(map(len, guests)):
            return kept
        guests = kept
