"""What two replicas' generation identifiers prove: one data set, an older copy, or a split brain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from pve_drbd.findings import Finding, find
from pve_drbd.model.drbd import ConnectionState, DiskState, GenerationIds, PeerVolume, ReplicationState, Resource
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.rules.views import account, connection_to, hosts_of, missing, resource, resource_names

_NO_ANCESTOR = frozenset({0, 4})
"""Zero is 'none'; 4 is 'just created', which every fresh replica has, so meeting there proves nothing."""


class Relation(Enum):
    """How one replica's data descends from the other's."""

    SAME = "the same data"
    FRESH = "at least one side was just created"
    HERE_AHEAD = "this side went on, the other did not"
    THERE_AHEAD = "the other side went on, this one did not"
    SPLIT_SAME_ANCESTOR = "both went on from the same state"
    SPLIT_OLDER_ANCESTOR = "both went on, from an older common state"
    UNRELATED = "nothing in common"

    @property
    def is_split(self) -> bool:
        """Both sides took writes that the other lacks."""
        return self in (Relation.SPLIT_SAME_ANCESTOR, Relation.SPLIT_OLDER_ANCESTOR)


def relate(here: GenerationIds, there: GenerationIds) -> Relation:
    """How `here` and `there` descend from each other, by the kernel's own order of rules.

    Equal currents prove sameness only while connected: DRBD 9 may keep them after a loss until the first write.
    Source: LINBIT/drbd drbd_receiver.c, uuid_compare; users guide 9, "How DRBD uses generation identifiers".
    """
    if here.current == there.current:
        return Relation.SAME
    if here.current in _NO_ANCESTOR or there.current in _NO_ANCESTOR:
        return Relation.FRESH
    is_ahead = there.current in (here.bitmap, *here.history)
    is_behind = here.current in (there.bitmap, *there.history)
    if is_ahead and is_behind:
        # Each names the other as its past: no order. The kernel would make both the target, and refuse to connect.
        return Relation.SPLIT_OLDER_ANCESTOR
    if is_ahead or is_behind:
        return Relation.HERE_AHEAD if is_ahead else Relation.THERE_AHEAD
    if here.bitmap == there.bitmap and here.bitmap not in _NO_ANCESTOR:
        return Relation.SPLIT_SAME_ANCESTOR
    ancestors = ({here.bitmap, *here.history} & {there.bitmap, *there.history}) - _NO_ANCESTOR
    return Relation.SPLIT_OLDER_ANCESTOR if ancestors else Relation.UNRELATED


def judge_divergence(survey: Survey, name: str, node: str, peer: str) -> Iterator[Finding]:
    """What the identifiers of both nodes say of the volumes of resource `name`.

    Nothing is judged while either side synchronises: identifiers differ then by design.
    """
    here, there = resource(survey, node, name), resource(survey, peer, name)
    if here is None or there is None:
        return
    ids = {side: _identifiers(survey, side) for side in (node, peer)}
    for view in ids.values():
        yield from missing(view)
    for volume in here.volumes:
        slot = (name, volume.number)
        found = {side: view.get(slot) for side, view in ids.items() if not isinstance(view, NoView)}
        own, other = found.get(node), found.get(peer)
        if own and other and not _is_syncing(here, there, node, peer, volume.number):
            yield from _judge_volume(here, there, node, peer, volume.number, own, other)
        for side, resource_there in ((node, here), (peer, there)):
            if side in found and found[side] is None and not _is_diskless(resource_there, volume.number):
                subject = f"generation identifiers of {name}/{volume.number}"
                yield find("VIEW-E001", node=side, subject=subject, reason="drbdadm get-gi gave none")


def _is_diskless(side: Resource, number: int) -> bool:
    return all(each.disk is DiskState.DISKLESS for each in side.volumes if each.number == number)


def _judge_volume(
    here: Resource, there: Resource, node: str, peer: str, number: int, own: GenerationIds, other: GenerationIds
) -> Iterator[Finding]:
    relation = relate(own, other)
    subject = {"node": node, "resource": here.name, "volume": str(number), "peer": peer}
    if _is_settled(here, peer, number) and _is_settled(there, node, number):
        if relation is not Relation.SAME:
            ids = {"here": f"{own.current:016X}", "there": f"{other.current:016X}"}
            yield find("DRBD-E114", **subject, **ids)
    elif relation.is_split:
        changed = {"here_kib": changed_kib(here, peer, number), "there_kib": changed_kib(there, node, number)}
        yield find("DRBD-E113", **subject, how=relation.value, **changed)
    elif relation is Relation.UNRELATED:
        yield find("DRBD-E123", **subject)
    elif _is_connected(here, peer) or _is_connected(there, node):
        # One side has noticed a loss and the other has not, or both are shaking hands: who is older shows in a moment.
        return
    elif relation is Relation.HERE_AHEAD:
        yield find("DRBD-E124", node=peer, resource=here.name, volume=str(number), peer=node)
    elif relation is Relation.THERE_AHEAD:
        yield find("DRBD-E124", **subject)


def changed_kib(side: Resource, peer: str, number: int) -> str:
    """KiB that `side` changed since it lost `peer`, as text; 'an unknown number of' if it does not tell."""
    volume = _peer_volume(side, peer, number)
    return str(volume.out_of_sync_kib) if volume else "an unknown number of"


def is_split(survey: Survey, name: str, node: str, peer: str) -> bool:
    """The identifiers of both nodes prove that some volume of `name` has gone two ways."""
    return any(each.code in ("DRBD-E113", "DRBD-E114") for each in judge_divergence(survey, name, node, peer))


def has_silent_divergence(survey: Survey) -> bool:
    """Some resource looks healthy on both nodes and yet its identifiers differ; a second look must confirm it."""
    pairs = ((name, hosts_of(survey, name)) for name in resource_names(survey))
    return any(
        each.code == "DRBD-E114"
        for name, hosts in pairs
        if len(hosts) == 2
        for each in judge_divergence(survey, name, *hosts)
    )


def _identifiers(survey: Survey, node: str) -> Mapping[tuple[str, int], GenerationIds] | NoView:
    view = account(survey, node)
    return view if isinstance(view, NoView) else view.drbd.generation_ids


def _peer_volume(side: Resource, peer: str, number: int) -> PeerVolume | None:
    connection = connection_to(side, peer)
    return next((each for each in connection.volumes if each.number == number), None) if connection else None


def _is_connected(side: Resource, peer: str) -> bool:
    connection = connection_to(side, peer)
    return connection is not None and connection.state is ConnectionState.CONNECTED


def _is_settled(side: Resource, peer: str, number: int) -> bool:
    seen = _peer_volume(side, peer, number)
    own = next((each.disk for each in side.volumes if each.number == number), None)
    return (
        _is_connected(side, peer)
        and seen is not None
        and seen.replication is ReplicationState.ESTABLISHED
        and own is DiskState.UP_TO_DATE
        and seen.peer_disk is DiskState.UP_TO_DATE
    )


def _is_syncing(here: Resource, there: Resource, node: str, peer: str, number: int) -> bool:
    views = (_peer_volume(here, peer, number), _peer_volume(there, node, number))
    return any(view is not None and (view.replication.is_resync or view.replication.is_verify) for view in views)
