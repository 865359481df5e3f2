"""Proxmox VE's words: nodes, storage entries, guests and their volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class GuestKind(Enum):
    """A guest is a VM or a container; the value is PVE's own name in API paths."""

    VM = "qemu"
    CONTAINER = "lxc"


class GuestState(Enum):
    """`status` of /cluster/resources; UNKNOWN while the guest's node does not report."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


class VolumeUse(Enum):
    """What a guest does with a volume named in its configuration."""

    DISK = "disk"
    EFI = "efi"
    TPM = "tpm"
    CLOUD_INIT = "cloud-init"
    CDROM = "cdrom"
    VM_STATE = "vmstate"
    ROOTFS = "rootfs"
    MOUNT_POINT = "mount point"
    UNUSED = "unused"
    OTHER = "other"
    """Named under a key we do not know: judged like a disk, never ignored."""


@dataclass(frozen=True, slots=True)
class GuestVolume:
    """One volume of a guest: `storage`:`name` under configuration key `key`.

    `snapshot` is the snapshot that names it ('' for the live configuration); `is_pending` marks one
    that only a pending change names. `options` are the drive's own settings (cache, aio, backup, size...).
    """

    key: str
    use: VolumeUse
    storage: str
    name: str
    options: Mapping[str, str]
    snapshot: str = ""
    is_pending: bool = False

    @property
    def volid(self) -> str:
        """PVE's name for it."""
        return f"{self.storage}:{self.name}"

    @property
    def is_attached(self) -> bool:
        """The guest itself reads or writes it, now or after its pending changes; `unusedN` is not."""
        return self.use is not VolumeUse.UNUSED


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """A guest's configuration as far as it matters for its volumes and its mobility.

    `local_devices` are the keys that tie it to its node's hardware. `host_paths` are keys that name a raw
    device or a directory of the node instead of a storage. `has_pending` is true with any pending change.
    `raw_paths` are (key, path) of every such path, also where PVE lets it pass (shared=1, raw QEMU or LXC settings).
    """

    volumes: tuple[GuestVolume, ...]
    local_devices: tuple[str, ...] = ()
    host_paths: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    has_pending: bool = False
    lock: str = ""
    is_template: bool = False
    machine: str = ""
    memory_mib: int = 0
    starts_at_boot: bool = False
    hookscript: str = ""
    tags: tuple[str, ...] = ()
    name: str = ""
    raw_paths: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest as /cluster/resources lists it; `ha_state` is '' if HA does not manage it."""

    vmid: int
    kind: GuestKind
    node: str
    name: str
    state: GuestState
    lock: str = ""
    is_template: bool = False
    ha_state: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StorageEntry:
    """One entry of storage.cfg; `nodes` is empty where every node may use it."""

    storeid: str
    type: str
    vgname: str = ""
    is_shared: bool = False
    is_disabled: bool = False
    nodes: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    digest: str = ""
    options: Mapping[str, str] | None = None

    @property
    def is_lvm(self) -> bool:
        """Of a type whose volumes are plain LVs of `vgname`: PVE's own, or ours."""
        return self.type in ("lvm", "drbdlvm") and bool(self.vgname)


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One member of the PVE cluster."""

    name: str
    is_online: bool
    is_local: bool
    ip: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """/cluster/status; a node outside any cluster is a cluster of one, always quorate."""

    name: str
    is_quorate: bool
    nodes: tuple[ClusterNode, ...]

    def node(self, name: str) -> ClusterNode | None:
        """The member called `name`, None if there is none."""
        return next((each for each in self.nodes if each.name == name), None)


@dataclass(frozen=True, slots=True)
class HaResource:
    """One service that PVE's HA stack manages, and the state it was asked to be in."""

    vmid: int
    state: str
    group: str = ""
