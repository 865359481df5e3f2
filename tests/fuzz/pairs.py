"""Recorded pairs held in memory: a scenario's texts, asked and judged as `check migration` and `check start` do it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pve_drbd.adapters.hosts import TIMED_OUT, CommandResult, as_text
from pve_drbd.adapters.pve_recorded import request_line
from pve_drbd.adapters.replay import Recorded, read_commands
from pve_drbd.cli.main import build_parser
from pve_drbd.errors import ApiRefused, NotRecorded, Unreachable, Unreadable
from pve_drbd.findings import Mode, Report
from pve_drbd.jobs.survey import Clock, World, nodes_of_pair, take_survey
from pve_drbd.model.survey import Survey
from pve_drbd.readers.strict_json import read_json
from pve_drbd.rules.migration import judge_migration
from pve_drbd.rules.start import judge_start
from tests.scenarios import directories, questions

Words = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A bundle in memory: `files` by their paths in it; `commands` of each node, `index` of PVE's answers."""

    name: str
    taken_on: str
    files: Mapping[str, bytes]
    commands: Mapping[str, Mapping[Words, Recorded]]
    silent: Mapping[str, str]
    index: Mapping[str, tuple[str, str]]
    questions: tuple[Words, ...]

    def with_file(self, path: str, content: bytes) -> Pair:
        """The same with another content of one file."""
        return replace(self, files={**self.files, path: content})


class HostsInMemory:
    """Stands for a bundle's ReplayHosts: the same answers by argv. It does not look at files, sizes or links."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.read: set[str] = set()

    def nodes(self) -> tuple[str, ...]:
        return tuple(sorted({*self._pair.commands, *self._pair.silent}))

    def run(self, node: str, argv: Words, timeout_s: float) -> CommandResult:
        if node in self._pair.silent:
            raise Unreachable(node, self._pair.silent[node])
        recorded = self._pair.commands[node].get(argv)
        if recorded is None:
            raise NotRecorded(node, f"`{' '.join(argv)}` is not in the bundle")
        stem = f"nodes/{node}/{recorded.name}"
        self.read |= {f"{stem}.err", f"{stem}.out"}
        err = as_text(self._pair.files.get(f"{stem}.err", b""))
        if recorded.exit_code == TIMED_OUT:
            raise Unreachable(node, err.strip() or "it did not end in time")
        out = as_text(self._pair.files[f"{stem}.out"])
        return CommandResult(argv, recorded.exit_code, out, err, recorded.took_ms)

    def close(self) -> None:
        pass


class PveInMemory:
    """Stands for a bundle's ReplayPve: the same answers by request. It does not look at files, and knows no Unreadable
    that was recorded.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def get(self, path: str, /, **query: str | int) -> object:
        name, outcome = self._pair.index.get(request_line(path, query), ("", ""))
        if not name:
            raise Unreachable("PVE", "not in the bundle")
        raw = self._pair.files[f"pve/{name}"]
        if not raw.endswith(b"\n"):
            raise Unreadable(name, 0, "cut off: it does not end with a newline")
        try:
            value = read_json(raw.decode(), name)
        except UnicodeDecodeError as err:
            raise Unreadable(name, 0, "not UTF-8") from err
        if outcome == "refused":
            raise ApiRefused(path, value["status"], value["reason"], value["fields"])
        if outcome:
            raise Unreachable("PVE", value["why"])
        return value


def survey_of(pair: Pair) -> Survey:
    """The survey that the pair's questions ask for."""
    world = _world(pair)
    named = {_asked(words).target for words in pair.questions if words[1] == "migration"}
    return take_survey(world, sorted({*nodes_of_pair(world), *(named & set(world.hosts.nodes()))}), _vmids(pair))


def survey_again(pair: Pair, before: Survey, file: str) -> Survey:
    """The survey of a pair of which only `file` differs from what `before` has seen: only that part is asked again.

    A node's account rests on that node's answers alone, PVE's on PVE's; which nodes there are rests on dump-xml.
    """
    if file.startswith("pve/"):
        return replace(before, pve=take_survey(_world(pair), (), _vmids(pair)).pve)
    if file.endswith("/dump-xml.out"):
        return survey_of(pair)
    world, node = replace(_world(pair), pve=_no_pve), file.split("/")[1]
    return replace(before, nodes={**before.nodes, **take_survey(world, (node,), ()).nodes})


def node_answers(pair: Pair) -> list[str]:
    """The nodes' answers that its questions ask for, as far as they hold anything."""
    hosts = HostsInMemory(pair)
    take_survey(replace(_world(pair), hosts=hosts), hosts.nodes(), ())
    return sorted(file for file in hosts.read if pair.files.get(file))


def pve_answers(pair: Pair) -> list[str]:
    """The files with PVE's answers; recorded refusals are no answers."""
    return sorted(f"pve/{name}" for name, outcome in pair.index.values() if not outcome)


def _world(pair: Pair) -> World:
    clock = Clock(monotonic=lambda: 0.0, sleep=lambda _: None, utc=lambda: "")
    return World(HostsInMemory(pair), lambda: PveInMemory(pair), clock, pair.taken_on, "2026-11-22T10:00:00Z", True)


def _vmids(pair: Pair) -> list[int]:
    return sorted({_asked(words).vmid for words in pair.questions})


def _no_pve() -> PveInMemory:
    raise Unreachable("PVE", "it is not asked again")


def reports(pair: Pair, survey: Survey) -> Iterator[Report]:
    """The answers to the pair's questions."""
    for asked in map(_asked, pair.questions):
        if hasattr(asked, "target"):
            mode = next((each for each in Mode if getattr(asked, each.value, False)), None)
            yield judge_migration(survey, asked.vmid, asked.target, mode)
        else:
            yield judge_start(survey, asked.vmid, survey.taken_on)


@cache
def _asked(words: Words) -> argparse.Namespace:
    return build_parser().parse_args(words)


@cache
def scenarios() -> Mapping[str, Pair]:
    """Every scenario that asks for a guest, by name."""
    found = (load(path) for path in directories())
    return {pair.name: pair for pair in found if pair.questions}


def load(directory: Path) -> Pair:
    """The scenario in `directory`."""
    files = {str(each.relative_to(directory)): each.read_bytes() for each in directory.rglob("*.*") if each.is_file()}
    nodes = sorted(each.name for each in (directory / "nodes").iterdir())
    silent = {node for node in nodes if (directory / "nodes" / node / "UNREACHABLE").exists()}
    rows = files.get("pve/index.tsv", b"").decode().splitlines()
    return Pair(
        name=directory.name,
        taken_on=json.loads(files["bundle.json"])["taken_on"],
        files=files,
        commands={
            node: read_commands(files[f"nodes/{node}/commands.tsv"].decode(), node)
            for node in nodes
            if node not in silent
        },
        silent=dict.fromkeys(silent, "it did not answer"),
        index={line: (name, "".join(outcome)) for line, name, *outcome in (row.split("\t") for row in rows)},
        questions=tuple(tuple(words) for _, words in questions(directory) if words[0] == "check"),
    )
