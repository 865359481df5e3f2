"""Is a resource a healthy mirror: what each node says of itself, of the link, and of the other side."""

from dataclasses import replace

import pytest

from pve_drbd.model.drbd import ConnectionState, DiskState, ProcDrbd, Progress, ReplicationState, Role, Version
from pve_drbd.model.survey import NoView
from pve_drbd.rules.health import effective_after_sb_1pri, judge_resource, judge_side, progress_words
from tests.pairs import CONNECTING, STANDALONE, A, B, codes, connected, ids, lost, two_nodes


def judged(survey, name="r0", node=A, peer=B):
    return list(judge_resource(survey, name, node, peer))


def told(found):
    return sorted({(each.code, each.node) for each in found})


@pytest.mark.parametrize("series", ["8.3", "8.4", "9"])
def test_a_healthy_pair_is_nothing_to_tell(series):
    assert judged(two_nodes(series, r0=connected(), r1=connected())) == []


@pytest.mark.parametrize("series", ["8.4", "9"])
def test_a_standalone_side_is_told_of_the_side_that_gave_up(series):
    survey = two_nodes(series).with_view(A, **lost(STANDALONE)).with_view(B, **lost(CONNECTING))

    assert told(judged(survey)) == [("DRBD-E102", A), ("DRBD-E103", B)]


@pytest.mark.parametrize(
    "state", [each for each in ConnectionState if each not in (ConnectionState.CONNECTED, STANDALONE)]
)
def test_a_side_without_a_connection_says_in_which_state_it_is(state):
    found = judged(two_nodes().with_views(**lost(state)))

    assert codes(found) == ["DRBD-E103"]
    assert f"is {state.value}:" in found[0].message


def test_a_resource_without_a_connection_in_the_kernel_is_not_connected():
    survey = two_nodes()
    (own,) = survey.nodes[A].drbd.resources
    cut = replace(own, connections=())

    found = judged(survey.with_drbd(A, resources=(cut,), witness=(cut,)))

    assert ("DRBD-E103", A) in told(found)


def test_a_resource_that_is_down_on_one_node_is_told():
    found = judged(two_nodes().with_drbd(B, resources=(), witness=()))

    assert ("DRBD-E101", B) in told(found)


@pytest.mark.parametrize("disk", [each for each in DiskState if each is not DiskState.UP_TO_DATE])
def test_a_disk_that_is_not_up_to_date_is_told_once_for_both_accounts_of_it(disk):
    survey = two_nodes().with_view(A, disk=disk).with_view(B, peer_disk=disk)

    found = judged(survey)

    assert told(found) == [("DRBD-E104", A)]
    assert f"is {disk.value}, not UpToDate" in found[0].message


def test_a_secondary_is_told_once_for_both_accounts_of_it():
    survey = two_nodes().with_view(B, role=Role.SECONDARY).with_view(A, peer_role=Role.SECONDARY)

    assert told(judged(survey)) == [("DRBD-E105", B)]


def test_the_peers_role_and_disk_are_judged_although_the_peer_is_silent():
    survey = (
        two_nodes()
        .with_view(A, peer_role=Role.SECONDARY, peer_disk=DiskState.INCONSISTENT)
        .with_node(B, NoView(B, "the account", "no route to host"))
    )

    assert told(judged(survey)) == [("DRBD-E104", B), ("DRBD-E105", B), ("VIEW-E001", B)]


def test_blocks_out_of_sync_are_told_where_no_resync_repairs_them():
    survey = two_nodes().with_view(A, out_of_sync_kib=296)

    assert told(judged(survey)) == [("DRBD-E106", A)]


def test_blocks_out_of_sync_during_a_resync_are_the_resyncs():
    survey = two_nodes()
    survey = survey.with_view(A, replication=ReplicationState.SYNC_SOURCE, out_of_sync_kib=296)
    survey = survey.with_view(B, replication=ReplicationState.SYNC_TARGET, out_of_sync_kib=296)

    assert codes(judged(survey)) == ["DRBD-E107"]


