"""What is read of each side's changes: of lost resources only, in the one safe order, and only if it fits together."""

from __future__ import annotations

import re

import pytest

from pve_drbd.accounts import Answer
from pve_drbd.cli.main import main
from pve_drbd.cli.worlds import open_world
from pve_drbd.errors import Unreachable
from pve_drbd.jobs.survey import nodes_of_pair, take_survey
from pve_drbd.model.evacuation import DirtyMap
from pve_drbd.model.survey import NoView
from tests.jobs.standins import Story
from tests.metadata_text import act_log_text, bits_of, dump_text
from tests.recorded import HERE, PEER, SCENARIOS, commands_of

MAPPED = "84-split-brain-mapped"
LOG = "/sys/kernel/debug/drbd/resources/{}/volumes/0/act_log_extents"
DUMP = {
    "r0": "drbdmeta --force - v08 /dev/vdb internal dump-md",
    "r1": "drbdmeta --force - v08 /dev/vdc internal dump-md",
}
R1_BITS = ((0, 128), (1024, 3072), (25600, 25604))


def dirty(story, node=HERE):
    survey = take_survey(story.world, (HERE, PEER), (), with_changes=True)
    return survey.nodes[node].dirty


def recorded(name, node=HERE):
    return next(answer.out for each, answer in commands_of(MAPPED, node) if each.name == name)


def asked(story, node=HERE):
    argv = [" ".join(each) for where, each in story.nodes.asked if where == node]
    return [each for each in argv if "act_log_extents" in each or "drbdmeta" in each or each.endswith("--statistics")]


def test_each_lost_volume_is_asked_for_its_log_its_bitmap_and_its_log_again_and_then_out_of_sync():
    story = Story(MAPPED)

    dirty(story)

    assert asked(story) == [
        command
        for name in ("r0", "r1")
        for command in (f"cat {LOG.format(name)}", DUMP[name], f"cat -- {LOG.format(name)}")
    ] + ["drbdsetup events2 --now --statistics"]
    assert story.nodes.asked.index((HERE, ("cat", LOG.format("r0")))) > story.nodes.asked.index((HERE, ("uname", "-n")))


def test_the_map_of_a_bitmap_that_has_everything_is_the_bitmap():
    found = dirty(Story(MAPPED))

    assert found == {
        ("r0", 0): DirtyMap(((1024, 13312),), 12288, ((1024, 13312),)),
        ("r1", 0): DirtyMap(R1_BITS, 2180, R1_BITS),
    }


@pytest.mark.parametrize("later", [None, "3204", "2176"])
def test_the_hot_extents_count_where_the_bitmap_has_not_the_bits_of_memory(later):
    story = Story(MAPPED)
    if later is None:
        story.nodes.put(HERE, "events2-again", Unreachable(HERE, "it took too long"))
    else:
        story.nodes.edit(HERE, "events2-again", "out-of-sync:2180", f"out-of-sync:{later}")

    found = dirty(story)[("r1", 0)]

    assert found == DirtyMap(((0, 4096), (24576, 28672)), 2180, R1_BITS)


def test_nobody_asks_for_changes_unless_they_are_wanted():
    story = Story(MAPPED)

    survey = story.survey()

    assert asked(story) == []
    assert survey.nodes[HERE].dirty == {}


@pytest.mark.parametrize(("scenario", "slots"), [("84-healthy", []), ("84-resync-after-discard", [("r0", 0)])])
def test_a_connected_resource_is_left_alone(scenario, slots):
    story = Story(scenario)

    found = dirty(story)

    assert list(found) == slots
    assert not any(" /dev/vdc " in each or "/r1/" in each for each in asked(story))


def test_nothing_is_asked_while_io_is_suspended():
    story = Story(MAPPED)
    story.nodes.edit(HERE, "events2", "name:r1 role:Primary suspended:no", "name:r1 role:Primary suspended:user")

    found = dirty(story)

    assert asked(story) == []
    assert {each.reason for each in found.values()} == {"I/O of r1 is suspended there"}


def test_a_kernel_that_locks_debugfs_leaves_it_unknown_and_the_disk_is_not_read():
    story = Story(MAPPED)
    refused = Answer(1, "", f"cat: {LOG.format('r1')}: Operation not permitted\n")
    story.nodes.put_argv(HERE, f"cat {LOG.format('r1')}", refused)

    found = dirty(story)

    assert found["r1", 0].reason.endswith("exit code 1: cat: " + LOG.format("r1") + ": Operation not permitted")
    assert DUMP["r1"] not in asked(story)
    assert isinstance(found["r0", 0], DirtyMap)


