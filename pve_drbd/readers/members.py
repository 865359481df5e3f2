"""Reads /etc/pve/.members: who belongs to the PVE cluster, and at which address root's ssh finds them."""

from __future__ import annotations

import re

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import ClusterNode
from pve_drbd.readers.strict_json import read_json

SOURCE = "/etc/pve/.members"
# A name becomes part of a path under /etc/pve/nodes, an address an argument of ssh: nothing else may hide in them.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?")


def read_members(text: str) -> tuple[ClusterNode, ...]:
    """The members by name; a node outside any cluster is the only one, online, without an address.

    `ip` is '' for a member that pmxcfs has not heard of since it was started. Raises Unreadable.
    Source: pve-cluster, src/pmxcfs/status.c, cfs_create_memberlist_msg.
    """
    document = read_json(text, SOURCE)
    if not isinstance(document, dict):
        raise Unreadable(SOURCE, 0, "it is not a JSON object")
    local = _name(document.get("nodename"))
    if "nodelist" not in document:
        return (ClusterNode(local, is_online=True, is_local=True, ip=""),)
    members = document["nodelist"]
    if not isinstance(members, dict):
        raise Unreadable(SOURCE, 0, "nodelist is not a JSON object")
    if local not in members:
        raise Unreadable(SOURCE, 0, f"this node, {local}, is missing in its nodelist")
    return tuple(_member(_name(name), members[name], local) for name in sorted(members))


def _member(name: str, entry: object, local: str) -> ClusterNode:
    if not isinstance(entry, dict):
        raise Unreadable(SOURCE, 0, f"the entry of {name} is not a JSON object")
    online, ip = entry.get("online"), entry.get("ip", "")
    if isinstance(online, bool) or online not in (0, 1):
        raise Unreadable(SOURCE, 0, f"`online` of {name} is {online!r}, neither 0 nor 1")
    if not isinstance(ip, str) or (ip and not _ADDRESS.fullmatch(ip)):
        raise Unreadable(SOURCE, 0, f"`ip` of {name} is not an address: {ip!r}")
    return ClusterNode(name, is_online=online == 1, is_local=name == local, ip=ip)


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Unreadable(SOURCE, 0, f"{value!r} is not the name of a node")
    return value
