"""What the nodes of a scenario answered, in memory, so that a story can change it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from pve_drbd.accounts import Answer
from pve_drbd.adapters.replay import Recorded, read_commands

SCENARIOS = Path(__file__).parent / "scenarios"

OLD, NEW = "84-healthy-probed", "9-healthy"
"""A healthy pair with DRBD 8.4, its link pinged, and one with DRBD 9."""

HERE, PEER = "proxmox-105", "proxmox-106"


@cache
def commands_of(scenario: str, node: str) -> tuple[tuple[Recorded, Answer], ...]:
    """Every command that was recorded of `node`, and its answer."""
    folder = SCENARIOS / scenario / "nodes" / node
    recorded = read_commands((folder / "commands.tsv").read_text(), node)
    return tuple((each, _answer(folder / each.name, each.exit_code)) for each in recorded.values())


def answers_of(scenario: str, node: str = HERE) -> dict[str, Answer]:
    """The answers by the commands' names, without those to which this DRBD has no answer."""
    return {each.name: answer for each, answer in commands_of(scenario, node) if answer.exit_code != 20}


def changed(scenario: str, name: str, old: str, new: str, node: str = HERE) -> dict[str, Answer]:
    """The scenario's answers of `node`, with the first `old` in the answer `name` made `new`."""
    answers = answers_of(scenario, node)
    assert old in answers[name].out
    return {**answers, name: replace(answers[name], out=answers[name].out.replace(old, new, 1))}


def without_line(scenario: str, name: str, start: str) -> dict[str, Answer]:
    """The scenario's answers without the first line of `name` that begins so."""
    lines = answers_of(scenario)[name].out.splitlines(keepends=True)
    line = next(each for each in lines if each.startswith(start))
    return changed(scenario, name, line, "")


def _answer(stem: Path, exit_code: int) -> Answer:
    err = stem.with_name(f"{stem.name}.err")
    out = stem.with_name(f"{stem.name}.out").read_bytes().decode()
    return Answer(exit_code, out, err.read_bytes().decode() if err.exists() else "")
