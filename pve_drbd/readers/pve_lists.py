"""The lists of PVE's API, already decoded: guests, cluster members, storage entries, HA resources, and the version.

Sources: pve-manager PVE/API2/Cluster.pm (resources, get_status) and PVE/Service/pvestatd.pm (update_qemu_status),
pve-storage PVE/API2/Storage/Config.pm, pve-ha-manager PVE/API2/HA/Resources.pm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import Cluster, ClusterNode, Guest, GuestKind, GuestState, HaResource, StorageEntry
from pve_drbd.readers.fields import Entry, Odd, choice, entries, flag, number, shown, text, text_or_null
from pve_drbd.readers.storage_cfg import entry_of

Value = TypeVar("Value")

_GUESTS, _CLUSTER, _STORAGES, _HA = "/cluster/resources", "/cluster/status", "/storage", "/cluster/ha/resources"
_VERSION = "/version"

_KINDS = {
    **{kind.value: kind for kind in GuestKind},
    **dict.fromkeys(("node", "storage", "pool", "sdn", "network"), None),
}
"""Types of /cluster/resources; None for what is not a guest."""

# QEMU's own run states come through for a running VM (query-status): its process is there, and holds its disks.
_NOT_RUNNING_QEMU = (
    *("prelaunch", "preconfig", "inmigrate", "finish-migrate", "postmigrate", "save-vm", "restore-vm", "shutdown"),
    *("io-error", "internal-error", "guest-panicked", "watchdog", "debug", "colo"),
)
_STATES = {**{state.value: state for state in GuestState}, **dict.fromkeys(_NOT_RUNNING_QEMU, GuestState.PAUSED)}
_HA_STATES = {
    "started": "started",
    "enabled": "started",
    "stopped": "stopped",
    "disabled": "disabled",
    "ignored": "ignored",
}
_HA_KINDS = {"vm": GuestKind.VM, "ct": GuestKind.CONTAINER}

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_ID = re.compile(r"[!-~]+")
_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_IP = re.compile(r"[0-9.]+|(?=[^%]*:)[0-9A-Fa-f.:]+(?:%[A-Za-z0-9._-]+)?")
_WORD = re.compile(r"[a-z_-]*")
_FREE = re.compile(r"[^\x00-\x1f\x7f]*")
_SID = re.compile(r"(vm|ct):([1-9][0-9]{0,8})")
_NUMBER = re.compile(r"[0-9]+\.[0-9]+[0-9A-Za-z.~+-]*")
_LIST = re.compile(r"[,;\s]+")


def _each(answer: object, source: str, read: Callable[[Entry], Value | None]) -> list[Value]:
    """What `read` makes of each object of the list `answer`; its None is left out."""
    try:
        found = entries(answer, "the answer")
        odd = next((key for entry in found for key in entry if not _KEY.fullmatch(key)), None)
        if odd is not None:
            raise Odd(f"{shown(odd)} is not a key")
        return [value for entry in found if (value := read(entry)) is not None]
    except Odd as err:
        raise Unreadable(source, 0, str(err)) from err


def _check_unique(source: str, what: str, values: Iterable[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise Unreadable(source, 0, f"{what} {value} stands twice")
        seen.add(value)


def read_guests(answer: object, ha: Sequence[HaResource]) -> tuple[Guest, ...]:
    """The guests of /cluster/resources by vmid, with the state that `ha` (or, failing that, PVE) has for them."""
    wanted = {each.vmid: each.state for each in ha}
    guests = _each(answer, _GUESTS, lambda entry: _guest(entry, wanted))
    _check_unique(_GUESTS, "guest", (each.vmid for each in guests))
    return tuple(sorted(guests, key=lambda each: each.vmid))


def _guest(entry: Entry, wanted: dict[int, str]) -> Guest | None:
    kind = choice(entry, "type", _KINDS)
    if kind is None:
        return None
    vmid = number(entry, "vmid")
    if text(entry, "id", _ID) != f"{kind.value}/{vmid}" or not 100 <= vmid <= 999999999:
        raise Odd(f"guest {vmid} has the id {shown(entry['id'])}")
    return Guest(
        vmid=vmid,
        kind=kind,
        node=text(entry, "node", _NODE),
        # A node that does not report tells neither name nor template, and its state is unknown.
        name=text(entry, "name", _FREE, ""),
        state=choice(entry, "status", _STATES),
        lock=text(entry, "lock", _WORD, ""),
        is_template=flag(entry, "template"),
        ha_state=wanted.get(vmid) or text(entry, "hastate", _WORD, ""),
        tags=tuple(word for word in _LIST.split(text(entry, "tags", _FREE, "")) if word),
    )


def read_cluster(answer: object) -> Cluster:
    """The cluster of /cluster/status; a node that names no cluster is one of its own, and has its quorum."""
    nodes: list[ClusterNode] = []
    clusters: list[tuple[str, bool, int]] = []

    def read(entry: Entry) -> None:
        kind = choice(entry, "type", {"cluster": "cluster", "node": "node"})
        name = text(entry, "name", _FREE if kind == "cluster" else _NODE)
        if kind == "cluster":
            clusters.append((name, flag(entry, "quorate", None), number(entry, "nodes")))
        elif text(entry, "id", _ID) != f"node/{name}":
            raise Odd(f"node {name} has the id {shown(entry['id'])}")
        else:
            ip = text_or_null(entry, "ip", _IP) if "ip" in entry else ""
            nodes.append(ClusterNode(name, flag(entry, "online", None), flag(entry, "local", None), ip))

    _each(answer, _CLUSTER, read)
    _check_unique(_CLUSTER, "node", (each.name for each in nodes))
    name, is_quorate, count = clusters[0] if clusters else ("", True, 1)
    if len(clusters) > 1 or count != len(nodes):
        raise Unreadable(_CLUSTER, 0, f"it shows {len(nodes)} nodes in {len(clusters)} clusters, of {count}")
    if sum(each.is_local for each in nodes) != 1:
        raise Unreadable(_CLUSTER, 0, "it does not tell which node answered")
    return Cluster(name, is_quorate, tuple(sorted(nodes, key=lambda each: each.name)))


def read_storages(answer: object) -> tuple[StorageEntry, ...]:
    """The entries of /storage by their names."""
    found = _each(answer, _STORAGES, entry_of)
    _check_unique(_STORAGES, "entry", (each.storeid for each in found))
    if len({each.digest for each in found}) > 1:
        raise Unreadable(_STORAGES, 0, "its entries do not have one digest")
    return tuple(sorted(found, key=lambda each: each.storeid))


def read_ha(answer: object) -> tuple[HaResource, ...]:
    """The resources of /cluster/ha/resources by vmid; `state` is what HA was asked for, 'started' unless told."""
    found = _each(answer, _HA, _ha_resource)
    _check_unique(_HA, "resource", (each.vmid for each in found))
    return tuple(sorted(found, key=lambda each: each.vmid))


def _ha_resource(entry: Entry) -> HaResource:
    kind, vmid = text(entry, "sid", _SID).split(":")
    if text(entry, "type", _ID, kind) != kind:
        raise Odd(f"resource {entry['sid']} is of type {shown(entry['type'])}")
    state = choice({"state": "started", **entry}, "state", _HA_STATES)
    return HaResource(int(vmid), state, text(entry, "group", _FREE, ""))


def read_version(answer: object) -> str:
    """PVE's version, such as '9.2.11'."""
    try:
        return text(answer if isinstance(answer, dict) else {}, "version", _NUMBER)
    except Odd as err:
        raise Unreadable(_VERSION, 0, str(err)) from err
