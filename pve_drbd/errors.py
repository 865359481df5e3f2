"""The exceptions that mean we could not do our work; facts about the world are findings instead."""

from __future__ import annotations

from collections.abc import Mapping

from pve_drbd.model.privileges import grant_for


class PveDrbdError(Exception):
    """Anything of ours that stopped; its text is one line that names the subject and the next step."""

    exit_code = 3


class ConfigInvalid(PveDrbdError):
    """A configuration, an argument or a bundle is not usable as it stands."""

    exit_code = 2


class Unreadable(PveDrbdError):
    """A source answered, but not in words we know: truncated, garbled, or a state nobody documented."""

    def __init__(self, source: str, line: int, why: str) -> None:
        """Name the `source` (command or file), the 1-based `line` (0: the whole), and the reason."""
        self.source = source
        self.line = line
        self.why = why
        where = f"{source} line {line}" if line else source
        super().__init__(f"{where} is unreadable: {why}")


class Unreachable(PveDrbdError):
    """A node or an API did not answer in the time it was given."""

    def __init__(self, subject: str, why: str) -> None:
        """Name the `subject` that did not answer, and how that showed."""
        self.subject = subject
        self.why = why
        super().__init__(f"{subject} did not answer: {why}")


class NotRecorded(Unreachable):
    """A recording was asked for something that nobody asked when it was made."""


class ApiRefused(PveDrbdError):
    """Proxmox VE's API answered with an error status."""

    def __init__(self, path: str, status: int, reason: str, fields: Mapping[str, str] | None = None) -> None:
        """Keep the HTTP `status`, PVE's own text (it stands in the reason phrase), and its per-field errors."""
        self.path = path
        self.status = status
        self.reason = reason.strip()
        self.fields = dict(fields or {})
        details = "; ".join(f"{name}: {text.strip()}" for name, text in sorted(self.fields.items()))
        tail = f" ({details})" if details else ""
        grant = grant_for(self.reason)
        advice = f". {grant}" if grant else ""
        super().__init__(f"PVE refused {path} with status {status}: {self.reason}{tail}{advice}")


class JournalDamaged(PveDrbdError):
    """A run's journal cannot be read past a point that is not its torn end."""

    exit_code = 4


class StepStopped(PveDrbdError):
    """A step of a plan met a world it was not planned for, and stopped before doing harm."""

    exit_code = 4
