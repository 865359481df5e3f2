"""The storage entries as this node last knew them to be right: a JSON text in the state directory, read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from pve_drbd.errors import Unreadable
from pve_drbd.model.entry import KnownEntry
from pve_drbd.readers.fields import Entry, Odd, entries, flag, shown, text
from pve_drbd.readers.strict_json import read_json

SOURCE = "/var/lib/pve-drbd/entries.json"
FORMAT = 1

_WORD = re.compile(r"[!-~]+")
_WORD_OR_NONE = re.compile(r"[!-~]*")


def read_known(content: str, source: str = SOURCE) -> tuple[KnownEntry, ...]:
    """The entries in `content` by name; raises Unreadable."""
    document = read_json(content, source)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unreadable(source, 0, f"it is no list of entries of format {FORMAT}")
    try:
        found = {
            each.storeid: each for each in (_entry(entry) for entry in entries(document.get("entries"), "entries"))
        }
    except Odd as err:
        raise Unreadable(source, 0, str(err)) from err
    return tuple(found[storeid] for storeid in sorted(found))


def known_text(known: Iterable[KnownEntry]) -> str:
    """The text that `read_known` reads, one line."""
    listed = [
        {
            "storage": each.storeid,
            "type": each.type,
            "vg": each.vg,
            "vg_uuid": each.vg_uuid,
            "disabled": int(each.is_disabled),
            "nodes": list(each.nodes),
            "content": list(each.content),
            "seen_at": each.seen_at,
        }
        for each in sorted(known, key=lambda each: each.storeid)
    ]
    return json.dumps({"format": FORMAT, "entries": listed}) + "\n"


def _entry(entry: Entry) -> KnownEntry:
    return KnownEntry(
        storeid=text(entry, "storage", _WORD),
        type=text(entry, "type", _WORD),
        vg=text(entry, "vg", _WORD),
        is_disabled=flag(entry, "disabled"),
        nodes=_words(entry, "nodes"),
        content=_words(entry, "content"),
        vg_uuid=text(entry, "vg_uuid", _WORD_OR_NONE, ""),
        seen_at=text(entry, "seen_at", _WORD_OR_NONE, ""),
    )


def _words(entry: Entry, key: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and _WORD.fullmatch(word) for word in value):
        raise Odd(f"{key} is {shown(value)}")
    return tuple(sorted(set(value)))
