"""`drbdsetup events2` of DRBD 8.4 and 9: all that exists (`--now`), and single lines of the stream.

Formats: drbd-utils user/v84/drbdsetup.c, print_notifications, and user/v9/drbdsetup_events2.c, print_*_changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import NamedTuple, TypeVar

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import (
    Connection,
    ConnectionState,
    PeerVolume,
    Progress,
    ReplicationState,
    Resource,
    Role,
    Volume,
)
from pve_drbd.model.events import Event, EventKind, EventVerb
from pve_drbd.readers.drbd_words import CONNECTIONS, DISKS, REPLICATIONS, RESYNC_SUSPENDED, ROLES, SUSPENDED

_SOURCE = "drbdsetup events2"

_TIMESTAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}[+-][0-9]{2}:[0-9]{2}"
_KEY = r"[a-z][a-z0-9_-]*+:[!-~]++"
_KEYS = rf"{_KEY}(?: {_KEY})*+"
_OBJECT = re.compile(rf"(?:{_TIMESTAMP} )?exists (resource|connection|device|peer-device|path) ({_KEYS})")
_END = re.compile(rf"(?:{_TIMESTAMP} )?exists -")
_EVENT = re.compile(
    rf"(?:({_TIMESTAMP}) )?(?:(exists) (-)|(exists|create|change|destroy|rename|call|response)"
    rf" (resource|connection|device|peer-device|path|helper) ({_KEYS}))\n"
)
_MOST_DIGITS = 20
_FRACTION = re.compile(r"|-?(?:[0-9]{1,25}(?:\.[0-9]{1,9})?|nan|inf)")
_INFINITE = float("inf")

_QUORUM = {"yes": True, "no": False, "": None}
_STATES: Mapping[str, Mapping[str, object]] = {
    "role": ROLES,
    "disk": DISKS,
    "peer-disk": DISKS,
    "connection": CONNECTIONS,
    "replication": REPLICATIONS,
}


# A rounded `done:100.00` hides up to this many percent that are still to do.
_LEAST_LEFT_PERCENT = 0.005

_KEYS_OF = {
    "resource": ("name", "role", "suspended"),
    "connection": ("name", "peer-node-id", "conn-name", "connection", "role"),
    "device": ("name", "volume", "minor", "disk", "size", "backing_dev", "quorum"),
    "peer-device": (
        "name", "peer-node-id", "conn-name", "volume", "replication", "peer-disk", "resync-suspended", "out-of-sync",
        "done", "dbdt1", "eta",
    ),
    "path": ("name", "peer-node-id", "conn-name", "local", "peer"),
}  # fmt: skip
"""What is read of each kind of object; the rest of a line must only be grammatical."""
_OPTIONAL = frozenset({"conn-name", "size", "backing_dev", "quorum", "done", "dbdt1", "eta"})

Item = TypeVar("Item")
Shape = Callable[[list[str]], tuple[str, ...]]
Key = tuple[str, str, str]


class _Found(NamedTuple):
    """What was read so far; a connection's key is its resource, its peer's node id, its own name."""

    resources: dict[str, tuple[Role, tuple[str, ...]]]
    volumes: dict[str, dict[int, Volume]]
    minors: set[int]
    connections: dict[Key, tuple[ConnectionState, Role]]
    peer_volumes: dict[Key, dict[int, PeerVolume]]
    paths: set[tuple[Key, str, str]]


def read_events2(text: str) -> tuple[Resource, ...]:
    """All resources of `drbdsetup events2 --now --statistics`, sorted by name, peer and volume.

    Connection.peer is '' on 8.4, which does not tell it. On 8.4 there is no progress: /proc/drbd has it.
    Raises Unreadable for anything but a whole answer: each object once and after what it belongs to, each volume of
    each connection there (drbd_nl.c, get_initial_state), and `exists -` last.
    """
    lines = text.split("\n")
    if lines[-1] != "" or len(lines) < 2 or not _END.fullmatch(lines[-2]):
        raise Unreadable(_SOURCE, text.count("\n", 0, -1) + 1, "it does not end with the line 'exists -'")
    found = _Found({}, {}, set(), {}, {}, set())
    shapes: dict[str, dict[tuple[str, ...], Shape]] = {kind: {} for kind in _KEYS_OF}
    for number, line in enumerate(lines[:-2], 1):
        match = _OBJECT.fullmatch(line)
        try:
            if match is None:
                raise ValueError("not the line of an object that exists")
            kind, body = match.groups()
            words = _words(body)
            keys = tuple(words[::2])
            shape = shapes[kind].get(keys)
            if shape is None:
                shape = shapes[kind][keys] = _shape(kind, keys)
            words.append("")
            _ADD[kind](found, *shape(words))
        except KeyError as err:
            raise Unreadable(_SOURCE, number, f"unknown state {err.args[0]!r}") from err
        except ValueError as err:
            raise Unreadable(_SOURCE, number, str(err)) from err
    return _resources(found)


def read_event(line: str) -> Event:
    """One line of the stream, its newline included: a line without it is torn.

    Raises Unreadable for all else, also for `- skipped N`, with which 8.4 says that events were lost.
    """
    match = _EVENT.fullmatch(line)
    if match is None:
        raise Unreadable(_SOURCE, 1, f"not the line of an event: {line[:60]!r}")
    timestamp, end, dash, verb, kind, body = match.groups()
    words = _words(body) if body else []
    fields = dict(zip(words[::2], words[1::2], strict=True))
    if len(fields) * 2 != len(words):
        raise Unreadable(_SOURCE, 1, "a key stands twice")
    for key in _STATES.keys() & fields.keys():
        if fields[key] not in _STATES[key]:
            raise Unreadable(_SOURCE, 1, f"unknown state {key}:{fields[key]}")
    return Event(EventVerb(end or verb), EventKind(dash or kind), fields, timestamp or "")


def _words(body: str) -> list[str]:
    """Keys and values of a line, in turn."""
    if body.count(":") == body.count(" ") + 1:
        return body.replace(":", " ").split(" ")
    return [word for pair in body.split(" ") for word in pair.split(":", 1)]


def _shape(kind: str, keys: tuple[str, ...]) -> Shape:
    """Picks the values of _KEYS_OF[kind] from the words of a line with these `keys`, '' for one it does not have.

    Nearly all lines of a kind have the same keys, so that they are looked at once.
    """
    if len(set(keys)) != len(keys):
        raise ValueError("a key stands twice")
    missing = [key for key in _KEYS_OF[kind] if key not in keys and key not in _OPTIONAL]
    if missing:
        raise ValueError(f"the line does not tell {missing[0]}")
    return itemgetter(*(keys.index(key) * 2 + 1 if key in keys else -1 for key in _KEYS_OF[kind]))


def _resources(found: _Found) -> tuple[Resource, ...]:
    connections: dict[str, list[Connection]] = {name: [] for name in found.resources}
    for key, (state, peer_role) in found.connections.items():
        name, _, peer = key
        volumes = found.peer_volumes[key]
        if volumes.keys() != found.volumes[name].keys():
            raise Unreadable(_SOURCE, 0, f"{name} has a volume without a peer-device towards {peer or 'its peer'}")
        # 8.4 calls every peer `peer`, and none while there is no address for it (user/v84/drbdsetup.c, event_key).
        connections[name].append(Connection("" if peer == "peer" else peer, state, peer_role, _in_order(volumes)))
    return tuple(
        Resource(
            name,
            *found.resources[name],
            _in_order(found.volumes[name]),
            tuple(sorted(connections[name], key=lambda each: each.peer)),
        )
        for name in sorted(found.resources)
    )


def _in_order(items: Mapping[int, Item]) -> tuple[Item, ...]:
    return tuple(items.values()) if len(items) == 1 else tuple(items[number] for number in sorted(items))


def _add_resource(found: _Found, name: str, role: str, suspended: str) -> None:
    if name in found.resources:
        raise ValueError(f"the resource {name} stands twice")
    found.resources[name] = (ROLES[role], SUSPENDED[suspended])
    found.volumes[name] = {}


def _add_connection(found: _Found, name: str, node_id: str, peer: str, state: str, role: str) -> None:
    key = (name, node_id, peer)
    if name not in found.resources:
        raise ValueError("a connection without its resource before it")
    if key in found.connections:
        raise ValueError("the connection stands twice")
    found.connections[key] = (CONNECTIONS[state], ROLES[role])
    found.peer_volumes[key] = {}


def _add_device(
    found: _Found, name: str, volume: str, minor: str, disk: str, size: str, backing_disk: str, quorum: str
) -> None:
    volumes = found.volumes.get(name)
    if volumes is None:
        raise ValueError("a device without its resource before it")
    number = _number(volume)
    added = Volume(
        number,
        _number(minor),
        DISKS[disk],
        _number(size) if size else None,
        "" if backing_disk == "none" else backing_disk,
        _QUORUM[quorum],
    )
    if number in volumes or added.minor in found.minors:
        raise ValueError(f"the volume {number} or the minor {minor} stands twice")
    volumes[number] = added
    found.minors.add(added.minor)


def _add_peer_device(
    found: _Found, name: str, node_id: str, peer: str, number: str, state: str, disk: str, suspended: str,
    out_of_sync: str, *pace: str,
) -> None:  # fmt: skip
    volumes = found.peer_volumes.get((name, node_id, peer))
    volume = found.volumes[name].get(_number(number)) if volumes is not None else None
    if volumes is None or volume is None:
        raise ValueError("a peer-device without its connection and its device before it")
    if volume.number in volumes:
        raise ValueError("the peer-device stands twice")
    replication, left_kib = REPLICATIONS[state], _number(out_of_sync)
    volumes[volume.number] = PeerVolume(
        volume.number,
        replication,
        DISKS[disk],
        left_kib,
        RESYNC_SUSPENDED[suspended],
        _progress(replication, left_kib, volume.size_kib, *pace) if pace[0] else None,
    )


def _add_path(found: _Found, name: str, node_id: str, peer: str, local: str, remote: str) -> None:
    key = (name, node_id, peer)
    if key not in found.connections:
        raise ValueError("a path without its connection before it")
    if (key, local, remote) in found.paths:
        raise ValueError("the path stands twice")
    found.paths.add((key, local, remote))


_ADD: Mapping[str, Callable[..., None]] = {
    "resource": _add_resource,
    "device": _add_device,
    "connection": _add_connection,
    "peer-device": _add_peer_device,
    "path": _add_path,
}


def _progress(
    replication: ReplicationState, out_of_sync_kib: int, size_kib: int | None, done: str, rate: str, eta: str
) -> Progress | None:
    """How far it is, from DRBD 9's `done:`, which is a percentage of what was to do at the start.

    A resync's rest is what is out of sync. A verify's is not told: the whole volume is taken as what was to do.
    """
    left_percent, rate_mib_s, eta_s = 100.0 - _fraction(done), _fraction(rate), _fraction(eta)
    if not 0.0 <= left_percent <= 100.0:
        return None
    if not replication.is_verify:
        left_kib = out_of_sync_kib
        total_kib = round(left_kib * 100.0 / max(left_percent, _LEAST_LEFT_PERCENT))
    elif size_kib is not None:
        left_kib, total_kib = round(size_kib * left_percent / 100.0), size_kib
    else:
        return None
    return Progress(
        left_kib,
        total_kib,
        round(rate_mib_s * 1024) if 0.0 <= rate_mib_s < _INFINITE else None,
        round(eta_s) if 0.0 <= eta_s < _INFINITE else None,
    )


def _number(digits: str) -> int:
    if not digits.isdecimal() or len(digits) > _MOST_DIGITS:
        raise ValueError(f"{digits[:40]} is no number")
    return int(digits)


def _fraction(digits: str) -> float:
    """The number; nan if it is not told."""
    if not _FRACTION.fullmatch(digits):
        raise ValueError(f"{digits[:40]} is no number")
    return float(digits or "nan")
