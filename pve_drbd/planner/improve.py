"""Better choices for many guests, where no proof is in reach.

First the relaxation is rounded: it leaves no more guests undecided than there are pools and channels, and these are
fitted exactly, with a few that are nearly indifferent. Then, over and over, a handful of guests is freed and fitted
exactly anew (large neighbourhood search, Shaw 1998): every swap and ejection chain among them at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pve_drbd.planner.bounds import least_value, whole
from pve_drbd.planner.fit import Effort, find_fit
from pve_drbd.planner.ledger import Choice, Ledger, total, vector_of
from pve_drbd.planner.prices import Relaxed, relax

_ROUNDING = (8, 16, 28)
_ROUNDING_NODES = 20_000
# A handful grows with every so many turns that bring nothing, and so does the effort for it.
_STAGE = 40
_HANDFUL, _HANDFUL_STEP = 12, 5
_HANDFUL_NODES = 2_000
_BUSY = 3
# Stages without gain after which to stop: within one percent of the floor, and further from it.
_STAGES_NEAR, _STAGES_FAR = 2, 4
_SCOPE, _SCOPES = 24, 6
_ROUNDS = 600
# Coprime to most numbers of guests, so that windows of different strides mix them differently.
_STRIDES = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)


def improve(ledger: Ledger, goals: Sequence[int], choice: Choice, floor: int) -> Choice:
    """A choice at least as good in the largest of the rows `goals`, within the same limits; `floor` is good enough."""
    if ledger.value(goals, choice) <= floor:
        return choice
    start = [[index for index, _ in options].index(pick) for options, pick in zip(ledger.guests, choice, strict=True)]
    relaxed = relax(ledger.guests, ledger.limits, goals, start)
    floor = max(floor, least_value(ledger.guests, ledger.limits, goals, whole(relaxed.prices)))
    order = _most_indifferent_first(ledger, relaxed)
    return polish(ledger, goals, _rounded(ledger, goals, choice, relaxed, order, floor), order, floor)


def _most_indifferent_first(ledger: Ledger, relaxed: Relaxed) -> list[int]:
    """Guests by how little their second-best option costs more at these prices; split ones cost nothing more."""
    prices = whole(relaxed.prices)

    def regret(guest: int) -> int:
        costs = sorted(sum(map(int.__mul__, prices, vector)) for _, vector in ledger.guests[guest])
        return costs[1] - costs[0] if len(costs) > 1 else 1 << 200

    # Ties are many where a price is zero; neighbours by vmid are often alike, so they are spread.
    count = len(ledger.guests)
    spread = sorted(range(count), key=lambda guest: (guest * 7919 % count, guest))
    split = {guest for guest, shares in enumerate(relaxed.shares) if max(shares) < 1 - 1e-6}
    return sorted(spread, key=lambda guest: (guest not in split, regret(guest)))


def _rounded(
    ledger: Ledger, goals: Sequence[int], choice: Choice, relaxed: Relaxed, order: Sequence[int], floor: int
) -> Choice:
    """The relaxation's own choice, where it can be completed and is better than `choice`."""
    base = tuple(
        options[max(range(len(shares)), key=lambda at: (shares[at], -at))][0]
        for options, shares in zip(ledger.guests, relaxed.shares, strict=True)
    )
    split = sum(max(shares) < 1 - 1e-6 for shares in relaxed.shares)
    best = ledger.value(goals, choice)
    for size in _ROUNDING:
        while best > floor:
            better = _refit(ledger.limited(goals, best - 1), goals, base, order[: split + size], _ROUNDING_NODES)
            if better is None:
                break
            base = choice = better
            best = ledger.value(goals, choice)
    return choice


def polish(ledger: Ledger, goals: Sequence[int], choice: Choice, order: Sequence[int], floor: int) -> Choice:
    """Refit handfuls of guests until `floor` is reached or too many turns in a row bring nothing."""
    best = ledger.value(goals, choice)
    idle = 0
    for turn in range(_ROUNDS + len(order)):
        stage = idle // _STAGE
        if best <= floor or stage >= (_STAGES_NEAR if (best - floor) * 100 <= best else _STAGES_FAR):
            break
        freed = _handful(ledger, goals, choice, order, turn, _HANDFUL + stage * _HANDFUL_STEP)
        idle += 1
        while best > floor:
            better = _refit(ledger.limited(goals, best - 1), goals, choice, freed, _HANDFUL_NODES << stage)
            if better is None:
                break
            choice, idle = better, 0
            best = ledger.value(goals, choice)
    return choice


def _handful(
    ledger: Ledger, goals: Sequence[int], choice: Choice, order: Sequence[int], turn: int, size: int
) -> list[int]:
    """Some guests that add to the largest of the rows `goals`, and a window of others."""
    sums = ledger.loads(choice)
    top = max(sums[row] for row in goals)
    peaks = [row for row in goals if sums[row] == top]
    busy = [
        guest
        for guest in order
        if any(vector_of(ledger.guests[guest], choice[guest])[row] > _least(ledger, guest, row) for row in peaks)
    ]
    chosen = {busy[(turn * _BUSY + at) % len(busy)] for at in range(min(_BUSY, len(busy)))}
    # The more indifferent a guest, the more often it is freed.
    scope = min(len(order), _SCOPE << turn % _SCOPES)
    stride = _STRIDES[turn % len(_STRIDES)]
    chosen.update(order[(turn * size + at * stride) % scope] for at in range(size - len(chosen)))
    return sorted(chosen)


def _least(ledger: Ledger, guest: int, row: int) -> int:
    return min(vector[row] for _, vector in ledger.guests[guest])


def _refit(ledger: Ledger, goals: Sequence[int], choice: Choice, freed: Iterable[int], nodes: int) -> Choice | None:
    """`choice` with the guests `freed` chosen anew so that all limits are kept."""
    free = sorted(freed)
    kept = set(range(len(choice))).difference(free)
    taken = total((vector_of(ledger.guests[guest], choice[guest]) for guest in sorted(kept)), ledger.limits)
    left = tuple(map(int.__sub__, ledger.limits, taken))
    fit = find_fit([ledger.guests[guest] for guest in free], left, goals, Effort(nodes))
    if fit.choice is None:
        return None
    picks = dict(zip(free, fit.choice, strict=True))
    return tuple(picks.get(guest, pick) for guest, pick in enumerate(choice))
