from __future__ import annotations

import pytest
from drbd_samples import sample

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import GenerationIds
from pve_drbd.readers.generation_ids import read_get_gi

SLOTS = (("r0", 0), ("r1", 0))
FLAGS_OF_SPLIT_84 = (True, True, True, False, False, False, False)


def test_each_line_is_the_volume_that_stands_there_in_the_configuration():
    found = read_get_gi(sample("get-gi", "8.4.11-split-brain-105"), SLOTS)
    assert list(found) == [("r0", 0), ("r1", 0)]
    assert found["r1", 0] == GenerationIds(
        current=0x8CA09C280FB398B8,
        bitmap=0xC08748B947D23020,
        history=(0x6B95C90565AF33F8, 4),
        flags=FLAGS_OF_SPLIT_84,
    )


def test_the_role_bit_is_no_part_of_an_identifier():
    here = read_get_gi(sample("get-gi", "9.2.18-split-brain-105"), SLOTS)["r0", 0]
    peer = read_get_gi(sample("get-gi", "9.2.18-split-brain-106"), SLOTS)["r0", 0]
    assert here.bitmap == peer.bitmap == 0xC9166CBE8E2140BA
    assert here.current != peer.current


def test_9_has_twelve_flags():
    found = read_get_gi(sample("get-gi", "9.2.18-healthy-105"), SLOTS)["r0", 0]
    assert [number for number, flag in enumerate(found.flags) if flag] == [0, 1, 2, 3, 7, 11]
    assert len(found.flags) == 12


def test_three_volumes_have_three_lines():
    slots = (*SLOTS, ("r2", 0))
    assert len(read_get_gi(sample("get-gi", "8.4.11-vg-over-two-resources-105"), slots)) == 3


def test_no_volume_has_no_line():
    assert read_get_gi("", ()) == {}


LINE = "8CA09C280FB398B9:C08748B947D23021:6B95C90565AF33F9:0000000000000004:1:1:1:0:0:0:0\n"


@pytest.mark.parametrize(
    ("text", "slots", "line", "why"),
    [
        (LINE, SLOTS, 0, "1 lines for 2"),
        (LINE * 3, SLOTS, 0, "3 lines for 2"),
        (LINE * 2, (("r0", 0), ("r0", 0)), 0, "configured twice"),
        (LINE + LINE[:-1], SLOTS, 2, "within a line"),
        (LINE.lower(), SLOTS[:1], 1, "16 hexadecimal digits"),
        (LINE.replace("04:", "4:"), SLOTS[:1], 1, "16 hexadecimal digits"),
        (LINE.replace(":0\n", "\n"), SLOTS[:1], 1, "7 or 12 flags"),
        (LINE.replace(":0\n", ":2\n"), SLOTS[:1], 1, "7 or 12 flags"),
        ("\n", SLOTS[:1], 1, "16 hexadecimal digits"),
        ("0: Failure: (127) Device minor not allocated\n", SLOTS[:1], 1, "16 hexadecimal digits"),
    ],
)
def test_lines_that_cannot_be_named_are_refused(text: str, slots: tuple[tuple[str, int], ...], line: int, why: str):
    with pytest.raises(Unreadable, match=why) as caught:
        read_get_gi(text, slots)
    assert (caught.value.source, caught.value.line) == ("drbdadm get-gi", line)
