"""Where two sources that should tell the same do not."""

from dataclasses import replace

import pytest

from pve_drbd.model.drbd import DiskState, ReplicationState, Role
from pve_drbd.model.survey import NoView
from pve_drbd.rules.agreement import judge_agreement, judge_witness
from tests.pairs import CONNECTING, STANDALONE, A, B, lost, two_nodes

R = ReplicationState
SEEN_FROM_THERE = [
    (R.STARTING_SYNC_SOURCE, R.STARTING_SYNC_TARGET),
    (R.BITMAP_SOURCE, R.BITMAP_TARGET),
    (R.SYNC_SOURCE, R.SYNC_TARGET),
    (R.PAUSED_SYNC_SOURCE, R.PAUSED_SYNC_TARGET),
    (R.VERIFY_SOURCE, R.VERIFY_TARGET),
    (R.AHEAD, R.BEHIND),
    (R.ESTABLISHED, R.ESTABLISHED),
]


def disagreements(survey):
    """(node, what) of each."""
    return [(each.node, dict(each.details)["what"]) for each in judge_agreement(survey, "r0", A, B)]


def contradictions(survey, node=A):
    view = survey.nodes[node]
    return [dict(each.details)["what"] for each in judge_witness(view, view.drbd.resources[0], B if node == A else A)]


def test_two_healthy_accounts_agree():
    assert disagreements(two_nodes()) == []


@pytest.mark.parametrize("state", [STANDALONE, CONNECTING])
@pytest.mark.parametrize("node", [A, B])
def test_a_link_that_only_one_side_has_is_a_disagreement(node, state):
    assert disagreements(two_nodes().with_view(node, **lost(state))) == [(A, "connection")]


def test_two_sides_without_a_link_need_not_agree_on_what_they_last_saw():
    survey = two_nodes().with_view(A, **lost(STANDALONE)).with_view(B, **lost(CONNECTING))

    assert disagreements(survey) == []


@pytest.mark.parametrize(
    ("changes", "what"), [({"peer_role": Role.SECONDARY}, "role"), ({"peer_disk": DiskState.OUTDATED}, "disk")]
)
@pytest.mark.parametrize(("node", "whose"), [(A, B), (B, A)])
def test_what_a_node_says_of_the_other_must_be_what_that_one_says_itself(node, whose, changes, what):
    assert disagreements(two_nodes().with_view(node, **changes)) == [(whose, what)]


@pytest.mark.parametrize(("here", "there"), SEEN_FROM_THERE)
def test_a_state_and_its_mirror_image_agree(here, there):
    assert disagreements(two_nodes().with_view(A, replication=here).with_view(B, replication=there)) == []
    assert disagreements(two_nodes().with_view(A, replication=there).with_view(B, replication=here)) == []


@pytest.mark.parametrize("here", [state for pair in SEEN_FROM_THERE[:-1] for state in pair])
def test_a_state_without_its_mirror_image_is_a_disagreement(here):
    assert disagreements(two_nodes().with_view(A, replication=here)) == [(A, "replication")]


def test_a_node_that_does_not_show_the_resource_disagrees_with_nothing():
    assert disagreements(two_nodes().with_drbd(B, resources=())) == []
    assert disagreements(two_nodes().with_node(B, NoView(B, "the account", "no route to host"))) == []


def test_a_resource_without_a_connection_disagrees_with_nothing():
    survey = two_nodes()
    cut = replace(survey.nodes[A].drbd.resources[0], connections=())

    assert disagreements(survey.with_drbd(A, resources=(cut,))) == []


def test_a_volume_that_only_one_side_has_yet_is_not_compared():
    survey = two_nodes()
    (own,) = survey.nodes[A].drbd.resources
    second = replace(own.volumes[0], number=1, minor=7, disk=DiskState.DISKLESS)
    link = replace(
        own.connections[0], volumes=(*own.connections[0].volumes, replace(own.connections[0].volumes[0], number=1))
    )

    assert (
        disagreements(
            survey.with_drbd(A, resources=(replace(own, volumes=(*own.volumes, second), connections=(link,)),))
        )
        == []
    )


