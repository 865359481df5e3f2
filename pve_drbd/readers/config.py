"""The configuration file: the one schema of the service and the commands; what is wrong is told with line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pve_drbd.errors import ConfigInvalid
from pve_drbd.model.entry import TYPES, WantedEntry

SOURCE = "/etc/pve-drbd/config.toml"

Settings = Mapping[str, object]
Config = Mapping[str, Mapping[str, object]]
"""The checked document: [gate] holds settings, every other table holds one table of settings per name."""

_VG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_STOREID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]")
_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_CONTENT = re.compile(r"images|rootdir")
_ANY = re.compile(r".+")
_HEADER = re.compile(r"\s*\[([^\[\]]+)\]")


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a setting's value must be, as a test and in words."""

    is_right: Callable[[object], bool]
    wanted: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class _Table:
    """The settings of a table; one with `names` holds such a table for each name, which must follow that grammar."""

    settings: Mapping[str, _Setting]
    names: re.Pattern[str] | None = None


def _one_of(*words: str) -> _Setting:
    quoted = [f'"{word}"' for word in words]
    wanted = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return _Setting(lambda value: isinstance(value, str) and value in words, wanted)


def _seconds(low: float, high: float) -> _Setting:
    def is_right(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    return _Setting(is_right, f"a number of seconds from {low:g} to {high:g}")


def _list_of(grammar: re.Pattern[str], wanted: str) -> _Setting:
    def is_right(value: object) -> bool:
        return (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(word, str) and grammar.fullmatch(word) for word in value)
            and len(set(value)) == len(value)
        )

    return _Setting(is_right, wanted)


def _is_vg(value: object) -> bool:
    return isinstance(value, str) and _VG.fullmatch(value) is not None


_TABLES: Mapping[str, _Table] = {
    "gate": _Table(
        {
            "view-limit-s": _seconds(0.5, 5),
            # The shim waits 10 s and then refuses by itself, without a reason to tell.
            "answer-limit-s": _seconds(1, 9),
        }
    ),
    "storage": _Table({"gate": _one_of("enforce", "warn", "off"), "start": _one_of("warn", "enforce")}, _ANY),
    "resource": _Table({"probe": _one_of("ping", "off")}, _ANY),
    "entry": _Table(
        {
            "vg": _Setting(_is_vg, "the name of a volume group", is_required=True),
            "type": _one_of(*TYPES),
            "content": _list_of(_CONTENT, 'a list of "images" and "rootdir", each once'),
            "nodes": _list_of(_NODE, "a list of nodes, each once"),
        },
        _STOREID,
    ),
}


def read_config(text: str, source: str = SOURCE) -> Config:
    """The document in `text`, every table and setting of it checked; raises ConfigInvalid with line and key."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise ConfigInvalid(f"{source} is not TOML: {err}") from err
    where = _Where(text, source)
    for name, table in document.items():
        if name not in _TABLES:
            raise where.wrong(name, "", f"is not known; known are: {', '.join(_TABLES)}")
        settings, names = _TABLES[name].settings, _TABLES[name].names
        if names is None:
            _check(where, name, table, settings)
            continue
        if not isinstance(table, dict):
            raise where.wrong(name, "", f"is not a table; write [{name}.NAME]")
        for part in table:
            if not names.fullmatch(part):
                raise where.wrong(f"{name}.{part}", "", "is not named as Proxmox VE names its entries")
            _check(where, f"{name}.{part}", table[part], settings)
    return document


def read_entries(text: str, source: str = SOURCE) -> tuple[WantedEntry, ...]:
    """The entries that the configuration wants, by name; a volume group has one entry."""
    tables = read_config(text, source).get("entry", {})
    found = tuple(_entry(storeid, tables[storeid]) for storeid in sorted(tables))
    owners: dict[str, str] = {}
    for each in found:
        if each.vg in owners:
            why = f"is {each.vg}, as in [entry.{owners[each.vg]}]; a volume group has one entry"
            raise _Where(text, source).wrong(f"entry.{each.storeid}", "vg", why)
        owners[each.vg] = each.storeid
    return found


def _entry(storeid: str, settings: object) -> WantedEntry:
    table: Settings = settings if isinstance(settings, dict) else {}
    return WantedEntry(
        storeid=storeid,
        vg=str(table["vg"]),
        type=str(table.get("type", TYPES[0])),
        content=_words(table.get("content")),
        nodes=_words(table.get("nodes")),
    )


def _words(value: object) -> tuple[str, ...] | None:
    return tuple(sorted(value)) if isinstance(value, list) else None


def _check(where: _Where, name: str, settings: object, known: Mapping[str, _Setting]) -> None:
    if not isinstance(settings, dict):
        raise where.wrong(name, "", f"is not a table of settings; write [{name}]")
    for key, value in settings.items():
        if key not in known:
            raise where.wrong(name, key, f"is not known; known are: {', '.join(known)}")
        if not known[key].is_right(value):
            raise where.wrong(name, key, f"is {value!r}; it must be {known[key].wanted}")
    for key, setting in known.items():
        if setting.is_required and key not in settings:
            raise where.wrong(name, "", f"has no {key}; it must be there, and be {setting.wanted}")


@dataclass(frozen=True, slots=True)
class _Where:
    """The text, to find the line of what is wrong in it: the TOML parser keeps no lines."""

    text: str
    source: str

    def wrong(self, table: str, key: str, why: str) -> ConfigInvalid:
        """The error about `key` of [`table`], or about the table itself."""
        number = self._line(table, key)
        where = f"{self.source} line {number}" if number else self.source
        return ConfigInvalid(f"{where}: {key} in [{table}] {why}." if key else f"{where}: [{table}] {why}.")

    def _line(self, table: str, key: str) -> int:
        """The line of `key` below the header of `table`; of the header, or the first with that word, failing that."""
        header, current = 0, ""
        pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]") if key else None
        for number, line in enumerate(self.text.splitlines(), start=1):
            found = _HEADER.match(line)
            if found:
                current = re.sub(r"[\"'\s]", "", found.group(1))
                header = header or (number if current == table or current.startswith(f"{table}.") else 0)
            elif pattern and current == table and pattern.match(line):
                return number
        word = re.compile(rf"(?<![\w-]){re.escape(key or table.rpartition('.')[2])}(?![\w-])")
        lines = enumerate(self.text.splitlines(), start=1)
        return header or next((number for number, line in lines if word.search(line)), 0)
