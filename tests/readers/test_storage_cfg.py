"""Storage entries as they stand in /etc/pve/storage.cfg."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from damaged_text import sample, truncated, with_a_line_twice, with_lines_swapped, with_strange_bytes
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import StorageEntry
from pve_drbd.readers.storage_cfg import read_storage_cfg

SAMPLE = sample("storage-cfg/written-drbdlvm-and-lvm.cfg")


def test_entries_are_read_in_the_files_order_with_its_digest():
    entries = read_storage_cfg(SAMPLE)
    assert [each.storeid for each in entries] == ["local", "d0", "l0"]
    assert entries[2] == StorageEntry(
        storeid="l0",
        type="lvm",
        vgname="drbdpool",
        is_shared=True,
        content=("images",),
        digest=hashlib.sha1(SAMPLE.encode()).hexdigest(),
        options={},
    )


def test_an_empty_file_still_has_the_storage_local():
    (local,) = read_storage_cfg("")
    assert (local.storeid, local.type, local.options) == (
        *("local", "dir"),
        {"path": "/var/lib/vz", "prune-backups": "keep-all=1"},
    )


@pytest.mark.parametrize(
    "text",
    [
        "nfs: local\n\tserver x\n",
        "dir: local\n\tpath /srv\n",
        "dir: local\n\tpath /var/lib/vz\n\tnodes pve1\n",
    ],
)
def test_local_is_the_same_directory_on_every_node_whatever_the_file_says(text):
    (local,) = read_storage_cfg(text)
    assert (local.type, local.nodes, (local.options or {})["path"]) == ("dir", (), "/var/lib/vz")


def test_flags_without_a_value_unknown_types_and_comments_are_read():
    text = "NEW: n0\n# why\n\tdisable\n  shared on\n\tthing\n\nlvm: l0\n\tvgname v\n\tnodes a,b\n"
    new, lvm, _ = read_storage_cfg(text)
    assert (new.type, new.is_disabled, new.is_shared, new.options) == ("new", True, True, {"thing": ""})
    assert (lvm.nodes, lvm.content, lvm.is_shared) == (("a", "b"), ("images",), False)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("lvm: l0\n\tvgname v", 2, "its last line is torn"),
        ("lvm: l0\n\tvgname v\nlvm: l1\n\tvgname v\n", 3, "'lvm: l1' is not a new setting"),
        ("\tvgname v\n", 1, "is not a header"),
        ("lvm: l0\n\tvgname v\n\tvgname w\n", 3, "is not a new setting"),
        ("lvm: l0\n \n", 2, "is not a new setting"),
        ("lvm: l0\n\tcontent images\n", 1, "vgname is missing"),
        ("lvm: l\n\tvgname v\n", 1, "storage is 'l'"),
        ("lvm: l0\n\tvgname v\n\nlvm: l0\n\tvgname w\n", 4, "entry l0 stands twice"),
        ("lvm: l0\n\tvgname v\n\tshared maybe\n", 1, "shared is 'maybe'"),
    ],
)
def test_what_pve_would_skip_with_a_warning_is_refused(text, line, why):
    with pytest.raises(Unreadable) as refusal:
        read_storage_cfg(text)
    assert (refusal.value.source, refusal.value.line) == ("/etc/pve/storage.cfg", line)
    assert why in refusal.value.why


def test_a_file_cut_off_within_a_line_is_refused():
    for text in truncated(SAMPLE):
        if text and not text.endswith("\n"):
            with pytest.raises(Unreadable):
                read_storage_cfg(text)


@pytest.mark.parametrize("damage", [with_a_line_twice, with_lines_swapped, with_strange_bytes])
def test_damage_is_refused_or_loses_no_entry(damage):
    for text in damage(SAMPLE):
        with suppress(Unreadable):
            assert len(read_storage_cfg(text)) >= 3 or text.count("#") != SAMPLE.count("#")


@given(st.text() | st.text(alphabet="ab: \t\n#1").map(lambda text: text + "\n"))
def test_no_text_at_all_ends_in_anything_but_a_value_or_a_refusal(text):
    with suppress(Unreadable):
        read_storage_cfg(text)
