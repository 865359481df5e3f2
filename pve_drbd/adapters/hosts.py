"""Commands run on nodes: what one gave, and the one interface that the live, recording and replaying forms share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pve_drbd.errors import ConfigInvalid, Unreachable

TIMED_OUT = 124
"""timeout(1)'s exit code for a command that used up its time. Never in a CommandResult: it is raised as Unreachable."""
NOT_EXECUTABLE = 126
NOT_FOUND = 127
"""The shell's exit codes for a program that is not there; so on every node alike, with or without a shell."""

OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024
"""Most that one stream of one command may print. The largest honest answer is lvs with one row per segment: 600 bytes
a row, so 25,000 rows. More than that is a program gone wild, and this runs inside a hypervisor's memory."""

_LVM_TOOL = re.compile(
    r"lvm|(?:lv|vg|pv)(?:s|scan|display|change|create|remove|rename|resize|extend|reduce"
    r"|convert|move|ck|merge|split|export|import|importclone|mknodes|cfgbackup|cfgrestore)"
)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command that ended on its own gave; text is UTF-8, other bytes kept as surrogate escapes.

    A `exit_code` of 128 + N means that signal N ended it. `took_ms` is measured by the asker: from the request to the
    last byte of the answer.
    """

    argv: tuple[str, ...]
    exit_code: int
    out: str
    err: str
    took_ms: int


class Hosts(Protocol):
    """Nodes that run commands. One thread per node may use it at a time."""

    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes it can ask, sorted."""

    def run(self, node: str, argv: tuple[str, ...], timeout_s: float) -> CommandResult:
        """What `argv` printed on `node`, with whatever exit code.

        Raises Unreachable where the node did not answer, or this command not within `timeout_s` (and the second or two
        that stopping it takes); Unreadable where an answer came that cannot be taken apart; ConfigInvalid for an `argv`
        that no node may be sent.
        """

    def close(self) -> None:
        """End what is open; to be called on every exit."""


class HostsByNode:
    """Several nodes as one Hosts: each name leads to the Hosts that knows it."""

    def __init__(self, hosts: Mapping[str, Hosts]) -> None:
        self._hosts = dict(hosts)

    def nodes(self) -> tuple[str, ...]:
        """Names of all of them."""
        return tuple(sorted(self._hosts))

    def run(self, node: str, argv: tuple[str, ...], timeout_s: float) -> CommandResult:
        """Pass on to the one that knows `node`."""
        hosts = self._hosts.get(node)
        if hosts is None:
            known = ", ".join(self.nodes()) or "none"
            raise Unreachable(node, f"PVE's member list has no node of this name (it has: {known})")
        return hosts.run(node, argv, timeout_s)

    def close(self) -> None:
        """Close each of them."""
        for hosts in self._hosts.values():
            hosts.close()


def is_lvm(argv: tuple[str, ...]) -> bool:
    """It reads every block device, so it hangs for good where one has its I/O frozen.

    lvmconfig is not among them: it reads configuration only, and answered while I/O was suspended.
    """
    return _LVM_TOOL.fullmatch(argv[0].rpartition("/")[2]) is not None


def refuse_unsendable(argv: tuple[str, ...]) -> None:
    """Raise ConfigInvalid for an `argv` that cannot be carried whole to every node and into every recording."""
    if not argv or not argv[0]:
        raise ConfigInvalid("a command without a name cannot be run: this is an error in pve-drbd, report it")
    for argument in argv:
        if "\n" in argument or "\0" in argument:
            raise ConfigInvalid(
                f"an argument of {argv[0]} contains a newline or a NUL character, and is not sent to any node: "
                f"{argument[:60]!r}. Rename what it names"
            )
        try:
            argument.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as err:
            raise ConfigInvalid(
                f"an argument of {argv[0]} is not text that has bytes, and is not sent to any node: {argument[:60]!r}"
            ) from err


def as_text(data: bytes | bytearray) -> str:
    """Bytes of a command as text, without loss: `as_bytes` gives them back."""
    return data.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    """The bytes that `as_text` made `text` from."""
    return text.encode("utf-8", "surrogateescape")
