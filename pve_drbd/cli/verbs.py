"""What each verb does: ask, judge, show. No verb here changes anything on the pair."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pve_drbd.adapters.replay import open_bundle
from pve_drbd.cli import as_json, text
from pve_drbd.cli.worlds import open_world, recording_world
from pve_drbd.errors import ConfigInvalid
from pve_drbd.findings import Mode, Report, catalogue
from pve_drbd.jobs.survey import World, nodes_of_pair, take_survey
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.rules.migration import judge_migration
from pve_drbd.rules.start import judge_start

if TYPE_CHECKING:
    from pve_drbd.rules.overview import Overview


def check_migration(arguments: argparse.Namespace) -> int:
    """`check migration VMID --to NODE`: may the guest move now; the exit code is the answer."""
    mode = next((each for each in (Mode.LIVE, Mode.OFFLINE, Mode.RESTART) if getattr(arguments, each.value)), None)
    return _answer(
        arguments,
        lambda survey: judge_migration(survey, arguments.vmid, arguments.target, mode),
        [arguments.target],
    )


def check_start(arguments: argparse.Namespace) -> int:
    """`check start VMID`: may the guest start where it is."""
    return _answer(arguments, lambda survey: judge_start(survey, arguments.vmid, survey.taken_on), [])


def _answer(arguments: argparse.Namespace, judge: Callable[[Survey], Report], nodes: Iterable[str]) -> int:
    with open_world(arguments.replay) as world:
        survey = take_survey(world, _nodes(world, nodes), [arguments.vmid])
    report = judge(survey)
    if arguments.output_format == "text":
        print(text.report_text(report), end="")
    else:
        print(as_json.dump(as_json.report_json(report, survey), arguments.output_format))
    return report.verdict.value


def _nodes(world: World, wanted: Iterable[str]) -> tuple[str, ...]:
    """The pair, and whatever node the question names, if there is such a node."""
    known = set(world.hosts.nodes())
    return tuple(sorted({*nodes_of_pair(world), *(node for node in wanted if node in known)}))


def status(arguments: argparse.Namespace) -> int:
    """`status`: everything at one glance; exit code 0 only if all of it is healthy."""
    if arguments.watch and (arguments.output_format != "text" or arguments.replay):
        raise ConfigInvalid("--watch shows the live pair as text: leave out --replay and --output-format")
    # What only this verb needs; together it costs a check 25 ms.
    from pve_drbd.jobs.entry_files import known_entries  # noqa: PLC0415
    from pve_drbd.rules.overview import overview  # noqa: PLC0415

    with open_world(arguments.replay) as world:
        nodes = _nodes(world, ())

        def look() -> tuple[Overview, Survey]:
            survey = take_survey(world, nodes, None, with_pending=False)
            return overview(survey, known=known_entries(world.hosts, world.taken_on)), survey

        if arguments.watch:
            from pve_drbd.cli.tables import watch_overview  # noqa: PLC0415  (rich costs 70 ms)

            return watch_overview(look, lambda: world.clock.sleep(arguments.interval)).report.verdict.value
        found, survey = look()
    if arguments.output_format == "text":
        from pve_drbd.cli.tables import print_overview  # noqa: PLC0415

        print_overview(found, survey)
    else:
        print(as_json.dump(as_json.overview_json(found, survey), arguments.output_format))
    return found.report.verdict.value


def explain(arguments: argparse.Namespace) -> int:
    """`explain CODE`: the catalogue's entry; without a code, the list of all."""
    entries = catalogue()
    if arguments.code is None:
        chosen = list(entries.values())
    elif arguments.code.upper() in entries:
        chosen = [entries[arguments.code.upper()]]
    else:
        raise ConfigInvalid(f"there is no code {arguments.code}; the list of all: pve-drbd explain")
    if arguments.output_format != "text":
        document = {"format": 1, "codes": [as_json.entry_json(each) for each in chosen]}
        print(as_json.dump(document, arguments.output_format))
    elif arguments.code is None:
        print(text.catalogue_text(chosen), end="")
    else:
        print(text.entry_text(chosen[0]), end="")
    return 0


def collect(arguments: argparse.Namespace) -> int:
    """`collect DIR`: ask everything once, also what only a plan or the gate asks, and keep it as a bundle."""
    with recording_world(arguments.replay, arguments.directory) as world:
        survey = take_survey(world, _nodes(world, ()), None, with_changes=True)
        _ask_the_rest(world, survey)
    silent = sorted(node for node, view in survey.nodes.items() if isinstance(view, NoView))
    if arguments.output_format != "text":
        document = {"format": 1, "directory": arguments.directory, "nodes": sorted(survey.nodes), "silent": silent}
        print(as_json.dump(document, arguments.output_format))
    else:
        print(f"Recorded {', '.join(sorted(survey.nodes))} and Proxmox VE in {arguments.directory}, without secrets.")
        print(f"It replays: pve-drbd --replay {arguments.directory} status")
    if silent:
        print(f"pve-drbd: {', '.join(silent)} did not answer; the bundle says why", file=sys.stderr)
    return 3 if silent else 0


def _ask_the_rest(world: World, survey: Survey) -> None:
    """What `storage`, `plan` and the gate ask beside the survey; each answer is recorded, and not looked at here."""
    from pve_drbd.jobs.entry_files import known_entries  # noqa: PLC0415
    from pve_drbd.jobs.guest_files import read_guest_files  # noqa: PLC0415
    from pve_drbd.jobs.plan_inputs import gather_inputs  # noqa: PLC0415
    from pve_drbd.model.evacuation import Wishes  # noqa: PLC0415

    known_entries(world.hosts, world.taken_on)
    gather_inputs(world, survey, Wishes())
    guests = () if isinstance(survey.pve, NoView) or isinstance(survey.pve.guests, NoView) else survey.pve.guests
    for guest in guests:
        read_guest_files(world.hosts, world.taken_on, guest.vmid, (guest.node,))


def plan_evacuation(arguments: argparse.Namespace) -> int:
    """`plan evacuation`: see cli/plan.py, imported only here so that a check does not pay for the planner."""
    from pve_drbd.cli import plan  # noqa: PLC0415

    return plan.evacuation(arguments)


def plan_explain(arguments: argparse.Namespace) -> int:
    """`plan explain VMID`."""
    from pve_drbd.cli import plan  # noqa: PLC0415

    return plan.explain(arguments)


def serve(arguments: argparse.Namespace) -> int:
    """`serve`: the gate's service; with --replay it answers from a recording, for a demonstration."""
    from pve_drbd.service.daemon import run_service  # noqa: PLC0415

    recorded = open_bundle(arguments.replay)[1] if arguments.replay else None
    return run_service(recorded, arguments.socket, Path(arguments.config))
