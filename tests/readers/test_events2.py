from __future__ import annotations

from dataclasses import replace

import pytest
from drbd_samples import sample

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import (
    Connection,
    ConnectionState,
    DiskState,
    PeerVolume,
    Progress,
    ReplicationState,
    Resource,
    Role,
    Volume,
)
from pve_drbd.model.events import Event, EventKind, EventVerb
from pve_drbd.readers.events2 import read_event, read_events2

UP_TO_DATE, ESTABLISHED = DiskState.UP_TO_DATE, ReplicationState.ESTABLISHED
END = "exists -\n"


def healthy(name: str, minor: int, size_kib: int, peer: str = "") -> Resource:
    return Resource(
        name=name,
        role=Role.PRIMARY,
        suspended=(),
        volumes=(Volume(0, minor, UP_TO_DATE, size_kib),),
        connections=(
            Connection(peer, ConnectionState.CONNECTED, Role.PRIMARY, (PeerVolume(0, ESTABLISHED, UP_TO_DATE, 0),)),
        ),
    )


def of_9(resource: Resource, backing_disk: str) -> Resource:
    (volume,) = resource.volumes
    return replace(resource, volumes=(replace(volume, backing_disk=backing_disk, has_quorum=True),))


def split(resource: Resource, out_of_sync_kib: int) -> Resource:
    link = Connection(
        resource.connections[0].peer,
        ConnectionState.STAND_ALONE,
        Role.UNKNOWN,
        (PeerVolume(0, ReplicationState.OFF, DiskState.UNKNOWN, out_of_sync_kib),),
    )
    return replace(resource, connections=(link,))


R0, R1 = healthy("r0", 0, 131032), healthy("r1", 1, 98264)
R0_OF_9 = of_9(healthy("r0", 0, 131032, "proxmox-106"), "/dev/vdb")
R1_OF_9 = of_9(healthy("r1", 1, 98264, "proxmox-106"), "/dev/vdc")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("8.4.11-healthy-105", (R0, R1)),
        ("9.2.18-healthy-105", (R0_OF_9, R1_OF_9)),
        ("8.4.11-split-brain-105", (split(R0, 12288), split(R1, 2180))),
        ("9.2.18-split-brain-105", (split(R0_OF_9, 12288), split(R1_OF_9, 2180))),
        ("8.4.11-suspended-io-105", (replace(R0, suspended=("user",)), R1)),
        ("8.4.11-no-resource-105", ()),
    ],
)
def test_what_exists_reads(name: str, expected: tuple[Resource, ...]):
    assert read_events2(sample("events2", name)) == expected


def test_timestamps_change_nothing():
    found = read_events2(sample("events2", "8.4.11-split-brain-without-timestamps-105"))
    assert [each.connections[0].state for each in found] == [ConnectionState.STAND_ALONE] * 2


def test_out_of_sync_after_a_verify_shows_on_a_healthy_looking_pair():
    found = read_events2(sample("events2", "8.4.11-verify-found-out-of-sync-105"))[0]
    assert found.connections[0].volumes == (PeerVolume(0, ESTABLISHED, UP_TO_DATE, 296),)


def test_a_resync_of_9_tells_what_is_left_and_how_long():
    found = read_events2(sample("events2", "9.2.18-resync-after-discard-106"))
    assert [each.connections[0].volumes[0].progress for each in found] == [
        Progress(left_kib=16960, total_kib=17407, rate_kib_s=195, eta_s=88),
        Progress(left_kib=5128, total_kib=5256, rate_kib_s=61, eta_s=91),
    ]


def test_a_resync_of_84_tells_no_progress():
    found = read_events2(sample("events2", "8.4.11-resync-after-discard-105"))[1].connections[0].volumes[0]
    assert (found.replication, found.out_of_sync_kib, found.progress) == (ReplicationState.SYNC_SOURCE, 2824, None)


def test_an_answer_without_out_of_sync_is_refused():
    with pytest.raises(Unreadable, match="does not tell out-of-sync") as caught:
        read_events2(sample("events2", "8.4.11-split-brain-without-statistics-105"))
    assert caught.value.line == 4


def resource(
    name: str = "r0", peers: tuple[str, ...] = ("b",), volumes: tuple[int, ...] = (0,), minor: int = 0, more: str = ""
) -> list[str]:
    """The lines of one healthy resource; `more` is added to its peer-devices."""
    return [
        f"exists resource name:{name} role:Primary suspended:no",
        *(
            f"exists connection name:{name} peer-node-id:{number} conn-name:{peer} connection:Connected role:Primary"
            for number, peer in enumerate(peers, 1)
        ),
        *(
            f"exists device name:{name} volume:{volume} minor:{minor + volume} disk:UpToDate size:1000"
            for volume in volumes
        ),
        *(
            f"exists peer-device name:{name} peer-node-id:{number} conn-name:{peer} volume:{volume}"
            f" replication:Established peer-disk:UpToDate resync-suspended:no out-of-sync:0{more}"
            for number, peer in enumerate(peers, 1)
            for volume in volumes
        ),
    ]


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines) + END


