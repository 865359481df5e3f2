"""One objective at a time: exactly for up to 20 guests, as well as a bounded effort allows for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pve_drbd.planner.fit import Effort, Fit, find_fit
from pve_drbd.planner.improve import improve, polish
from pve_drbd.planner.ledger import Choice, Ledger, vector_of

_EXACT_GUESTS = 20
_EXACT_NODES = 8_000_000
_PLACING_NODES = 300_000
_REPAIR_STAGES = 4


@dataclass(frozen=True, slots=True)
class Best:
    """A choice, and whether nothing better exists."""

    choice: Choice
    is_proven: bool


def is_small(ledger: Ledger) -> bool:
    """Few enough guests with a choice at all for exact answers."""
    return sum(len(options) > 1 for options in ledger.guests) <= _EXACT_GUESTS


def place(ledger: Ledger, choice: Choice) -> Fit:
    """Any choice within the limits, `choice` itself if it is."""
    if ledger.fits(choice):
        return Fit(choice, True)
    nodes = _EXACT_NODES if is_small(ledger) else _PLACING_NODES
    fit = find_fit(ledger.guests, ledger.limits, (), Effort(nodes))
    if fit.choice is None and not fit.is_final:
        repaired = _repair(ledger, choice)
        if ledger.fits(repaired):
            return Fit(repaired, True)
    return fit


def _repair(ledger: Ledger, choice: Choice) -> Choice:
    """Bring one overdrawn pool after the other down to its limit, without overdrawing the others further."""
    order = range(len(ledger.guests))
    for row in range(len(ledger.pools)):
        loose = replace(ledger, limits=tuple(map(max, ledger.limits, ledger.loads(choice))))
        choice = polish(loose, (row,), choice, order, ledger.limits[row], _REPAIR_STAGES)
    return choice


def lowest(ledger: Ledger, goals: Sequence[int], choice: Choice, stages: int, floor: int = 0) -> Best:
    """The choice with the least value of the rows `goals`, from one that fits; at `floor` it is low enough.

    `stages` is how long to search among many guests.
    """
    if not is_small(ledger):
        choice = improve(ledger, goals, choice, floor, stages)
        return Best(choice, ledger.value(goals, choice) <= floor)
    effort = Effort(_EXACT_NODES)
    while True:
        value = ledger.value(goals, choice)
        if value <= floor:
            return Best(choice, True)
        fit = find_fit(ledger.guests, ledger.limited(goals, value - 1).limits, goals, effort)
        if fit.choice is None:
            return Best(choice, fit.is_final)
        choice = fit.choice


def first_by_vmid(ledger: Ledger, choice: Choice) -> Best:
    """The choice that comes first when compared index by index in the order of the vmid."""
    effort = Effort(_EXACT_NODES)
    is_exact = is_proven = is_small(ledger)
    guests = list(ledger.guests)
    for guest, options in enumerate(ledger.guests):
        for option in options:
            if option[0] >= choice[guest]:
                break
            guests[guest] = (option,)
            if is_exact:
                fit = find_fit(guests, ledger.limits, ledger.leaving, effort)
                is_proven = is_proven and fit.is_final
                choice = fit.choice or choice
            else:
                other = (*choice[:guest], option[0], *choice[guest + 1 :])
                choice = other if ledger.fits(other) else choice
        guests[guest] = ((choice[guest], vector_of(options, choice[guest])),)
    return Best(choice, is_proven)
