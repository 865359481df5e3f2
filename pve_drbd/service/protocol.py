"""The gate's protocol, version 1: one JSON object per line each way, at most 64 KiB, one question per connection."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pve_drbd.errors import Unreadable
from pve_drbd.readers.strict_json import read_json

VERSION = 1
MAX_BYTES = 64 * 1024

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*)")
_VOLUME = re.compile(r"[A-Za-z0-9._+/@-]+")
_UPID = re.compile(r"UPID:[!-~]+")


@dataclass(frozen=True, slots=True)
class Question:
    """What the shim asks; '' and None stand for what it does not know."""

    ask: str
    storage: str = ""
    vg: str = ""
    gate: str = ""
    vmid: int | None = None
    source: str = ""
    target: str = ""
    mode: str = ""
    volume: str = ""
    action: str = ""
    upid: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service says: 'yes' permits, 'no' forbids, 'unknown' forbids a migration and nothing else."""

    answer: str
    line: str
    codes: tuple[str, ...] = ()
    active: bool = True
    read_lvm: bool = True

    def encode(self) -> bytes:
        """The line that goes back."""
        document = {
            "v": VERSION,
            "answer": self.answer,
            "line": self.line,
            "codes": list(self.codes),
            "active": self.active,
            "read_lvm": self.read_lvm,
        }
        return json.dumps(document).encode() + b"\n"


class BadQuestion(Exception):
    """A question that cannot be answered, with the sentence that says why."""


def _text(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _word(*words: str) -> Callable[[object], bool]:
    return lambda value: value in words


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1_000_000_000


_FIELDS: Mapping[str, Callable[[object], bool]] = {
    "ask": _word("migration", "new-data", "start", "status", "entry"),
    "storage": _text(_NAME),
    "vg": _text(_VOLUME),
    "gate": _word("source", "target", "hook"),
    "vmid": _number,
    "source": _text(_NAME),
    "target": _text(_NAME),
    "mode": _word("live", "offline", "restart"),
    "volume": _text(_VOLUME),
    "action": _word("alloc", "resize"),
    "upid": _text(_UPID),
}


def _needed(document: Mapping[str, object]) -> tuple[str, ...]:
    """What a question cannot be without: a guest's hookscript knows the guest only, the plugin always the storage."""
    return ("ask", "vmid") if document.get("gate") == "hook" else ("ask", "storage", "vg")


def read_question(line: bytes) -> Question:
    """The question in `line`; raises BadQuestion with a sentence for whoever reads PVE's task log."""
    try:
        document = read_json(line.decode(), "the question")
    except (Unreadable, UnicodeDecodeError) as err:
        raise BadQuestion(f"the question was not one line of JSON ({err})") from err
    if not isinstance(document, dict):
        raise BadQuestion("the question was not a JSON object")
    if document.get("v") != VERSION or isinstance(document.get("v"), bool):
        told = document.get("v")
        raise BadQuestion(
            f"the plugin speaks protocol {told!r} and the service {VERSION}: one of them is older. "
            "Restart the service (systemctl restart pve-drbd) and reload PVE's daemons "
            "(systemctl reload-or-restart pvedaemon pveproxy pvestatd pvescheduler pve-ha-lrm pve-ha-crm)"
        )
    known: dict[str, object] = {}
    for name, is_right in _FIELDS.items():
        value = document.get(name)
        if value is None and name not in _needed(document):
            continue
        if not is_right(value):
            raise BadQuestion(f"the question's {name} is {value!r}, which is not usable")
        known[name] = value
    return Question(**known)  # type: ignore[arg-type]
