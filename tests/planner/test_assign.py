"""The assignment is the optimum: against an oracle on drawn evacuations, against brute force on tiny ones."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pve_drbd.model.plan import Assignment, Candidate, Evacuee, Infeasible, Pool
from pve_drbd.planner.assign import assign
from tests.planner.instances import LOOSE, TIGHT, draw_plan, problem_of
from tests.planner.oracle import solve, value

CASES = [(seed, guests, tightness) for seed in range(5) for guests in (5, 10, 14) for tightness in (TIGHT, LOOSE)]


@pytest.mark.parametrize(("seed", "guests", "tightness"), CASES)
def test_a_small_evacuation_costs_what_the_oracle_says(seed, guests, tightness):
    plan = draw_plan(seed, guests, tightness)

    found, best = assign(*problem_of(plan)), solve(plan)

    assert (best is None) == isinstance(found, Infeasible)
    if best is not None:
        downtime_s, makespan_s, leaving = value(plan, dict(found.chosen))
        assert (found.weighted_downtime_s, found.makespan_s, found.leaving) == (downtime_s, makespan_s, leaving)
        assert downtime_s == best.weighted_downtime_s
        assert makespan_s == best.makespan_s


def small_candidates():
    amounts = st.dictionaries(st.sampled_from(("a", "b")), st.integers(0, 6))
    return st.builds(
        Candidate,
        method=st.just("move-disk"),
        target=st.just("x"),
        downtime_s=st.integers(0, 4),
        work=st.dictionaries(st.sampled_from(("c", "d")), st.integers(0, 5)),
        uses=amounts,
        leaves_node=st.booleans(),
    )


EVACUEES = st.lists(st.lists(small_candidates(), min_size=1, max_size=4), min_size=1, max_size=5).map(
    lambda all_of: tuple(Evacuee(100 + n, 1 + n % 3, tuple(each)) for n, each in enumerate(all_of))
)
POOLS = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(
    lambda free: (Pool("a", "MiB", free[0]), Pool("b", "MiB", free[1]))
)


def by_brute_force(evacuees, pools):
    best = None
    for picks in product(*(range(len(each.candidates)) for each in evacuees)):
        chosen = [each.candidates[index] for each, index in zip(evacuees, picks, strict=True)]
        if any(sum(each.uses.get(pool.name, 0) for each in chosen) > pool.free for pool in pools):
            continue
        downtime = sum(e.priority * c.downtime_s for e, c in zip(evacuees, chosen, strict=True))
        makespan = max((sum(c.work.get(name, 0) for c in chosen) for name in ("c", "d")), default=0)
        price = (downtime, makespan, sum(c.leaves_node for c in chosen), picks)
        best = price if best is None or price < best else best
    return best


@settings(max_examples=150, deadline=None)
@given(EVACUEES, POOLS)
def test_a_tiny_evacuation_is_optimal_in_all_four_levels(evacuees, pools):
    found, best = assign(evacuees, pools), by_brute_force(evacuees, pools)

    if best is None:
        assert isinstance(found, Infeasible)
    else:
        assert isinstance(found, Assignment)
        picks = tuple(found.chosen[each.vmid] for each in evacuees)
        assert (found.weighted_downtime_s, found.makespan_s, found.leaving, picks) == best
        assert found.is_proven_optimal


@settings(max_examples=60, deadline=None)
@given(EVACUEES, POOLS)
def test_the_order_of_the_input_does_not_matter(evacuees, pools):
    assert assign(evacuees, pools) == assign(evacuees[::-1], pools[::-1])


@settings(max_examples=60, deadline=None)
@given(EVACUEES, POOLS)
def test_each_addition_that_is_named_makes_it_fit(evacuees, pools):
    found = assign(evacuees, pools)

    for together in found.additions if isinstance(found, Infeasible) and not found.unplaceable else ():
        more = {each.pool: each.short_by for each in together}
        grown = tuple(Pool(pool.name, pool.unit, pool.free + more.get(pool.name, 0)) for pool in pools)
        assert isinstance(assign(evacuees, grown), Assignment)


def test_a_guest_without_a_candidate_is_named():
    found = assign((Evacuee(100, 1, ()),), ())

    assert isinstance(found, Infeasible)
    assert found.unplaceable == (100,)
