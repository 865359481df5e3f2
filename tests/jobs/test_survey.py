"""A survey: both nodes and PVE side by side, silence told once, a view's age, and the second look."""

from dataclasses import replace

import pytest

from pve_drbd.accounts import Answer
from pve_drbd.errors import Unreachable, Unreadable
from pve_drbd.findings import Verdict
from pve_drbd.jobs.survey import SECOND_LOOK_S, nodes_of_pair, take_survey
from pve_drbd.model.survey import NoView
from pve_drbd.rules.migration import judge_migration
from tests.jobs.standins import Story, with_garbled_get_gi
from tests.recorded import HERE, NEW, PEER


def test_a_healthy_pair_is_surveyed_whole():
    survey = Story().survey()

    assert judge_migration(survey, 100, PEER).findings == ()
    assert (survey.taken_on, survey.taken_at, survey.is_replay) == (HERE, "2026-11-22T12:00:00Z", False)


def test_a_silent_node_is_tried_once():
    story = Story()
    story.nodes.silence(PEER)

    survey = story.survey()

    assert survey.nodes[PEER] == NoView(PEER, "the account", "no route to host")
    assert story.nodes.names(PEER) == ["drbdadm-version"]


def test_a_command_that_does_not_answer_is_one_missing_part():
    story = Story()
    story.nodes.put(HERE, "lsblk", Unreachable(HERE, "lsblk did not end within 4 s"))

    survey = story.survey()

    assert survey.nodes[HERE].lvm.devices == NoView(HERE, "lsblk", "lsblk did not end within 4 s")
    assert not isinstance(survey.nodes[HERE].lvm.lvm, NoView)


def test_an_answer_that_cannot_be_taken_apart_is_a_damaged_part():
    story = Story()
    story.nodes.put(HERE, "drbdadm-version", Unreadable("ssh", 0, "a frame without end"))

    survey = story.survey()

    assert survey.nodes[HERE].drbd.versions.is_damaged
    assert survey.nodes[HERE].drbd.resources


def test_a_node_that_the_cluster_does_not_know_is_not_asked():
    story = Story()

    survey = take_survey(story.world, (HERE, "pveX"), ())

    assert survey.nodes["pveX"] == NoView("pveX", "the account", "it is not among the members of this cluster")
    assert (
        take_survey(replace(story.world, is_replay=True), ("pveX",), ()).nodes["pveX"].reason
        == "it is not in the bundle"
    )


def diverged():
    return Story("9-silent-divergence")


def test_silent_divergence_is_looked_at_twice_a_second_apart():
    story = diverged()

    survey = story.survey()

    assert story.clock.slept == [SECOND_LOOK_S]
    assert SECOND_LOOK_S >= 1
    assert story.nodes.names(HERE).count("get-gi") == 2
    assert story.nodes.names(HERE).count("lvs") == 1
    assert judge_migration(survey, 100, PEER).chief.code == "DRBD-E114"


def test_a_divergence_that_is_gone_at_the_second_look_was_none():
    story = diverged()
    healed = Story(NEW).nodes
    story.clock.when_slept = lambda: [
        story.nodes.put(node, "get-gi", healed.run(node, ("drbdadm", "get-gi", "all"), 1).out) for node in (HERE, PEER)
    ]

    survey = story.survey()

    assert story.clock.slept == [SECOND_LOOK_S]
    assert judge_migration(survey, 100, PEER).allowed


def test_the_second_look_asks_one_by_one_again():
    """Else it would judge by the identifiers of the first look, and confirm whatever that one saw."""
    story = with_garbled_get_gi(Story())
    line = "C0FFEE0000000001:0000000000000000:0000000000000000:0000000000000004:1:1:1:1:0:0:0\n"
    story.nodes.put_argv(HERE, "drbdadm get-gi r0/0", Answer(0, line))
    story.clock.when_slept = lambda: with_garbled_get_gi(story)

    survey = story.survey()

    assert story.nodes.asked.count((HERE, ("drbdadm", "get-gi", "r0/0"))) == 2
    assert judge_migration(survey, 100, PEER).allowed


def test_a_node_that_falls_silent_before_the_second_look_makes_the_answer_unknown():
    story = diverged()
    story.clock.when_slept = lambda: story.nodes.silence(PEER)

    survey = story.survey()

    assert isinstance(survey.nodes[PEER], NoView)
    assert judge_migration(survey, 100, PEER).verdict is Verdict.UNKNOWN


def test_a_node_that_was_silent_is_not_asked_at_the_second_look():
    story = diverged()
    story.nodes.silence(PEER)

    story.survey()

    assert story.clock.slept == []
    assert story.nodes.names(PEER) == ["drbdadm-version"]


def test_a_recording_is_looked_at_once():
    story = diverged()

    survey = story.survey(is_replay=True)

    assert story.clock.slept == []
    assert judge_migration(survey, 100, PEER).chief.code == "DRBD-E114"


def test_a_view_is_as_old_as_its_first_command():
    story = Story(took_s=0.25)

    survey = take_survey(story.world, (HERE,), ())

    assert survey.nodes[HERE].age_s == 0.25 * len(story.nodes.asked)


def test_the_second_look_makes_a_view_older_and_not_younger():
    story = Story("9-silent-divergence", took_s=0.25)

    survey = story.survey()

    assert survey.nodes[HERE].age_s > SECOND_LOOK_S + 0.25 * len(story.nodes.names(HERE))


def test_in_a_recording_a_view_is_as_old_as_its_commands_took_together():
    story = Story(took_s=99.0)

    survey = take_survey(replace(story.world, is_replay=True), (HERE,), ())

    answered = len([name for name in story.nodes.names(HERE) if name != "dmsetup-table"])
    assert survey.nodes[HERE].age_s == pytest.approx(0.1 * answered)


def test_a_recording_keeps_its_own_time():
    survey = Story().survey(is_replay=True, taken_at="2026-11-22T10:27:36Z")

    assert survey.taken_at == "2026-11-22T10:27:36Z"


def test_the_pair_is_the_hosts_of_what_is_configured_here():
    story = Story()

    assert nodes_of_pair(story.world) == (HERE, PEER)
    assert story.nodes.names(PEER) == []


def test_in_a_recording_every_node_counts_and_every_configuration_is_read():
    story = Story()

    assert nodes_of_pair(replace(story.world, is_replay=True, taken_on=PEER)) == (HERE, PEER)
    assert story.nodes.names(HERE) == story.nodes.names(PEER) == ["dump-xml"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0, '<config file="/etc/drbd.conf">\n</config>\n'),
        Answer(127, "", "not found"),
        Unreachable(HERE, "silent"),
    ],
)
def test_without_a_configuration_here_every_member_is_asked(answer):
    story = Story()
    story.nodes.put(HERE, "dump-xml", answer)

    assert nodes_of_pair(story.world) == (HERE, PEER)
