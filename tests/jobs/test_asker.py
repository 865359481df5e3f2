"""What one node is asked, in which order, and what it is not asked."""

import pytest

from pve_drbd.accounts import Answer
from pve_drbd.dialects import ADJUST_DRY_RUN, COMMON_COMMANDS, DRBD_COMMANDS, READING_NAMES
from pve_drbd.errors import Unreachable
from pve_drbd.rules.migration import judge_migration
from tests.jobs.standins import Story, with_garbled_get_gi
from tests.recorded import HERE, NEW, OLD, PEER

LVM = {"lvs", "vgs", "pvs"}
NO_FILE = Answer(1, "", "cat: /proc/drbd: No such file or directory\n")


@pytest.mark.parametrize("scenario", [OLD, NEW])
def test_drbd_is_asked_before_lvm(scenario):
    story = Story(scenario)

    story.survey()

    names = story.nodes.names(HERE)
    first_of_lvm = min(names.index(name) for name in LVM)
    assert all(names.index(each.name) < first_of_lvm for each in DRBD_COMMANDS if each.name in names)


def test_a_healthy_node_is_asked_the_reading_set_once_and_nothing_else():
    story = Story(NEW)

    story.survey()

    expected = [each.name for each in (*DRBD_COMMANDS, *COMMON_COMMANDS)]
    assert story.nodes.names(HERE) == expected


def test_8_4_is_not_asked_what_it_cannot_answer():
    story = Story()

    story.survey()

    assert {"status-json", "show-json"}.isdisjoint(story.nodes.names(HERE))


@pytest.mark.parametrize("scenario", [OLD, NEW, "84-split-brain", "9-split-brain", "84-diskless", "84-suspended-io"])
def test_every_command_is_one_of_the_reading_set(scenario):
    story = Story(scenario)

    story.survey()

    others = {argv[:2] for _, argv in story.nodes.asked if argv not in READING_NAMES}
    assert others <= {("ping", "-n"), ("drbdadm", "get-gi")}


@pytest.mark.parametrize(
    ("scenario", "source", "old", "new"),
    [
        (OLD, "events2", "name:r0 role:Primary suspended:no", "name:r0 role:Primary suspended:user"),
        (OLD, "proc-drbd", " C r", " C s"),
        (NEW, "events2", "name:r0 role:Primary suspended:no", "name:r0 role:Primary suspended:quorum"),
        (NEW, "status-json", '"suspended-user": false', '"suspended-user": true'),
    ],
)
def test_lvm_is_not_run_where_any_source_says_that_io_is_suspended(scenario, source, old, new):
    story = Story(scenario)
    story.nodes.edit(HERE, source, old, new)
    if source == "status-json":
        story.nodes.edit(HERE, source, '"suspended": false', '"suspended": true')

    survey = story.survey()

    assert LVM.isdisjoint(story.nodes.names(HERE))
    assert LVM.issubset(story.nodes.names(PEER))
    assert "suspended there, and LVM would hang" in survey.nodes[HERE].lvm.lvm.reason


def test_what_reads_no_block_device_is_asked_although_io_is_suspended():
    story = Story("84-suspended-io")

    story.survey()

    assert {"lvmconfig", "lsblk", "dmsetup", "diskstats"} <= set(story.nodes.names(HERE))


def test_without_the_module_drbd_is_asked_nothing_that_would_load_it():
    story = Story()
    story.nodes.put(HERE, "proc-drbd", NO_FILE)

    survey = story.survey()

    asked = [name for name in story.nodes.names(HERE) if name in {each.name for each in DRBD_COMMANDS}]
    assert asked == ["drbdadm-version", "proc-drbd"]
    assert "ping" not in story.nodes.names(HERE)
    assert "DRBD-E126" in {each.code for each in judge_migration(survey, 100, PEER).findings}


def test_a_version_that_cannot_be_read_leaves_the_configuration_to_be_asked():
    story = Story()
    story.nodes.put(HERE, "proc-drbd", "garbled\n")

    story.survey()

    assert story.nodes.names(HERE)[:3] == ["drbdadm-version", "proc-drbd", "dump-xml"]
    assert "events2" not in story.nodes.names(HERE)


def test_a_series_that_nobody_knows_is_asked_its_configuration_only():
    story = Story()
    story.nodes.edit(HERE, "proc-drbd", "version: 8.4.11", "version: 8.0.16")

    story.survey()

    assert "events2" not in story.nodes.names(HERE)


def test_identifiers_that_cannot_be_assigned_are_asked_one_by_one():
    story = with_garbled_get_gi(Story())

    survey = story.survey()

    assert story.nodes.asked.count((HERE, ("drbdadm", "get-gi", "r0/0"))) == 1
    assert set(survey.nodes[HERE].drbd.generation_ids) == {("r0", 0), ("r1", 0)}
    assert judge_migration(survey, 100, PEER).allowed


def test_identifiers_are_not_asked_one_by_one_where_they_could_be_read_or_not_asked_at_all():
    story = Story()
    story.nodes.put(PEER, "get-gi", Unreachable(PEER, "it did not answer"))

    story.survey()

    assert all(argv[:2] != ("drbdadm", "get-gi") or argv[2] == "all" for _, argv in story.nodes.asked)


@pytest.mark.parametrize("scenario", [OLD, NEW, "84-diskless", "9-link-cut-noticed"])
def test_adjust_is_not_even_tried_dry_without_a_standalone_resource(scenario):
    story = Story(scenario)

    story.survey()

    assert (HERE, ADJUST_DRY_RUN.argv) not in story.nodes.asked


@pytest.mark.parametrize("scenario", ["84-split-brain", "9-split-brain"])
def test_adjust_is_tried_dry_once_where_a_resource_stands_alone(scenario):
    story = Story(scenario)
    story.nodes.put(HERE, "adjust-dry-run", "drbdsetup connect r0 1\n")

    survey = story.survey()

    assert story.nodes.asked.count((HERE, ADJUST_DRY_RUN.argv)) == 1
    assert survey.nodes[HERE].drbd.adjust_would_connect == ("r0",)
    assert "-d" in ADJUST_DRY_RUN.argv
