"""Which guest is saved by which method: the least harm that fits, or why nothing does.

In this order: least sum of priority times downtime, least makespan, fewest guests that leave their node, first
candidates in the order of the vmid. The same answer for the same problem in whatever order it is given.
"""

from __future__ import annotations

from collections.abc import Iterable

from pve_drbd.model.plan import Assignment, Evacuee, Infeasible, Pool
from pve_drbd.planner.greedy import first_choice
from pve_drbd.planner.ledger import open_ledger
from pve_drbd.planner.levels import first_by_vmid, lowest, place
from pve_drbd.planner.shortage import explain_shortage


def assign(evacuees: Iterable[Evacuee], pools: Iterable[Pool]) -> Assignment | Infeasible:
    """One candidate for every guest; the vmids and the pools' names must be distinct."""
    guests = tuple(evacuees)
    unplaceable = tuple(sorted(guest.vmid for guest in guests if not guest.candidates))
    ledger = open_ledger((guest for guest in guests if guest.candidates), pools)
    placed = place(ledger, first_choice(ledger))
    if unplaceable or placed.choice is None:
        return explain_shortage(ledger, unplaceable, placed)
    choice, is_proven = placed.choice, True
    tightened = ledger
    # The less an objective matters, the less long many guests are searched for it.
    for goals, stages in ((ledger.downtime, 4), (ledger.channels, 2), (ledger.leaving, 1)):
        best = lowest(tightened, goals, choice, stages)
        choice, is_proven = best.choice, is_proven and best.is_proven
        tightened = tightened.limited(goals, ledger.value(goals, choice))
    best = first_by_vmid(tightened, choice)
    return Assignment(
        chosen=dict(zip(ledger.vmids, best.choice, strict=True)),
        weighted_downtime_s=ledger.value(ledger.downtime, best.choice),
        makespan_s=ledger.value(ledger.channels, best.choice),
        leaving=ledger.value(ledger.leaving, best.choice),
        is_proven_optimal=is_proven and best.is_proven,
    )