def test_resources_peers_and_volumes_are_sorted():
    found = read_events2(text(*resource("r2", ("c", "b"), (2, 0)), *resource("r1", minor=7)))
    assert [each.name for each in found] == ["r1", "r2"]
    assert [link.peer for link in found[1].connections] == ["b", "c"]
    assert [volume.number for volume in found[1].volumes] == [0, 2]
    assert [volume.number for volume in found[1].connections[0].volumes] == [0, 2]


def test_unknown_keys_are_passed_over():
    lines = [f"{line} new-key:with:colons another_1:{{}}" for line in resource()]
    assert read_events2(text(*lines)) == read_events2(text(*resource()))


def test_a_diskless_client_has_no_backing_disk():
    lines = resource()
    lines[2] = lines[2].replace("disk:UpToDate", "backing_dev:none disk:Diskless client:yes quorum:no")
    (volume,) = read_events2(text(*lines))[0].volumes
    assert (volume.backing_disk, volume.disk, volume.has_quorum) == ("", DiskState.DISKLESS, False)


@pytest.mark.parametrize(
    ("more", "progress"),
    [
        (" done:25.00 dbdt1:1.50 eta:60", Progress(0, 0, 1536, 60)),
        (" done:100.00", Progress(0, 0)),
        (" done:0.00 dbdt1:-nan eta:nan", Progress(0, 0)),
        (" done:18446744073709551.00", None),
        ("", None),
    ],
)
def test_progress_of_9_tolerates_what_drbdsetup_prints(more: str, progress: Progress | None):
    found = read_events2(text(*resource(more=more)))
    assert found[0].connections[0].volumes[0].progress == progress


def test_a_verify_of_9_is_measured_by_the_volume():
    lines = [line.replace("Established", "VerifyS") for line in resource(more=" done:25.00")]
    assert read_events2(text(*lines))[0].connections[0].volumes[0].progress == Progress(750, 1000)
    without_size = [line.replace(" size:1000", "") for line in lines]
    assert read_events2(text(*without_size))[0].connections[0].volumes[0].progress is None


def test_a_resync_that_is_rounded_to_done_is_not_taken_for_not_begun():
    lines = [line.replace("Established", "SyncSource") for line in resource(more=" done:100.00")]
    lines[-1] = lines[-1].replace("out-of-sync:0", "out-of-sync:4")
    progress = read_events2(text(*lines))[0].connections[0].volumes[0].progress
    assert progress is not None
    assert progress.left_kib == 4
    assert progress.percent_done > 99.99


LINES = resource()


@pytest.mark.parametrize(
    ("broken", "line", "why"),
    [
        ("", 1, "end"),
        ("\n", 1, "end"),
        ("exists -", 1, "end"),
        (text(*LINES)[: -len(END)], 4, "end"),
        (text(*LINES) + "\n", 6, "end"),
        (text(*LINES) + "exists resource name:r1\n", 6, "end"),
        (text(*LINES, "exists helper name:r0"), 5, "not the line"),
        (text(*LINES, "change resource name:r0 role:Primary"), 5, "not the line"),
        (text(*LINES, "exists resource name:r0  role:Primary"), 5, "not the line"),
        (text(LINES[0]).replace("suspended", "suspende\u00e9"), 1, "not the line"),
        (text(LINES[0] + " role:Primary"), 1, "key stands twice"),
        (text(LINES[0] + " x:a:b x:c"), 1, "key stands twice"),
        (text("exists resource name:r0 suspended:no"), 1, "does not tell role"),
        (text("exists resource name:r0 role:Primary suspended:maybe"), 1, "unknown state 'maybe'"),
        (text(LINES[0].replace("Primary", "Prime")), 1, "unknown state 'Prime'"),
        (text(*LINES, LINES[0]), 5, "resource r0 stands twice"),
        (text(LINES[0], LINES[1], *LINES[1:]), 3, "connection stands twice"),
        (text(*LINES[:3], *LINES[2:]), 4, "volume 0 or the minor 0 stands twice"),
        (text(*LINES, *resource("r1")), 7, "minor 0 stands twice"),
        (text(*LINES, LINES[3]), 5, "peer-device stands twice"),
        (text(*LINES[1:]), 1, "without its resource"),
        (text(LINES[2]), 1, "without its resource"),
        (text(LINES[0], *LINES[2:]), 3, "without its connection"),
        (text(LINES[0], LINES[1], LINES[3]), 3, "without its connection"),
        (text(*LINES[:3]), 0, "volume without a peer-device towards b"),
        (text(*LINES).replace("minor:0", "minor:-1"), 3, "-1 is no number"),
        (text(*LINES).replace("minor:0", f"minor:{'9' * 30}"), 3, "is no number"),
        (text(*LINES).replace("size:1000", "size:1_000"), 3, "1_000 is no number"),
        (text(*LINES).replace("size:1000", "quorum:maybe"), 3, "unknown state 'maybe'"),
        (text(*resource(more=" done:1e9")), 4, "1e9 is no number"),
    ],
)
def test_anything_but_a_whole_answer_is_refused_with_its_line(broken: str, line: int, why: str):
    with pytest.raises(Unreadable, match=why) as caught:
        read_events2(broken)
    assert (caught.value.source, caught.value.line) == ("drbdsetup events2", line)


