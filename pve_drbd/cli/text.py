"""Reports as text for a tired person: the verdict first, then why, then what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from pve_drbd.findings import CatalogueEntry, Finding, Mode, Report, Severity, Verdict
from pve_drbd.readers.fields import printable

_WIDTH = 100
_VERBS = {
    Mode.LIVE: "migrate live",
    Mode.OFFLINE: "move offline",
    Mode.RESTART: "move by restart",
    Mode.START: "start",
}
_VERDICTS = {
    Verdict.ALLOWED: ("ALLOWED", "may"),
    Verdict.REFUSED: ("REFUSED", "must not"),
    Verdict.UNKNOWN: ("NOT KNOWN", "may or may not"),
}


def report_text(report: Report) -> str:
    """The whole answer to a question about one guest."""
    return "\n".join(_report_lines(report)) + "\n"


def headline(report: Report) -> str:
    """The verdict in one sentence."""
    word, may = _VERDICTS[report.verdict]
    asked = report.question
    verb = _VERBS[report.mode] if report.mode else ""
    if report.mode is Mode.START:
        place = f" on {asked['node']}" if asked.get("node") else ""
    else:
        place = f" from {asked['source']} to {asked['target']}" if asked.get("source") else f" to {asked['target']}"
    tail = ": it could not be found out, so do not." if report.verdict is Verdict.UNKNOWN else "."
    return f"{word}: guest {asked['vmid']} {may} {verb}{place}{tail}"


def _report_lines(report: Report) -> Iterator[str]:
    yield printable(headline(report))
    blockers = report.of(Severity.BLOCKER)
    chief = report.chief
    ordered = sorted(blockers, key=lambda each: (each is not chief, each.entry.is_unknown, each.entry.rank))
    yield from section("Why", ordered)
    yield from section("Also", report.of(Severity.WARNING))
    yield from section("Note", report.of(Severity.NOTICE))
    if report.findings:
        told = chief or report.findings[0]
        yield ""
        yield f"More on a code: pve-drbd explain {told.code}"


def findings_text(report: Report) -> str:
    """The findings of a report that is no answer about one guest, by weight; '' where there are none."""
    titles = ((Severity.BLOCKER, "Against it"), (Severity.WARNING, "Also"), (Severity.NOTICE, "Note"))
    lines = (line for severity, title in titles for line in section(title, report.of(severity)))
    return "".join(f"{line}\n" for line in lines)


def section(title: str, findings: Iterable[Finding]) -> Iterator[str]:
    """Findings under a title, those with one remedy together; nothing where there are none."""
    remedies: dict[str, list[Finding]] = {}
    for each in findings:
        remedies.setdefault(each.remedy, []).append(each)
    if remedies:
        yield ""
        yield f"{title}:"
    for remedy, together in remedies.items():
        for each in together:
            yield from _wrapped(f"{each.code}  ", each.message)
        yield from _wrapped("           -> ", remedy)


def _wrapped(lead: str, words: str) -> list[str]:
    blank = " " * (len(lead) + 2)
    told = printable(" ".join(words.split()))
    return textwrap.wrap(
        told,
        _WIDTH,
        initial_indent=f"  {lead}",
        subsequent_indent=blank,
        break_long_words=False,
        break_on_hyphens=False,
    )


def entry_text(entry: CatalogueEntry) -> str:
    """One code, explained."""
    weight = entry.severity.value
    if entry.severity is Severity.BLOCKER:
        modes = [mode.value for mode in Mode if mode in entry.blocks]
        weight += f" for {', '.join(modes)}" if len(modes) < len(Mode) else " for everything"
        weight += "; it means that something could not be found out" if entry.is_unknown else ""
    lines = [f"{entry.code}  {entry.title} ({weight})", ""]
    for title, words in (
        ("It says", entry.message),
        ("What to do", entry.remedy),
        ("Why it matters", entry.explanation),
        ("Known from", entry.source),
    ):
        lines += [f"{title}:", *_wrapped("", words)]
    return "\n".join(lines) + "\n"


def catalogue_text(entries: Iterable[CatalogueEntry]) -> str:
    """Every code with its title, one a line."""
    return "".join(f"{each.code:11} {each.severity.value:8} {each.title}\n" for each in entries)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their columns below each other."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
