"""What one node has changed of one DRBD volume since it lost its peer: nothing, unknown, or where to look."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pve_drbd.model.drbd import ConnectionState, DiskState, ProcDrbd, ReplicationState, Resource
from pve_drbd.model.evacuation import Change, DirtyMap
from pve_drbd.model.survey import DrbdAccount, NodeAccount, NoView, Survey
from pve_drbd.rules.divergence import Relation, relate
from pve_drbd.rules.views import account, hosts_of, resource

Slot = tuple[str, int]
"""A resource's name and the number of one of its volumes."""

Range = tuple[int, int]
"""Half-open: the first KiB of a DRBD volume, and the KiB after the last."""

_HAS_DATA = (DiskState.UP_TO_DATE, DiskState.CONSISTENT, DiskState.OUTDATED)


@dataclass(frozen=True, slots=True)
class Ground:
    """What holds for the whole of one replica: an answer, or, where it takes a look at the place, the map for it.

    `words` are the evidence. `changed_kib` is out-of-sync, the most that can have changed; None if it is not told.
    `is_exact` says that the map is the bitmap and nothing else.
    """

    change: Change
    words: str
    changed_kib: int | None = None
    map: DirtyMap | None = None
    is_exact: bool = False


def ground_of(survey: Survey, node: str, slot: Slot) -> Ground:
    """What the account of `node` says of its replica `slot`, by the design's order of evidence."""
    name = f"{slot[0]}/{slot[1]}"
    view = account(survey, node)
    if isinstance(view, NoView):
        return _unknown(f"{node} gives no account: {view.reason}")
    own = resource(survey, node, slot[0])
    if own is None:
        gone = view.drbd.resources
        return _unknown(gone.reason if isinstance(gone, NoView) else f"{slot[0]} is not up there")
    disk = next((each.disk for each in own.volumes if each.number == slot[1]), None)
    if disk not in _HAS_DATA:
        return _unknown(f"the disk of {name} is {disk.value if disk else 'not there'}")
    if any(link.state is ConnectionState.CONNECTED for link in own.connections):
        return _connected(survey, node, own, slot)
    changed_kib = out_of_sync_kib(view.drbd, own, slot)
    if changed_kib is None:
        return _unknown(f"{node} does not tell out-of-sync of {name}")
    if changed_kib == 0:
        return Ground(Change.UNCHANGED, f"out-of-sync of {name} is 0", 0)
    return _by_map(view, slot, changed_kib)


def _unknown(words: str, changed_kib: int | None = None) -> Ground:
    return Ground(Change.UNKNOWN, words, changed_kib)


def _by_map(view: NodeAccount, slot: Slot, changed_kib: int) -> Ground:
    """The bitmap and the activity log, if they show at least as much as out-of-sync says."""
    told = f"{changed_kib} KiB of {slot[0]}/{slot[1]} changed"
    found = view.dirty.get(slot)
    if found is None:
        return _unknown(f"{told}, and nobody asked where", changed_kib)
    if isinstance(found, NoView):
        return _unknown(f"{told}, and where is not known: {found.reason}", changed_kib)
    shown_kib = sum(end - first for first, end in found.extents)
    if shown_kib < changed_kib:
        return _unknown(f"{told}, and its bitmap and activity log show {shown_kib} KiB only", changed_kib)
    return Ground(Change.CHANGED, told, changed_kib, found, found.extents == found.bitmap_extents)


def out_of_sync_kib(drbd: DrbdAccount, own: Resource, slot: Slot) -> int | None:
    """What this side has that any peer lacks, by the source that says most; None if some link does not tell."""
    told = _told(own, slot[1])
    if not told or None in told:
        return None
    witness = () if isinstance(drbd.witness, NoView) else drbd.witness
    others = [kib for each in witness if each.name == slot[0] for kib in _told(each, slot[1])]
    minors = [volume.minor for volume in own.volumes if volume.number == slot[1]]
    if isinstance(drbd.loaded, ProcDrbd):
        others += [each.out_of_sync_kib for each in drbd.loaded.minors if each.minor in minors]
    return max(kib for kib in (*told, *others) if kib is not None)


def _told(own: Resource, number: int) -> list[int | None]:
    """Out-of-sync of each link; None for a link that has nothing about this volume."""
    return [
        next((each.out_of_sync_kib for each in link.volumes if each.number == number), None) for link in own.connections
    ]


def _connected(survey: Survey, node: str, own: Resource, slot: Slot) -> Ground:
    """While connected, out-of-sync no longer tells whose change it is; only a pair in sync is known to be unchanged."""
    name = f"{slot[0]}/{slot[1]}"
    peers = [host for host in hosts_of(survey, slot[0]) if host != node]
    others = [resource(survey, peer, slot[0]) for peer in peers]
    sides = [each for each in (own, *others) if each is not None]
    ids = [
        view.drbd.generation_ids[slot]
        for host in (node, *peers)
        if isinstance(view := account(survey, host), NodeAccount)
        and not isinstance(view.drbd.generation_ids, NoView)
        and slot in view.drbd.generation_ids
    ]
    is_whole = len(sides) == len(ids) == len(peers) + 1 and all(relate(ids[0], each) is Relation.SAME for each in ids)
    if peers and is_whole and all(_is_in_sync(each, slot[1]) for each in sides):
        return Ground(Change.UNCHANGED, f"{name} is connected and in sync", 0)
    return _unknown(f"{name} is connected but not in sync: its out-of-sync does not tell what this side changed")


def _is_in_sync(side: Resource, number: int) -> bool:
    volumes = [each for link in side.connections for each in link.volumes if each.number == number]
    return len(volumes) == len(side.connections) and all(
        each.replication is ReplicationState.ESTABLISHED
        and each.out_of_sync_kib == 0
        and each.peer_disk is DiskState.UP_TO_DATE
        for each in volumes
    )


def overlap_kib(runs: Sequence[Range], ranges: Iterable[Range]) -> int:
    """How much of `ranges`, which lie apart, falls on `runs`, which are in order and apart."""
    return sum(_overlaps(runs, ranges))


def _overlaps(runs: Sequence[Range], ranges: Iterable[Range]) -> Iterator[int]:
    for first, end in ranges:
        at = max(bisect_right(runs, (first,)) - 1, 0)
        while at < len(runs) and runs[at][0] < end:
            yield max(min(end, runs[at][1]) - max(first, runs[at][0]), 0)
            at += 1
