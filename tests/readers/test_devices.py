"""Block devices, device-mapper devices and write counters, as lsblk, dmsetup and the kernel print them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from damaged_text import (
    sample,
    samples,
    truncated,
    with_a_line_twice,
    with_lines_swapped,
    with_strange_bytes,
    without_a_line,
)
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import BlockDevice, DiskCounters, DmDevice
from pve_drbd.readers.devices import read_diskstats, read_dmsetup, read_lsblk

LSBLK = samples("lsblk/*.json")
DMSETUP = samples("dmsetup/*.txt")
DISKSTATS = samples("diskstats/*.txt")
EVERY: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(LSBLK, read_lsblk),
    **dict.fromkeys(DMSETUP, read_dmsetup),
    **dict.fromkeys(DISKSTATS, read_diskstats),
}


def lsblk(**changed: object) -> str:
    device = {"name": "vdb", "kname": "vdb", "pkname": None, "maj:min": "254:16", "type": "disk", "size": 1024}
    device |= {"fstype": "drbd", "mountpoints": [None], **changed}
    return json.dumps({"blockdevices": [{key: value for key, value in device.items() if value != "absent"}]})


def test_the_tree_is_flattened_and_a_device_on_two_others_has_two_parents():
    devices = read_lsblk(sample("lsblk/84-vg-over-two-resources-105.json"))
    assert [each.kernel_name for each in devices] == [
        *("sr0", "vda", "vdb", "drbd0", "dm-0", "vdc", "drbd1", "dm-1", "dm-3", "vdd", "drbd2"),
    ]
    assert devices[8] == BlockDevice(
        name="drbdvg1-vm--110--disk--0",
        kernel_name="dm-3",
        parents=("drbd1", "drbd2"),
        major=253,
        minor=3,
        type="lvm",
        size_b=83886080,
        filesystem="",
        mounts=(),
    )
    assert (devices[1].filesystem, devices[1].mounts) == ("ext4", ("/",))


def test_without_the_column_pkname_the_tree_tells_the_parents():
    devices = {each.kernel_name: each for each in read_lsblk(sample("lsblk/2.38-04-without-pkname-105.json"))}
    assert devices["drbd0"].parents == ("vdb",)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"kname": "vdc"}, "vdc of type disk is called 'vdb'"),
        ({"name": "odd", "kname": "dm-1", "type": "lvm"}, "dm-1 of type lvm is called 'odd'"),
        ({"pkname": "vda"}, "vdb stands below nothing, but its pkname is 'vda'"),
        ({"maj:min": "254"}, "maj:min is '254'"),
        ({"size": None}, "size is None"),
        ({"size": -1}, "size is -1"),
        ({"size": True}, "size is True"),
        ({"fstype": "absent"}, "fstype is missing"),
        ({"mountpoints": []}, "mountpoints of vdb is []"),
        ({"mountpoints": [None, "/"]}, "mountpoints of vdb"),
        ({"mountpoints": ["\n"]}, "mountpoints is '\\n'"),
        ({"name": "drbd0", "kname": "drbd0"}, "drbd0 is 254:16"),
        ({"name": "dm-1", "kname": "dm-1"}, "dm-1 is 254:16"),
        ({"children": {}}, "children of vdb is not a list"),
        ({"children": [1]}, "children of vdb holds 1, which is not an object"),
    ],
)
def test_an_odd_block_device_is_refused(changed, why):
    with pytest.raises(Unreadable) as refusal:
        read_lsblk(lsblk(**changed))
    assert why in str(refusal.value)


def test_a_size_written_as_a_string_is_a_size():
    assert read_lsblk(lsblk(size="1024"))[0].size_b == 1024


def test_a_device_described_in_two_ways_or_numbered_twice_is_refused():
    one = json.loads(lsblk())["blockdevices"][0]
    other = {**one, "name": "vdc", "kname": "vdc"}
    for devices, why in (
        ([one, {**one, "size": 2048}], "vdb is described in two ways"),
        ([one, one], "vdb stands twice in the same place"),
        ([one, other], "vdc and vdb are both 254:16"),
    ):
        with pytest.raises(Unreadable) as refusal:
            read_lsblk(json.dumps({"blockdevices": devices}))
        assert why in str(refusal.value)


def test_a_list_of_something_else_is_refused():
    for text in ("[]", "{}", '{"blockdevices": null}'):
        with pytest.raises(Unreadable):
            read_lsblk(text)


def test_an_orphan_device_is_read_like_any_other():
    devices = read_dmsetup(sample("dmsetup/84-orphan-dm-106.txt"))
    assert devices[0] == DmDevice(
        name="drbdvg-vm--101--disk--0",
        major=253,
        minor=0,
        open_count=0,
        uuid="LVM-mJnxS5f1jNxqfWCwS6b2i5hKIvDzssK8TXrohfhV1BV1RYn0rV9R2QolUDzt8pk3",
    )


def test_no_device_mapper_device_is_a_sentence_of_its_own():
    assert read_dmsetup(sample("dmsetup/84-created-inconsistent-105.txt")) == ()
    with pytest.raises(Unreadable):
        read_dmsetup("")


def test_layers_and_devices_of_others_are_read():
    layer = f"pve-data_tdata:252:1:1:LVM-{'a' * 64}-tdata\n"
    other = "luks:of:mine:252:2:0:CRYPT-LUKS2-0123-luks\nplain:252:3:0:\n"
    assert [(each.name, each.uuid[-5:], each.lv_key) for each in read_dmsetup(layer + other)] == [
        ("pve-data_tdata", "tdata", None),
        ("luks:of:mine", "-luks", None),
        ("plain", "", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "drbdvg-vm--1:253:0:1\n",
        f"drbdvg-vm--1:253:0:1:LVM-{'a' * 63}\n",
        f"drbdvg:253:0:1:LVM-{'a' * 64}\n",
        "one:253:0:1:\ntwo:253:0:1:\n",
        "one:253:0:1:\none:253:1:1:\n",
        "one:253:0:1:x\ntwo:253:1:1:x\n",
        "one:253:0:1:x",
        "\n",
    ],
)
def test_an_odd_device_mapper_line_is_refused(text):
    with pytest.raises(Unreadable):
        read_dmsetup(text)


def test_writes_are_counted_by_device_number():
    counters = read_diskstats(sample("diskstats/84-vg-over-two-resources-105.txt"))
    assert counters[147, 0] == DiskCounters(writes=43, sectors_written=31565)
    assert len(counters) == 11


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" 254 0 vda 1 2 3 4 5 6 7 8 9 10\n", "is not a line of counters"),
        (" 254 0 vda 1 2 3 4 5 6 7 8 9 10 11", "its last line is torn"),
        (" 254 0 vda 1 2 3 4 5 6 7 8 9 10 11\n" * 2, "vda stands twice"),
        (" 147 1 drbd0 1 2 3 4 5 6 7 8 9 10 11\n", "drbd0 is 147:1"),
        (" 1 0 a 1 2 3 4 5 6 7 8 9 10 11\n 1 1 b 1 2 3 4 5 6 7 8 9 10 11 12\n", "b has 12 counters, others 11"),
    ],
)
def test_odd_counters_are_refused(text, why):
    with pytest.raises(Unreadable) as refusal:
        read_diskstats(text)
    assert why in str(refusal.value)


@pytest.mark.parametrize("name", EVERY)
def test_a_truncated_answer_is_refused_or_holds_a_part_of_the_same(name):
    """A whole last line lost cannot be seen here; the account of the node holds dmsetup against lvs and lsblk."""
    whole = EVERY[name](sample(name))
    for text in truncated(sample(name)):
        try:
            found = EVERY[name](text)
        except Unreadable:
            continue
        if isinstance(whole, dict):
            assert found.items() <= whole.items()  # type: ignore[attr-defined]
        else:
            assert found == whole[: len(found)]  # type: ignore[index, arg-type]
            assert name not in LSBLK or found == whole


@pytest.mark.parametrize("name", LSBLK)
@pytest.mark.parametrize("damage", [without_a_line, with_a_line_twice, with_lines_swapped, with_strange_bytes])
def test_damage_to_lsblk_is_refused_or_leaves_the_tree_as_it_is(name, damage):
    def tree(text: str) -> object:
        return [(each.kernel_name, each.name, each.parents, each.major, each.minor) for each in read_lsblk(text)]

    whole = tree(sample(name))
    for text in damage(sample(name)):
        with suppress(Unreadable):
            assert sorted(tree(text)) == sorted(whole)  # type: ignore[type-var]


@pytest.mark.parametrize("name", [*DMSETUP, *DISKSTATS])
@pytest.mark.parametrize("damage", [with_a_line_twice, with_lines_swapped, with_strange_bytes])
def test_damage_to_lines_is_refused_or_changes_nothing(name, damage):
    def same(value: object) -> object:
        return value if isinstance(value, dict) else sorted(value, key=str)  # type: ignore[call-overload]

    whole = same(EVERY[name](sample(name)))
    for text in damage(sample(name)):
        with suppress(Unreadable):
            assert same(EVERY[name](text)) == whole


@given(st.sampled_from(sorted(EVERY)), st.data())
def test_no_change_of_one_character_ends_in_anything_but_a_value_or_a_refusal(name, data):
    text = sample(name)
    at = data.draw(st.integers(0, len(text) - 1))
    with suppress(Unreadable):
        EVERY[name](text[:at] + data.draw(st.characters()) + text[at + 1 :])


@given(st.sampled_from([read_lsblk, read_dmsetup, read_diskstats]), st.text())
def test_no_text_at_all_ends_in_anything_but_a_value_or_a_refusal(reader, text):
    with suppress(Unreadable):
        reader(text)