def test_a_path_must_belong_to_a_connection_and_stand_once():
    path = "exists path name:r0 peer-node-id:1 conn-name:b local:ipv4:10.0.0.1:7788 peer:ipv4:10.0.0.2:7788"
    assert read_events2(text(*LINES, path + " established:yes"))
    with pytest.raises(Unreadable, match="path stands twice"):
        read_events2(text(*LINES, path + " established:yes", path + " established:no"))
    with pytest.raises(Unreadable, match="path without its connection"):
        read_events2(text(*LINES, path.replace("conn-name:b", "conn-name:c")))


EVENTS = "events2-stream"
STREAM_84, STREAM_9 = "8.4.11-verify-peer-reboot-peer-crash-105", "9.2.18-split-brain-and-recovery-105"


@pytest.mark.parametrize(("name", "count"), [(STREAM_84, 55), (STREAM_9, 92)])
def test_every_line_of_a_stream_is_an_event(name: str, count: int):
    events = [read_event(line) for line in sample(EVENTS, name).splitlines(keepends=True)]
    assert len(events) == count
    assert all(each.timestamp.endswith("+00:00") for each in events)
    ends = [each for each in events if each.kind is EventKind.END]
    assert [(each.verb, dict(each.keys)) for each in ends] == [(EventVerb.EXISTS, {})]


def test_a_split_brain_shows_in_the_stream_without_any_handler():
    lines = sample(EVENTS, STREAM_9).splitlines(keepends=True)
    called = [each.keys["helper"] for each in map(read_event, lines) if each.verb is EventVerb.CALL]
    assert "split-brain" in called
    line = next(each for each in lines if "call helper" in each and ":split-brain" in each)
    assert read_event(line) == Event(
        EventVerb.CALL,
        EventKind.HELPER,
        {
            "name": "r0",
            "peer-node-id": "1",
            "conn-name": "proxmox-106",
            "volume": "0",
            "minor": "0",
            "helper": "split-brain",
        },
        line[:32],
    )


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            "change connection name:r0 peer-node-id:0 conn-name:peer connection:NetworkFailure role:Unknown\n",
            Event(
                EventVerb.CHANGE,
                EventKind.CONNECTION,
                {
                    "name": "r0",
                    "peer-node-id": "0",
                    "conn-name": "peer",
                    "connection": "NetworkFailure",
                    "role": "Unknown",
                },
            ),
        ),
        (
            "rename resource name:r0 new_name:r1\n",
            Event(EventVerb.RENAME, EventKind.RESOURCE, {"name": "r0", "new_name": "r1"}),
        ),
        ("destroy resource name:r0\n", Event(EventVerb.DESTROY, EventKind.RESOURCE, {"name": "r0"})),
        ("exists -\n", Event(EventVerb.EXISTS, EventKind.END, {})),
    ],
)
def test_an_event_tells_what_changed_and_no_more(line: str, event: Event):
    assert read_event(line) == event


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "not the line of an event"),
        ("change resource name:r0 role:Primary", "not the line of an event"),
        ("change -\n", "not the line of an event"),
        ("- skipped 3\n", "not the line of an event: '- skipped 3"),
        ("change resource name:r0\nchange resource name:r1\n", "not the line of an event"),
        ("change resource name:r0 name:r1\n", "key stands twice"),
        ("change resource name:r0 role:Prime\n", "unknown state role:Prime"),
        ("change device name:r0 disk:UpToDat\n", "unknown state disk:UpToDat"),
    ],
)
def test_a_torn_or_unknown_event_is_refused(line: str, why: str):
    with pytest.raises(Unreadable, match=why):
        read_event(line)
