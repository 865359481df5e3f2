"""Depth-first search in which one integer operation tests all limits at once.

The rows of a vector stand side by side in one Python integer, with a spare guard bit above each. Subtracting what a
candidate takes from what is left keeps all guard bits exactly if no row is overdrawn (SIMD within a register). Amounts
count from each guest's own least, so what the guests not yet decided need at least is subtracted from the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pve_drbd.planner.ledger import Options, Vector

Branches = list[tuple[int, "Branches | None"]]
"""The amounts that may be subtracted next, each with what comes after it; None after the last guest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a search ended: with a candidate index per guest, with all tried (`is_complete`), or at its cap.

    `hardest` is the guest that was decided first.
    """

    picks: tuple[int, ...] | None
    is_complete: bool
    nodes: int
    hardest: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """The rows that could overflow, and the bits that each has in the integer."""

    rows: tuple[int, ...]
    width: int

    @property
    def guards(self) -> int:
        return sum(1 << (self.width * (place + 1) - 1) for place in range(len(self.rows)))

    def pack(self, vector: Sequence[int]) -> int:
        return sum(vector[row] << (self.width * place) for place, row in enumerate(self.rows))


def search(guests: Sequence[Options], limits: Vector, cap: int) -> Outcome:
    """Pick an option for each guest so that no sum is above its limit, visiting about `cap` nodes at most.

    Options that overflow on their own must be gone already. The last row is taken as the measure of what looks good.
    """
    least = [tuple(map(min, zip(*(vector for _, vector in options), strict=True))) for options in guests]
    slack = tuple(limit - sum(column) for limit, column in zip(limits, zip(*least, strict=True), strict=True))
    excess = {
        guest: [tuple(map(int.__sub__, vector, least[guest])) for _, vector in options]
        for guest, options in enumerate(guests)
        if len(options) > 1
    }
    frame = _frame(excess, slack)
    if not frame.rows:
        return Outcome(tuple(options[0][0] for options in guests), True, 0, 0)
    amounts = {guest: _best_first(vectors, frame) for guest, vectors in excess.items()}
    impact = {guest: _impact(vectors, slack, frame) for guest, vectors in excess.items()}
    # The largest first: they decide most. Equal guests must stand side by side for _branches.
    order = sorted(excess, key=lambda guest: (-impact[guest], amounts[guest], guest))
    tree = _branches([amounts[guest] for guest in order])
    path, nodes = _walk(tree, frame.guards + frame.pack(slack), frame.guards, cap)
    if path is None:
        return Outcome(None, nodes <= cap, nodes, order[0])
    picks = [options[0][0] for options in guests]
    for guest, amount in zip(order, path, strict=True):
        picks[guest] = guests[guest][[frame.pack(vector) for vector in excess[guest]].index(amount)][0]
    return Outcome(tuple(picks), True, nodes, order[0])


def _frame(excess: Mapping[int, Sequence[Vector]], slack: Vector) -> _Frame:
    tops = [tuple(map(max, zip(*vectors, strict=True))) for vectors in excess.values()]
    most = list(map(sum, zip(*tops, strict=True))) if tops else [0] * len(slack)
    rows = tuple(row for row, left in enumerate(slack) if most[row] > left)
    return _Frame(rows, max((slack[row] for row in rows), default=0).bit_length() + 1)


def _best_first(vectors: Sequence[Vector], frame: _Frame) -> list[int]:
    """Packed amounts by their last row, without any that takes no less than another in every row."""
    last = {frame.pack(vector): vector[-1] for vector in vectors}
    guards = frame.guards
    return sorted(
        (one for one in last if not any(other != one and (one + guards - other) & guards == guards for other in last)),
        key=lambda amount: (last[amount], amount),
    )


def _impact(vectors: Sequence[Vector], slack: Vector, frame: _Frame) -> float:
    return max(vector[row] / (slack[row] + 1) for vector in vectors for row in frame.rows)


def _branches(amounts: Sequence[Sequence[int]]) -> Branches:
    """All paths, shared where they repeat; of equal guests side by side, no later one picks before an earlier one."""
    after: Sequence[int] = ()
    tails: list[Branches | None] = [None]
    for own in reversed(amounts):
        is_twin = own == after
        level: Branches = [(amount, tails[at] if is_twin else tails[0]) for at, amount in enumerate(own)]
        tails = [level[at:] for at in range(len(level))]
        after = own
    return tails[0] or []


def _walk(tree: Branches, start: int, guards: int, cap: int) -> tuple[list[int] | None, int]:
    """The amounts of the first path that fits, if any, and how many nodes were visited."""
    nodes = 0
    path: list[int] = []
    stack: list[tuple[int, Iterator[tuple[int, Branches | None]]]] = [(start, iter(tree))]
    while stack and nodes <= cap:
        left, branches = stack[-1]
        for amount, below in branches:
            rest = left - amount
            if rest & guards == guards:
                nodes += 1
                path.append(amount)
                if below is None:
                    return path, nodes
                stack.append((rest, iter(below)))
                break
        else:
            stack.pop()
            if path:
                path.pop()
    return None, nodes
