"""Is one LV the same, whole and free on both nodes."""

from dataclasses import replace

import pytest

from pve_drbd.model.drbd import Role
from pve_drbd.model.lvm import Segment
from pve_drbd.model.survey import NoView
from pve_drbd.rules.placement import place
from pve_drbd.rules.volumes import INCOMPLETE_TAG, judge_volume
from tests.pairs import A, B, connected, two_nodes


def judged(survey, source=A, target=B, asked=None):
    asked = asked or survey
    where = place(asked, survey.pve.configs[100].volumes[0], survey.pve.storage("drbdvg"))
    return list(judge_volume(survey, where, 100, source, target))


def told(found):
    return [(each.code, each.node) for each in found]


def test_a_volume_that_both_nodes_show_alike_is_nothing_to_tell():
    assert judged(two_nodes()) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"uuid": "other"}, "its uuid"),
        ({"seqno": 4}, "its metadata sequence number"),
        ({"size_b": 1}, "its size in bytes"),
        ({"uuid": "other", "seqno": 4}, "its uuid"),
    ],
)
def test_a_vg_that_differs_between_the_nodes_is_told_once(changes, what):
    (found,) = judged(two_nodes().with_vg(B, **changes))

    assert (found.code, dict(found.details)["what"]) == ("LVM-E206", what)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"uuid": "other"}, "its uuid"),
        ({"size_b": 1}, "its size in bytes"),
        ({"segments": (Segment(0, "/dev/drbd0", 7, 2),)}, "its place"),
    ],
)
def test_a_volume_that_differs_between_the_nodes_is_told_once(changes, what):
    (found,) = judged(two_nodes().with_lv(B, **changes))

    assert (found.code, dict(found.details)["what"]) == ("LVM-E217", what)


def test_the_name_of_the_disk_below_is_no_difference_in_place():
    survey = two_nodes().with_lv(B, segments=(Segment(0, "/dev/sdb", 0, 2),))

    assert judged(survey) == []


@pytest.mark.parametrize("node", [A, B])
def test_a_volume_on_one_side_only_is_told_of_the_side_that_lacks_it(node):
    assert told(judged(two_nodes().with_lv(node, is_gone=True))) == [("LVM-E207", node)]


def test_a_volume_on_no_side_does_not_exist():
    survey = two_nodes().with_lv(A, is_gone=True).with_lv(B, is_gone=True)

    assert told(judged(survey)) == [("LVM-E208", "")]


def test_a_vg_that_a_primary_node_does_not_show_is_missing():
    assert told(judged(two_nodes().with_vg(B, is_gone=True))) == [("LVM-E205", B)]


def test_a_vg_that_a_secondary_node_does_not_show_is_hidden_and_not_missing():
    """That the resource is Secondary is told by the rule for resources."""
    survey = two_nodes().with_view(B, role=Role.SECONDARY).with_vg(B, is_gone=True)

    assert judged(survey) == []


def test_a_vg_below_a_resource_that_is_down_is_hidden_and_not_missing():
    assert judged(two_nodes().with_drbd(B, resources=()).with_vg(B, is_gone=True)) == []


def test_the_raw_disk_below_drbd_taken_for_the_volume_is_told():
    survey = two_nodes().with_vg(B, pvs=("/dev/sdb",))

    assert ("LVM-E201", B) in told(judged(survey))


def test_a_volume_active_on_the_other_node_is_a_warning_and_a_blocker_if_it_is_open():
    active = {"is_active": True, "device": (253, 0)}

    assert told(judged(two_nodes().with_lv(B, **active, is_open=False))) == [("LVM-W211", B)]
    assert told(judged(two_nodes().with_lv(B, **active, is_open=True))) == [("LVM-E212", B)]


def test_a_volume_in_use_where_its_guest_runs_is_as_it_should_be():
    (lv,) = two_nodes().nodes[A].lvm.lvm.lvs

    assert lv.is_open
    assert judged(two_nodes()) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"health": "partial"}, "LVM-E213"),
        ({"attributes": "-wi-ao--p-"}, "LVM-E213"),
        ({"attributes": "-wi-XX----"}, "LVM-E214"),
        ({"tags": (INCOMPLETE_TAG,)}, "LVM-E215"),
    ],
)
@pytest.mark.parametrize("node", [A, B])
def test_a_volume_that_is_not_whole_is_told_of_the_node_that_says_so(node, changes, code):
    assert told(judged(two_nodes().with_lv(node, **changes))) == [(code, node)]


@pytest.mark.parametrize("part", ["lvm", "dm", "devices", "filters"])
@pytest.mark.parametrize("node", [A, B])
def test_what_lvm_could_not_tell_is_a_missing_view(node, part):
    survey = two_nodes().with_lvm(node, **{part: NoView(node, part, "it does not answer")})

    assert ("VIEW-E001", node) in told(judged(survey, asked=two_nodes()))


def test_a_silent_node_is_one_missing_view():
    survey = two_nodes().with_node(B, NoView(B, "the account", "no route to host"))

    assert told(judged(survey)) == [("VIEW-E001", B)]


def test_a_guessed_place_needs_the_configuration_that_would_have_told_it():
    survey = two_nodes()
    for node in (A, B):
        survey = survey.with_vg(node, is_gone=True)
    survey = survey.with_drbd(B, config=NoView(B, "dump-xml", "it does not answer"))

    assert ("VIEW-E001", B) in told(judged(survey))


def test_a_start_looks_at_its_own_node_only():
    survey = two_nodes().with_lv(B, is_gone=True)

    assert judged(survey, A, A) == []


def test_a_volume_of_a_vg_over_two_resources_is_hidden_if_either_is_not_primary():
    survey = two_nodes(r0=connected(), r1=connected()).with_view(B, "r1", role=Role.SECONDARY).with_vg(B, is_gone=True)
    where = place(survey, survey.pve.configs[100].volumes[0], survey.pve.storage("drbdvg"))
    over_both = replace(where, vg_resources=("r0", "r1"))

    assert [each.code for each in judge_volume(survey, over_both, 100, A, B)] == []
