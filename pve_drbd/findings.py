"""Findings: facts about the world that matter, their catalogue, and the verdict they add up to."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache

from pve_drbd.data import shipped_text
from pve_drbd.errors import ConfigInvalid


class Severity(Enum):
    """What a finding does to an answer: forbids it, goes with it, or is only told."""

    BLOCKER = "blocker"
    WARNING = "warning"
    NOTICE = "notice"


class Mode(Enum):
    """What is asked for: the three ways a guest moves, and a plain start where it is."""

    LIVE = "live"
    OFFLINE = "offline"
    RESTART = "restart"
    START = "start"


class Verdict(Enum):
    """The answer; the value is the exit code of the command that gives it."""

    ALLOWED = 0
    REFUSED = 1
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One code of data/findings.toml.

    `blocks` are the modes in which a blocker forbids; in the others it is a warning. `is_unknown` marks a
    blocker that says "could not find out": alone it makes the answer UNKNOWN, never ALLOWED. The lower its `rank`,
    the nearer it is to the cause: the lowest is the one told where there is room for one line. `is_local_to_mode`
    marks a blocker that says nothing at all to the modes that it does not block.
    """

    code: str
    severity: Severity
    title: str
    message: str
    remedy: str
    explanation: str
    source: str
    blocks: frozenset[Mode]
    is_unknown: bool
    rank: int
    is_local_to_mode: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact, on one subject.

    `volume` is a DRBD volume number or 'VG/LV'. `details` fill the other placeholders of the message.
    """

    code: str
    node: str = ""
    resource: str = ""
    volume: str = ""
    details: tuple[tuple[str, str], ...] = ()

    @property
    def entry(self) -> CatalogueEntry:
        """What the catalogue says of this code."""
        return catalogue()[self.code]

    @property
    def words(self) -> Mapping[str, str]:
        """Every placeholder that the message and the remedy may use."""
        return {"node": self.node, "resource": self.resource, "volume": self.volume, **dict(self.details)}

    @property
    def message(self) -> str:
        """What is so, on what."""
        return self.entry.message.format_map(self.words)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self.entry.remedy.format_map(self.words)

    @property
    def line(self) -> str:
        """The whole in one line, as a task log or the web UI shows it."""
        return f"{self.message} See: pve-drbd explain {self.code}"

    def severity_in(self, mode: Mode | None) -> Severity:
        """Its weight for a question in `mode`; without a mode, the catalogue's."""
        entry = self.entry
        if entry.severity is Severity.BLOCKER and mode is not None and mode not in entry.blocks:
            return Severity.WARNING
        return entry.severity


def find(code: str, node: str = "", resource: str = "", volume: str = "", **details: object) -> Finding:
    """A finding of `code` on its subject; `details` become text, in alphabetical order."""
    return Finding(code, node, resource, volume, tuple((key, str(details[key])) for key in sorted(details)))


_USUAL_RANK = 50
_WEIGHT = {Severity.BLOCKER: 0, Severity.WARNING: 1, Severity.NOTICE: 2}


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to one question: findings in their one order, and what they add up to.

    `question` holds what was asked ('ask', 'vmid', 'target', 'mode', ...). `mode` is None for a report of health.
    """

    question: Mapping[str, str]
    mode: Mode | None
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """REFUSED by any proven blocker; UNKNOWN if only "could not find out" stands; else ALLOWED."""
        blockers = self.of(Severity.BLOCKER)
        if any(not each.entry.is_unknown for each in blockers):
            return Verdict.REFUSED
        return Verdict.UNKNOWN if blockers else Verdict.ALLOWED

    @property
    def allowed(self) -> bool:
        """Nothing stands against it."""
        return self.verdict is Verdict.ALLOWED

    @property
    def chief(self) -> Finding | None:
        """The blocker nearest to the cause: the one to tell where there is room for one; None if allowed."""
        blockers = self.of(Severity.BLOCKER)
        return min(blockers, key=lambda each: (each.entry.is_unknown, each.entry.rank)) if blockers else None

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of this weight, for the question's mode."""
        return tuple(each for each in self.findings if each.severity_in(self.mode) is severity)


def report(question: Mapping[str, str], mode: Mode | None, findings: Iterable[Finding]) -> Report:
    """A report with each finding once, ordered by weight, node, resource, volume, code."""

    def place(each: Finding) -> tuple[object, ...]:
        weight = _WEIGHT[each.severity_in(mode)], each.severity_in(mode) is Severity.BLOCKER and each.entry.is_unknown
        return (*weight, each.node, each.resource, each.volume, each.code, each.details)

    told = {each for each in findings if not (mode and each.entry.is_local_to_mode and mode not in each.entry.blocks)}
    return Report(dict(question), mode, tuple(sorted(told, key=place)))


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """Every code there is, in the order of data/findings.toml."""
    return read_catalogue(shipped_text("findings.toml"))


def read_catalogue(text: str) -> Mapping[str, CatalogueEntry]:
    """The catalogue in `text`; raises ConfigInvalid where an entry is incomplete or a code stands twice."""
    try:
        tables = tomllib.loads(text)
        entries = {code: _entry(code, table) for code, table in tables.items()}
    except (tomllib.TOMLDecodeError, KeyError, ValueError) as err:
        raise ConfigInvalid(f"findings.toml is not usable: {err}") from err
    return entries


def _entry(code: str, table: Mapping[str, object]) -> CatalogueEntry:
    severity = Severity(table["severity"])
    blocks = table.get("blocks", [mode.value for mode in Mode])
    if not isinstance(blocks, list):
        raise ConfigInvalid(f"findings.toml: blocks of {code} is not a list of modes")
    texts = {key: " ".join(str(table[key]).split()) for key in ("title", "message", "remedy", "explanation", "source")}
    return CatalogueEntry(
        code=code,
        severity=severity,
        blocks=frozenset(Mode(mode) for mode in blocks) if severity is Severity.BLOCKER else frozenset(),
        is_unknown=bool(table.get("unknown", False)),
        is_local_to_mode=bool(table.get("only_there", False)),
        rank=int(str(table.get("rank", _USUAL_RANK))),
        **texts,
    )
