"""One option per guest so that every row stays within its limit, or the proof that there is none.

Branch and bound: a problem is narrowed, priced by its linear relaxation, and searched depth first; a search that grows
too large is split on its hardest guest. Prices hold everywhere, so what one branch learns prunes all the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pve_drbd.planner.bounds import narrow, whole, with_prices
from pve_drbd.planner.ledger import Choice, Options, Vector, total
from pve_drbd.planner.packed import search
from pve_drbd.planner.prices import relax

_SEARCH_CAP = 40_000
_PRICES_KEPT = 12
# A search node takes about as long as so many cells of a pivot of the relaxation.
_CELLS_PER_NODE = 16


@dataclass(slots=True)
class Effort:
    """Search nodes still allowed, and the prices learned. Counted, not timed: every machine stops at the same place."""

    nodes: int
    prices: list[Vector] = field(default_factory=list)

    def learn(self, prices: Vector) -> None:
        """Keep the newest prices, and the very first, which are those of the whole problem."""
        if prices in self.prices:
            self.prices.remove(prices)
        elif len(self.prices) == _PRICES_KEPT:
            del self.prices[1]
        self.prices.append(prices)


@dataclass(frozen=True, slots=True)
class Fit:
    """A choice; or none, which is the last word if it `is_final`, else the effort ran out."""

    choice: Choice | None
    is_final: bool


_NONE = Fit(None, True)
_UNKNOWN = Fit(None, False)


def find_fit(guests: Sequence[Options], limits: Vector, goals: Sequence[int], effort: Effort) -> Fit:
    """A choice within the limits; `goals` are the rows whose limits are in question."""
    known = _narrowed(guests, limits, effort.prices)
    if known is None:
        return _NONE
    first = tuple(options[0][0] for options in known)
    still_open = [guest for guest, options in enumerate(known) if len(options) > 1]
    if not still_open:
        return Fit(first, True)
    decided = total((options[0][1] for options in known if len(options) == 1), limits)
    left = tuple(map(int.__sub__, limits, decided))
    bounded = _price([known[guest] for guest in still_open], left, goals, effort)
    if bounded is None:
        return _NONE
    outcome = search(*with_prices(bounded, left, effort.prices), min(_SEARCH_CAP, effort.nodes))
    effort.nodes -= 100 + outcome.nodes
    if outcome.picks is not None:
        picks = dict(zip(still_open, outcome.picks, strict=True))
        return Fit(tuple(picks.get(guest, index) for guest, index in enumerate(first)), True)
    if outcome.is_complete:
        return _NONE
    return _split(known, still_open[outcome.hardest], bounded[outcome.hardest], limits, goals, effort)


def _split(
    guests: Sequence[Options], hardest: int, options: Options, limits: Vector, goals: Sequence[int], effort: Effort
) -> Fit:
    for option in options:
        if effort.nodes <= 0:
            return _UNKNOWN
        fit = find_fit((*guests[:hardest], (option,), *guests[hardest + 1 :]), limits, goals, effort)
        if fit.choice is not None or not fit.is_final:
            return fit
    return _NONE


def _price(
    guests: Sequence[Options], limits: Vector, goals: Sequence[int], effort: Effort
) -> tuple[Options, ...] | None:
    """The guests narrowed by their own relaxation's prices, which are learned."""
    relaxed = relax(guests, limits, goals)
    effort.nodes -= 200 + relaxed.pivots * len(limits) * sum(map(len, guests)) // _CELLS_PER_NODE
    effort.learn(whole(relaxed.prices))
    return _narrowed(guests, limits, effort.prices)


def _narrowed(guests: Sequence[Options], limits: Vector, prices: Sequence[Vector]) -> tuple[Options, ...] | None:
    kept = narrow(*with_prices(guests, limits, prices))
    if kept is None:
        return None
    return tuple(tuple((index, vector[: len(limits)]) for index, vector in options) for options in kept)
