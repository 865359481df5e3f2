"""What every evacuation plan must keep to, whatever the pair: nothing is destroyed that was not saved or given up."""

from __future__ import annotations

import json
from collections import Counter

import jsonschema
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pve_drbd.cli.as_json import dump
from pve_drbd.cli.plan_json import plan_json
from pve_drbd.cli.plan_page import plan_page
from pve_drbd.cli.plan_text import plan_text
from pve_drbd.data import shipped_text
from pve_drbd.model.evacuation import Change, Method
from pve_drbd.model.pve import GuestKind, GuestState
from pve_drbd.planner.evacuation import plan_evacuation
from tests.pair_parts import A, B
from tests.planner.split_pairs import GIB, Mail, inputs_of, split_pair, stores

SCHEMA = jsonschema.Draft7Validator(json.loads(shipped_text("plan.schema.json")))
SAVING = {
    *("move-disk", "migrate", "stop", "tag", "merge-pass", "merge-last-pass", "merge-verify", "move-config"),
    *("backup", "put-config-away", "restore", "keep-metadata", "deactivate", "check-holders"),
}
NEEDED = {
    Method.MOVE_DISK: {"move-disk"},
    Method.MOVE_AND_MIGRATE: {"move-disk", "migrate"},
    Method.SHUTDOWN_MOVE: {"stop", "move-disk", "start"},
    Method.MERGE: {"merge-pass", "merge-last-pass", "merge-verify", "move-config"},
    Method.BACKUP_RESTORE: {"backup", "put-config-away", "restore"},
}

IN, OUT, SAME, MAYBE = Change.CHANGED, Change.NOT_RUN_HERE, Change.UNCHANGED, Change.UNKNOWN
known = st.sampled_from(((IN, OUT), (OUT, IN), (IN, SAME), (SAME, IN), (SAME, SAME), (MAYBE, OUT), (IN, MAYBE)))
disks = st.dictionaries(st.sampled_from(("drbdvg", "drbdvg1")), known, min_size=1, max_size=2)
mails = st.builds(
    Mail,
    disks=disks,
    node=st.sampled_from((A, A, A, B, B, B, "pveC")),
    kind=st.sampled_from(GuestKind),
    state=st.sampled_from((GuestState.RUNNING, GuestState.RUNNING, GuestState.STOPPED, GuestState.PAUSED)),
    size_mib=st.sampled_from((0, 1, 4 * GIB, 4 * GIB, 8 * GIB, 32 * GIB, 64 * GIB * GIB)),
    memory_mib=st.sampled_from((512, 512, 8 * GIB, 48 * GIB)),
    lock=st.sampled_from((*[""] * 9, "migrate")),
    ha=st.sampled_from(("", "", "started", "ignored")),
    tags=st.sampled_from(((), ("drbd-critical",), ("drbd-disposable",))),
    backup=st.sampled_from(("1", "1", "0")),
    snapshots=st.sampled_from(((), (), ("before",))),
    is_template=st.booleans(),
)


@st.composite
def pairs(draw):
    """A split pair of both resources, and what its plan is made from; some guests are given up or decided."""
    drawn = draw(st.lists(mails, max_size=4))
    guests = [
        Mail(**{**{k: getattr(each, k) for k in each.__dataclass_fields__}, "vmid": 100 + n})
        for n, each in enumerate(drawn)
    ]
    vmids = [each.vmid for each in guests]
    some = st.lists(st.sampled_from(vmids), unique=True) if vmids else st.just([])
    sides = {vmid: draw(st.sampled_from((A, B))) for vmid in draw(some)}
    free = st.sampled_from((0, 16 * GIB, 100 * GIB, 10**9))
    storages = stores(draw(free), draw(st.none() | free), draw(free))
    wishes = {"sides": sides, "abandoned": frozenset(draw(some))}
    if draw(st.booleans()):
        wishes["survivors"] = {"": draw(st.sampled_from((A, B)))}
    return split_pair(guests, "r0", "r1"), inputs_of(guests, storages, draw(st.sampled_from((0, 64 * GIB))), **wishes)


def plans(check):
    """Run `check` on plans of many pairs."""
    many = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    return many(given(pairs())(check))


def ancestors(steps):
    """Per step, every step that is done before it."""
    found = {}
    for step in steps:
        found[step.id] = set(step.needs).union(*(found[need] for need in step.needs))
    return found


@plans
def test_no_side_is_discarded_before_every_step_that_saves_its_guests(pair):
    plan = plan_evacuation(*pair)
    event(f"feasible={plan.is_feasible}")
    before = ancestors(plan.steps)

    for discard in (each for each in plan.steps if each.action == "discard"):
        group = discard.id.split(".")[0]
        own = [each for each in plan.steps if each.id.startswith(f"{group}.") and discard.id not in before[each.id]]
        assert {each.id for each in own if each.action in SAVING} <= before[discard.id]
        assert discard.is_no_return
        assert not discard.is_repeatable


