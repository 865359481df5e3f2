from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from drbd_samples import sample
from test_events2 import R0_OF_9, R1_OF_9, split

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import Progress, ReplicationState, Resource
from pve_drbd.readers.drbdsetup_json import read_show_json, read_status_json
from pve_drbd.readers.events2 import read_events2

Entry = dict[str, Any]


def as_status(resource: Resource) -> Resource:
    """As `status --json` tells it: no backing disk."""
    return replace(resource, volumes=tuple(replace(each, backing_disk="") for each in resource.volumes))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("9.2.18-healthy-105", (R0_OF_9, R1_OF_9)),
        ("9.2.18-split-brain-105", (split(R0_OF_9, 12288), split(R1_OF_9, 2180))),
    ],
)
def test_the_status_reads(name: str, expected: tuple[Resource, ...]):
    assert read_status_json(sample("status-json", name)) == tuple(as_status(each) for each in expected)


@pytest.mark.parametrize("situation", ["healthy", "split-brain", "link-cut-noticed"])
@pytest.mark.parametrize("node", [105, 106])
def test_both_accounts_of_9_say_the_same(situation: str, node: int):
    name = f"9.2.18-{situation}-{node}"
    by_events = read_events2(sample("events2", name))
    assert read_status_json(sample("status-json", name)) == tuple(as_status(each) for each in by_events)


def test_a_resync_tells_its_progress_in_sectors():
    found = read_status_json(sample("status-json", "9.2.18-resync-after-discard-105"))[1].connections[0].volumes[0]
    assert found.progress == Progress(left_kib=5128, total_kib=5256, rate_kib_s=41, eta_s=121)


def pair(**changes: Any) -> list[Entry]:
    """The healthy pair as JSON; `changes` replace keys of its first resource's only peer device."""
    document = json.loads(sample("status-json", "9.2.18-healthy-105"))
    document[0]["connections"][0]["peer_devices"][0].update(changes)
    return document


def only_peer_volume(document: list[Entry]) -> Any:
    return read_status_json(json.dumps(document))[0].connections[0].volumes[0]


def test_a_verify_is_measured_by_what_it_has_left():
    found = only_peer_volume(
        pair(**{
            "replication-state": "VerifyS", "rs-total": 262064, "ov-left": 131032, "db1/dt1 [MiB/s]": 0.5,
            "estimated-seconds-to-finish": 987654321,
        })
    )  # fmt: skip
    assert found.replication is ReplicationState.VERIFY_SOURCE
    assert found.progress == Progress(65516, 131032, 512)


def test_blocks_that_failed_are_not_left_to_resync():
    found = only_peer_volume(pair(**{"out-of-sync": 100, "rs-total": 400, "rs-failed": 100, "db1/dt1 [MiB/s]": -1}))
    assert found.progress == Progress(50, 200)


def test_keys_that_decide_nothing_may_be_missing_or_new():
    document = pair()
    for resource in document:
        resource["new"] = {"deep": [1]}
        for key in ("node-id", "suspended-quorum", "force-io-failures", "write-ordering"):
            del resource[key]
        for device in resource["devices"]:
            for key in ("client", "quorum", "size", "read"):
                del device[key]
        for connection in resource["connections"]:
            del connection["peer-node-id"]
            del connection["peer_devices"][0]["resync-suspended"]
    found = read_status_json(json.dumps(document))
    assert [each.volumes[0].size_kib for each in found] == [None, None]
    assert [each.volumes[0].has_quorum for each in found] == [None, None]


def test_suspended_io_tells_why():
    document = pair()
    document[0].update({"suspended": True, "suspended-user": True, "suspended-quorum": True})
    assert read_status_json(json.dumps(document))[0].suspended == ("user", "quorum")


def test_several_peers_and_volumes_are_sorted():
    document = pair()
    (link,) = document[0]["connections"]
    link["peer_devices"].insert(0, {**link["peer_devices"][0], "volume": 1})
    document[0]["devices"].insert(0, {**document[0]["devices"][0], "volume": 1, "minor": 9})
    document[0]["connections"].insert(0, {**link, "name": "z"})
    found = read_status_json(json.dumps(document))[0]
    assert [each.peer for each in found.connections] == ["proxmox-106", "z"]
    assert [each.number for each in found.volumes] == [0, 1]


