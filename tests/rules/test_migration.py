"""May a guest move: which findings PVE's account adds, and in which mode each of them forbids."""

from dataclasses import replace

import pytest

from pve_drbd.findings import Mode, Severity, Verdict, catalogue, find, report
from pve_drbd.model.drbd import DiskState, Role
from pve_drbd.model.pve import Guest, GuestKind, GuestState
from pve_drbd.model.survey import NoView
from pve_drbd.rules.migration import judge_migration, other_node, usual_mode
from tests.pairs import STANDALONE, A, B, codes, connected, everything, ids, lost, two_nodes

NOWHERE = NoView("PVE", "it", "it does not answer")


def judged(survey, vmid=100, target=B, mode=None):
    return judge_migration(survey, vmid, target, mode)


def test_a_guest_of_a_healthy_pair_may_move():
    report = judged(two_nodes())

    assert report.verdict is Verdict.ALLOWED
    assert report.findings == ()
    assert report.question == {"ask": "migration", "vmid": "100", "source": A, "target": B, "mode": "live"}


def test_a_standalone_peer_blocks_live_migration():
    survey = two_nodes(r0=connected()).with_views(**lost(STANDALONE))

    report = judged(survey)

    assert codes(report) == ["DRBD-E102"]
    assert not report.allowed


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.OFFLINE, Mode.RESTART])
def test_in_a_split_brain_every_move_is_refused(mode):
    survey = two_nodes().with_views(**lost(STANDALONE)).with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0))
    survey = survey.with_guest(100, state=GuestState.STOPPED)

    report = judged(survey, mode=mode)

    assert report.verdict is Verdict.REFUSED
    assert report.chief.code == "DRBD-E113"


def test_every_blocker_of_a_split_brain_forbids_every_move():
    for code in ("DRBD-E102", "DRBD-E113", "DRBD-E114", "DRBD-E123", "DRBD-E124"):
        assert {Mode.LIVE, Mode.OFFLINE, Mode.RESTART} <= catalogue()[code].blocks


def test_a_secondary_target_is_fine_for_a_stopped_guest_only():
    survey = two_nodes().with_view(B, role=Role.SECONDARY).with_view(A, peer_role=Role.SECONDARY)
    survey = survey.with_vg(B, is_gone=True)

    assert codes(judged(survey)) == ["DRBD-E105"]
    stopped = judged(survey.with_guest(100, state=GuestState.STOPPED))
    assert stopped.allowed
    assert everything(stopped) == ["DRBD-E105"]


def test_a_guest_whose_own_volumes_are_healthy_may_move_beside_a_degraded_resource():
    survey = two_nodes(r0=connected(), r1=connected()).with_views("r1", **lost(STANDALONE))

    assert judged(survey, 100).allowed
    assert codes(judged(survey, 102)) == ["DRBD-E102"]


STATES = [
    (GuestKind.VM, GuestState.RUNNING, Mode.LIVE),
    (GuestKind.VM, GuestState.PAUSED, Mode.LIVE),
    (GuestKind.VM, GuestState.STOPPED, Mode.OFFLINE),
    (GuestKind.VM, GuestState.SUSPENDED, Mode.OFFLINE),
    (GuestKind.VM, GuestState.UNKNOWN, Mode.LIVE),
    (GuestKind.CONTAINER, GuestState.RUNNING, Mode.RESTART),
    (GuestKind.CONTAINER, GuestState.STOPPED, Mode.OFFLINE),
    (GuestKind.CONTAINER, GuestState.UNKNOWN, Mode.LIVE),
]


@pytest.mark.parametrize(("kind", "state", "mode"), STATES)
def test_without_a_mode_the_guests_kind_and_state_decide(kind, state, mode):
    survey = two_nodes().with_guest(100, kind=kind, state=state)

    assert usual_mode(Guest(100, kind, A, "", state)) is mode
    assert judged(survey).mode is mode


def test_a_guest_that_nobody_knows_is_judged_as_a_live_migration():
    assert usual_mode(None) is Mode.LIVE


def off_drbd(survey):
    for node in (A, B):
        survey = survey.with_vg(node, pvs=("/dev/sdz",))
    return survey


def test_an_entry_of_our_type_whose_vg_is_not_on_drbd_is_refused():
    report = judged(off_drbd(two_nodes()))

    assert [(each.code, each.node) for each in report.of(Severity.BLOCKER)] == [("LVM-E219", A), ("LVM-E219", B)]


def test_a_shared_vg_of_pves_own_type_off_drbd_is_nothing_to_us():
    assert everything(judged(off_drbd(two_nodes()).with_entry(type="lvm"))) == ["PVE-N319"]


