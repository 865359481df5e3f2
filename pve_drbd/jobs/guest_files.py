"""One guest and the storage entries as this node's /etc/pve has them: without the API, for the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.errors import Unreachable, Unreadable
from pve_drbd.model.pve import GuestConfig, GuestKind, StorageEntry
from pve_drbd.model.survey import PVE, NoView
from pve_drbd.readers.guest_conf_file import read_guest_conf
from pve_drbd.readers.storage_cfg import read_storage_cfg

T = TypeVar("T")
TIMEOUT_S = 2.0
"""Reading /etc/pve takes 1 ms; where pmxcfs hangs it takes for ever."""

_FOLDERS = {GuestKind.VM: "qemu-server", GuestKind.CONTAINER: "lxc"}


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """What /etc/pve says of one guest; `config` is a NoView where no node of `nodes` has the guest."""

    storages: tuple[StorageEntry, ...] | NoView
    config: GuestConfig | NoView

    def storage(self, storeid: str) -> StorageEntry | None:
        """The entry called `storeid`, None if there is none or none could be read."""
        entries = () if isinstance(self.storages, NoView) else self.storages
        return next((each for each in entries if each.storeid == storeid), None)


def read_storages(hosts: Hosts, here: str, etc_pve: str = "/etc/pve") -> tuple[StorageEntry, ...] | NoView:
    """The entries of storage.cfg."""
    return _read(hosts, here, f"{etc_pve}/storage.cfg", read_storage_cfg)


def read_guest_files(
    hosts: Hosts, here: str, vmid: int, nodes: tuple[str, ...], etc_pve: str = "/etc/pve"
) -> GuestFiles:
    """The entries, and the configuration of guest `vmid` from the first of `nodes` whose folder has it."""
    config: GuestConfig | NoView = NoView(PVE, f"the configuration of guest {vmid}", "no node has it")
    for node in nodes:
        for kind, folder in _FOLDERS.items():
            path = f"{etc_pve}/nodes/{node}/{folder}/{vmid}.conf"
            found = _read(hosts, here, path, lambda text, k=kind, p=path: read_guest_conf(k, text, p))  # type: ignore[misc]
            if not isinstance(found, NoView):
                return GuestFiles(read_storages(hosts, here, etc_pve), found)
            if "No such file" not in found.reason:
                config = found
    return GuestFiles(read_storages(hosts, here, etc_pve), config)


def _read(hosts: Hosts, here: str, path: str, reader: Callable[[str], T]) -> T | NoView:
    try:
        result = hosts.run(here, ("cat", path), TIMEOUT_S)
        if result.exit_code:
            return NoView(PVE, path, result.err.strip() or f"cat ended with exit code {result.exit_code}")
        return reader(result.out)
    except Unreachable as err:
        return NoView(PVE, path, err.why)
    except Unreadable as err:
        return NoView(PVE, path, str(err), is_damaged=True)