@plans
def test_every_chosen_method_has_its_steps_before_the_discard(pair):
    plan = plan_evacuation(*pair)
    before = ancestors(plan.steps)

    for number, group in enumerate(plan.groups, start=1):
        for guest in plan.guests if plan.is_feasible else ():
            if not {each.vg for each in plan.volumes if each.vmid == guest.vmid} & set(group.vgs):
                continue
            discard = next(e.id for e in plan.steps if e.action == "discard" and e.id.startswith(f"g{number}."))
            done = {
                e.action for e in plan.steps if e.args.get("vmid") == str(guest.vmid) and discard not in before[e.id]
            }
            done |= {e.action for e in plan.steps if e.args.get("volume", "").endswith(f"vm-{guest.vmid}-disk-0")}
            wanted = NEEDED.get(Method(guest.choice.method), set())
            assert wanted - ({"stop", "start"} if not guest.is_running else set()) <= done
            is_stopped = guest.node == group.victim and guest.is_running and guest.choice.method == "keep"
            assert "stop" in done or not is_stopped


@plans
def test_every_volume_of_the_victim_is_kept_with_evidence_saved_or_given_up_by_name(pair):
    plan = plan_evacuation(*pair)
    told = plan_json(plan)
    wishes = pair[1].wishes

    for volume in told["volumes"] if plan.is_feasible else ():
        victim = next(each.victim for each in plan.groups if volume["vg"] in each.vgs)
        is_lost = volume["per_side"][victim] in ("changed", "unknown")
        is_named = volume["vmid"] in wishes.abandoned or volume["vmid"] in wishes.sides
        assert volume["evidence"][victim]
        assert volume["saved_by"]
        assert not (is_lost and volume["saved_by"] in ("keep", "abandon")) or is_named


@plans
def test_the_copy_that_counts_is_never_the_one_that_is_discarded(pair):
    plan = plan_evacuation(*pair)

    for guest in plan.guests:
        side = pair[1].wishes.sides.get(guest.vmid)
        groups = [g for g in plan.groups if {v.vg for v in plan.volumes if v.vmid == guest.vmid} & set(g.vgs)]
        if guest.choice and side == groups[0].survivor:
            assert guest.choice.method in ("keep", "abandon")


@plans
def test_no_pool_is_overdrawn_by_what_is_in_it_at_the_same_time(pair):
    plan = plan_evacuation(*pair)
    free = {pool.name: pool.free for pool in plan.pools}
    staying = Counter()

    for group in plan.groups if plan.is_feasible else ():
        own = {each.vmid for each in plan.volumes if each.vg in group.vgs}
        chosen = [guest.choice for guest in plan.guests if guest.vmid in own]
        taken = Counter(staying)
        for each in chosen:
            taken.update(each.uses)
            staying.update(each.uses if each.leaves_node else {})
        assert all(amount <= free[pool] for pool, amount in taken.items() if amount)


@plans
def test_the_same_survey_gives_the_same_bytes_by_its_schema(pair):
    once, again = (plan_json(plan_evacuation(*pair)) for _ in range(2))

    SCHEMA.validate(once)
    assert dump(once, "json") == dump(again, "json")


@plans
def test_the_discard_comes_in_the_one_order_that_is_safe(pair):
    plan = plan_evacuation(*pair)
    before = ancestors(plan.steps)
    action = {each.id: each.action for each in plan.steps}

    for step in plan.steps:
        done = {action[each] for each in before[step.id]}
        own = [action[e] for e in before[step.id] if e.split(".")[0] == step.id.split(".")[0]]
        if step.action in ("secondary", "discard", "connect", "primary"):
            assert {"keep-metadata", "check-holders", "arm-survivor"} <= done
            assert own.count("disconnect") >= 2
        assert step.action != "discard" or {"secondary", "look-again"} <= done
        assert step.action != "connect" or "discard" in own
    words = " ".join(each.shown for each in plan.steps)
    assert not any(each in words for each in ("primary --force", "adjust", "tentative", "systemctl", "reboot"))


@plans
def test_a_step_needs_earlier_steps_only_and_each_has_its_own_id(pair):
    steps = plan_evacuation(*pair).steps

    known = set()
    for step in steps:
        assert set(step.needs) <= known
        assert step.id not in known
        assert step.timeout_s >= step.estimate_s
        known.add(step.id)


@plans
def test_one_group_is_healed_before_the_next_is_touched(pair):
    plan = plan_evacuation(*pair)
    before = ancestors(plan.steps)
    ends = [each.id for each in plan.steps if each.action == "check"]

    for step in plan.steps:
        group = int(step.id.split(".")[0][1:])
        assert set(ends[: group - 1]) <= before[step.id]


@plans
def test_an_infeasible_plan_has_no_steps_and_says_why(pair):
    plan = plan_evacuation(*pair)

    if not plan.is_feasible:
        assert plan.steps == ()
        assert any(not each.is_feasible and each.why_not for g in plan.groups for each in g.cost_if_victim.values())
    assert plan_text(plan).startswith("READY:" if plan.is_feasible else "NO PLAN FITS:")


@plans
def test_every_guest_that_was_running_is_started_again(pair):
    plan = plan_evacuation(*pair)

    for guest in plan.guests if plan.is_feasible else ():
        own = [each.action for each in plan.steps if each.args.get("vmid") == str(guest.vmid)]
        is_given_up = guest.choice.method == "abandon"
        assert own.count("stop") == own.count("start") or is_given_up
        assert guest.is_running or not {"stop", "start"} & set(own)


@plans
def test_the_page_is_whole_and_names_no_other_place(pair):
    page = plan_page(plan_evacuation(*pair))

    assert page.endswith("</html>\n")
    assert "http" not in page
    assert "<script" not in page
