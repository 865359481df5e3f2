"""`plan evacuation` and `plan explain`: the plan as text, as plan.json and as a page; nothing is changed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from pve_drbd.cli import as_json, plan_json, plan_text
from pve_drbd.cli.worlds import open_world
from pve_drbd.errors import ConfigInvalid
from pve_drbd.jobs.plan_inputs import gather_inputs
from pve_drbd.jobs.survey import nodes_of_pair, take_survey
from pve_drbd.model.evacuation import Plan, Wishes
from pve_drbd.planner.evacuation import plan_evacuation

FEASIBLE = 0
INFEASIBLE = 1
NOT_KNOWN = 3


def evacuation(arguments: argparse.Namespace) -> int:
    """`plan evacuation`: exit code 0 with a feasible plan or nothing to decide, 1 if nothing fits, 3 if not known."""
    plan, why = _plan(arguments)
    document = plan_json.plan_json(plan)
    if arguments.out:
        _write(arguments.out, as_json.dump(document, "json-pretty") + "\n")
    if arguments.html:
        from pve_drbd.cli.plan_page import plan_page  # noqa: PLC0415  (a page is rarely asked for)

        _write(arguments.html, plan_page(plan))
    if arguments.output_format == "text":
        print(plan_text.plan_text(plan, why), end="")
    else:
        print(as_json.dump(document, arguments.output_format))
    return _exit_code(plan)


def explain(arguments: argparse.Namespace) -> int:
    """`plan explain VMID`: why this method, and what the next best was."""
    plan, _ = _plan(arguments)
    guest = next((each for each in plan.guests if each.vmid == arguments.vmid), None)
    if guest is None:
        raise ConfigInvalid(f"guest {arguments.vmid} is not in the plan: it has no volume on a split resource")
    if arguments.output_format == "text":
        print(plan_text.guest_text(plan, guest), end="")
    else:
        print(as_json.dump({"format": 1, "guest": plan_json.guest_json(guest)}, arguments.output_format))
    return _exit_code(plan)


def _plan(arguments: argparse.Namespace) -> tuple[Plan, str]:
    wishes = Wishes(
        survivors=dict(_pairs(arguments.survivor, "")),
        priorities={_number(key): _number(value) for key, value in _pairs(arguments.priority)},
        abandoned=frozenset(arguments.abandon),
        sides={_number(key): value for key, value in _pairs(arguments.side)},
    )
    with open_world(arguments.replay) as world:
        survey = take_survey(world, nodes_of_pair(world), None, with_changes=True)
        inputs, why = gather_inputs(world, survey, wishes)
    return plan_evacuation(survey, inputs), why


def _exit_code(plan: Plan) -> int:
    if plan.unknown and not plan.groups:
        return NOT_KNOWN
    return FEASIBLE if plan.is_feasible else INFEASIBLE


def _pairs(words: list[str], default_key: str | None = None) -> Iterator[tuple[str, str]]:
    """KEY=VALUE of each word; a word without '=' is a value under `default_key` where that is allowed."""
    for word in words:
        key, sign, value = word.partition("=")
        if not sign and default_key is not None:
            yield default_key, word
        elif sign and key and value:
            yield key, value
        else:
            raise ConfigInvalid(f"{word!r} is not of the form KEY=VALUE")


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) <= 9):
        raise ConfigInvalid(f"{word!r} is not a whole number of at most nine digits")
    return int(word)


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as err:
        raise ConfigInvalid(f"{path} cannot be written: {err.strerror}") from err
