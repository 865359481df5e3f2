"""The migrations that are being followed, as the JSON text of their state file: read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from pve_drbd.errors import Unreadable
from pve_drbd.model.task import Move
from pve_drbd.readers.fields import Entry, Odd, entries, flag, number, shown, text
from pve_drbd.readers.strict_json import read_json
from pve_drbd.readers.upid import read_upid

FORMAT = 1

_WORD = re.compile(r"[!-~]+")
# An option of ping it must not be, whoever wrote the file.
_PING_WORD = re.compile(r"[!-,.-~][!-~]*")


def read_moves(content: str, source: str) -> tuple[Move, ...]:
    """The migrations in `content`, which stands in the file `source`; raises Unreadable."""
    document = read_json(content, source)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unreadable(source, 0, f"it is no list of migrations of format {FORMAT}")
    try:
        return tuple(_move(each) for each in entries(document.get("moves"), "moves"))
    except Odd as err:
        raise Unreadable(source, 0, str(err)) from err


def moves_text(moves: Iterable[Move]) -> str:
    """The text that `read_moves` reads, one line."""
    listed = [
        {
            "upid": each.upid.text,
            "vmid": each.vmid,
            "target": each.target,
            "resources": list(each.resources),
            "pings": [list(ping) for ping in each.pings],
            "may_end": int(each.may_end),
        }
        for each in sorted(moves, key=lambda each: each.upid.text)
    ]
    return json.dumps({"format": FORMAT, "moves": listed}) + "\n"


def _move(entry: Entry) -> Move:
    pings = entry.get("pings")
    if not isinstance(pings, list):
        raise Odd(f"pings is {shown(pings)}")
    return Move(
        upid=read_upid(text(entry, "upid", _WORD)),
        vmid=number(entry, "vmid"),
        target=text(entry, "target", _WORD),
        resources=_words(entry.get("resources"), _WORD),
        pings=tuple(_ping(each) for each in pings),
        may_end=flag(entry, "may_end", None),
    )


def _ping(value: object) -> tuple[str, str, str]:
    words = _words(value, _PING_WORD)
    if len(words) != 3:
        raise Odd(f"a ping is {shown(value)}")
    return words[0], words[1], words[2]


def _words(value: object, grammar: re.Pattern[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and grammar.fullmatch(each) for each in value):
        raise Odd(f"{shown(value)} is not a list of words")
    return tuple(value)
