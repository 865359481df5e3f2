"""Do independent sources tell the same: the two nodes of each other, and two commands of one node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pve_drbd.findings import Finding, find
from pve_drbd.model.drbd import (
    Connection,
    ConnectionState,
    PeerVolume,
    ProcMinor,
    ReplicationState,
    Resource,
    Volume,
)
from pve_drbd.model.survey import NodeAccount, NoView, Survey
from pve_drbd.rules.views import connection_to, resource

_MIRRORED = {
    ReplicationState.STARTING_SYNC_SOURCE: ReplicationState.STARTING_SYNC_TARGET,
    ReplicationState.BITMAP_SOURCE: ReplicationState.BITMAP_TARGET,
    ReplicationState.SYNC_SOURCE: ReplicationState.SYNC_TARGET,
    ReplicationState.VERIFY_SOURCE: ReplicationState.VERIFY_TARGET,
    ReplicationState.PAUSED_SYNC_SOURCE: ReplicationState.PAUSED_SYNC_TARGET,
    ReplicationState.AHEAD: ReplicationState.BEHIND,
}
_SEEN_FROM_THERE = _MIRRORED | {there: here for here, there in _MIRRORED.items()}


class _Pair(NamedTuple):
    what: str
    own: str
    seen: str


def judge_agreement(survey: Survey, name: str, node: str, peer: str) -> Iterator[Finding]:
    """Where the two nodes' accounts of `name` contradict each other."""
    here, there = resource(survey, node, name), resource(survey, peer, name)
    if here is None or there is None:
        return
    to_peer, to_node = connection_to(here, peer), connection_to(there, node)
    if to_peer is None or to_node is None:
        return
    connected = [each.state is ConnectionState.CONNECTED for each in (to_peer, to_node)]
    if any(connected) and not all(connected):
        yield _disagree(name, "-", node, peer, _Pair("connection", to_peer.state.value, to_node.state.value))
    elif all(connected):
        yield from _judge_half(here, to_node, node, peer, name)
        yield from _judge_half(there, to_peer, peer, node, name)
        yield from _judge_replication(to_peer, to_node, node, peer, name)


def _judge_half(own: Resource, seen: Connection, node: str, peer: str, name: str) -> Iterator[Finding]:
    if own.role is not seen.peer_role:
        yield _disagree(name, "-", node, peer, _Pair("role", own.role.value, seen.peer_role.value))
    disks = {each.number: each.peer_disk for each in seen.volumes}
    for volume in own.volumes:
        if volume.number in disks and disks[volume.number] is not volume.disk:
            pair = _Pair("disk", volume.disk.value, disks[volume.number].value)
            yield _disagree(name, str(volume.number), node, peer, pair)


def _judge_replication(here: Connection, there: Connection, node: str, peer: str, name: str) -> Iterator[Finding]:
    states = {each.number: each.replication for each in there.volumes}
    for volume in here.volumes:
        seen = states.get(volume.number)
        if seen is not None and _SEEN_FROM_THERE.get(volume.replication, volume.replication) is not seen:
            pair = _Pair("replication", volume.replication.value, seen.value)
            yield _disagree(name, str(volume.number), node, peer, pair)


def _disagree(name: str, volume: str, node: str, peer: str, pair: _Pair) -> Finding:
    return find(
        "VIEW-E004", node=node, resource=name, volume=volume, peer=peer, what=pair.what, own=pair.own, seen=pair.seen
    )


def judge_witness(view: NodeAccount, own: Resource, peer: str) -> Iterator[Finding]:
    """Where events2 and the second source of the same node contradict each other on `own`.

    Counters move between two commands, so of out-of-sync only "none" against "some" is compared.
    """
    connection = connection_to(own, peer)
    if connection is None:
        return
    if not isinstance(view.drbd.loaded, NoView) and view.drbd.loaded.minors:
        minors = {each.minor: each for each in view.drbd.loaded.minors}
        for volume in own.volumes:
            if volume.minor in minors:
                pairs = _against_minor(own, connection, volume, minors[volume.minor])
                yield from _contradictions(view.node, own.name, volume.number, "/proc/drbd", pairs)
    for other in () if isinstance(view.drbd.witness, NoView) else view.drbd.witness:
        link = connection_to(other, peer) if other.name == own.name else None
        if link is not None:
            for volume in own.volumes:
                pairs = _against_status(own, connection, volume, other, link)
                yield from _contradictions(view.node, own.name, volume.number, "drbdsetup status", pairs)


def _contradictions(
    node: str, name: str, number: int, source: str, pairs: Iterator[tuple[str, object, object]]
) -> Iterator[Finding]:
    for what, first, second in pairs:
        if first != second:
            words = {"what": what, "first": first, "second": second}
            sources = {"first_source": "events2", "second_source": source}
            yield find("VIEW-E005", node=node, resource=name, volume=str(number), **words, **sources)


def _against_minor(
    own: Resource, link: Connection, volume: Volume, minor: ProcMinor
) -> Iterator[tuple[str, object, object]]:
    yield "role", own.role.value, minor.role.value
    yield "connection", link.state.value, minor.connection.value
    yield "peer role", link.peer_role.value, minor.peer_role.value
    yield "disk", volume.disk.value, minor.disk.value
    yield "suspended I/O", bool(own.suspended), minor.is_io_suspended
    for seen in _seen(link, volume.number):
        yield "replication", seen.replication.value, minor.replication.value
        yield "peer disk", seen.peer_disk.value, minor.peer_disk.value
        yield "out of sync", seen.out_of_sync_kib > 0, minor.out_of_sync_kib > 0


def _against_status(
    own: Resource, link: Connection, volume: Volume, other: Resource, other_link: Connection
) -> Iterator[tuple[str, object, object]]:
    yield "role", own.role.value, other.role.value
    yield "connection", link.state.value, other_link.state.value
    yield "peer role", link.peer_role.value, other_link.peer_role.value
    yield "suspended I/O", own.suspended, other.suspended
    yield "disk", volume.disk.value, next((v.disk.value for v in other.volumes if v.number == volume.number), "absent")
    for seen in _seen(link, volume.number):
        theirs = next(_seen(other_link, volume.number), None)
        yield "replication", seen.replication.value, theirs.replication.value if theirs else "absent"
        yield "peer disk", seen.peer_disk.value, theirs.peer_disk.value if theirs else "absent"
        yield "out of sync", seen.out_of_sync_kib > 0, bool(theirs and theirs.out_of_sync_kib)


def _seen(link: Connection, number: int) -> Iterator[PeerVolume]:
    yield from (each for each in link.volumes if each.number == number)