def test_a_volume_without_its_disk_is_not_asked():
    story = Story(MAPPED)
    story.nodes.edit(HERE, "events2", "minor:1 disk:UpToDate", "minor:1 disk:Diskless")

    assert dirty(story)["r1", 0].reason == "its disk is Diskless"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<option name="disk-flushes" value="no"/>', '<option name="al-updates" value="no"/>'),
        (
            '<device minor="1">',
            '<section name="disk"><option name="al-updates" value="no"/></section><device minor="1">',
        ),
        (
            '<resource name="r1" conf-file-line="/etc/drbd.d/r1.res:1">',
            '<resource name="r1"><section name="disk"><option name="al-updates" value="no"/></section>',
        ),
    ],
    ids=["of all", "of the volume", "of the resource"],
)
def test_without_an_activity_log_the_bitmap_proves_nothing(old, new):
    story = Story(MAPPED)
    story.nodes.edit(HERE, "dump-xml", old, new)

    found = dirty(story)["r1", 0]

    assert "al-updates no" in found.reason
    assert DUMP["r1"] not in asked(story)


def test_a_log_that_only_the_metadata_tells_to_be_off_is_found_too():
    story = Story(MAPPED)
    off = recorded("dump-md-r1-0").replace("    flags 0x00000000;", "    flags 0x00000147;")
    story.nodes.put_argv(HERE, DUMP["r1"], Answer(0, off))

    assert "al-updates no" in dirty(story)["r1", 0].reason


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (recorded("dump-md-r0-0"), "another data set"),
        (dump_text(98264 + 4096, 0, current=0x8CA09C280FB398B9), "98264 KiB are attached"),
        (recorded("dump-md-r1-0")[:-20], "does not end with|stops within a line"),
        ("", "it is empty"),
    ],
)
def test_a_dump_that_is_not_of_the_attached_volume_or_not_whole_is_damaged(text, why):
    story = Story(MAPPED)
    story.nodes.put_argv(HERE, DUMP["r1"], Answer(0, text))

    found = dirty(story)

    assert found["r1", 0].is_damaged
    assert re.search(why, found["r1", 0].reason)
    assert isinstance(found["r0", 0], DirtyMap)


def test_the_second_look_at_the_log_counts_as_the_first():
    story = Story(MAPPED)
    story.nodes.put_argv(HERE, f"cat -- {LOG.format('r1')}", Answer(0, act_log_text([0, 2, 6])))
    story.nodes.edit(HERE, "events2-again", "out-of-sync:2180", "out-of-sync:3204")

    assert dirty(story)["r1", 0].extents == ((0, 4096), (8192, 12288), (24576, 28672))


def test_a_volume_whose_metadata_has_no_place_is_not_asked():
    story = Story(MAPPED)
    for node in (HERE, PEER):
        story.nodes.edit(node, "dump-xml", "<meta-disk>internal</meta-disk>", "<meta-disk>elsewhere</meta-disk>")

    assert "'elsewhere'" in dirty(story)["r1", 0].reason
    assert asked(story) == []


def test_a_module_of_an_unknown_version_is_not_asked():
    story = Story(MAPPED)
    story.nodes.put(HERE, "proc-drbd", "garbled\n")

    assert dirty(story) == {}
    assert asked(story) == []


def test_drbd_9_is_asked_in_its_own_format():
    story = Story("9-split-brain")
    current = story.survey().nodes[HERE].drbd.generation_ids["r0", 0].current
    bits = bits_of([(1024, 13312)])
    text = dump_text(131032, bits, version="v09", current=current, owners={1: 0})
    story.nodes.put_argv(HERE, DUMP["r0"].replace("v08", "v09"), Answer(0, text))
    for command in ("cat", "cat --"):
        story.nodes.put_argv(HERE, f"{command} {LOG.format('r0')}", Answer(0, act_log_text([0, 1, 2, 3])))

    found = dirty(story)

    assert found["r0", 0] == DirtyMap(((0, 16384),), 12288, ((1024, 13312),))
    assert isinstance(found["r1", 0], NoView)


def test_a_recording_keeps_what_changed_and_replays_it(tmp_path):
    assert main(["--replay", str(SCENARIOS / MAPPED), "collect", str(tmp_path / "bundle")]) == 0

    for bundle in (SCENARIOS / MAPPED, tmp_path / "bundle"):
        with open_world(str(bundle)) as world:
            found = take_survey(world, nodes_of_pair(world), (), with_changes=True).nodes[PEER].dirty
        assert found["r1", 0].bitmap_kib == 3208
        assert found["r1", 0].extents[-1] == (29696, 29700)


@pytest.mark.parametrize("node", [HERE, PEER])
@pytest.mark.parametrize("name", ["r0", "r1"])
def test_the_bits_of_the_scenario_are_those_that_out_of_sync_counts(node, name):
    (told,) = re.findall(rf"peer-device name:{name} .* out-of-sync:(\d+) ", recorded("events2", node))

    assert f"# bits-set {int(told) // 4};" in recorded(f"dump-md-{name}-0", node)
