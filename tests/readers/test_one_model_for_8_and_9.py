"""The same situation on DRBD 8.4 and on 9 gives the same model, apart from what 8.4 cannot tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drbd_samples import sample

from pve_drbd.model.drbd import Connection, PeerVolume, ProcMinor, Resource, Volume
from pve_drbd.readers.drbdsetup_json import read_status_json
from pve_drbd.readers.events2 import read_events2
from pve_drbd.readers.proc_drbd import read_proc_drbd

# The two pairs lived apart: what they had written, and how far a resync was, differs by chance.
SOME_OUT_OF_SYNC_KIB = 4


def normalised(resource: Resource) -> Resource:
    """`resource` without what 8.4 does not tell, and with every amount out of sync made alike."""
    return replace(
        resource,
        volumes=tuple(replace(each, backing_disk="", has_quorum=None) for each in resource.volumes),
        connections=tuple(_normalised(each) for each in resource.connections),
    )


def _normalised(connection: Connection) -> Connection:
    volumes = tuple(
        replace(each, progress=None, out_of_sync_kib=SOME_OUT_OF_SYNC_KIB if each.out_of_sync_kib else 0)
        for each in connection.volumes
    )
    return replace(connection, peer="", volumes=volumes)


def of_minors(minors: tuple[ProcMinor, ...], like: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """/proc/drbd's minors as resources; names, sizes and why I/O is suspended, which it lacks, are those of `like`."""
    return tuple(
        Resource(
            known.name,
            each.role,
            known.suspended if each.is_io_suspended else (),
            (Volume(0, each.minor, each.disk, known.volumes[0].size_kib),),
            (
                Connection(
                    "",
                    each.connection,
                    each.peer_role,
                    (PeerVolume(0, each.replication, each.peer_disk, each.out_of_sync_kib, each.resync_suspended),),
                ),
            ),
        )
        for each, known in zip(minors, like, strict=True)
    )


@pytest.mark.parametrize(
    ("situation", "resources"),
    [
        ("healthy", ("r0", "r1")),
        ("split-brain", ("r0", "r1")),
        ("link-cut-noticed", ("r0", "r1")),
        # On 8.4 only r1 was given up by 106 at that moment; r0 was still split.
        ("resync-after-discard", ("r1",)),
    ],
)
@pytest.mark.parametrize("node", [105, 106])
def test_84_and_9_give_the_same_model(situation: str, resources: tuple[str, ...], node: int):
    of_84 = [normalised(each) for each in read_events2(sample("events2", f"8.4.11-{situation}-{node}"))]
    of_9 = [normalised(each) for each in read_events2(sample("events2", f"9.2.18-{situation}-{node}"))]
    by_json = [normalised(each) for each in read_status_json(sample("status-json", f"9.2.18-{situation}-{node}"))]
    assert [each for each in of_84 if each.name in resources] == [each for each in of_9 if each.name in resources]
    assert by_json == of_9


@pytest.mark.parametrize(
    "name",
    [
        "healthy-105",
        "healthy-106",
        "split-brain-105",
        "split-brain-106",
        "link-cut-noticed-105",
        "link-cut-noticed-106",
        "resync-after-discard-105",
        "resync-after-discard-106",
        "initial-sync-105",
        "initial-sync-106",
        "created-inconsistent-105",
        "suspended-io-105",
        "peer-off-105",
        "victim-secondary-106",
        "vg-over-two-resources-105",
    ],
)
def test_both_accounts_of_84_say_the_same(name: str):
    by_events = read_events2(sample("events2", f"8.4.11-{name}"))
    minors = read_proc_drbd(sample("proc-drbd", f"8.4.11-{name}")).minors
    by_proc = of_minors(minors, by_events)
    assert [normalised(each) for each in by_proc] == [normalised(each) for each in by_events]
    if "sync" not in name:
        assert by_proc == by_events
