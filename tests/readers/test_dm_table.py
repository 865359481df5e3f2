"""`dmsetup table` becomes the stretches that each device-mapper device maps, or is refused."""

from __future__ import annotations

import pytest

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import DmTarget
from pve_drbd.readers.dm_table import read_dm_table

TWO = "drbdvg-vm--100--disk--0: 0 32768 linear 147:0 2048\ndrbdvg-vm--100--disk--0: 32768 8192 linear 147:2 2048\n"


def test_every_target_is_read_by_its_device():
    assert read_dm_table(TWO) == {
        "drbdvg-vm--100--disk--0": (DmTarget(0, 32768, (147, 0), 2048), DmTarget(32768, 8192, (147, 2), 2048))
    }


def test_of_a_target_that_is_not_linear_only_its_length_is_told_and_a_device_may_have_none():
    assert read_dm_table("vg-thin: 0 32768 thin 253:4 1\nvg-empty: \n") == {
        "vg-thin": (DmTarget(0, 32768, None, 0),),
        "vg-empty": (),
    }


def test_without_any_device_dmsetup_says_so():
    assert read_dm_table("No devices found\n") == {}


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "the last line is cut off"),
        ("\n", 1, "not a table line"),
        (TWO[:-1], 2, "the last line is cut off"),
        (TWO + TWO, 3, "does not follow the one before it"),
        (TWO.split("\n")[1] + "\n", 1, "does not follow the one before it"),
        (TWO.replace("32768", "\u0663\u0662"), 1, "not a table line"),
        (TWO.replace("32768", "9" * 5000), 1, "not a table line"),
        (TWO.replace("147:2 2048", "147:2"), 2, "a linear target without device and offset"),
        (TWO.replace(" linear", "\x1clinear"), 1, "not a table line"),
        (TWO + "drbdvg-vm--100--disk--0: \n", 3, "does not follow the one before it"),
    ],
)
def test_anything_but_whole_tables_is_refused_with_its_line(text, line, why):
    with pytest.raises(Unreadable, match=why) as refusal:
        read_dm_table(text)
    assert (refusal.value.source, refusal.value.line) == ("dmsetup table", line)
