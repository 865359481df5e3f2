"""A task of Proxmox VE, as its UPID names it, and the migration that such a task is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upid:
    """Which worker process on which node does what to which guest.

    `started_ticks` is the worker's start in clock ticks since boot (/proc/PID/stat, field 22): with the pid it names
    one process for as long as the node is up. `subject` is the guest's number in the tasks that concern us.
    """

    text: str
    node: str
    pid: int
    started_ticks: int
    started_at: int
    type: str
    subject: str
    user: str


@dataclass(frozen=True, slots=True)
class Move:
    """A migration that the source gate let begin, and the links it rests on.

    `resources` are those below the guest's disks; `pings` are (interface, own address, peer's address) of their links.
    `may_end` marks the live migration of a VM whose gate enforces; any other is only followed for the log.
    """

    upid: Upid
    vmid: int
    target: str
    resources: tuple[str, ...]
    pings: tuple[tuple[str, str, str], ...]
    may_end: bool
