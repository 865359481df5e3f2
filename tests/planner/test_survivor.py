"""Who survives, and what a plan refuses or says: one pair, one reason each; then the inputs that nobody expects."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from pve_drbd.cli.as_json import dump
from pve_drbd.cli.plan_json import plan_json
from pve_drbd.cli.plan_page import plan_page
from pve_drbd.cli.plan_text import guest_text, plan_text
from pve_drbd.errors import ConfigInvalid
from pve_drbd.model.drbd import DiskState, ReplicationState, Role
from pve_drbd.model.evacuation import Change, VolumeChange
from pve_drbd.model.pve import GuestKind, GuestState, GuestVolume, VolumeUse
from pve_drbd.model.survey import NoView
from pve_drbd.planner.evacuation import plan_evacuation
from tests.pair_parts import A, B
from tests.pairs import CONNECTING, connected, two_nodes
from tests.planner.split_pairs import (
    GIB,
    Mail,
    degraded,
    inputs_of,
    other_lvm,
    split_pair,
    stores,
    with_hidden_vg,
    without_config,
)

CHANGED, UNKNOWN, UNCHANGED, IDLE = Change.CHANGED, Change.UNKNOWN, Change.UNCHANGED, Change.NOT_RUN_HERE
ON_A, ON_B = (CHANGED, IDLE), (IDLE, CHANGED)


def mail(vmid=100, node=A, known=None, vg="drbdvg", **more):
    return Mail(vmid, {vg: known or (ON_A if node == A else ON_B)}, node, **more)


def planned(guests, *resources, pair=None, **more):
    return plan_evacuation(pair or split_pair(guests, *resources), inputs_of(guests, **more))


def why_not(plan, victim=A):
    return plan.groups[0].cost_if_victim[victim].why_not


def chosen(plan):
    return {each.vmid: each.choice.method for each in plan.guests if each.choice}


# Who survives.


def test_the_side_whose_discard_costs_less_downtime_survives():
    # pveA's guest is a container, which must stop to be saved; pveB's is a VM, which need not.
    plan = planned([mail(100, kind=GuestKind.CONTAINER), mail(101, B)])

    assert plan.groups[0].survivor == A
    assert "weighted downtime" in plan.groups[0].why


def test_at_equal_downtime_the_side_whose_discard_copies_less_survives():
    plan = planned([mail(100, size_mib=64 * GIB), mail(101, B)])

    assert plan.groups[0].survivor == A
    assert "of copying" in plan.groups[0].why


def test_a_tie_goes_to_the_side_with_more_running_guests_of_higher_priority():
    tags = ("drbd-critical",)

    assert planned([mail(100), mail(101, B, tags=tags)]).groups[0].survivor == B
    assert planned([mail(100, tags=tags), mail(101, B)]).groups[0].survivor == A


def test_a_stopped_guest_does_not_break_a_tie():
    known = (UNCHANGED, UNCHANGED)
    plan = planned([mail(100, known=known, state=GuestState.STOPPED, tags=("drbd-critical",))])

    assert plan.groups[0].why == "both ways cost the same, and nothing speaks for either side"


def test_a_side_that_cannot_be_discarded_survives():
    plan = planned([mail(100, lock="migrate"), mail(101, B)])

    assert plan.groups[0].survivor == A
    assert "discarding pveA cannot be done: nothing can save guest 100" in plan.groups[0].why


@pytest.mark.parametrize("wish", [{"": B}, {"r0": B}, {"": A, "r0": B}])
def test_the_operator_names_another_survivor(wish):
    plan = planned([mail(100, kind=GuestKind.CONTAINER), mail(101, B)], survivors=wish)

    assert (plan.groups[0].survivor, plan.groups[0].victim) == (B, A)
    assert plan.groups[0].why == "you said so"


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"survivors": {"": "pveC"}}, "pveC is no side of the split"),
        ({"survivors": {"r9": A}}, "r9 is not split"),
        ({"sides": {100: "pveC"}}, "pveC is no side of the split"),
        ({"sides": {999: A}}, "there is no guest 999"),
        ({"abandoned": frozenset({999})}, "there is no guest 999"),
        ({"priorities": {999: 1}}, "there is no guest 999"),
    ],
)
def test_a_wish_about_what_is_not_there_is_refused(wish, why):
    with pytest.raises(ConfigInvalid, match=why):
        planned([mail()], **wish)


def test_two_survivors_for_resources_that_must_agree_are_refused():
    guests = [Mail(100, {"drbdvg": ON_A, "drbdvg1": ON_A})]

    with pytest.raises(ConfigInvalid, match="r0, r1 must go the same way, not pveA and pveB"):
        planned(guests, "r0", "r1", survivors={"r0": A, "r1": B})


def test_two_volumes_with_one_nodes_guests_each_go_opposite_ways_and_nobody_needs_evacuation():
    plan = planned([mail(100), mail(102, B, vg="drbdvg1")], "r0", "r1")

    assert [(each.resources, each.survivor) for each in plan.groups] == [(("r0",), A), (("r1",), B)]
    assert chosen(plan) == {100: "keep", 102: "keep"}
    assert plan_text(plan).startswith("READY: nobody needs evacuation; the discard loses nothing.\n")


def test_one_volume_with_guests_of_both_nodes_saves_those_of_one():
    plan = planned([mail(100), mail(101, B), mail(103, B)])

    assert plan.groups[0].survivor == B
    assert chosen(plan) == {100: "move-disk", 101: "keep", 103: "keep"}


def test_resources_that_share_a_guest_are_decided_together():
    plan = planned([Mail(100, {"drbdvg": ON_A, "drbdvg1": ON_A})], "r0", "r1")

    assert [each.resources for each in plan.groups] == [("r0", "r1")]


# What is refused, and what it is instead.


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ({}, "r0: healthy"),
        ({"replication": ReplicationState.SYNC_SOURCE}, "r0: resync running: the decision was made"),
        ({"disk": DiskState.DISKLESS}, "r0: degraded, but no split brain"),
        ({"role": Role.SECONDARY}, "r0: connected and synchronised, one side is not Primary"),
    ],
)
def test_what_is_no_split_brain_is_told_as_what_it_is(views, words):
    pair = two_nodes(r0=connected())
    plan = plan_evacuation(pair.with_view(B, **views) if views else pair, inputs_of([]))

    assert plan.groups == ()
    assert plan.steps == ()
    assert any(note.startswith(words) for note in plan.notes)


def test_a_survivor_that_is_not_up_to_date_cannot_survive():
    guests = [mail(100)]
    plan = planned(guests, pair=degraded(split_pair(guests), B))

    assert "r0/0 is Inconsistent on pveB, not UpToDate: it cannot survive" in why_not(plan)
    assert plan.groups[0].survivor == A


def test_without_a_nodes_account_nothing_is_known():
    plan = planned([mail()], pair=split_pair([mail()]).with_node(B, NoView(B, "the account", "it does not answer")))

    assert plan.unknown == ("r0",)
    assert plan_text(plan).startswith("NOT KNOWN: nobody can tell whether r0 is in a split brain.")


def test_without_identifiers_nothing_is_known():
    pair = split_pair([mail()]).with_drbd(A, generation_ids=NoView(A, "the identifiers", "cut off"))

    assert planned([mail()], pair=pair).unknown == ("r0",)


def test_without_the_api_no_side_can_be_discarded():
    plan = planned([mail(known=(UNCHANGED, UNCHANGED))], pair=split_pair([mail()]).without_pve())

    assert not plan.is_feasible
    assert "Proxmox VE did not tell the API: it does not answer" in why_not(plan)


def test_a_guest_whose_configuration_is_unreadable_stops_the_plan():
    pair = without_config(split_pair([mail()]), 100, NoView("PVE", "the configuration", "refused"))

    assert "the configuration of guest 100 could not be read: refused" in why_not(planned([mail()], pair=pair))


def test_a_pair_without_quorum_is_told_which_steps_need_it():
    pair = split_pair([mail(), mail(101, B)])
    cluster = pair.pve.cluster
    plan = planned(
        [mail(), mail(101, B)], pair=pair.with_pve(cluster=type(cluster)(cluster.name, False, cluster.nodes))
    )

    note = next(each for each in plan.notes if "not quorate" in each)
    assert {each.id for each in plan.steps if each.action in ("move-disk", "move-back")} <= set(
        re.findall(r"g1\.\d+", note)
    )
    assert not {each.id for each in plan.steps if each.action in ("discard", "secondary")} & set(
        re.findall(r"g1\.\d+", note)
    )


def test_a_policy_that_discards_without_asking_is_named():
    pair = split_pair([mail()])
    config = replace(pair.nodes[B].drbd.config, common={"net": {"after-sb-1pri": "discard-secondary"}})
    plan = planned([mail()], pair=pair.with_drbd(B, config=config))

    assert [each for each in plan.notes if "after-sb" in each] == [
        "r0 on pveB has after-sb-1pri discard-secondary: a plain connect discards a side that is Secondary"
    ]


def test_a_side_that_still_waits_for_its_peer_is_named():
    plan = planned([mail()], pair=split_pair([mail()]).with_view(B, connection=CONNECTING))

    assert any(each.startswith("r0 on pveB still waits for pveA") for each in plan.notes)


def test_a_victim_that_hides_its_volume_group_must_show_it_first():
    guests = [mail(100, B)]
    plan = planned(guests, pair=with_hidden_vg(split_pair(guests), A, Role.SECONDARY))

    assert "r0 is Secondary on pveA, which hides what lies on it: make it Primary again" in why_not(plan)


def test_a_victim_that_changed_nothing_may_hide_its_volume_group():
    guests = [mail(100, B, known=(UNCHANGED, CHANGED))]
    pair = with_hidden_vg(split_pair(guests), A, Role.SECONDARY).with_view(A, role=Role.SECONDARY, out_of_sync_kib=0)

    assert planned(guests, pair=pair, survivors={"": B}).is_feasible


def test_a_split_resource_on_which_nobody_sees_anything_is_not_discarded():
    pair = split_pair([]).with_vg(A, is_gone=True).with_vg(B, is_gone=True)
    plan = planned([], pair=pair)

    assert not plan.is_feasible
    assert "pveA changed r0, and nobody knows what lies on it" in why_not(plan)


def test_a_victim_whose_lvm_does_not_answer_is_not_discarded():
    pair = other_lvm(split_pair([mail()]), A, NoView(A, "LVM", "it hangs"))

    assert "LVM of pveA could not be looked at: it hangs" in why_not(planned([mail()], pair=pair))


def loose(vg="drbdvg", lv="mine", vmid=None, known=ON_A):
    return VolumeChange(
        vg, lv, f"u-{lv}", vmid, GIB, (A, B), dict(zip((A, B), known, strict=True)), {A: "seen", B: "seen"}, {}, ("r0",)
    )


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (loose(), "drbdvg/mine on pveA belongs to no guest in the plan and is changed there: save it by hand"),
        (loose(known=(UNKNOWN, IDLE)), "drbdvg/mine on pveA belongs to no guest in the plan and is unknown there"),
        (loose("", "/srv"), "/srv on pveA belongs to no guest in the plan and is changed there: save it by hand"),
        (loose(lv="vm-999-disk-0", vmid=999), "is changed there: give it up with --abandon 999"),
    ],
)
def test_what_no_guest_owns_is_never_lost_without_a_word(volume, words):
    inputs = inputs_of([])
    plan = plan_evacuation(split_pair([]), replace(inputs, changes=(volume,)))

    assert words in why_not(plan)
    assert plan.groups[0].survivor == A


def test_a_guest_changed_on_both_sides_waits_for_the_operator():
    guests = [mail(known=(CHANGED, UNKNOWN))]

    assert "changed on pveA and unknown on pveB: decide with --side 100=NODE" in why_not(planned(guests))
    assert chosen(planned(guests, sides={100: A}, survivors={"": B})) == {100: "move-disk"}
    assert chosen(planned(guests, sides={100: B}, survivors={"": B})) == {100: "keep"}


# Inputs that nobody expects.


def test_a_pair_without_guests_is_discarded_without_saving_anybody():
    guests = [mail(known=(UNCHANGED, UNCHANGED), node=B)]
    plan = planned(guests)

    assert plan.is_feasible
    assert {each.action for each in plan.steps}.isdisjoint({"stop", "move-disk", "migrate"})


def test_no_room_anywhere_names_what_is_short_and_what_would_help():
    plan = planned([mail(), mail(101, B)], storages=stores(0), memory_mib=0)

    assert not plan.is_feasible
    assert plan.additions
    assert "memory@pveB is short by 1024 MiB" in why_not(plan)
    # Either the memory to merge and start it on the other node, or the space to move its disk.
    assert "1024 MiB more in memory@pveB" in plan_text(plan)
    assert "32768 MiB more in storage:local@pveA" in plan_text(plan)


def test_a_disk_of_64_tib_is_planned_by_its_size():
    size = 64 * GIB * GIB
    plan = planned([mail(size_mib=size), mail(101, B, size_mib=size)], storages=stores(2 * size))

    assert plan.is_feasible
    assert plan.guests[0].choice.uses == {"storage:local@pveA": size}
    assert plan.makespan_s > 86400


def test_two_groups_share_a_storage_only_as_far_as_it_has_room():
    guests = [mail(100, known=ON_A), mail(102, vg="drbdvg1")]
    fits = planned(guests, "r0", "r1", storages=stores(32 * GIB), survivors={"": B})
    migrated = [each for each in fits.steps if each.action == "move-back"]

    assert fits.is_feasible
    # The first guest's disk is home again before the second one's leaves.
    second = next(each for each in fits.steps if each.action == "move-disk" and each.args["vmid"] == "102")
    assert [each.id for each in fits.steps].index(migrated[0].id) < [each.id for each in fits.steps].index(second.id)


def test_the_second_group_waits_for_the_end_of_the_first():
    plan = planned([mail(100), mail(102, vg="drbdvg1")], "r0", "r1", survivors={"": B})

    assert [each.needs for each in plan.steps if each.id == "g2.001"] == [
        (next(e.id for e in plan.steps if e.action == "check"),)
    ]


def test_what_the_first_groups_guests_took_for_good_is_gone_for_the_second():
    # Without room only a merge is possible, and it takes memory on the survivor for good.
    guests = [mail(100), mail(102, vg="drbdvg1")]
    both = planned(guests, "r0", "r1", storages=stores(0), memory_mib=2048, survivors={"": B})
    one = planned(guests, "r0", "r1", storages=stores(0), memory_mib=1024, survivors={"": B})

    assert chosen(both) == {100: "merge", 102: "merge"}
    assert not one.is_feasible
    assert one.groups[1].cost_if_victim[A].why_not == "memory@pveB is short by 1024 MiB"


ODD = "<script>alert(1)</script>\"&' \u202e\u00e9"


def test_odd_names_are_escaped_on_the_page():
    guests = [mail(name=ODD), mail(101, B)]
    page = plan_page(planned(guests))

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;" in page


def test_a_vmid_whose_disk_was_made_on_both_sides_apart_is_two_volumes():
    guests = [mail(100), mail(101, B)]
    inputs = inputs_of(guests)
    here = replace(loose(lv="vm-100-disk-0", vmid=100, known=(CHANGED, UNCHANGED)), exists_on=(A,))
    there = replace(here, exists_on=(B,), per_side={A: UNCHANGED, B: CHANGED}, lv_uuid="other")
    plan = plan_evacuation(split_pair(guests), replace(inputs, changes=(here, there)))

    assert plan.groups[0].survivor == B
    assert plan.guests[0].choice.uses == {"storage:local@pveA": GIB}
    assert "drbdvg/vm-100-disk-0 on pveB belongs to no guest in the plan" in why_not(plan, B)


def test_a_guest_in_mid_migration_cannot_be_saved_now():
    plan = planned([mail(lock="migrate")], survivors={"": B})

    assert "nothing can save guest 100" in why_not(plan)
    assert "it is locked (migrate)" in guest_text(plan, plan.guests[0])


def test_a_template_of_the_victim_is_not_moved():
    plan = planned(
        [mail(is_template=True, state=GuestState.STOPPED)], storages=stores(nfs_mib=100 * GIB), survivors={"": B}
    )

    assert chosen(plan)[100] in ("merge", "backup-restore")
    assert not {"stop", "start"} & {each.action for each in plan.steps}


def test_a_guest_with_disks_on_three_storages_moves_only_those_on_the_split_vg():
    more = tuple(GuestVolume(key, VolumeUse.DISK, "local", f"{key}.raw", {}) for key in ("scsi5", "scsi6"))
    plan = planned([mail(more=more), mail(101, B)])

    assert [each.args["key"] for each in plan.steps if each.action == "move-disk"] == ["scsi0"]


def test_every_moved_disk_comes_home_and_its_stale_copy_is_removed_last():
    plan = planned([mail(), mail(101, B)])

    actions = [each.action for each in plan.steps]
    assert actions.index("primary") < actions.index("move-back") < actions.index("remove-stale")
    assert "qm disk move 100 scsi0 drbdvg --delete 1" in [each.shown for each in plan.steps]


def test_an_lv_that_the_survivor_made_under_the_same_name_is_not_removed():
    guests = [mail(100), mail(101, B)]
    inputs = inputs_of(guests)
    mine = replace(inputs.changes[0], exists_on=(A,), per_side={A: CHANGED, B: UNCHANGED})
    theirs = replace(mine, exists_on=(B,), per_side={A: UNCHANGED, B: CHANGED}, lv_uuid="other", vmid=None)
    plan = plan_evacuation(split_pair(guests), replace(inputs, changes=(mine, theirs, inputs.changes[1])))

    assert plan.groups[0].survivor == B
    assert chosen(plan)[100] == "move-disk"
    assert "remove-stale" not in [each.action for each in plan.steps]


def test_ha_is_taken_out_before_and_given_back_as_it_was():
    plan = planned([mail(ha="started"), mail(101, B, ha="started")])
    shown = [each.shown for each in plan.steps]

    assert shown.index("ha-manager set vm:100 --state ignored") < shown.index("qm disk move 100 scsi0 local")
    assert shown[-2:] == ["ha-manager set vm:100 --state started", "pve-drbd status"]
    assert not [each for each in shown if "vm:101" in each]


def test_drbd_8_3_is_shown_in_its_own_words_and_never_run():
    guests = [mail(), mail(101, B)]
    pair = split_pair(guests)
    old = {node: two_nodes("8.3", r0=connected()).nodes[node].drbd.loaded for node in (A, B)}
    plan = planned(guests, pair=pair.with_drbd(A, loaded=old[A]).with_drbd(B, loaded=old[B]))

    assert "drbdadm -- --discard-my-data connect r0" in [each.shown for each in plan.steps]
    assert any("pveA runs DRBD 8.3: its commands are shown" in each for each in plan.notes)


@pytest.mark.slow
def test_a_thousand_guests_are_planned():
    guests = [mail(100 + n, (A, B)[n % 2]) for n in range(1000)]
    began = time.perf_counter()
    plan = planned(guests, storages=stores(10**9))

    print(f"1000 guests: {time.perf_counter() - began:.1f} s, {len(dump(plan_json(plan), 'json'))} bytes")
    assert plan.is_feasible
    assert len(plan.guests) == 1000
