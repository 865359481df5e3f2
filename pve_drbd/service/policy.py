"""/etc/pve-drbd/config.toml: how far the service goes, and what is wrong with the file, with line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pve_drbd.errors import ConfigInvalid

CONFIG_FILE = Path("/etc/pve-drbd/config.toml")


@dataclass(frozen=True, slots=True)
class StoragePolicy:
    """How far the service goes for one storage entry.

    `gate`: enforce refuses, warn only tells, off asks nothing. `start`: enforce refuses a start on a copy that is
    proven to be the older one, warn only tells.
    """

    gate: str = "enforce"
    start: str = "warn"


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole configuration; every value has a default that is safe."""

    view_limit_s: float = 2.0
    answer_limit_s: float = 8.0
    storages: Mapping[str, StoragePolicy] = field(default_factory=dict)
    unprobed: frozenset[str] = frozenset()

    def storage(self, storeid: str) -> StoragePolicy:
        """The policy for entry `storeid`: its own, or the default."""
        return self.storages.get(storeid, StoragePolicy())


_Check = Callable[[object], bool]


def _one_of(*words: str) -> _Check:
    return lambda value: isinstance(value, str) and value in words


def _seconds(low: float, high: float) -> _Check:
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


_GATE = {
    "view-limit-s": (_seconds(0.5, 5), "a number of seconds from 0.5 to 5"),
    # The shim waits 10 s and then refuses by itself, without a reason to tell.
    "answer-limit-s": (_seconds(1, 9), "a number of seconds from 1 to 9"),
}
_STORAGE = {
    "gate": (_one_of("enforce", "warn", "off"), '"enforce", "warn" or "off"'),
    "start": (_one_of("warn", "enforce"), '"warn" or "enforce"'),
}
_RESOURCE = {"probe": (_one_of("ping", "off"), '"ping" or "off"')}
_TABLES = {"gate": (_GATE, False), "storage": (_STORAGE, True), "resource": (_RESOURCE, True)}


def load_policy(path: Path = CONFIG_FILE) -> Policy:
    """The policy in `path`; the default one where there is no such file. Raises ConfigInvalid with line and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Policy()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigInvalid(f"{path} cannot be read: {err}") from err
    return read_policy(text, str(path))


def read_policy(text: str, source: str) -> Policy:
    """The policy in `text`; `source` names it in errors."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise ConfigInvalid(f"{source} is not TOML: {err}") from err
    for name, table in document.items():
        if name not in _TABLES:
            raise _wrong(text, source, name, f"is not known; known are: {', '.join(_TABLES)}")
        keys, is_by_name = _TABLES[name]
        parts = table.items() if is_by_name and isinstance(table, dict) else [("", table)]
        for part, settings in parts:
            _check(text, source, ".".join(filter(None, (name, part))), settings, keys)
    gate = document.get("gate", {})
    defaults = Policy()
    return Policy(
        view_limit_s=float(gate.get("view-limit-s", defaults.view_limit_s)),
        answer_limit_s=float(gate.get("answer-limit-s", defaults.answer_limit_s)),
        storages={name: StoragePolicy(**table) for name, table in document.get("storage", {}).items()},
        unprobed=frozenset(name for name, table in document.get("resource", {}).items() if table.get("probe") == "off"),
    )


def _check(text: str, source: str, name: str, settings: object, keys: Mapping[str, tuple[_Check, str]]) -> None:
    if not isinstance(settings, dict):
        raise _wrong(text, source, name, "is not a table of settings")
    for key, value in settings.items():
        if key not in keys:
            raise _wrong(text, source, key, f"is not known in [{name}]; known are: {', '.join(keys)}")
        is_right, wanted = keys[key]
        if not is_right(value):
            raise _wrong(text, source, key, f"in [{name}] is {value!r}; it must be {wanted}")


def _wrong(text: str, source: str, key: str, why: str) -> ConfigInvalid:
    """The error, with the first line on which `key` stands; the TOML parser keeps no lines."""
    pattern = re.compile(rf'(?:^|[\[."\s]){re.escape(key)}["\].\s=]')
    lines = (number for number, line in enumerate(text.splitlines(), start=1) if pattern.search(line))
    number = next(lines, 0)
    where = f"{source} line {number}" if number else source
    return ConfigInvalid(f"{where}: {key} {why}. The service keeps its last good configuration.")
