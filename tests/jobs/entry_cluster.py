"""A cluster for the tests of storage entries: one storage.cfg, an API over it, and the program that changes a type.

It stands for Proxmox VE as far as entries go: digests, duplicates, fixed fields, refusals in PVE's own words. It knows
no plugins, no locks and no permissions. `die_at` ends the caller at one outside effect, before or after it happened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.errors import ApiRefused, Unreachable
from pve_drbd.jobs.entry_files import EntryMemory
from pve_drbd.jobs.plugin_account import RETYPE
from pve_drbd.jobs.storage_entry import Desk
from pve_drbd.jobs.survey import World
from pve_drbd.model.entry import PluginAccount
from pve_drbd.model.pve import StorageEntry
from pve_drbd.readers.pve_lists import read_storages
from tests.jobs.standins import HandClock
from tests.pairs import A, B, TwoNodes, two_nodes

SHA = "a" * 64
PLUGINS = {node: PluginAccount(node, SHA, 100.0) for node in (A, B)}
CONFLICT = "update storage failed: detected modified configuration - file changed by other user? Try again."
Fault = Exception | None


class Killed(BaseException):
    """The process was killed at this moment."""


@dataclass
class EntryCluster:
    """See the module; `answers` are what the next writes meet instead of success, `rivals` what others write."""

    cfg: dict[str, dict[str, str]] = field(default_factory=dict)
    answers: list[Fault | Callable[[], Fault]] = field(default_factory=list)
    rivals: list[Callable[[], None]] = field(default_factory=list)
    effects: list[tuple[str, ...]] = field(default_factory=list)
    touches: int = 0
    die_at: int = -1
    dies_before: bool = True
    clock: HandClock = field(default_factory=HandClock)

    def touch(self, effect: Callable[[], object] = lambda: None) -> object:
        """One contact with the outside; the process may end just before or just after it."""
        self.touches += 1
        if self.touches == self.die_at and self.dies_before:
            raise Killed
        done = effect()
        if self.touches == self.die_at:
            raise Killed
        return done

    @property
    def digest(self) -> str:
        return hashlib.sha1(json.dumps(self.cfg, sort_keys=True).encode(), usedforsecurity=False).hexdigest()

    def get(self, path: str, /, **query: str | int) -> object:
        assert path == "/storage"
        listed = [{"storage": name, "digest": self.digest, **settings} for name, settings in self.cfg.items()]
        self.touch()
        if self.rivals:
            self.rivals.pop(0)()
        return listed

    def post(self, path: str, /, **fields: str | int) -> object:
        name = str(fields.pop("storage"))
        return self._write(("post", path, name), lambda: self._create(name, fields))

    def put(self, path: str, /, **fields: str | int) -> object:
        return self._write(("put", path), lambda: self._update(path.rpartition("/")[2], fields))

    def delete(self, path: str, /, **fields: str | int) -> object:
        raise AssertionError("an entry is never removed")

    def _write(self, name: tuple[str, ...], effect: Callable[[], None]) -> object:
        answer = self.answers.pop(0) if self.answers else None
        if callable(answer):
            effect()
            self.effects.append(name)
            answer = answer()
        elif answer is None:
            self.touch(lambda: (effect(), self.effects.append(name)))
        if answer is not None:
            raise answer
        return None

    def _create(self, name: str, fields: dict[str, str | int]) -> None:
        if name in self.cfg:
            raise ApiRefused("/storage", 500, f"create storage failed: storage ID '{name}' already defined")
        self.cfg[name] = {key: str(value) for key, value in fields.items()}

    def _update(self, name: str, fields: dict[str, str | int]) -> None:
        if fields.pop("digest", self.digest) != self.digest:
            raise ApiRefused(f"/storage/{name}", 500, CONFLICT)
        if {"type", "vgname"} & set(fields):
            raise ApiRefused(f"/storage/{name}", 400, "Parameter verification failed.")
        for key in str(fields.pop("delete", "")).split(","):
            self.cfg[name].pop(key, None)
        self.cfg[name] |= {key: str(value) for key, value in fields.items()}

    def nodes(self) -> tuple[str, ...]:
        return (A, B)

    def run(self, node: str, argv: tuple[str, ...], timeout_s: float) -> CommandResult:
        """Stands for pve-drbd-retype on this node."""
        assert node == A
        assert argv[:2] == (RETYPE, "change")
        question = json.loads(argv[2])
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if question["digest"] != self.digest:
            return CommandResult(argv, 3, "", "pve-drbd-retype: storage.cfg has changed since it was shown\n", 1)
        if question["to"] == "drbdlvm" and set(question["plugins"]) != {A, B}:
            return CommandResult(argv, 1, "", "pve-drbd-retype: nobody looked for the plugin there\n", 1)
        self.touch(lambda: self._retype(question))
        if callable(answer):
            raise answer()
        return CommandResult(argv, 0, json.dumps({"changed": 1, "digest": self.digest}) + "\n", "", 1)

    def _retype(self, question: dict[str, str]) -> None:
        entry = self.cfg[question["storage"]]
        assert entry["type"] == question["from"]
        entry["type"] = question["to"]
        self.effects.append(("retype", question["storage"], question["to"]))

    def close(self) -> None:
        """Nothing is open."""

    def entries(self) -> tuple[StorageEntry, ...]:
        """What the API would list."""
        listed = [{"storage": name, "digest": self.digest, **settings} for name, settings in self.cfg.items()]
        return read_storages(listed)

    def entry(self, storeid: str = "drbdvg") -> StorageEntry | None:
        return next((each for each in self.entries() if each.storeid == storeid), None)

    def survey(self, **parts: object) -> TwoNodes:
        """A healthy pair, with PVE's account of these entries."""
        return two_nodes().with_pve(storages=self.entries(), **parts)

    def desk(self, directory: object) -> Desk:
        world = World(self, lambda: self, self.clock.as_clock(), A)
        return Desk(world, self, _Memory(self, str(directory)))


class _Memory(EntryMemory):
    """The memory in the state directory, with its writing counted among the outside effects."""

    def __init__(self, cluster: EntryCluster, directory: str) -> None:
        super().__init__(cluster, A, directory)
        self._cluster = cluster

    def keep(self, entry: StorageEntry, vg_uuid: str, seen_at: str) -> bool:
        return bool(self._cluster.touch(lambda: super(_Memory, self).keep(entry, vg_uuid, seen_at)))


def lvm_cluster(**more: str) -> EntryCluster:
    """drbdvg as an entry of type lvm, beside one that has nothing to do with us."""
    shared = {"type": "lvm", "vgname": "drbdvg", "content": "images,rootdir", "shared": "1", **more}
    return EntryCluster({"drbdvg": shared, "local": {"type": "dir", "path": "/var/lib/vz", "content": "iso"}})


def no_answer() -> Exception:
    """What a write meets whose answer is lost."""
    return Unreachable("PVE at localhost:8006", "no answer in time")


def edited(cluster: EntryCluster, storeid: str, **settings: str) -> Callable[[], None]:
    """Somebody else's change of an entry."""

    def change() -> None:
        cluster.cfg[storeid] = {**cluster.cfg[storeid], **settings}

    return change