@pytest.mark.parametrize("state", [each for each in ReplicationState if each is not ReplicationState.ESTABLISHED])
def test_every_replication_state_but_established_is_told(state):
    code = "DRBD-N108" if state.is_verify else "DRBD-E107"
    if state in (ReplicationState.OFF, ReplicationState.AHEAD, ReplicationState.BEHIND):
        code = "DRBD-E109"

    assert code in codes(judge_side(two_nodes().with_view(A, replication=state), "r0", A, B))


def test_the_progress_of_a_resync_stands_in_its_finding():
    progress = Progress(left_kib=1024, total_kib=4096, rate_kib_s=100, eta_s=10)
    survey = two_nodes().with_view(A, replication=ReplicationState.SYNC_TARGET, progress=progress)

    (found,) = (each for each in judged(survey) if each.code == "DRBD-E107")

    assert "a resync is under way, 75.0 % done, 1024 KiB left, about 10 s." in found.message


def test_progress_is_told_as_far_as_it_is_known():
    assert progress_words(None) == ""
    assert progress_words(Progress(0, 0)) == ", 100.0 % done, 0 KiB left"


def test_suspended_io_says_who_suspended_it():
    (found, *_) = judged(two_nodes().with_view(A, suspended=("user", "quorum")))

    assert (found.code, found.node) == ("DRBD-E112", A)
    assert "(user, quorum)" in found.message


def test_a_lost_quorum_is_told():
    survey = two_nodes().with_view(A, has_quorum=False).with_view(B, has_quorum=True)

    assert told(judged(survey)) == [("DRBD-E122", A)]


def test_a_silent_node_is_one_missing_view():
    survey = two_nodes().with_node(B, NoView(B, "the account", "no route to host"))

    assert told(judged(survey)) == [("VIEW-E001", B)]


@pytest.mark.parametrize("part", ["loaded", "versions", "config", "resources", "witness", "running", "generation_ids"])
@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_part_of_an_account_that_is_missing_makes_the_answer_unknown(part, is_damaged):
    nothing = NoView(A, part, "it does not answer", is_damaged)

    found = judged(two_nodes().with_drbd(A, **{part: nothing}))

    assert ("VIEW-E002" if is_damaged else "VIEW-E001", A) in told(found)


def test_a_node_without_the_module_is_told_so_and_not_judged_further():
    absent = NoView(A, "DRBD", "its module is not loaded")
    unloaded = dict.fromkeys(("versions", "config", "resources", "witness", "running", "generation_ids"), absent)

    found = judge_side(two_nodes().with_drbd(A, loaded=ProcDrbd(Version(0, 0, 0), ()), **unloaded), "r0", A, B)

    assert told(found) == [("DRBD-E126", A)]


@pytest.mark.parametrize(
    ("probe", "code"),
    [
        ({"is_done": False, "problem": "not in the bundle"}, "VIEW-N006"),
        ({"interface": "", "problem": "no interface has it"}, "DRBD-E120"),
        ({"problem": "no reply within 1 s"}, "DRBD-E119"),
    ],
)
@pytest.mark.parametrize("node", [A, B])
def test_a_link_that_does_not_answer_is_told_of_the_node_that_tried(node, probe, code):
    assert told(judged(two_nodes().with_probe(node, **probe))) == [(code, node)]


def test_a_link_without_known_addresses_is_not_probed():
    survey = two_nodes()

    found = judged(survey.with_node(A, replace(survey.nodes[A], probes=())))

    assert told(found) == [("VIEW-N006", A)]


def test_a_link_that_could_not_be_probed_is_a_missing_view():
    survey = two_nodes()
    unread = NoView(A, "the replication link", "garbled", is_damaged=True)

    assert told(judged(survey.with_node(A, replace(survey.nodes[A], probes=unread)))) == [("VIEW-E002", A)]


