"""What every option of one group is priced by, and the guest whose options they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pve_drbd.model.evacuation import NodeStatus, Rates, StorageStatus, VolumeChange, Wishes
from pve_drbd.model.pve import Guest, GuestConfig, GuestState, GuestVolume


@dataclass(frozen=True, slots=True)
class Setting:
    """What every option of one group is priced by.

    `vg_storages` are the entries on the group's own VGs, `drbd_storages` those on any DRBD at all: a resource that is
    well today shares the link that broke. `resync_s` is how long the victim is closed for its resync.
    """

    victim: str
    survivor: str
    storages: tuple[StorageStatus, ...]
    memory: Mapping[str, NodeStatus]
    vg_storages: frozenset[str]
    drbd_storages: frozenset[str]
    rates: Rates
    wishes: Wishes
    resync_s: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """One guest with the volumes that it has on the group's VGs."""

    guest: Guest
    config: GuestConfig
    volumes: tuple[GuestVolume, ...]
    changes: tuple[VolumeChange, ...]

    @property
    def size_mib(self) -> int:
        """All of them together."""
        return sum(each.size_mib for each in self.changes)

    @property
    def is_running(self) -> bool:
        """It holds its volumes open."""
        return self.guest.state is not GuestState.STOPPED

    @property
    def is_template(self) -> bool:
        """Linked clones rest on its volumes."""
        return self.guest.is_template or self.config.is_template
