"""/etc/pve-drbd/config.toml: how far the service goes, and what is wrong with the file, with line and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pve_drbd.errors import ConfigInvalid
from pve_drbd.readers.config import SOURCE, read_config

CONFIG_FILE = Path(SOURCE)


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
    config = read_config(text, source)
    gate, storages, resources = (config.get(name, {}) for name in ("gate", "storage", "resource"))
    defaults = Policy()
    return Policy(
        view_limit_s=_number(gate, "view-limit-s", defaults.view_limit_s),
        answer_limit_s=_number(gate, "answer-limit-s", defaults.answer_limit_s),
        storages={name: StoragePolicy(**table) for name, table in storages.items() if isinstance(table, dict)},
        unprobed=frozenset(name for name, table in resources.items() if table == {"probe": "off"}),
    )


def _number(settings: Mapping[str, object], key: str, default: float) -> float:
    return float(str(settings.get(key, default)))
