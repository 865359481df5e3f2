"""Better choices for many guests, where no proof is in reach.

First the relaxation is rounded: it leaves no more guests undecided than there are pools and channels, and these are
fitted exactly, with a few that are nearly indifferent. Then, over and over, a handful of guests is freed and fitted
exactly anew (large neighbourhood search, Shaw 1998): every swap and ejection chain among them at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from pve_drbd.planner.bounds import least_value, whole
from pve_drbd.planner.fit import Effort, find_fit
from pve_drbd.planner.ledger import Choice, Ledger, total, vector_of
from pve_drbd.planner.prices import Relaxed, relax

_WHOLE = 1 - 1e-6
_ROUNDING = (8, 16, 28)
_ROUNDING_NODES = 20_000
# A handful grows with every stage of so many turns in a row that bring nothing, and so does the effort for it.
_STAGE = 40
_HANDFUL, _HANDFUL_STEP = 12, 5
_HANDFUL_NODES = 2_000
_BUSY = 3
_SCOPE, _SCOPES = 24, 6
_TURNS = 600
# Within one percent of the floor no more stages than this pay.
_STAGES_NEAR = 2
# Windows of different strides mix the guests differently.
_STRIDES = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)


def improve(ledger: Ledger, goals: Sequence[int], choice: Choice, floor: int, stages: int) -> Choice:
    """A choice no worse in the largest of the rows `goals`, within the same limits.

    At `floor` it is good enough; more `stages` search longer where nothing is gained.
    """
    if ledger.value(goals, choice) <= floor:
        return choice
    start = [[index for index, _ in options].index(pick) for options, pick in zip(ledger.guests, choice, strict=True)]
    relaxed = relax(ledger.guests, ledger.limits, goals, start)
    floor = max(floor, least_value(ledger.guests, ledger.limits, goals, whole(relaxed.prices)))
    order = _most_indifferent_first(ledger, relaxed)
    choice = _rounded(ledger, goals, choice, relaxed, order, floor)
    return polish(ledger, goals, choice, order, floor, stages)


def _most_indifferent_first(ledger: Ledger, relaxed: Relaxed) -> list[int]:
    """Guests by what their second-best option costs more at these prices; first those that the relaxation splits."""
    prices = whole(relaxed.prices)

    def regret(guest: int) -> int:
        costs = sorted(sum(map(int.__mul__, prices, vector)) for _, vector in ledger.guests[guest])
        return costs[1] - costs[0] if len(costs) > 1 else 1 << 200

    # Where prices are zero ties are many, and neighbours by vmid are often alike: spread them.
    count = len(ledger.guests)
    spread = sorted(range(count), key=lambda guest: (guest * 7919 % count, guest))
    return sorted(spread, key=lambda guest: (max(relaxed.shares[guest]) > _WHOLE, regret(guest)))


def _rounded(
    ledger: Ledger, goals: Sequence[int], choice: Choice, relaxed: Relaxed, order: Sequence[int], floor: int
) -> Choice:
    """The relaxation's own choice, if it can be completed to a better one than `choice`."""
    base = tuple(
        options[max(range(len(shares)), key=lambda at: (shares[at], -at))][0]
        for options, shares in zip(ledger.guests, relaxed.shares, strict=True)
    )
    split = sum(max(shares) <= _WHOLE for shares in relaxed.shares)
    for size in _ROUNDING:
        best = ledger.value(goals, choice)
        better = _lowered(ledger, goals, base, order[: split + size], best, floor, _ROUNDING_NODES)
        if better is not None:
            base = choice = better
    return choice


def polish(
    ledger: Ledger, goals: Sequence[int], choice: Choice, order: Sequence[int], floor: int, stages: int
) -> Choice:
    """Refit handfuls of guests until `floor` is reached, or until that many `stages` bring nothing.

    Guests that come early in `order` are refitted more often.
    """
    best, idle = ledger.value(goals, choice), 0
    busy = _busy(ledger, goals, choice, order)
    for turn in range(_TURNS + len(order)):
        stage = idle // _STAGE
        if best <= floor or stage >= (min(stages, _STAGES_NEAR) if (best - floor) * 100 <= best else stages):
            break
        freed = _handful(busy, order, turn, _HANDFUL + stage * _HANDFUL_STEP)
        better = _lowered(ledger, goals, choice, freed, best, floor, _HANDFUL_NODES << stage)
        idle += 1
        if better is not None:
            choice, idle = better, 0
            best = ledger.value(goals, choice)
            busy = _busy(ledger, goals, choice, order)
    return choice


def _busy(ledger: Ledger, goals: Sequence[int], choice: Choice, order: Sequence[int]) -> list[int]:
    """Guests that add more than they must to the largest of the rows `goals`."""
    sums = ledger.loads(choice)
    top = max(sums[row] for row in goals)
    peaks = [row for row in goals if sums[row] == top]

    def is_busy(guest: int) -> bool:
        options = ledger.guests[guest]
        own = vector_of(options, choice[guest])
        return any(own[row] > min(vector[row] for _, vector in options) for row in peaks)

    return [guest for guest in order if is_busy(guest)]


def _handful(busy: Sequence[int], order: Sequence[int], turn: int, size: int) -> list[int]:
    """Some of the busy guests, and a window of all."""
    chosen = {busy[(turn * _BUSY + at) % len(busy)] for at in range(min(_BUSY, len(busy)))}
    scope = min(len(order), _SCOPE << turn % _SCOPES)
    stride = _STRIDES[turn % len(_STRIDES)]
    chosen.update(order[(turn * size + at * stride) % scope] for at in range(size - len(chosen)))
    return sorted(chosen)


def _lowered(
    ledger: Ledger, goals: Sequence[int], base: Choice, freed: Sequence[int], best: int, floor: int, nodes: int
) -> Choice | None:
    """`base` with the guests `freed` chosen anew, within the limits and below `best` as far as that goes."""
    found: Choice | None = None
    while best > floor:
        taken = total((vector_of(ledger.guests[guest], base[guest]) for guest in freed), ledger.limits)
        others = map(int.__sub__, ledger.loads(base), taken)
        left = tuple(map(int.__sub__, ledger.limited(goals, best - 1).limits, others))
        fit = find_fit([ledger.guests[guest] for guest in freed], left, goals, Effort(nodes))
        if fit.choice is None:
            break
        picks = dict(zip(freed, fit.choice, strict=True))
        base = found = tuple(picks.get(guest, pick) for guest, pick in enumerate(base))
        best = ledger.value(goals, base)
    return found
