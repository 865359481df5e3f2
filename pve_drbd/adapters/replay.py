"""Answers commands from a bundle's recordings, offline."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from pve_drbd.adapters.bundle import About, read_about, read_file
from pve_drbd.adapters.hosts import TIMED_OUT, CommandResult
from pve_drbd.errors import ConfigInvalid, NotRecorded, PveDrbdError, Unreachable, Unreadable

COMMANDS = "commands.tsv"
UNREACHABLE = "UNREACHABLE"
NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*", re.ASCII)
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)

_EXIT_CODE = re.compile(r"[0-9]{1,3}", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of commands.tsv."""

    name: str
    exit_code: int
    took_ms: int
    argv: tuple[str, ...]


def open_bundle(directory: str | os.PathLike[str]) -> tuple[About, ReplayHosts]:
    """What the bundle says of itself, and the Hosts that answer from it; ConfigInvalid if it is no bundle."""
    return read_about(directory), ReplayHosts(directory)


class ReplayHosts:
    """The nodes of a bundle. A damaged node raises Unreadable when it is asked, and the other goes on answering."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Look which nodes there are; their files are read when they are asked for."""
        self._directory = os.fspath(directory)
        self._recorded: dict[str, Mapping[tuple[str, ...], Recorded]] = {}
        try:
            with os.scandir(os.path.join(self._directory, "nodes")) as entries:
                found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as err:
            raise ConfigInvalid(f"{self._directory} is not a bundle: it has no folder `nodes`") from err
        self._nodes = tuple(sorted(name for name in found if NODE_NAME.fullmatch(name)))

    def nodes(self) -> tuple[str, ...]:
        """The nodes that have a folder, also those that did not answer when it was taken."""
        return self._nodes

    def run(self, node: str, argv: tuple[str, ...], timeout_s: float) -> CommandResult:
        """What exactly this `argv` gave when it was recorded; Unreachable if it was not, or gave nothing."""
        recorded = self._of(node).get(argv)
        if recorded is None:
            raise NotRecorded(node, f"`{shlex.join(argv)}` is not in the bundle")
        stem = f"nodes/{node}/{recorded.name}"
        has_errors = os.path.lexists(os.path.join(self._directory, f"{stem}.err"))
        err = read_file(self._directory, f"{stem}.err") if has_errors else ""
        if recorded.exit_code == TIMED_OUT:
            raise Unreachable(node, err.strip() or f"{argv[0]} did not end in time when the bundle was taken")
        out = read_file(self._directory, f"{stem}.out")
        return CommandResult(argv, recorded.exit_code, out, err, recorded.took_ms)

    def recorded_ms(self, node: str) -> int:
        """How long all of `node`'s commands took together: the age of its view in a replay; 0 if it has none."""
        try:
            return sum(each.took_ms for each in self._of(node).values())
        except PveDrbdError:
            return 0

    def close(self) -> None:
        """Nothing is open."""

    def _of(self, node: str) -> Mapping[tuple[str, ...], Recorded]:
        if node not in self._nodes:
            raise Unreachable(node, "not in the bundle")
        folder = f"nodes/{node}"
        if os.path.lexists(os.path.join(self._directory, folder, UNREACHABLE)):
            reason = read_file(self._directory, f"{folder}/{UNREACHABLE}").strip()
            raise Unreachable(node, reason or "it did not answer when the bundle was taken")
        if node not in self._recorded:
            source = f"{folder}/{COMMANDS}"
            self._recorded[node] = read_commands(read_file(self._directory, source), source)
        return self._recorded[node]


def read_commands(text: str, source: str) -> Mapping[tuple[str, ...], Recorded]:
    """The lines of a commands.tsv by argv; Unreadable with the line for any that is not whole or stands there twice."""
    if not text.endswith("\n"):
        raise Unreadable(source, text.count("\n") + 1, "it is cut off: its last line has no end")
    found: dict[tuple[str, ...], Recorded] = {}
    names: set[str] = set()
    for number, line in enumerate(text[:-1].split("\n"), start=1):
        recorded = _read_line(line, source, number)
        if recorded.argv in found or recorded.name in names:
            raise Unreadable(source, number, f"{recorded.name} or its command stands there twice")
        found[recorded.argv] = recorded
        names.add(recorded.name)
    return found


def _read_line(line: str, source: str, number: int) -> Recorded:
    columns = line.split("\t", 3)
    if len(columns) != 4:
        raise Unreadable(source, number, f"it has {len(columns)} columns instead of four")
    name, exit_code, took_ms, command = columns
    if not FILE_NAME.fullmatch(name):
        raise Unreadable(source, number, f"{name!r} is not a plain name of a file")
    if not _EXIT_CODE.fullmatch(exit_code) or int(exit_code) > 255:
        raise Unreadable(source, number, f"{exit_code!r} is not an exit code")
    if not _MILLISECONDS.fullmatch(took_ms):
        raise Unreadable(source, number, f"{took_ms!r} is not a number of milliseconds")
    try:
        argv = tuple(shlex.split(command))
    except ValueError as err:
        raise Unreadable(source, number, f"its command has a quote without end: {command[:60]}") from err
    if not argv:
        raise Unreadable(source, number, "it has no command")
    return Recorded(name, int(exit_code), int(took_ms), argv)
