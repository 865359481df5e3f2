"""The list of hot extents, and the map that it and the bitmap make: no write may be missing in it."""

from __future__ import annotations

import pytest
from damaged_text import sample, truncated, with_a_line_twice, with_lines_swapped, without_a_line
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.bitmap import BitmapSlot, DumpedBitmap
from pve_drbd.model.evacuation import DirtyMap
from pve_drbd.readers.act_log import dirty_map, read_act_log_extents
from pve_drbd.readers.metadata_dump import read_metadata_dump
from tests.metadata_text import act_log_text, bits_of, dump_text

LOG = "act-log/8.4.11-from-source-split-brain-105-r1.txt"
BITS = ((0, 128), (1024, 3072), (25600, 25604))
EXTENT_KIB = 4096


def bitmap(*runs: tuple[int, int], size_kib: int = 98264) -> DumpedBitmap:
    return DumpedBitmap(size_kib, 4, False, {0: BitmapSlot(runs, sum(end - first for first, end in runs))})


def test_the_hot_extents_of_a_log_are_those_that_are_not_free():
    assert read_act_log_extents(sample(LOG)) == {0, 6}


def test_an_extent_on_its_way_in_or_out_is_hot_as_well():
    text = act_log_text([3], changing=[(5, 9), (-1, 7), (8, -1)], size=67)

    assert read_act_log_extents(text) == {3, 5, 7, 8, 9}


def test_an_empty_log_has_no_hot_extents():
    assert read_act_log_extents(act_log_text([], size=7)) == frozenset()


@given(st.sets(st.integers(0, 2**31 - 2), max_size=60), st.sets(st.integers(0, 2**31 - 2), max_size=4))
def test_every_extent_of_a_log_is_read(extents, coming):
    text = act_log_text(extents, changing=[(-1, each) for each in coming], size=67)

    assert read_act_log_extents(text) == extents | coming


def test_a_volume_without_a_disk_has_no_log():
    with pytest.raises(Unreadable, match="no disk"):
        read_act_log_extents("v: 0\n\n")


@pytest.mark.parametrize("text", ["", "v: 1\n\n", "v: 0\n", "v: 0\n\n\tresync: used:0/61\n"])
def test_another_list_is_unreadable(text):
    with pytest.raises(Unreadable):
        read_act_log_extents(text)


def test_a_log_that_was_cut_off_is_unreadable():
    for text in truncated(sample(LOG)):
        with pytest.raises(Unreadable):
            read_act_log_extents(text)


@pytest.mark.parametrize("damage", [without_a_line, with_a_line_twice, with_lines_swapped])
def test_damaged_lines_are_unreadable(damage):
    for text in damage(act_log_text([0, 6], changing=[(1, 2)], size=67)):
        with pytest.raises(Unreadable):
            read_act_log_extents(text)


@pytest.mark.parametrize("number", ["-2", "x", "1.5", "", "99999999999"])
def test_a_number_that_no_extent_has_is_unreadable(number):
    text = act_log_text([6], size=1).replace("     6 -", f"{number:>6} -")

    with pytest.raises(Unreadable):
        read_act_log_extents(text)


def test_bits_and_hot_extents_together_are_the_map():
    found = dirty_map(bitmap(*BITS), {0, 2, 6}, later_kib=3204)

    assert found == DirtyMap(((0, 4096), (8192, 12288), (24576, 28672)), 2180, BITS)


def test_the_fresh_mebibyte_that_the_bitmap_did_not_have_yet_is_in_the_map():
    """Seen on a real pair: 545 bits on the disk, then 1 MiB was written to 9216 KiB; out-of-sync told 801 bits."""
    found = dirty_map(bitmap(*BITS), {0, 2, 6}, later_kib=3204)

    assert any(first <= 9216 and end >= 10240 for first, end in found.extents)


def test_a_bitmap_with_all_the_bits_of_memory_needs_no_hot_extents():
    assert dirty_map(bitmap(*BITS), {0, 2, 6}, later_kib=2180) == DirtyMap(BITS, 2180, BITS)


@pytest.mark.parametrize("later_kib", [2176, 2184, 0, None])
def test_a_bitmap_with_any_other_number_of_bits_needs_them(later_kib):
    assert dirty_map(bitmap(*BITS), {0, 2, 6}, later_kib).extents != BITS


def test_bits_towards_several_peers_are_all_in_the_map_and_never_taken_for_complete():
    slots = {1: BitmapSlot(((0, 8),), 8), 2: BitmapSlot(((4, 16), (40, 44)), 16)}

    found = dirty_map(DumpedBitmap(8192, 4, False, slots), {1}, later_kib=16)

    assert found == DirtyMap(((0, 16), (40, 44), (4096, 8192)), 16, ((0, 16), (40, 44)))


def test_the_last_extent_ends_with_the_volume():
    assert dirty_map(bitmap(), {23}, 4).extents == ((94208, 98264),)


def test_an_extent_beyond_the_end_of_the_volume_is_unreadable():
    with pytest.raises(Unreadable, match="beyond the end"):
        dirty_map(bitmap(), {24}, 4)


def test_a_volume_that_keeps_no_bitmap_for_any_peer_has_no_map():
    with pytest.raises(Unreadable, match="no bitmap"):
        dirty_map(DumpedBitmap(8192, 4, False, {}), (), 0)


WRITES = st.lists(st.tuples(st.integers(0, 2**16 - 65), st.integers(1, 64)), max_size=40)


@given(WRITES, st.data())
def test_every_write_is_in_the_map_wherever_its_bit_is(writes, data):
    """A bit that is not on the disk yet lies in an extent that is hot before or after the dump: DRBD's own rule."""
    size_kib = 2**16
    memory = bits_of((first, first + length) for first, length in writes)
    touched = sorted({each // EXTENT_KIB for first, length in writes for each in (first, first + length - 1)})
    hot = data.draw(st.sets(st.sampled_from(touched))) if touched else set()
    on_disk = memory & ~bits_of((each * EXTENT_KIB, (each + 1) * EXTENT_KIB) for each in hot)
    on_disk |= memory & data.draw(st.integers(0, 2 ** (size_kib // 4) - 1))
    hot_before = data.draw(st.sets(st.sampled_from(sorted(hot)))) if hot else set()

    logs = [read_act_log_extents(act_log_text(each, size=67)) for each in (hot_before, hot - hot_before)]
    found = dirty_map(
        read_metadata_dump(dump_text(size_kib, on_disk)), logs[0] | logs[1], later_kib=4 * memory.bit_count()
    )

    covered = bits_of(found.extents)
    assert memory & covered == memory
    assert bits_of(found.bitmap_extents) == on_disk
    if on_disk == memory:
        assert covered == memory
