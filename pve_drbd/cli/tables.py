"""The overview as tables, with colour and bars on a terminal; the one module that imports rich."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pve_drbd.findings import Severity, Verdict
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.readers.fields import printable
from pve_drbd.rules.overview import Overview, Side

_PLAIN_WIDTH = 140
_GOOD, _BAD, _DIM = "green", "bold red", "dim"
_WEIGHTS = {Severity.BLOCKER: _BAD, Severity.WARNING: "yellow", Severity.NOTICE: _DIM}
_VERDICTS = {
    Verdict.ALLOWED: ("HEALTHY: every resource is mirrored, Primary and UpToDate on both nodes.", _GOOD),
    Verdict.REFUSED: ("NOT HEALTHY: {chief}", _BAD),
    Verdict.UNKNOWN: ("NOT KNOWN: {chief}", "bold yellow"),
}


def console() -> Console:
    """A console that is plain when piped (and then wide enough to cut nothing) or under NO_COLOR."""
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    found = Console(highlight=False, soft_wrap=False, color_system=colours)
    return found if found.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


def print_overview(overview: Overview, survey: Survey) -> None:
    """Print the overview once."""
    console().print(_page(overview, survey))


def watch_overview(look: Callable[[], tuple[Overview, Survey]], wait: Callable[[], None]) -> Overview:
    """Keep the overview current until the operator interrupts; gives the last one."""
    found, survey = look()
    with Live(_page(found, survey), console=console(), screen=False, auto_refresh=False) as live:
        try:
            while True:
                wait()
                found, survey = look()
                live.update(_page(found, survey), refresh=True)
        except KeyboardInterrupt:
            return found


def _page(overview: Overview, survey: Survey) -> RenderableType:
    chief = overview.report.chief
    words, style = _VERDICTS[overview.report.verdict]
    parts: list[RenderableType] = [_text(words.format(chief=chief.message if chief else ""), style)]
    parts.append(_text(_taken(survey), _DIM))
    if overview.resources:
        parts += ["", _resources(overview)]
    if overview.vgs:
        parts += ["", _vgs(overview)]
    if overview.guests:
        parts += ["", _guests(overview)]
    if overview.report.findings:
        parts += ["", _findings(overview)]
    return Group(*parts)


def _taken(survey: Survey) -> str:
    ages = []
    for node in sorted(survey.nodes):
        view = survey.nodes[node]
        ages.append(f"{node}: {view.reason}" if isinstance(view, NoView) else f"{node} {view.age_s:.1f} s old")
    kind = "recorded" if survey.is_replay else "asked"
    return f"{kind} {survey.taken_at} on {survey.taken_on} ({', '.join(ages)})"


def _text(words: str, style: str = "") -> Text:
    """Words as they are: no markup of rich's, and nothing that a terminal would obey."""
    return Text("\n".join(printable(line) for line in words.split("\n")), style=style)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _resources(overview: Overview) -> Table:
    table = _table("RESOURCE", "NODE SAYS", "ROLE", "DISK", "CONNECTION", "REPLICATION", "OUT OF SYNC", "")
    for each in overview.resources:
        for first, side in zip((True, *[False] * len(each.sides)), each.sides, strict=False):
            name = _text(f"{each.name}/{each.volume}" if first else "", _GOOD if each.is_healthy else _BAD)
            table.add_row(name, *_side_cells(side))
    return table


def _side_cells(side: Side) -> list[Text]:
    if side.missing:
        return [_text(side.node), _text(f"no account: {side.missing}", _BAD)]
    out_of_sync = "" if side.out_of_sync_kib is None else scaled(side.out_of_sync_kib)
    return [
        _text(side.node),
        _cell(side.role, "Primary"),
        _cell(side.disk, "UpToDate"),
        _cell(side.connection, "Connected"),
        _cell(side.replication, "Established"),
        _cell(out_of_sync, "0"),
        _notes(side),
    ]


def _cell(value: str, good: str) -> Text:
    return _text(value, _GOOD if value == good else _BAD)


def _notes(side: Side) -> Text:
    notes = [f"I/O suspended ({', '.join(side.suspended)})"] if side.suspended else []
    if side.progress:
        done = side.progress.percent_done
        bar = "#" * round(done / 5)
        eta = f", {side.progress.eta_s} s left" if side.progress.eta_s is not None else ""
        notes.append(f"[{bar:<20}] {done:.1f} %, {scaled(side.progress.left_kib)} left{eta}")
    return _text("; ".join(notes), "yellow")


def _vgs(overview: Overview) -> Table:
    table = _table("VOLUME GROUP", "ON", "SHOWN BY", "FREE", "OF", "STORAGE ENTRIES")
    for each in overview.vgs:
        entries = ", ".join(f"{entry.storeid} ({entry.type})" for entry in overview.entries if entry.vg == each.name)
        table.add_row(
            _text(each.name, _GOOD if each.is_healthy else _BAD),
            _text(", ".join(each.resources)),
            _text(", ".join(each.shown_by)),
            scaled(each.free_b // 1024),
            scaled(each.size_b // 1024),
            _text(entries or "none", "" if entries else "yellow"),
        )
    return table


def _guests(overview: Overview) -> Table:
    table = _table("GUEST", "NAME", "ON", "STATE", "RESOURCES", "VOLUMES", "MIRRORED")
    for each in overview.guests:
        mirrored = _cell("yes" if each.is_mirrored else "no", "yes")
        words = (str(each.vmid), each.name, each.node, each.state, ", ".join(each.resources), ", ".join(each.volumes))
        table.add_row(*(_text(word) for word in words), mirrored)
    return table


def _findings(overview: Overview) -> Table:
    table = _table("FINDING", "WHAT IS SO, AND WHAT TO DO")
    for each in overview.report.findings:
        severity = each.severity_in(None)
        table.add_row(_text(each.code, _WEIGHTS[severity]), _text(f"{each.message}\n-> {each.remedy}"))
    return table


def scaled(kib: int) -> str:
    """KiB for a person: 12345 gives '12.1 MiB'."""
    if kib < 1024:
        return f"{kib} KiB" if kib else "0"
    value = float(kib)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.1f} {unit}"
