"""/etc/pve/.members in the layout of pmxcfs (src/pmxcfs/status.c, cfs_create_memberlist_msg)."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import ClusterNode
from pve_drbd.readers.members import read_members

PAIR = """\
{
"nodename": "pve-a",
"version": 4,
"cluster": { "name": "pair", "version": 2, "nodes": 2, "quorate": 1 },
"nodelist": {
  "pve-b": { "id": 2, "online": 0, "ip": "fd00::106"},
  "pve-a": { "id": 1, "online": 1, "ip": "10.0.7.105"}
  }
}
"""


def test_members_come_by_name_with_address_and_whether_corosync_sees_them():
    assert read_members(PAIR) == (
        ClusterNode("pve-a", is_online=True, is_local=True, ip="10.0.7.105"),
        ClusterNode("pve-b", is_online=False, is_local=False, ip="fd00::106"),
    )


def test_a_node_outside_any_cluster_is_alone_and_online():
    assert read_members('{\n"nodename": "pve-a",\n"version": 1\n}\n') == (
        ClusterNode("pve-a", is_online=True, is_local=True, ip=""),
    )


def test_a_member_that_was_not_heard_of_since_the_boot_has_no_address():
    assert read_members(PAIR.replace(', "ip": "fd00::106"', ""))[1].ip == ""


@pytest.mark.parametrize(
    ("found", "put", "why"),
    [
        ('"nodename": "pve-a"', '"nodename": "../../etc"', "not the name of a node"),
        ('"nodename": "pve-a"', '"nodename": "pve-c"', "missing in its nodelist"),
        ('"nodename": "pve-a",', "", "not the name of a node"),
        ('"pve-b": {', '"-oProxyCommand=x": {', "not the name of a node"),
        ('"pve-b": {', '"a/b": {', "not the name of a node"),
        ("fd00::106", "10.0.7.106 -oProxyCommand=x", "not an address"),
        ('"fd00::106"', "7", "not an address"),
        ('"online": 0', '"online": 2', "neither 0 nor 1"),
        ('"online": 0', '"online": true', "neither 0 nor 1"),
        ('"online": 0, ', "", "neither 0 nor 1"),
        ('{ "id": 2, "online": 0, "ip": "fd00::106"}', "[]", "not a JSON object"),
        ('"nodelist": {', '"nodelist": [], "x": {', "not a JSON object"),
    ],
)
def test_a_member_list_that_does_not_say_who_is_where_is_unreadable(found, put, why):
    with pytest.raises(Unreadable, match=why):
        read_members(PAIR.replace(found, put, 1))


def test_a_list_instead_of_an_object_is_unreadable():
    with pytest.raises(Unreadable, match="not a JSON object"):
        read_members("[]")


def test_a_member_list_cut_off_anywhere_is_unreadable():
    for end in range(len(PAIR.rstrip())):
        with pytest.raises(Unreadable):
            read_members(PAIR[:end])


@settings(deadline=None)
@given(st.integers(0, len(PAIR) - 1), st.characters())
def test_no_damaged_character_gives_anything_but_an_answer_or_unreadable(place, character):
    with contextlib.suppress(Unreadable):
        assert read_members(PAIR[:place] + character + PAIR[place + 1 :])
