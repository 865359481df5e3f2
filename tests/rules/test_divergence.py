"""What generation identifiers prove, and when they are asked at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.model.drbd import DiskState, ReplicationState, Role
from pve_drbd.model.survey import NoView
from pve_drbd.rules.divergence import Relation, changed_kib, has_silent_divergence, judge_divergence, relate
from tests.pairs import CONNECTING, STANDALONE, A, B, codes, connected, ids, lost, two_nodes

NONE, JUST_CREATED = 0, 4
RULES = [
    ("the same current is the same data", ids(0xC0), ids(0xC0), Relation.SAME),
    ("the same current decides, whatever the rest says", ids(0xC0, 0xB0, 0xA0), ids(0xC0, 0xE0, 0xF0), Relation.SAME),
    ("two just created replicas are one", ids(JUST_CREATED), ids(JUST_CREATED), Relation.SAME),
    ("just created here", ids(JUST_CREATED), ids(0xC0, 0xB0), Relation.FRESH),
    ("just created there", ids(0xC0, 0xB0), ids(JUST_CREATED), Relation.FRESH),
    ("no identifier at all is just created", ids(NONE), ids(0xC0), Relation.FRESH),
    ("a fresh current in a history is no ancestor", ids(JUST_CREATED), ids(0xC0, 0xB0, JUST_CREATED), Relation.FRESH),
    ("our bitmap has their current", ids(0xC0, 0xB0), ids(0xB0), Relation.HERE_AHEAD),
    ("our history has their current", ids(0xC0, 0xD0, 0xB0), ids(0xB0, 0, 0xA0), Relation.HERE_AHEAD),
    ("our older history has their current", ids(0xC0, 0, 0xD0, 0xB0), ids(0xB0), Relation.HERE_AHEAD),
    ("their bitmap has our current", ids(0xB0), ids(0xC0, 0xB0), Relation.THERE_AHEAD),
    ("their history has our current", ids(0xB0), ids(0xC0, 0, 0xB0), Relation.THERE_AHEAD),
    ("each names the other as its past", ids(0xC0, 0, 0xD0), ids(0xD0, 0, 0xC0), Relation.SPLIT_OLDER_ANCESTOR),
    ("one bitmap on both sides", ids(0xC0, 0xB0), ids(0xD0, 0xB0), Relation.SPLIT_SAME_ANCESTOR),
    ("the histories meet", ids(0xC0, 0xE0, 0xB0), ids(0xD0, 0xF0, 0xB0), Relation.SPLIT_OLDER_ANCESTOR),
    ("a bitmap meets a history", ids(0xC0, 0xB0), ids(0xD0, 0xF0, 0xB0), Relation.SPLIT_OLDER_ANCESTOR),
    ("their current decides before a common bitmap", ids(0xC0, 0xB0, 0xD0), ids(0xD0, 0xB0), Relation.HERE_AHEAD),
    (
        "a common bitmap decides before a history",
        ids(0xC0, 0xB0, 0xA0),
        ids(0xD0, 0xB0, 0xA0),
        Relation.SPLIT_SAME_ANCESTOR,
    ),
    ("the state of a created pair is no ancestor of a split", ids(0xC0, 0, 4), ids(0xD0, 0, 4), Relation.UNRELATED),
    ("nothing meets", ids(0xC0, 0xB0, 0xA0), ids(0xD0, 0xE0, 0xF0), Relation.UNRELATED),
    ("empty slots do not meet", ids(0xC0, NONE, NONE), ids(0xD0, NONE, NONE), Relation.UNRELATED),
    ("two fresh bitmaps do not meet", ids(0xC0, JUST_CREATED), ids(0xD0, JUST_CREATED), Relation.UNRELATED),
    ("two fresh histories do not meet", ids(0xC0, 0, 4, 0), ids(0xD0, 0, 4, 0), Relation.UNRELATED),
]


@pytest.mark.parametrize(("here", "there", "relation"), [pytest.param(*rest, id=name) for name, *rest in RULES])
def test_identifiers_are_compared_by_the_kernels_rules(here, there, relation):
    assert relate(here, there) is relation


IDENTIFIER = st.sampled_from((NONE, JUST_CREATED, 0xA0, 0xB0, 0xC0, 0xD0))
REPLICA = st.builds(ids, IDENTIFIER, IDENTIFIER, IDENTIFIER, IDENTIFIER)
MIRRORED = {Relation.HERE_AHEAD: Relation.THERE_AHEAD, Relation.THERE_AHEAD: Relation.HERE_AHEAD}


@given(REPLICA, REPLICA)
def test_both_nodes_come_to_the_same_conclusion(here, there):
    relation = relate(here, there)

    assert relate(there, here) is MIRRORED.get(relation, relation)


def test_only_the_two_splits_count_as_a_split():
    assert [each for each in Relation if each.is_split] == [Relation.SPLIT_SAME_ANCESTOR, Relation.SPLIT_OLDER_ANCESTOR]


def split(survey):
    """The pair lost its link, and both sides went on."""
    return survey.with_views(**lost(STANDALONE)).with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0))


def judged(survey):
    return list(judge_divergence(survey, "r0", A, B))


def test_equal_identifiers_of_a_connected_pair_are_nothing_to_tell():
    assert judged(two_nodes()) == []


def test_a_split_brain_tells_how_much_each_side_changed():
    survey = split(two_nodes()).with_view(A, out_of_sync_kib=12288).with_view(B, out_of_sync_kib=5120)

    (found,) = judged(survey)

    assert found.code == "DRBD-E113"
    assert "both went on from the same state" in found.message
    assert "pveA changed 12288 KiB and pveB 5120 KiB" in found.message


def test_a_side_that_does_not_tell_how_much_it_changed_is_said_to_be_unknown():
    survey = split(two_nodes())
    silent = survey.nodes[A].drbd.resources[0]

    assert changed_kib(silent, "pveC", 0) == "an unknown number of"


def test_unrelated_data_is_told():
    survey = two_nodes().with_views(**lost()).with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xE0))

    assert codes(judged(survey)) == ["DRBD-E123"]


def test_the_older_copy_is_named_on_the_node_that_has_it():
    ahead = two_nodes().with_views(**lost()).with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xB0))
    behind = two_nodes().with_views(**lost()).with_ids(pveA=ids(0xB0), pveB=ids(0xC0, 0xB0))

    assert [(each.code, each.node) for each in judged(ahead)] == [("DRBD-E124", B)]
    assert [(each.code, each.node) for each in judged(behind)] == [("DRBD-E124", A)]


def test_who_is_older_is_not_told_while_one_side_still_says_connected():
    survey = two_nodes().with_view(A, **lost(CONNECTING)).with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xB0))

    assert judged(survey) == []


def test_equal_currents_of_an_unconnected_pair_prove_nothing():
    """DRBD 9 keeps them after a loss until the first write: no finding here, and `not connected` elsewhere."""
    survey = two_nodes().with_views(**lost())

    assert judged(survey) == []


def test_a_fresh_replica_of_an_unconnected_pair_is_no_older_copy():
    survey = two_nodes().with_views(**lost()).with_ids(pveA=ids(JUST_CREATED), pveB=ids(0xC0))

    assert judged(survey) == []


def test_identifiers_that_differ_where_all_else_is_healthy_are_a_silent_divergence():
    survey = two_nodes().with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0))

    (found,) = judged(survey)

    assert (found.code, found.volume) == ("DRBD-E114", "0")
    assert "00000000000000C0 on pveA, 00000000000000D0 on pveB" in found.message
    assert has_silent_divergence(survey)


@pytest.mark.parametrize(
    "change",
    [
        {"replication": ReplicationState.OFF},
        {"disk": DiskState.CONSISTENT},
        {"peer_disk": DiskState.CONSISTENT},
        lost(CONNECTING),
    ],
    ids=["replication off", "own disk", "peer's disk", "link lost"],
)
@pytest.mark.parametrize("node", [A, B])
def test_a_divergence_is_silent_only_if_both_sides_say_that_all_is_well(node, change):
    survey = two_nodes().with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0)).with_view(node, **change)

    assert "DRBD-E114" not in codes(judged(survey))
    assert not has_silent_divergence(survey)


@pytest.mark.parametrize("state", [each for each in ReplicationState if each.is_resync or each.is_verify])
@pytest.mark.parametrize("node", [A, B])
def test_nothing_is_concluded_while_either_side_compares_or_copies(node, state):
    survey = two_nodes().with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0)).with_view(node, replication=state)

    assert judged(survey) == []


def test_identifiers_that_could_not_be_read_are_a_missing_view():
    survey = two_nodes().with_drbd(B, generation_ids=NoView(B, "get-gi", "garbled", is_damaged=True))

    assert codes(judged(survey)) == ["VIEW-E002"]


def test_a_replica_without_identifiers_is_a_missing_view():
    survey = two_nodes().with_drbd(B, generation_ids={})

    assert [(each.code, each.node) for each in judged(survey)] == [("VIEW-E001", B)]


def test_a_diskless_replica_needs_no_identifiers():
    survey = two_nodes().with_view(B, disk=DiskState.DISKLESS).with_drbd(B, generation_ids={})

    assert judged(survey) == []


def test_a_resource_that_is_down_on_one_side_is_not_compared():
    assert judged(two_nodes().with_drbd(B, resources=())) == []


def test_a_resource_of_one_host_cannot_diverge():
    survey = two_nodes().with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0))
    for node in (A, B):
        config = survey.nodes[node].drbd.config
        alone = replace(config.resources[0], hosts=config.resources[0].hosts[:1])
        survey = survey.with_drbd(node, config=replace(config, resources=(alone,)))

    assert not has_silent_divergence(survey)


def test_the_role_of_a_side_does_not_matter_to_its_identifiers():
    survey = split(two_nodes()).with_view(B, role=Role.SECONDARY)

    assert codes(judged(survey)) == ["DRBD-E113"]


def test_a_pair_of_healthy_views_is_not_diverged():
    assert not has_silent_divergence(two_nodes(r0=connected(), r1=connected()))