@pytest.mark.parametrize(("node", "peer"), [(A, "pveC"), ("pveC", B)])
def test_a_node_without_a_replica_is_told_and_nothing_else_is_judged(node, peer):
    assert told(judged(two_nodes(), node=node, peer=peer)) == [("DRBD-E125", "pveC")]


def three_hosts():
    survey = two_nodes()
    for node in (A, B):
        config = survey.nodes[node].drbd.config
        third = replace(config.resources[0].hosts[0], name="pveC")
        resource = replace(config.resources[0], hosts=(*config.resources[0].hosts, third))
        survey = survey.with_drbd(node, config=replace(config, resources=(resource,)))
    return survey


def test_a_third_host_is_told_and_left_alone():
    assert told(judged(three_hosts())) == [("DRBD-N127", A)]


def split():
    survey = two_nodes().with_views(**lost(STANDALONE))
    return survey.with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0))


def with_policy(survey, node, *, common=None, resource=None, connection=None):
    """after-sb-1pri at these places of the configuration of `node`."""
    config = survey.nodes[node].drbd.config

    def net(value):
        return {"after-sb-1pri": value} if value else {}

    changed = replace(config.resources[0], options={"net": net(resource)}, connection_options=net(connection) or None)
    return survey.with_drbd(node, config=replace(config, common={"net": net(common)}, resources=(changed,)))


def test_in_a_split_brain_a_policy_that_discards_the_secondary_is_told():
    survey = with_policy(split(), A, common="discard-secondary")

    assert ("DRBD-W121", A) in told(judged(survey))
    assert ("DRBD-W121", B) not in told(judged(survey))


def test_a_policy_that_discards_is_no_trap_while_the_pair_is_whole():
    assert judged(with_policy(two_nodes(), A, common="discard-secondary").with_net(A).with_net(B)) == []


@pytest.mark.parametrize(
    ("places", "policy"),
    [
        ({}, "disconnect"),
        ({"common": "consensus"}, "consensus"),
        ({"common": "consensus", "resource": "discard-secondary"}, "discard-secondary"),
        ({"resource": "discard-secondary", "connection": "disconnect"}, "disconnect"),
    ],
)
def test_the_policy_nearest_to_the_connection_counts(places, policy):
    survey = with_policy(two_nodes(), A, **places)

    assert effective_after_sb_1pri(survey.nodes[A].drbd, "r0") == policy


def test_the_policy_of_a_resource_that_is_not_configured_is_drbds_default():
    assert effective_after_sb_1pri(two_nodes().nodes[A].drbd, "r9") == "disconnect"


def test_a_policy_that_could_not_be_read_is_not_guessed():
    survey = two_nodes().with_drbd(A, config=NoView(A, "dump-xml", "it does not answer"))

    assert effective_after_sb_1pri(survey.nodes[A].drbd, "r0") == ""


@pytest.mark.parametrize("survey", [split(), two_nodes().with_view(A, **lost(STANDALONE))], ids=["split", "standalone"])
def test_an_adjust_that_would_connect_what_stands_alone_is_told(survey):
    survey = survey.with_drbd(A, adjust_would_connect=("r0",))

    assert ("DRBD-W115", A) in told(judged(survey))


def test_a_silent_node_sets_no_trap_that_is_known():
    survey = split().with_node(B, NoView(B, "the account", "no route to host"))

    assert codes(each for each in judged(survey) if each.code.startswith("DRBD-W")) == []


def test_a_resource_that_nobody_configured_is_judged_by_what_the_kernels_say():
    survey = two_nodes()
    for node in (A, B):
        survey = survey.with_drbd(node, config=replace(survey.nodes[node].drbd.config, resources=()))

    assert codes(judged(survey.with_view(A, **lost(STANDALONE)))) == ["DRBD-E102", "VIEW-E004"]
