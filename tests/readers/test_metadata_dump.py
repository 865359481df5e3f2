"""The bitmap that `drbdmeta dump-md` prints: every bit, no other, and nothing of a text that is not whole."""

from __future__ import annotations

import pytest
from damaged_text import sample, samples, truncated, with_a_line_twice, without_a_line
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.bitmap import BitmapSlot, DumpedBitmap
from pve_drbd.readers import metadata_dump
from pve_drbd.readers.metadata_dump import read_metadata_dump
from tests.metadata_text import bits_of, dump_text, ranges_of

SPLIT = "metadata-dump/9.22.0-v08-split-brain-105-r1.txt"
THREE_SLOTS = "metadata-dump/9.22.0-v09-three-slots.txt"
DUMPS = samples("metadata-dump/*.txt")
LOG_OFF = 1 << 8


def only_slot(text: str) -> BitmapSlot:
    (slot,) = read_metadata_dump(text).slots.values()
    return slot


def test_the_split_brain_of_the_lab_reads_as_its_545_bits():
    found = read_metadata_dump(sample(SPLIT))

    slot = BitmapSlot(((0, 128), (1024, 3072), (25600, 25604)), 2180)
    assert found == DumpedBitmap(98264, 0x8CA09C280FB398B8, is_log_off=False, slots={0: slot})


def test_metadata_that_was_never_attached_has_no_bits():
    assert read_metadata_dump(sample("metadata-dump/9.22.0-v08-just-created.txt")) == DumpedBitmap(
        0, 4, is_log_off=False, slots={0: BitmapSlot((), 0)}
    )


def test_bits_behind_the_end_of_the_volume_mean_nothing():
    found = read_metadata_dump(sample("metadata-dump/9.22.0-v08-40g.txt"))

    assert found.size_kib == 41941704
    assert found.slots[0].runs[-1] == (41941696, 41941704)
    assert found.slots[0].set_kib == sum(end - first for first, end in found.slots[0].runs)


def test_a_slot_is_the_peers_that_it_is_kept_for_and_one_of_nobody_is_left_out():
    found = read_metadata_dump(sample(THREE_SLOTS))

    assert found.current == 0x4F3C5EF1B4A3D2C0
    assert found.slots == {1: BitmapSlot(((1024, 13312),), 12288), 2: BitmapSlot(((4096, 4100),), 4)}


def test_half_a_word_that_drbdmeta_does_not_print_is_no_damage():
    found = read_metadata_dump(sample("metadata-dump/9.22.0-v09-seven-slots.txt"))

    assert found.slots == {4: BitmapSlot(((1536, 1564),), 28)}


@pytest.mark.parametrize(("version", "flags", "is_off"), [("v08", 0, False), ("v08", LOG_OFF | 1, True)])
def test_an_activity_log_that_is_off_is_told_where_the_flags_are(version, flags, is_off):
    assert read_metadata_dump(dump_text(4096, 0, version=version, flags=flags)).is_log_off is is_off
    assert read_metadata_dump(sample("metadata-dump/9.22.0-v09-log-off.txt")).is_log_off


def test_a_bit_may_stand_for_more_than_4_kib():
    text = dump_text(2**20, bits_of([(65536, 131072)], 64), version="v09", bytes_per_bit=65536)

    assert only_slot(text) == BitmapSlot(((65536, 131072),), 65536)


RANGES = st.lists(st.tuples(st.integers(0, 2**17), st.integers(1, 2**13)), max_size=12)


