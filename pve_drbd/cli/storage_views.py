"""What the commands on storage entries print: text for people, JSON by storage.schema.json."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence

from pve_drbd.cli import as_json
from pve_drbd.cli.text import aligned, findings_text
from pve_drbd.findings import Report, Verdict, report
from pve_drbd.jobs.storage_entry import EntryRun, shown
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import Survey
from pve_drbd.rules.entry_plan import Plugins
from pve_drbd.rules.entry_show import EntryRow

_ORDER = (Verdict.REFUSED, Verdict.UNKNOWN, Verdict.ALLOWED)
_HEADS = ("ENTRY", "TYPE", "VOLUME GROUP", "ON", "NODES", "CONTENT", "CONFIGURED", "GUESTS")


def worst(reports: Iterable[Report]) -> Verdict:
    """The answer that counts where several stand together."""
    found = {each.verdict for each in reports}
    return next((each for each in _ORDER if each in found), Verdict.ALLOWED)


def print_rows(rows: Sequence[EntryRow], told: Report, survey: Survey, output_format: str) -> None:
    """`storage show`."""
    if output_format != "text":
        document = {**as_json.action_json("show", told, survey), "entries": [_row_json(each) for each in rows]}
        print(as_json.dump(document, output_format))
        return
    if rows:
        print("\n".join(aligned([_HEADS, *(_cells(each) for each in rows)])))
    else:
        print("There is no storage entry on DRBD, and the configuration wants none.")
    print(findings_text(told), end="")


def print_runs(
    runs: Sequence[EntryRun], plugins: Sequence[Plugins], survey: Survey, arguments: argparse.Namespace
) -> None:
    """`storage ensure`, `adopt`, `release` and `set`."""
    findings = [each for run in runs for each in run.plan.report.findings]
    action = runs[0].plan.action
    told = report({"ask": f"storage {action}"}, None, findings)
    calls = [shown(run.plan, seen) for run, seen in zip(runs, plugins, strict=True)]
    if arguments.output_format != "text":
        entries = [_run_json(run, call) for run, call in zip(runs, calls, strict=True)]
        print(as_json.dump({**as_json.action_json(action, told, survey), "entries": entries}, arguments.output_format))
        return
    for run, call in zip(runs, calls, strict=True):
        print("\n".join(_run_lines(run, call)))
    print(findings_text(told), end="")
    if any(run.plan.is_needed and run.plan.report.allowed and not run.is_done for run in runs):
        print("\nNothing was changed. To do it, add: --yes")


def print_remembered(arguments: argparse.Namespace, entry: StorageEntry | None, survey: Survey) -> None:
    """`storage set --as-it-is`."""
    told = report({"ask": "storage set"}, None, ())
    if arguments.output_format != "text":
        row = {"storage": arguments.storeid, "present": entry is not None, "done": arguments.yes, "changes": []}
        print(
            as_json.dump(
                {**as_json.action_json("set", told, survey), "entries": [row | _fields(entry)]}, arguments.output_format
            )
        )
        return
    what = f"{arguments.storeid} as it is" if entry else f"that there is no entry {arguments.storeid}"
    print(f"Taken for right from now on: {what}." if arguments.yes else f"Would be taken for right: {what}. Add: --yes")


def _row_json(row: EntryRow) -> as_json.Json:
    return {
        "storage": row.storeid,
        "present": row.entry is not None,
        "vg": row.vg,
        **_fields(row.entry),
        "resources": list(row.resources),
        "configured": row.is_wanted,
        "known": row.is_known,
        "guests": list(row.guests),
    }


def _run_json(run: EntryRun, call: str) -> as_json.Json:
    changes = [{"field": each.field, "now": each.now, "wanted": each.wanted} for each in run.plan.changes]
    row: dict[str, object] = {
        "storage": run.plan.storeid,
        "present": run.entry is not None,
        "vg": run.plan.vg,
        **_fields(run.entry),
        "changes": changes,
        "done": run.is_done,
    }
    return row | ({"call": call} if call else {})


def _fields(entry: StorageEntry | None) -> dict[str, object]:
    if entry is None:
        return {}
    return {
        "type": entry.type,
        "vg": entry.vgname,
        "shared": entry.is_shared,
        "disabled": entry.is_disabled,
        "nodes": list(entry.nodes),
        "content": list(entry.content),
    }


def _cells(row: EntryRow) -> tuple[str, ...]:
    entry = row.entry
    return (
        row.storeid,
        (f"{entry.type} (off)" if entry.is_disabled else entry.type) if entry else "missing",
        row.vg,
        ", ".join(row.resources) or "?",
        (",".join(entry.nodes) or "any") if entry else "",
        ",".join(entry.content) if entry else "",
        "yes" if row.is_wanted else "no",
        ", ".join(str(each) for each in row.guests) or "none",
    )


def _run_lines(run: EntryRun, call: str) -> Iterator[str]:
    plan = run.plan
    if not plan.is_needed:
        is_right = plan.report.allowed
        yield f"{plan.storeid}: nothing to do, it is as it should be." if is_right else f"{plan.storeid}: see below."
        return
    if run.is_done:
        yield f"{plan.storeid}: done."
    elif not plan.report.allowed:
        yield f"{plan.storeid}: not {'changed' if plan.actual else 'made'}, see below. It would be:"
    else:
        yield f"{plan.storeid}: would be {'changed' if plan.actual else 'made'}."
    for each in plan.changes:
        yield f"  {each.field}: {each.now or 'not set'} -> {each.wanted or 'not set'}"
    if call and not run.is_done:
        yield f"  by: {call}"
    if run.is_done and not run.is_kept:
        yield "  It could not be written down on this node what is right from now on: see df -h /var/lib/pve-drbd"