def test_one_volume_named_twice_is_judged_once():
    survey = two_nodes()
    (volume,) = survey.pve.configs[100].volumes
    twice = survey.with_volumes(volume, replace(volume, snapshot="before")).with_lv(B, is_gone=True)

    assert [each.code for each in judged(twice).findings] == ["LVM-E207"]


def test_a_degraded_resource_below_the_vg_but_not_below_the_volume_is_a_warning():
    survey = two_nodes(r0=connected(), r1=connected())
    for node in (A, B):
        lvm = survey.nodes[node].lvm.lvm
        vg = replace(lvm.vgs[0], pvs=("/dev/drbd0", "/dev/drbd1"))
        survey = survey.with_lvm(node, lvm=replace(lvm, vgs=(vg, lvm.vgs[1])))
    healthy = judged(survey)

    degraded = judged(
        survey.with_view(A, "r1", disk=DiskState.DISKLESS).with_view(B, "r1", peer_disk=DiskState.DISKLESS)
    )

    assert healthy.findings == ()
    assert degraded.allowed
    assert everything(degraded) == ["LVM-W216"]


# Where a part is missing.

MISSING = ["cluster", "storages", "guests", "ha"]


@pytest.mark.parametrize("part", MISSING)
def test_a_part_of_pves_account_that_is_missing_makes_the_answer_unknown(part):
    assert judged(two_nodes().with_pve(**{part: NOWHERE})).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("part", MISSING)
def test_a_split_brain_is_refused_whatever_part_of_pves_account_is_missing(part):
    survey = two_nodes().with_views(**lost(STANDALONE)).with_pve(**{part: NOWHERE})

    assert judged(survey).verdict is Verdict.REFUSED


def test_without_pve_the_volumes_are_found_by_the_guests_number():
    healthy, degraded = two_nodes().without_pve(), two_nodes().with_views(**lost(STANDALONE)).without_pve()

    assert judged(healthy).verdict is Verdict.UNKNOWN
    assert codes(judged(degraded)) == ["DRBD-E102", "VIEW-E001"]
    assert judged(degraded).question["source"] == A


def test_without_pve_a_silent_node_is_told_although_no_volume_is_found():
    survey = two_nodes().with_node(B, NoView(B, "the account", "no route to host")).without_pve()

    assert {each.node for each in judged(survey, vmid=555).findings} == {"PVE", B}


def test_without_pve_and_without_another_node_there_is_nothing_to_judge():
    survey = two_nodes().without_pve()
    alone = replace(survey, nodes={B: survey.nodes[B]})

    assert codes(judged(alone)) == ["VIEW-E001"]
    assert other_node(alone, B) == ""


@pytest.mark.parametrize("config", [None, NoView("PVE", "the configuration of guest 100", "refused")])
def test_a_configuration_that_is_not_known_is_replaced_by_the_volumes_names(config):
    survey = two_nodes().with_views(**lost(STANDALONE)).with_pve(configs={100: config} if config else {})

    assert codes(judged(survey)) == ["DRBD-E102", "VIEW-E001"]


@pytest.mark.parametrize("node", [A, B])
def test_an_old_view_is_refused(node):
    fresh, old = two_nodes().with_age(node, 10.0), two_nodes().with_age(node, 10.1)

    assert judged(fresh).allowed
    assert [(each.code, each.node) for each in judged(old).findings] == [("VIEW-E003", node)]
    assert codes(judge_migration(fresh, 100, B, limit_s=2.0)) == ["VIEW-E003"]


def test_the_age_of_a_third_nodes_view_does_not_matter():
    survey = two_nodes()
    third = replace(survey.nodes[A], node="pveC", age_s=99.0)

    assert judged(survey.with_node("pveC", third)).allowed


@pytest.mark.parametrize("code", catalogue())
def test_each_finding_forbids_just_the_modes_that_the_catalogue_names(code):
    found = find(code, "n", "r", "v", **dict.fromkeys(("subject", "reason"), "x"))
    blocks = catalogue()[code].blocks

    refusing = {mode for mode in Mode if report({}, mode, [found]).verdict is not Verdict.ALLOWED}

    assert refusing == blocks


def test_what_is_local_to_a_mode_is_not_told_in_the_others():
    unsafe = find("PVE-E312", node=A, vmid="100", key="scsi0", volid="x")

    assert report({}, Mode.LIVE, [unsafe]).findings == (unsafe,)
    assert report({}, Mode.OFFLINE, [unsafe]).findings == ()
    assert report({}, None, [unsafe]).findings == (unsafe,)