@given(RANGES, st.integers(1, 2**17))
def test_every_bit_of_a_bitmap_is_read_and_no_other(ranges, size_kib):
    bits = bits_of((first, first + length) for first, length in ranges) & ((1 << -(-size_kib // 4)) - 1)

    slot = only_slot(dump_text(size_kib, bits))

    assert slot == BitmapSlot(ranges_of(bits), 4 * bits.bit_count())


@given(st.lists(RANGES, min_size=2, max_size=7), st.integers(1, 2**17), st.randoms(use_true_random=False))
def test_slots_of_several_peers_are_kept_apart(every, size_kib, random):
    mask = (1 << -(-size_kib // 4)) - 1
    slots = [bits_of((first, first + length) for first, length in ranges) & mask for ranges in every]
    owners = dict(zip(random.sample(range(32), len(slots)), range(len(slots)), strict=True))

    found = read_metadata_dump(dump_text(size_kib, *slots, version="v09", owners=owners))

    assert {node: slot.runs for node, slot in found.slots.items()} == {
        node: ranges_of(slots[index]) for node, index in owners.items()
    }


def test_a_ragged_bitmap_is_covered_with_fewer_runs_and_its_bits_are_counted_all_the_same(monkeypatch):
    monkeypatch.setattr(metadata_dump, "_FINE_RUNS", 40)
    bits = int("01" * 32 * 300, 2)

    slot = only_slot(dump_text(4 * 64 * 300, bits))

    assert slot.set_kib == 4 * bits.bit_count()
    assert len(slot.runs) < 400
    covered = bits_of(slot.runs)
    assert covered & bits == bits


@pytest.mark.parametrize("name", DUMPS)
def test_a_dump_that_was_cut_off_is_unreadable(name):
    for text in truncated(sample(name)):
        with pytest.raises(Unreadable):
            read_metadata_dump(text)


@pytest.mark.parametrize("name", DUMPS)
@pytest.mark.parametrize("damage", [without_a_line, with_a_line_twice])
def test_a_line_too_few_or_too_many_never_gives_another_bitmap(name, damage):
    whole = read_metadata_dump(sample(name))
    for text in damage(sample(name)):
        try:
            found = read_metadata_dump(text)
        except Unreadable:
            continue
        assert found == whole, text


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("# bits-set 545;", "# bits-set 544;", "says that 544 bits are set, and shows 545"),
        ("# bits-set 545;", "# bits-set 546;", "says that 546 bits are set, and shows 545"),
        ("    88 times", "    84 times", "words of 512"),
        ("    88 times", "    92 times", "words of 512"),
        ("0x00000000FFFFFFFF;", "0x00000000FFFFFFF;", "not a line of a bitmap"),
        ("0x00000000FFFFFFFF;", "0x00000000fFFFFFFF;", "not a line of a bitmap"),
        ("   # at 0kB", "   # at 128kB", "its words are 0 kB up to here"),
        ("# bm-bytes 4096;", "# bm-bytes 3584;", "512 words of 448"),
        ("la-size-sect 196528;", "la-size-sect 1965280;", "do not cover"),
        ("bm-byte-per-bit 4096;", "bm-byte-per-bit 4095;", "not a power of two"),
        ('version "v08";', 'version "v07";', "0 lines of the form"),
        ("# DRBD meta data dump", "# DRBD", "does not begin"),
        ("}\n# bits-set", "# bits-set", "not a line of a bitmap"),
        ("# al-extents 1237;", "### Device seems to have been resized!", "was resized"),
        ("bm {", "bitmap[1] {", "it has no bitmap"),
    ],
)
def test_what_does_not_add_up_is_unreadable(old, new, why):
    text = sample(SPLIT)
    assert text.count(old) == 1

    with pytest.raises(Unreadable, match=why):
        read_metadata_dump(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max-peers 3;", "max-peers 0;"),
        ("max-peers 3;", "max-peers 2;"),
        ("max-peers 3;", "max-peers 4;"),
        ("    bitmap-index 2;", "    bitmap-index 0;"),
        ("    bitmap-index 2;", "    bitmap-index 3;"),
        ("peer[2] {", "peer[1] {"),
        ("bitmap[1] {", "bitmap[2] {"),
    ],
)
def test_slots_and_their_owners_must_add_up(old, new):
    with pytest.raises(Unreadable):
        read_metadata_dump(sample(THREE_SLOTS).replace(old, new, 1))


def test_nothing_is_unreadable():
    for text in ("", "\n", "No valid meta data found\n"):
        with pytest.raises(Unreadable):
            read_metadata_dump(text)
