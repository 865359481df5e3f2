"""LVM's device filters, from `lvmconfig --typeconfig full devices`.

Formats: lvm2 libdm/libdm-config.c (_write_value) and lib/filters/filter-regex.c (_extract_pattern).
"""

from __future__ import annotations

import re

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import FilterRule, LvmFilters
from pve_drbd.readers.fields import shown

_SOURCE = "lvmconfig"
_STRING = r'"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"'
_SCALAR = rf"(?:{_STRING}|-?[0-9]+(?:\.[0-9]+)?)"
_SETTING = re.compile(rf"\t([a-z0-9_]+) ?= ?({_SCALAR}|\[(?:{_SCALAR}(?:, ?{_SCALAR})*)?\])")
_STRINGS = re.compile(_STRING)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def read_filters(text: str) -> LvmFilters:
    """The settings that decide which devices LVM sees; it needs filter, global_filter and use_devicesfile.

    Raises Unreadable for anything that lvmconfig does not print, or that LVM refuses as a filter.
    """
    lines = text.split("\n")
    if len(lines) < 3 or lines[0] != "devices {" or lines[-1] or lines[-2] != "}":
        raise Unreadable(_SOURCE, 0, 'it is not one whole section "devices { ... }"')
    settings: dict[str, tuple[int, str]] = {}
    for at, line in enumerate(lines[1:-2], 2):
        match = _SETTING.fullmatch(line)
        if match is None:
            raise Unreadable(_SOURCE, at, f"{shown(line)} is not a setting")
        if match[1] in settings:
            raise Unreadable(_SOURCE, at, f"{match[1]} stands twice")
        settings[match[1]] = (at, match[2])
    missing = next((key for key in ("filter", "global_filter", "use_devicesfile") if key not in settings), None)
    if missing:
        raise Unreadable(_SOURCE, 0, f"{missing} is missing")
    at, value = settings["use_devicesfile"]
    if value not in ("0", "1"):
        raise Unreadable(_SOURCE, at, f"use_devicesfile is {shown(value)}")
    return LvmFilters(_rules(*settings["filter"]), _rules(*settings["global_filter"]), value == "1")


def _rules(at: int, value: str) -> tuple[FilterRule, ...]:
    """The rules of one list; LVM takes a single string for a list of one."""
    words = _STRINGS.findall(value)
    if value != (words[0] if words and value[0] == '"' else f"[{','.join(words)}]"):
        raise Unreadable(_SOURCE, at, f"{shown(value)} is not a list of patterns")
    return tuple(_rule(at, re.sub(r"\\(.)", r"\1", word[1:-1])) for word in words)


def _rule(at: int, pattern: str) -> FilterRule:
    """'a|regex|' or 'r/regex/': any delimiter, and the closing one must be there, or LVM itself refuses the list."""
    if len(pattern) < 3 or pattern[0] not in "ar" or pattern[-1] != _CLOSING.get(pattern[1], pattern[1]):
        raise Unreadable(_SOURCE, at, f"{shown(pattern)} is not a filter pattern")
    return FilterRule(is_accept=pattern[0] == "a", pattern=pattern[2:-1])
