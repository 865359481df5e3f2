"""What a unit of each scarce row is worth: the dual prices of the linear relaxation.

Minimise t such that every row stays within its limit (goal rows: within t) and the shares of each guest's options add
up to one. Solved by the dual simplex; the one-per-guest rows stay implicit (generalized upper bounding, Dantzig and
Van Slyke 1967), so the dictionary has a row per pool and channel, not per guest. Floating point will do: nothing
rests on these prices, since `fit` computes every bound from them anew in whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pve_drbd.planner.ledger import Options, Vector

# In units of the largest amount of a row. A pivot much smaller than the infeasibility it repairs would be noise.
_NEGATIVE = -1e-6
_PIVOT = -1e-7
_SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A price >= 0 per row, the share of each option per guest, and the pivots it took to find them.

    If even the relaxation has no solution, the prices are those that show the contradiction.
    """

    prices: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]
    pivots: int


def relax(guests: Sequence[Options], limits: Vector, goals: Sequence[int], start: Sequence[int] = ()) -> Relaxed:
    """The relaxation solved, or as far as a generous number of pivots brings it.

    `start` may give the position of the option from which each guest sets out.
    """
    dictionary = _Dictionary(guests, limits, goals, start or (0,) * len(guests))
    most = 200 + 10 * len(guests)
    for pivots in range(most):
        row = dictionary.leaving_row()
        if row is None:
            return dictionary.solution(dictionary.costs, pivots)
        column = dictionary.entering_column(row)
        if column is None:
            return dictionary.solution(dictionary.rows[row], pivots)
        dictionary.pivot(row, column)
    return dictionary.solution(dictionary.costs, most)


class _Dictionary:
    """The basic variables in terms of all columns: the options, then a slack per row, then t.

    One basic option per guest, its key, has no row of its own: it is what the guest's other basic options leave of one.
    """

    def __init__(self, guests: Sequence[Options], limits: Vector, goals: Sequence[int], start: Sequence[int]) -> None:
        self.sizes = [len(options) for options in guests]
        self.owner = [guest for guest, size in enumerate(self.sizes) for _ in range(size)]
        vectors = [vector for options in guests for _, vector in options]
        keys = [options[at][1] for options, at in zip(guests, start, strict=True)]
        self.keys = [sum(self.sizes[:guest]) + at for guest, at in enumerate(start)]
        self.goal_scale = float(max((abs(vector[row]) for vector in vectors for row in goals), default=1) or 1)
        self.scales: list[float] = []
        self.rows: list[list[float]] = []
        self.values: list[float] = []
        width = len(limits)
        for row, limit in enumerate(limits):
            is_goal = row in goals
            own = float(max((abs(vector[row]) for vector in vectors), default=1) or 1)
            scale = self.goal_scale if is_goal else own
            options = [
                (vector[row] - keys[guest][row]) / scale for vector, guest in zip(vectors, self.owner, strict=True)
            ]
            slacks = [1.0 if other == row else 0.0 for other in range(width)]
            self.scales.append(scale)
            self.rows.append([*options, *slacks, -1.0 if is_goal else 0.0])
            self.values.append(((0 if is_goal else limit) - sum(key[row] for key in keys)) / scale)
        self.costs = [0.0] * (len(vectors) + width) + [1.0]
        self.basis = list(range(len(vectors), len(vectors) + width))

    def leaving_row(self) -> int | None:
        """The row of the variable furthest below zero, if any is; a key below zero is given a row first."""
        taken: dict[int, float] = {}
        for column, value in zip(self.basis, self.values, strict=True):
            if column < len(self.owner):
                guest = self.owner[column]
                taken[guest] = taken.get(guest, 0.0) + value
        row = min(range(len(self.values)), key=self.values.__getitem__)
        guest = max(taken, key=lambda each: (taken[each], -each), default=-1)
        if guest >= 0 and 1.0 - taken[guest] < min(self.values[row], _NEGATIVE):
            return self._exchange_key(guest)
        return row if self.values[row] < _NEGATIVE else None

    def _exchange_key(self, guest: int) -> int:
        """Make the guest's largest other basic option its key; the row that gives to the old key."""
        options = len(self.owner)
        own = [row for row, column in enumerate(self.basis) if column < options and self.owner[column] == guest]
        row = max(own, key=lambda each: (self.values[each], -each))
        line = [1.0 if owner == guest else 0.0 for owner in self.owner] + [0.0] * (len(self.costs) - options)
        value = 1.0
        for each in own:
            line = [a - b for a, b in zip(line, self.rows[each], strict=True)]
            value -= self.values[each]
        self.rows[row], self.values[row] = line, value
        self.keys[guest], self.basis[row] = self.basis[row], self.keys[guest]
        return row

    def entering_column(self, row: int) -> int | None:
        """The column that keeps every cost >= 0; of equally good ones that with the largest pivot."""
        best, least, largest = None, 0.0, 0.0
        for column, coefficient in enumerate(self.rows[row]):
            if coefficient < _PIVOT:
                ratio = self.costs[column] / -coefficient
                if best is None or ratio < least - _SAME or (ratio <= least + _SAME and -coefficient > largest):
                    best, least, largest = column, ratio, -coefficient
        return best

    def pivot(self, row: int, column: int) -> None:
        """Exchange the row's basic variable for `column`."""
        pivot = self.rows[row][column]
        line = [a / pivot for a in self.rows[row]]
        value = self.values[row] / pivot
        for each, other in enumerate(self.rows):
            factor = other[column]
            if factor and each != row:
                self.rows[each] = [a - factor * b for a, b in zip(other, line, strict=True)]
                self.values[each] -= factor * value
        factor = self.costs[column]
        if factor:
            self.costs = [a - factor * b for a, b in zip(self.costs, line, strict=True)]
        self.rows[row], self.values[row], self.basis[row] = line, value, column

    def solution(self, line: Sequence[float], pivots: int) -> Relaxed:
        """Prices from the slacks' columns of `line`, per unit of each row."""
        slacks = line[len(self.owner) : -1]
        prices = tuple(
            max(0.0, price) * self.goal_scale / scale for price, scale in zip(slacks, self.scales, strict=True)
        )
        share = [0.0] * len(self.owner)
        for key in self.keys:
            share[key] = 1.0
        for column, value in zip(self.basis, self.values, strict=True):
            if column < len(self.owner):
                share[column] = value
                share[self.keys[self.owner[column]]] -= value
        ends = [sum(self.sizes[: guest + 1]) for guest in range(len(self.sizes))]
        return Relaxed(prices, tuple(tuple(share[e - s : e]) for s, e in zip(self.sizes, ends, strict=True)), pivots)
