"""A ping from one replication address to the other: when it is sent, and what its silence means."""

import pytest

from pve_drbd.accounts import Answer
from pve_drbd.errors import Unreachable
from tests.jobs.standins import Story
from tests.recorded import HERE, NEW

PING = "ping -n -q -c 2 -i 0.2 -W 1 -I eth1 -I 10.0.7.105 10.0.7.106"


def probe(story, **changes):
    return story.survey(**changes).nodes[HERE].probes


def test_one_address_is_pinged_once_for_all_of_its_resources():
    story = Story()

    (r0, r1) = probe(story)

    assert story.nodes.names(HERE).count("ping") == 1
    assert (r0.resource, r1.resource) == ("r0", "r1")
    assert (r0.interface, r0.address, r0.peer_address, r0.problem) == ("eth1", "10.0.7.105", "10.0.7.106", "")
    assert tuple(PING.split()) in {argv for _, argv in story.nodes.asked}


def test_nothing_is_pinged_without_an_interface_that_has_the_address():
    story = Story()
    story.nodes.edit(HERE, "ip-address", "10.0.7.105", "10.9.9.9")

    (r0, _) = probe(story)
    assert (r0.is_done, r0.interface, r0.problem) == (True, "", "no interface has it")
    assert "ping" not in story.nodes.names(HERE)


def test_nothing_is_pinged_over_an_interface_that_is_down():
    story = Story()
    story.nodes.edit(HERE, "ip-address", '"LOWER_UP"], "mtu": 1500', '"NO-CARRIER"], "mtu": 1500')
    story.nodes.edit(HERE, "ip-address", '"operstate": "UP"', '"operstate": "DOWN"')

    assert probe(story)[0].problem == "its interface eth1 is not up"
    assert "ping" not in story.nodes.names(HERE)


NO_REPLY = """PING 10.0.7.106 (10.0.7.106) from 10.0.7.105 eth1: 56(84) bytes of data.

--- 10.0.7.106 ping statistics ---
2 packets transmitted, 0 received, 100% packet loss, time 201ms

"""


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(1, NO_REPLY), "no reply within 1 s"),
        (Unreachable(HERE, "ping did not end within 2 s"), "ping did not end within 2 s"),
        (Answer(0, "garbled\n"), "ping"),
    ],
)
def test_a_ping_without_a_reply_is_a_problem_of_the_link(answer, problem):
    story = Story()
    story.nodes.put_argv(HERE, PING, answer)

    (r0, _) = probe(story)

    assert (r0.is_done, r0.interface) == (True, "eth1")
    assert problem in r0.problem


def test_a_ping_that_a_recording_does_not_have_was_not_done():
    story = Story()
    story.nodes.edit(HERE, "ip-address", "eth1", "eth2")

    assert [each.is_done for each in probe(story)] == [False, False]


def test_a_recording_without_addresses_was_not_probed():
    assert [each.is_done for each in probe(Story(NEW))] == [False, False]


def test_addresses_that_cannot_be_read_are_a_missing_view():
    story = Story()
    story.nodes.put(HERE, "ip-address", "garbled\n")

    assert probe(story).is_damaged


def test_without_a_configuration_there_is_no_address_to_probe():
    story = Story()
    story.nodes.put(HERE, "dump-xml", Answer(10, "", "r0.res:3: Parse error\n"))

    assert probe(story) == ()


def test_a_link_that_the_administrator_leaves_alone_is_not_pinged():
    story = Story()

    (r0, _) = probe(story, unprobed=frozenset({"r0", "r1"}))

    assert (r0.is_done, r0.problem) == (False, 'probe = "off" is configured')
    assert "ping" not in story.nodes.names(HERE)


def test_a_link_of_one_resource_can_be_left_alone():
    story = Story()

    assert [each.is_done for each in probe(story, unprobed=frozenset({"r0"}))] == [False, True]


def test_without_probing_no_link_is_looked_at():
    story = Story()

    assert probe(story, probes_links=False) == ()
