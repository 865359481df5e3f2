"""The optimum of a plan.json, found by another method and from the plan alone: mixed-integer programming with HiGHS.

Two solves, as the objective is lexicographic: the least weighted downtime, then the least makespan at that downtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

_INFEASIBLE = 2


@dataclass(frozen=True, slots=True)
class Optimum:
    """`choice` holds a candidate index per guest, in the plan's own order."""

    weighted_downtime_s: int
    makespan_s: int
    choice: tuple[int, ...]


def solve(plan: dict[str, Any], makespan_gap: float = 0.0, time_limit_s: float = 600.0) -> Optimum | None:
    """None if no choice fits. The downtime is exact; the makespan lies at most `makespan_gap` above the least one."""
    model = _Model(plan)
    first = model.run(model.downtime, [], 0.0, time_limit_s)
    if first is None:
        return None
    downtime_s = round(float(model.downtime @ first))
    at_that_downtime = LinearConstraint(np.append(model.downtime, 0.0), -np.inf, downtime_s + 0.5)
    second = model.run(np.append(np.zeros(model.size), 1.0), [at_that_downtime], makespan_gap, time_limit_s)
    assert second is not None
    return Optimum(downtime_s, round(float((model.work @ second).max(initial=0.0))), model.choice(second))


def value(plan: dict[str, Any], choice: dict[int, int]) -> tuple[int, int, int]:
    """Weighted downtime, makespan and leaving of any choice that overdraws no pool, counted from the plan itself."""
    picks = ((guest, choice[guest["vmid"]]) for guest in plan["guests"])
    chosen = {guest["vmid"]: (guest["priority"], guest["candidates"][index]) for guest, index in picks}
    used: dict[str, int] = {}
    work: dict[str, int] = {}
    for _, candidate in chosen.values():
        for pool, amount in candidate["uses"].items():
            used[pool] = used.get(pool, 0) + amount
        for channel, seconds in candidate["work"].items():
            work[channel] = work.get(channel, 0) + seconds
    free = {pool["pool"]: pool["free"] for pool in plan["pools"]}
    overdrawn = {pool: amount for pool, amount in used.items() if amount > max(0, free[pool])}
    assert not overdrawn
    downtime_s = sum(priority * candidate["downtime_s"] for priority, candidate in chosen.values())
    return downtime_s, max(work.values(), default=0), sum(each["leaves_node"] for _, each in chosen.values())


class _Model:
    """A column of 0 or 1 per candidate, and the makespan as the last column of the second solve."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.guests = plan["guests"]
        weighed = [(at, guest["priority"], guest["candidates"]) for at, guest in enumerate(self.guests)]
        columns = [(at, priority, each) for at, priority, candidates in weighed for each in candidates]
        channels = sorted({channel for _, _, each in columns for channel in each["work"]})
        self.size = len(columns)
        self.downtime = np.array([float(priority * each["downtime_s"]) for _, priority, each in columns])
        self.work = np.array([[float(each["work"].get(name, 0)) for _, _, each in columns] for name in channels])
        self.uses = np.array([[float(each["uses"].get(p["pool"], 0)) for _, _, each in columns] for p in plan["pools"]])
        self.free = np.array([float(max(0, pool["free"])) for pool in plan["pools"]])
        self.owner = np.array([[float(at == guest) for at, _, _ in columns] for guest in range(len(self.guests))])

    def run(self, cost: Any, extra: list[LinearConstraint], gap: float, time_limit_s: float) -> Any:
        """The candidates' columns of the solution, or None if there is none."""
        wider = len(cost) - self.size

        def widen(matrix: Any, last: float = 0.0) -> Any:
            return np.hstack([matrix, np.full((len(matrix), wider), last)])

        constraints = [
            LinearConstraint(widen(self.uses), -np.inf, self.free),
            LinearConstraint(widen(self.owner), 1.0, 1.0),
            *extra,
        ]
        if wider:
            constraints.append(LinearConstraint(widen(self.work, -1.0), -np.inf, 0.0))
        found = milp(
            cost,
            constraints=constraints,
            integrality=np.append(np.ones(self.size), np.zeros(wider)),
            bounds=Bounds(np.zeros(len(cost)), np.append(np.ones(self.size), np.full(wider, np.inf))),
            options={"mip_rel_gap": gap, "time_limit": time_limit_s},
        )
        if found.x is None:
            assert found.status == _INFEASIBLE, found.message
            return None
        return np.round(found.x[: self.size])

    def choice(self, solution: Any) -> tuple[int, ...]:
        """Candidate indices from the columns."""
        at = iter(solution)
        return tuple(
            max(range(len(picked)), key=picked.__getitem__)
            for picked in ([next(at) for _ in guest["candidates"]] for guest in self.guests)
        )
