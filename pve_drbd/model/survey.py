"""The survey: three accounts kept apart, each part either a value or a NoView with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pve_drbd.model.drbd import DrbdConfig, GenerationIds, ProcDrbd, Resource, RunningOptions, Versions
from pve_drbd.model.lvm import BlockDevice, DiskStats, DmDevice, DmTarget, Lvm, LvmFilters
from pve_drbd.model.pve import Cluster, Guest, GuestConfig, HaResource, StorageEntry

if TYPE_CHECKING:
    # What only a plan looks at: a check does not pay for its words.
    from pve_drbd.model.evacuation import DirtyMap

PVE = "PVE"
"""Stands where a node's name would, for what Proxmox VE's API says of the whole cluster."""


@dataclass(frozen=True, slots=True)
class NoView:
    """We could not look: `node` is whose account is missing, `subject` what of it, `reason` why.

    `is_damaged` tells an answer that came but could not be read from one that did not come at all.
    """

    node: str
    subject: str
    reason: str
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at the link itself: can our replication address reach the peer's, now.

    `problem` is '' where the peer answered. `is_done` is false where nobody tried (a recording without it,
    or a resource with `probe = "off"`).
    """

    resource: str
    interface: str
    address: str
    peer_address: str
    is_done: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DrbdAccount:
    """What one node's DRBD says: kernel state from `resources` and, as a second witness, `witness`.

    On 8.x the witness is /proc/drbd's minors, on 9 the resources of `drbdsetup status --json`.
    """

    versions: Versions | NoView
    loaded: ProcDrbd | NoView
    config: DrbdConfig | NoView
    resources: tuple[Resource, ...] | NoView
    witness: tuple[Resource, ...] | NoView
    generation_ids: Mapping[tuple[str, int], GenerationIds] | NoView
    running: tuple[RunningOptions, ...] | NoView
    adjust_would_connect: tuple[str, ...] | NoView = ()


@dataclass(frozen=True, slots=True)
class LvmAccount:
    """What one node's LVM and kernel say about block devices; `tables` maps a dm device's name to its targets."""

    lvm: Lvm | NoView
    filters: LvmFilters | NoView
    devices: tuple[BlockDevice, ...] | NoView
    dm: tuple[DmDevice, ...] | NoView
    tables: Mapping[str, tuple[DmTarget, ...]] | NoView
    counters: DiskStats | NoView


@dataclass(frozen=True, slots=True)
class NodeAccount:
    """One node's own account; `age_s` runs from its first DRBD command to the verdict.

    `dirty` tells by (resource, volume) what the node has changed since it lost its peer; empty unless it was asked.
    """

    node: str
    age_s: float
    drbd: DrbdAccount
    lvm: LvmAccount
    probes: tuple[Probe, ...] | NoView = ()
    dirty: Mapping[tuple[str, int], DirtyMap | NoView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PveAccount:
    """PVE's account of the cluster; `configs` holds the guests that were asked about, by vmid."""

    version: str | NoView
    cluster: Cluster | NoView
    storages: tuple[StorageEntry, ...] | NoView
    guests: tuple[Guest, ...] | NoView
    ha: tuple[HaResource, ...] | NoView
    configs: Mapping[int, GuestConfig | NoView] = field(default_factory=dict)

    def storage(self, storeid: str) -> StorageEntry | None:
        """The entry called `storeid`; None if PVE lists none, or could not be asked."""
        if isinstance(self.storages, NoView):
            return None
        return next((each for each in self.storages if each.storeid == storeid), None)

    def guest(self, vmid: int) -> Guest | None:
        """The guest with this number; None if PVE lists none, or could not be asked."""
        if isinstance(self.guests, NoView):
            return None
        return next((each for each in self.guests if each.vmid == vmid), None)


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything a judgement may use: each node's own account, and PVE's account of all of them."""

    taken_at: str
    taken_on: str
    nodes: Mapping[str, NodeAccount | NoView]
    pve: PveAccount | NoView
    is_replay: bool = False
