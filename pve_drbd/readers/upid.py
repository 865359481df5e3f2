"""PVE's UPIDs: `UPID:node:pid:pstart:starttime:type:id:user:`, three of them in hexadecimal.

Source: pve-common, src/PVE/UPID.pm, encode and decode; pstart gets a ninth digit after 497 days of uptime.
"""

from __future__ import annotations

import re

from pve_drbd.errors import Unreadable
from pve_drbd.model.task import Upid
from pve_drbd.readers.fields import shown

_UPID = re.compile(
    r"UPID:(?P<node>[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):(?P<ticks>[0-9A-Fa-f]{8,9}):"
    r"(?P<at>[0-9A-Fa-f]{8}):(?P<type>[^:\s/]+):(?P<subject>[^:\s/]*):(?P<user>[^:\s/]+):",
    re.ASCII,
)


def read_upid(text: str) -> Upid:
    """The task that `text` names; Unreadable for anything that PVE would not take either."""
    match = _UPID.fullmatch(text)
    if match is None:
        raise Unreadable("the UPID", 0, f"{shown(text)} is not one")
    pid = int(match["pid"], 16)
    # 0 is a process group and 1 is init: no worker has either, and both would be a disaster to signal.
    if pid <= 1:
        raise Unreadable("the UPID", 0, f"{shown(text)} names process {pid}")
    return Upid(
        text=text,
        node=match["node"],
        pid=pid,
        started_ticks=int(match["ticks"], 16),
        started_at=int(match["at"], 16),
        type=match["type"],
        subject=match["subject"],
        user=match["user"],
    )
