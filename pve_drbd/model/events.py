"""One line of the `drbdsetup events2` stream: what happened to which object, in DRBD's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class EventVerb(Enum):
    """What happened; CALL and RESPONSE frame a handler that the kernel runs."""

    EXISTS = "exists"
    CREATE = "create"
    CHANGE = "change"
    DESTROY = "destroy"
    RENAME = "rename"
    CALL = "call"
    RESPONSE = "response"


class EventKind(Enum):
    """What it happened to; END closes the initial list of what exists."""

    RESOURCE = "resource"
    CONNECTION = "connection"
    DEVICE = "device"
    PEER_DEVICE = "peer-device"
    PATH = "path"
    HELPER = "helper"
    END = "-"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `keys` holds what the line tells, as told: a change names what changed and no more.

    `timestamp` is the node's local time with its offset, '' where the stream runs without --timestamps.
    """

    verb: EventVerb
    kind: EventKind
    keys: Mapping[str, str]
    timestamp: str = ""
