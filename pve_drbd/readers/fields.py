"""Fields of a decoded answer, each taken out with the type and the grammar it must have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

Entry = Mapping[str, object]
Value = TypeVar("Value")

_DIGITS = re.compile(r"[0-9]{1,20}")
_FLAGS = {"0": False, "1": True, "off": False, "on": True, "no": False, "yes": True, "false": False, "true": True}


class Odd(ValueError):
    """An answer is grammatical, but does not say what it has to; its reader adds the source and the line."""


def entries(value: object, what: str) -> list[Entry]:
    """The objects of the list `value`."""
    if not isinstance(value, list):
        raise Odd(f"{what} is not a list")
    for each in value:
        if not isinstance(each, dict):
            raise Odd(f"{what} holds {shown(each)}, which is not an object")
    return value


def text(entry: Entry, key: str, grammar: re.Pattern[str], default: str | None = None) -> str:
    """The text under `key`, all of which must follow `grammar`; `default` where the key is missing."""
    if key not in entry and default is not None:
        return default
    value = entry.get(key)
    if not isinstance(value, str) or not grammar.fullmatch(value):
        raise Odd(_wrong(entry, key))
    return value


def text_or_null(entry: Entry, key: str, grammar: re.Pattern[str]) -> str:
    """The text under `key`; '' for a null, but the key must be there."""
    return "" if key in entry and entry[key] is None else text(entry, key, grammar)


def number(entry: Entry, key: str) -> int:
    """The whole number under `key`, which may be written as a string."""
    value = entry.get(key)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Odd(_wrong(entry, key))
    return value


def flag(entry: Entry, key: str, default: bool | None = False) -> bool:
    """PVE's boolean under `key`: 0 or 1, also as a string or as one of its words; `default` where it is missing."""
    if key not in entry and default is not None:
        return default
    value = entry.get(key)
    answer = _FLAGS.get(str(value).lower()) if isinstance(value, str | int) else None
    if answer is None:
        raise Odd(_wrong(entry, key))
    return answer


def choice(entry: Entry, key: str, table: Mapping[str, Value]) -> Value:
    """What `table` holds for the word under `key`."""
    value = entry.get(key)
    if not isinstance(value, str) or value not in table:
        raise Odd(_wrong(entry, key))
    return table[value]


def shown(value: object) -> str:
    """`value` for a message, cut short."""
    words = repr(value)
    return words if len(words) <= 60 else words[:57] + "..."


def printable(words: str) -> str:
    """`words` for a message, with what no terminal or program should get (control characters, no Unicode) escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in words)


def _wrong(entry: Entry, key: str) -> str:
    return f"{key} is {shown(entry[key])}" if key in entry else f"{key} is missing"
