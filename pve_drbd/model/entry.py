"""Storage entries as they should be, as they were last known, and what differs between two of them."""

from __future__ import annotations

from dataclasses import dataclass

TYPES = ("drbdlvm", "lvm")
"""The types an entry on a volume group on DRBD may have: ours, and PVE's own with the hookscript route."""

DEFAULT_CONTENT = ("images", "rootdir")


@dataclass(frozen=True, slots=True)
class WantedEntry:
    """An entry as the configuration wants it; None stands for a field that the configuration leaves alone."""

    storeid: str
    vg: str
    type: str = "drbdlvm"
    content: tuple[str, ...] | None = None
    nodes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """An entry as it was last known to be right; `vg_uuid` is '' where it was not seen then."""

    storeid: str
    type: str
    vg: str
    is_disabled: bool = False
    nodes: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    vg_uuid: str = ""
    seen_at: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an entry: what it is (`now`, '' for not set), and what it is to be."""

    field: str
    now: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Daemon:
    """One of Proxmox VE's programs that keep the plugins they were started with; epoch seconds, by its node's clock."""

    unit: str
    is_active: bool
    loaded_at: float


@dataclass(frozen=True, slots=True)
class PluginAccount:
    """What one node has of the storage plugin: `problem` is '' where a fresh process there knows the type.

    `sha256` is that of the file such a process loaded, `changed_at` when that file last changed (epoch seconds, by the
    node's own clock).
    """

    node: str
    sha256: str = ""
    changed_at: float = 0.0
    problem: str = ""
    daemons: tuple[Daemon, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryRequest:
    """A call of the API that makes an entry what it is to be: POST /storage, or PUT /storage/STOREID."""

    method: str
    path: str
    fields: tuple[tuple[str, str | int], ...]

    @property
    def shown(self) -> str:
        """The call as pvesh takes it."""
        verb = {"post": "create", "put": "set"}[self.method]
        return " ".join((f"pvesh {verb} {self.path}", *(f"--{key} {value}" for key, value in self.fields)))
