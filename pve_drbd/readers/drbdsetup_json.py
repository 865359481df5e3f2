"""`drbdsetup status --json` and `show --json` of DRBD 9 (8.x has neither): state, and running net options.

Formats: drbd-utils user/v9/drbdsetup.c, resource_status_json, show_resource_list_json and what they call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import (
    Connection,
    PeerVolume,
    Progress,
    Resource,
    RunningOptions,
    Volume,
)
from pve_drbd.readers.drbd_words import CONNECTIONS, DISKS, REPLICATIONS, RESYNC_SUSPENDED, ROLES, SUSPENDED_BY
from pve_drbd.readers.fields import Entry, Odd, choice, entries, number
from pve_drbd.readers.fields import text as text_of
from pve_drbd.readers.strict_json import read_json

_STATUS = "drbdsetup status --json"
_SHOW = "drbdsetup show --json"

_NAME = re.compile(r"[!-~]+")
_UNKNOWN_TIME_LEFT_S = 987654321
_FASTEST_MIB_S = 1 << 30
_SECTORS_PER_KIB = 2

Value = TypeVar("Value")


def read_status_json(text: str) -> tuple[Resource, ...]:
    """All resources of `drbdsetup status --json`, in the same shape and order as read_events2 gives them.

    Raises Unreadable where it does not tell, or tells in unknown words: a resource's name, role and suspension, its
    volumes with minor and disk state, its connections with state and peer role, and for each of these each volume
    with replication state, peer disk state and out-of-sync.
    """
    resources = _named(text, _STATUS, "name", _resource)
    minors = [volume.minor for resource in resources.values() for volume in resource.volumes]
    if len(set(minors)) != len(minors):
        raise Unreadable(_STATUS, 0, "a minor stands twice")
    return tuple(resources[name] for name in sorted(resources))


def read_show_json(text: str) -> tuple[RunningOptions, ...]:
    """The running net options of each resource by peer, from `drbdsetup show --json`; booleans are 'yes' or 'no'.

    Raises Unreadable for a connection that does not tell its peer or its net options.
    """
    resources = _named(text, _SHOW, "resource", _running_options)
    return tuple(resources[name] for name in sorted(resources))


def _named(text: str, source: str, key: str, read: Callable[[str, Entry], Value]) -> dict[str, Value]:
    """What `read` makes of each entry of the document's list, by the name that stands under `key`."""
    found: dict[str, Value] = {}
    subject = "the document"
    try:
        for place, entry in enumerate(entries(read_json(text, source), "it"), 1):
            subject = f"resource {place}"
            name = subject = text_of(entry, key, _NAME)
            if name in found:
                raise Odd("the resource stands twice")
            found[name] = read(name, entry)
    except Odd as err:
        raise Unreadable(source, 0, f"{subject}: {err}") from err
    return found


def _resource(name: str, entry: Entry) -> Resource:
    suspended = tuple(word for word in SUSPENDED_BY if _flag(entry, f"suspended-{word}", False))
    if _flag(entry, "suspended") != bool(suspended):
        raise Odd("suspended does not agree with what it is suspended by")
    volumes = _unique((_volume(each) for each in _list(entry, "devices")), lambda each: each.number)
    connections = _unique((_connection(each) for each in _list(entry, "connections")), lambda each: each.peer)
    for connection in connections:
        if [each.number for each in connection.volumes] != [each.number for each in volumes]:
            raise Odd(f"the volumes towards {connection.peer} are not the resource's")
    return Resource(name, choice(entry, "role", ROLES), suspended, volumes, connections)


def _volume(entry: Entry) -> Volume:
    return Volume(
        number=number(entry, "volume"),
        minor=number(entry, "minor"),
        disk=choice(entry, "disk-state", DISKS),
        size_kib=number(entry, "size") if "size" in entry else None,
        has_quorum=_flag(entry, "quorum") if "quorum" in entry else None,
    )


def _connection(entry: Entry) -> Connection:
    volumes = _unique((_peer_volume(each) for each in _list(entry, "peer_devices")), lambda each: each.number)
    return Connection(
        text_of(entry, "name", _NAME),
        choice(entry, "connection-state", CONNECTIONS),
        choice(entry, "peer-role", ROLES),
        volumes,
    )


def _peer_volume(entry: Entry) -> PeerVolume:
    out_of_sync_kib = number(entry, "out-of-sync")
    return PeerVolume(
        number(entry, "volume"),
        choice(entry, "replication-state", REPLICATIONS),
        choice(entry, "peer-disk-state", DISKS),
        out_of_sync_kib,
        choice(entry, "resync-suspended", RESYNC_SUSPENDED) if "resync-suspended" in entry else (),
        _progress(entry, out_of_sync_kib) if "rs-total" in entry else None,
    )


def _progress(entry: Entry, out_of_sync_kib: int) -> Progress:
    total_kib = number(entry, "rs-total") // _SECTORS_PER_KIB
    if "ov-left" in entry:
        left_kib = number(entry, "ov-left") // _SECTORS_PER_KIB
    else:
        failed_kib = number(entry, "rs-failed") // _SECTORS_PER_KIB if "rs-failed" in entry else 0
        left_kib = max(out_of_sync_kib - failed_kib, 0)
    rate_mib_s = _measure(entry, "db1/dt1 [MiB/s]")
    eta_s = _measure(entry, "estimated-seconds-to-finish")
    return Progress(
        left_kib,
        max(total_kib, left_kib),
        round(rate_mib_s * 1024) if 0 <= rate_mib_s < _FASTEST_MIB_S else None,
        round(eta_s) if 0 <= eta_s < _UNKNOWN_TIME_LEFT_S else None,
    )


def _running_options(resource: str, entry: Entry) -> RunningOptions:
    net: dict[str, Mapping[str, str]] = {}
    for connection in _list(entry, "connections") if "connections" in entry else ():
        options = connection.get("net")
        if not isinstance(options, dict):
            raise Odd("a connection does not tell its net options")
        peer = text_of(options, "_name", _NAME)
        if peer in net:
            raise Odd(f"the connection to {peer} stands twice")
        net[peer] = {key: _setting(key, value) for key, value in options.items() if not key.startswith("_")}
    return RunningOptions(resource, net)


def _setting(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int):
        return str(value)
    raise Odd(f"the option {key} is not a single value")


def _list(entry: Entry, key: str) -> list[Entry]:
    return entries(entry.get(key), key)


def _unique(items: Iterable[Value], key: Callable[[Value], int | str]) -> tuple[Value, ...]:
    """The items in the order of their key, which each must have for itself."""
    found: dict[int | str, Value] = {}
    for item in items:
        if key(item) in found:
            raise Odd(f"{key(item)!r} stands twice in one list")
        found[key(item)] = item
    return tuple(found.values()) if len(found) == 1 else tuple(found[each] for each in sorted(found, key=_rank))


def _rank(key: int | str) -> tuple[int, str]:
    return (key, "") if isinstance(key, int) else (0, key)


def _flag(entry: Entry, key: str, default: bool | None = None) -> bool:
    value = entry.get(key, default)
    if not isinstance(value, bool):
        raise Odd(f"{key} is neither true nor false")
    return value


def _measure(entry: Entry, key: str) -> float:
    """The number under `key`; -1 if it is not told."""
    value = entry.get(key, -1)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Odd(f"{key} is no number")
    return value