def broken(change: Callable[[list[Entry]], object]) -> str:
    document = pair()
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "r0"}', "it is not a list"),
        ("[1]", "not an object"),
        ("[{}]", "resource 1: name is missing"),
        (broken(lambda d: d.append(d[0])), "r0: the resource stands twice"),
        (broken(lambda d: d[0].update(role="Prime")), "r0: role is 'Prime'"),
        (broken(lambda d: d[0].pop("suspended")), "r0: suspended is neither"),
        (broken(lambda d: d[0].update(suspended=True)), "r0: suspended does not agree"),
        (broken(lambda d: d[0].update({"suspended-user": True})), "r0: suspended does not agree"),
        (broken(lambda d: d[0].pop("devices")), "r0: devices is not a list"),
        (broken(lambda d: d[0]["devices"].append(d[0]["devices"][0])), "r0: 0 stands twice"),
        (broken(lambda d: d[0]["devices"][0].pop("minor")), "r0: minor is missing"),
        (broken(lambda d: d[0]["devices"][0].update(minor=-1)), "r0: minor is -1"),
        (broken(lambda d: d[0]["devices"][0].update(minor=1)), "a minor stands twice"),
        (broken(lambda d: d[0]["devices"][0].pop("disk-state")), "r0: disk-state is missing"),
        (broken(lambda d: d[0]["devices"][0].update(quorum="yes")), "r0: quorum is neither"),
        (broken(lambda d: d[0].pop("connections")), "r0: connections is not a list"),
        (broken(lambda d: d[1]["connections"][0].pop("name")), "r1: name is missing"),
        (broken(lambda d: d[1]["connections"][0].pop("connection-state")), "r1: connection-state is missing"),
        (broken(lambda d: d[1]["connections"][0]["peer_devices"].clear()), "r1: the volumes towards proxmox-106"),
        (json.dumps(pair(**{"out-of-sync": None})), "r0: out-of-sync is None"),
        (json.dumps(pair(**{"replication-state": "Fine"})), "r0: replication-state is 'Fine'"),
        (json.dumps(pair(**{"peer-disk-state": 1})), "r0: peer-disk-state is 1"),
        (json.dumps(pair(**{"rs-total": 1, "db1/dt1 [MiB/s]": "fast"})), "r0: db1/dt1 .MiB/s. is no number"),
    ],
)
def test_a_status_that_does_not_tell_what_decides_is_refused(text: str, why: str):
    with pytest.raises(Unreadable, match=why) as caught:
        read_status_json(text)
    assert caught.value.source == "drbdsetup status --json"


def test_a_rate_beyond_all_measure_is_no_rate():
    progress = only_peer_volume(pair(**{"rs-total": 8, "db1/dt1 [MiB/s]": 1e300})).progress
    assert progress == Progress(0, 4)


def test_running_options_read_by_peer():
    found = read_show_json(sample("show-json", "9.2.18-healthy-105"))
    assert [each.resource for each in found] == ["r0", "r1"]
    net = found[0].net["proxmox-106"]
    assert [net[key] for key in ("protocol", "allow-two-primaries", "after-sb-1pri", "always-asbp", "ping-int")] == [
        "C", "yes", "discard-secondary", "no", "10",
    ]  # fmt: skip
    assert "_name" not in net


def test_running_options_stand_also_while_stand_alone():
    found = read_show_json(sample("show-json", "9.2.18-split-brain-105"))
    assert found == read_show_json(sample("show-json", "9.2.18-healthy-105"))


def test_a_resource_without_connections_has_no_net_options():
    (found,) = read_show_json('[{"resource": "r0", "_this_host": {"node-id": 0}}]')
    assert dict(found.net) == {}


@pytest.mark.parametrize(
    ("connections", "why"),
    [
        ([{}], "does not tell its net options"),
        ([{"net": {}}], "_name is missing"),
        ([{"net": {"_name": "b", "protocol": ["C"]}}], "protocol is not a single value"),
        ([{"net": {"_name": "b"}}, {"net": {"_name": "b"}}], "connection to b stands twice"),
        (7, "connections is not a list"),
    ],
)
def test_running_options_without_a_peer_are_refused(connections: object, why: str):
    with pytest.raises(Unreadable, match=f"^drbdsetup show --json is unreadable: r0: .*{why}"):
        read_show_json(json.dumps([{"resource": "r0", "connections": connections}]))


def test_a_number_among_running_options_is_kept_as_text():
    (found,) = read_show_json('[{"resource": "r0", "connections": [{"net": {"_name": "b", "ping-int": 10}}]}]')
    assert found.net == {"b": {"ping-int": "10"}}


@pytest.mark.parametrize("reader", ["status-json", "show-json"])
def test_the_usage_text_that_84_answers_with_is_refused(reader: str):
    read = {"status-json": read_status_json, "show-json": read_show_json}[reader]
    with pytest.raises(Unreadable):
        read(sample(reader, "8.4.11-healthy-105"))
