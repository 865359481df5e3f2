"""The links of one node to its peers, folded from the events that DRBD streams. Pure: events in, changes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import ConnectionState
from pve_drbd.model.events import Event, EventKind, EventVerb

_SOURCE = "drbdsetup events2"
_CONNECTED = ConnectionState.CONNECTED.value
_GONE = "gone"
_WHOLE = ("Established", "UpToDate")
"""Replication and the peer's disk, where nothing is left to be made up for."""


@dataclass(frozen=True, slots=True)
class Change:
    """A link to `peer` ('' on 8.4) came to be `is_lost` or whole again.

    `state` is the connection's, 'gone' where there is none any more. `saw` tells a loss that the stream showed from
    one that was found when the stream began.
    """

    resource: str
    peer: str
    state: str
    is_lost: bool
    saw: bool


@dataclass(slots=True)
class _Link:
    peer: str
    state: str
    volumes: dict[str, tuple[str, str]] = field(default_factory=dict)
    is_whole: bool = False

    @property
    def looks_whole(self) -> bool:
        """Connected is not enough: 8.4 says it during the handshake that finds the split brain."""
        is_settled = bool(self.volumes) and all(each == _WHOLE for each in self.volumes.values())
        return self.state == _CONNECTED and is_settled


class Links:
    """The links, by (resource, peer's node id); one per stream: a new stream starts with a new one."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], _Link] = {}
        self._is_told = False

    @property
    def is_told(self) -> bool:
        """The stream has told all that existed when it began."""
        return self._is_told

    def lost(self, resource: str, peer: str) -> str:
        """The state of the link of `resource` to `peer` if it is not Connected; '' if it is, or nothing is known."""
        for (name, _), link in self._links.items():
            if self._is_told and name == resource and link.peer in ("", peer) and link.state != _CONNECTED:
                return link.state
        return ""

    def apply(self, event: Event) -> Iterator[Change]:
        """What `event` changes. Raises Unreadable where it does not fit what the stream told before."""
        if event.kind is EventKind.END:
            self._is_told = True
            for key in self._links:
                yield from self._found(key)
        elif event.verb is EventVerb.RENAME:
            raise Unreadable(_SOURCE, 1, "a resource was renamed: everything is to be read anew")
        elif event.kind is EventKind.CONNECTION:
            yield from self._connection(event)
        elif event.kind is EventKind.PEER_DEVICE:
            yield from self._peer_device(event)

    def _found(self, key: tuple[str, str]) -> Iterator[Change]:
        link = self._links[key]
        link.is_whole = link.looks_whole
        if link.state != _CONNECTED or link.is_whole:
            yield Change(key[0], link.peer, link.state, is_lost=not link.is_whole, saw=False)

    def _connection(self, event: Event) -> Iterator[Change]:
        key = _key(event)
        link = self._links.get(key)
        before = link.state if link else ""
        if event.verb is EventVerb.DESTROY:
            state, peer = _GONE, link.peer if link else ""
            self._links.pop(key, None)
        elif event.verb in (EventVerb.EXISTS, EventVerb.CREATE):
            state, peer = event.keys.get("connection", ""), _peer(event)
            volumes = link.volumes if link else {}
            self._links[key] = _Link(peer, state, volumes, is_whole=bool(link and link.is_whole))
        elif link is None:
            raise Unreadable(_SOURCE, 1, f"a connection of {key[0]} changed that did not exist")
        else:
            link.state = state = event.keys.get("connection", link.state)
            link.peer = peer = _peer(event) or link.peer
        if self._is_told and before == _CONNECTED and state != _CONNECTED:
            yield Change(key[0], peer, state, is_lost=True, saw=True)
        yield from self._whole_again(key)

    def _peer_device(self, event: Event) -> Iterator[Change]:
        key, volume = _key(event), event.keys.get("volume", "")
        link = self._links.get(key)
        if event.verb is EventVerb.DESTROY:
            if link:
                link.volumes.pop(volume, None)
            return
        if link is None:
            raise Unreadable(_SOURCE, 1, f"a peer-device of {key[0]} without its connection")
        replication, disk = link.volumes.get(volume, ("", ""))
        link.volumes[volume] = (event.keys.get("replication", replication), event.keys.get("peer-disk", disk))
        yield from self._whole_again(key)

    def _whole_again(self, key: tuple[str, str]) -> Iterator[Change]:
        link = self._links.get(key)
        if link is None:
            return
        was_whole, link.is_whole = link.is_whole, link.looks_whole
        if self._is_told and link.is_whole and not was_whole:
            yield Change(key[0], link.peer, link.state, is_lost=False, saw=True)


def _key(event: Event) -> tuple[str, str]:
    try:
        return event.keys["name"], event.keys["peer-node-id"]
    except KeyError as err:
        raise Unreadable(_SOURCE, 1, f"a {event.kind.value} without {err.args[0]}") from err


def _peer(event: Event) -> str:
    """The peer's name; 8.4 calls every peer `peer`, and none while there is no address for it."""
    name = event.keys.get("conn-name", "")
    return "" if name == "peer" else name
