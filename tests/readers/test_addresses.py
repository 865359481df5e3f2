"""The node's interfaces and the answer of a ping."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from damaged_text import sample, truncated, with_strange_bytes
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.network import Interface
from pve_drbd.readers.addresses import read_addresses, read_ping

SAMPLE = "ip-address/6.1.0-ethernet.json"
ANSWERED, SILENT = sample("ping/20221126-reply.txt"), sample("ping/20221126-no-reply.txt")


def one(**changed: object) -> str:
    entry = {"ifname": "eth1", "flags": ["UP", "LOWER_UP"], "operstate": "UP", "addr_info": [], **changed}
    return json.dumps([{key: value for key, value in entry.items() if value is not None}])


def test_interfaces_are_read_with_their_addresses_and_whether_they_are_up():
    assert read_addresses(sample(SAMPLE)) == (
        Interface("lo", is_up=True, addresses=("127.0.0.1", "::1")),
        Interface("ifb0", is_up=False, addresses=()),
        Interface("ifb1", is_up=False, addresses=()),
        Interface("eth0", is_up=True, addresses=("192.0.2.2", "fd00::2", "fe80::fc:ff:fe00:1")),
    )


@pytest.mark.parametrize(
    ("operstate", "flags", "is_up"),
    [
        ("UP", ["UP", "LOWER_UP"], True),
        ("UNKNOWN", ["UP", "LOWER_UP"], True),
        ("UNKNOWN", ["UP"], False),
        ("UP", ["LOWER_UP"], False),
        ("DOWN", ["UP", "NO-CARRIER"], False),
        ("LOWERLAYERDOWN", ["UP", "LOWER_UP"], False),
    ],
)
def test_an_interface_is_up_only_if_switched_on_with_a_link(operstate, flags, is_up):
    assert read_addresses(one(operstate=operstate, flags=flags))[0].is_up is is_up


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        one(operstate="NEW"),
        one(operstate=None),
        one(flags=None),
        one(ifname=None),
        one(ifname="x" * 16),
        one(addr_info=None),
        one(addr_info=[{"family": "inet"}]),
        one(addr_info=[{"local": "10.0.7.x"}]),
        json.dumps(json.loads(one()) * 2),
    ],
)
def test_an_odd_list_of_interfaces_is_refused(text):
    with pytest.raises(Unreadable):
        read_addresses(text)


def test_damage_is_refused_or_shows_no_address_more():
    whole = {address for each in read_addresses(sample(SAMPLE)) for address in each.addresses}
    for text in (*truncated(sample(SAMPLE)), *with_strange_bytes(sample(SAMPLE), 1000)):
        try:
            found = read_addresses(text)
        except Unreadable:
            continue
        assert {address for each in found for address in each.addresses} <= whole


def test_a_peer_that_answers_once_is_there():
    assert read_ping(ANSWERED, 0)
    lossy = ANSWERED.replace("2 received, 0%", "1 received, 50%")
    assert read_ping(lossy, 0)


def test_a_peer_that_does_not_answer_is_not():
    assert not read_ping(SILENT, 1)
    assert not read_ping(SILENT.replace("0 received,", "0 received, +2 errors,"), 1)


@pytest.mark.parametrize(
    ("out", "exit_code"),
    [
        ("", 2),
        ("ping: connect: Network is unreachable\n", 2),
        (ANSWERED, 1),
        (SILENT, 0),
        (SILENT, 2),
        (ANSWERED.replace("2 received", "3 received"), 0),
        (SILENT.replace("0 received", "2 received"), 0),
        (ANSWERED.replace("2 packets transmitted, 2 received", "0 packets transmitted, 0 received"), 0),
        (ANSWERED.removeprefix("PING"), 0),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(out, exit_code):
    with pytest.raises(Unreadable):
        read_ping(out, exit_code)


def test_no_damage_makes_a_silent_peer_answer():
    for text in (*truncated(SILENT), *with_strange_bytes(SILENT, 1000)):
        for exit_code in (0, 1):
            with suppress(Unreadable):
                assert not read_ping(text, exit_code)


@given(st.text(), st.integers(0, 2))
def test_no_text_at_all_ends_in_anything_but_a_refusal(text, exit_code):
    with pytest.raises(Unreadable):
        read_ping(text, exit_code)
    with pytest.raises(Unreadable):
        read_addresses(text)