OTHERWISE = [
    ({"role": Role.SECONDARY}, "role"),
    ({"connection": CONNECTING}, "connection"),
    ({"peer_role": Role.SECONDARY}, "peer role"),
    ({"disk": DiskState.INCONSISTENT}, "disk"),
    ({"suspended": ("user",)}, "suspended I/O"),
    ({"replication": R.SYNC_TARGET}, "replication"),
    ({"peer_disk": DiskState.OUTDATED}, "peer disk"),
    ({"out_of_sync_kib": 4}, "out of sync"),
]


@pytest.mark.parametrize("series", ["8.4", "9"])
@pytest.mark.parametrize(("changes", "what"), OTHERWISE)
def test_a_fact_that_events2_tells_alone_is_a_contradiction(series, changes, what):
    survey = two_nodes(series)
    only_events2 = survey.with_view(A, **changes).nodes[A].drbd.resources

    assert contradictions(survey.with_drbd(A, resources=only_events2)) == [what]


@pytest.mark.parametrize("series", ["8.4", "9"])
@pytest.mark.parametrize(("changes", "what"), OTHERWISE)
def test_a_fact_that_both_sources_tell_is_none(series, changes, what):
    assert contradictions(two_nodes(series).with_view(A, **changes)) == []


def test_the_sources_are_named():
    survey = two_nodes("8.4")
    only_events2 = survey.with_view(A, role=Role.SECONDARY).nodes[A].drbd.resources
    view = survey.with_drbd(A, resources=only_events2).nodes[A]

    (found,) = judge_witness(view, view.drbd.resources[0], B)

    assert found.message == "r0/0 on pveA: events2 says role Secondary, /proc/drbd says Primary."


def test_two_counts_of_blocks_out_of_sync_may_differ_as_long_as_both_are_some():
    survey = two_nodes("8.4").with_view(A, out_of_sync_kib=8)
    more = survey.with_view(A, out_of_sync_kib=12).nodes[A].drbd.resources

    assert contradictions(survey.with_drbd(A, resources=more)) == []


def test_a_volume_that_the_second_source_lacks_is_a_contradiction():
    survey = two_nodes()
    (own,) = survey.nodes[A].drbd.resources
    without = replace(own, volumes=(), connections=(replace(own.connections[0], volumes=()),))

    assert contradictions(survey.with_drbd(A, witness=(without,))) == ["disk", "replication", "peer disk"]


def test_a_second_source_that_was_not_read_contradicts_nothing():
    nothing = NoView(A, "status-json", "it does not answer")

    assert contradictions(two_nodes().with_drbd(A, witness=nothing)) == []
    assert contradictions(two_nodes("8.4").with_drbd(A, loaded=nothing)) == []


def test_other_resources_and_other_peers_of_the_second_source_are_not_compared():
    survey = two_nodes()
    (own,) = survey.nodes[A].drbd.resources
    other = replace(own, name="r9", role=Role.SECONDARY)
    strange = replace(own, connections=(replace(own.connections[0], peer="pveC"),), role=Role.SECONDARY)

    assert contradictions(survey.with_drbd(A, witness=(other, own))) == []
    assert contradictions(survey.with_drbd(A, witness=(strange,))) == []


def test_a_minor_that_proc_drbd_does_not_show_is_left_to_the_whole_answer():
    survey = two_nodes("8.4")
    (minor,) = survey.nodes[A].drbd.loaded.minors
    elsewhere = replace(survey.nodes[A].drbd.loaded, minors=(replace(minor, minor=9, role=Role.SECONDARY),))

    assert contradictions(survey.with_drbd(A, loaded=elsewhere)) == []


def test_without_a_connection_to_the_peer_there_is_nothing_to_compare():
    survey = two_nodes()
    (own,) = survey.nodes[A].drbd.resources

    assert list(judge_witness(survey.nodes[A], replace(own, connections=()), B)) == []
