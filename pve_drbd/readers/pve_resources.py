"""What is free where, by /cluster/resources of types storage and node, and what ran where, by a node's task log."""

from __future__ import annotations

import re

from pve_drbd.errors import Unreadable
from pve_drbd.model.evacuation import NodeStatus, StorageStatus
from pve_drbd.model.task import Upid
from pve_drbd.readers.fields import Entry, Odd, entries, flag, number, text
from pve_drbd.readers.upid import read_upid

_SOURCE = "/cluster/resources"
_TASKS = "the task log"
_MIB = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FREE = re.compile(r"[ -~]*")


def read_storage_status(answer: object) -> tuple[StorageStatus, ...]:
    """Every storage on every node, by node and name; one that is not available has nothing free."""
    found = [_storage(each) for each in _entries(answer, "storage")]
    return tuple(sorted(found, key=lambda each: (each.node, each.storeid)))


def read_node_status(answer: object) -> tuple[NodeStatus, ...]:
    """The memory of every node that reports it, by name."""
    found = [_node(each) for each in _entries(answer, "node") if "maxmem" in each]
    return tuple(sorted(found, key=lambda each: each.node))


def read_tasks(answer: object) -> tuple[Upid, ...]:
    """The tasks of /nodes/NODE/tasks, as their UPIDs name them."""
    try:
        found = entries(answer, _TASKS)
        return tuple(read_upid(text(each, "upid", _FREE)) for each in found)
    except Odd as err:
        raise Unreadable(_TASKS, 0, str(err)) from err


def _entries(answer: object, kind: str) -> list[Entry]:
    try:
        return [each for each in entries(answer, _SOURCE) if each.get("type") == kind]
    except Odd as err:
        raise Unreadable(_SOURCE, 0, str(err)) from err


def _storage(entry: Entry) -> StorageStatus:
    try:
        is_active = text(entry, "status", _NAME) == "available"
        total, used = (number(entry, key) if key in entry else 0 for key in ("maxdisk", "disk"))
        return StorageStatus(
            storeid=text(entry, "storage", _NAME),
            node=text(entry, "node", _NAME),
            type=text(entry, "plugintype", _NAME, ""),
            is_active=is_active,
            is_shared=flag(entry, "shared"),
            free_mib=max(total - used, 0) // _MIB if is_active else 0,
            content=tuple(sorted(filter(None, text(entry, "content", _FREE, "").split(",")))),
        )
    except Odd as err:
        raise Unreadable(_SOURCE, 0, str(err)) from err


def _node(entry: Entry) -> NodeStatus:
    try:
        total, used = number(entry, "maxmem"), number(entry, "mem") if "mem" in entry else 0
        return NodeStatus(text(entry, "node", _NAME), max(total - used, 0) // _MIB, total // _MIB)
    except Odd as err:
        raise Unreadable(_SOURCE, 0, str(err)) from err
