"""DRBD's own words: states, resources as one node sees them, configuration and generation identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

PRIMARY_BIT = 1
"""The lowest bit of a generation identifier is the role, not part of the identifier (UG9, internals)."""


class Role(Enum):
    """A node's role in a resource."""

    PRIMARY = "Primary"
    SECONDARY = "Secondary"
    UNKNOWN = "Unknown"


class DiskState(Enum):
    """State of one replica, in DRBD's spelling (8.x has no Detaching)."""

    DISKLESS = "Diskless"
    ATTACHING = "Attaching"
    DETACHING = "Detaching"
    FAILED = "Failed"
    NEGOTIATING = "Negotiating"
    INCONSISTENT = "Inconsistent"
    OUTDATED = "Outdated"
    UNKNOWN = "DUnknown"
    CONSISTENT = "Consistent"
    UP_TO_DATE = "UpToDate"


class ConnectionState(Enum):
    """State of a connection as DRBD 9 words it; 8.x's single `cs:` word is split by the readers."""

    STAND_ALONE = "StandAlone"
    DISCONNECTING = "Disconnecting"
    UNCONNECTED = "Unconnected"
    TIMEOUT = "Timeout"
    BROKEN_PIPE = "BrokenPipe"
    NETWORK_FAILURE = "NetworkFailure"
    PROTOCOL_ERROR = "ProtocolError"
    TEAR_DOWN = "TearDown"
    CONNECTING = "Connecting"
    CONNECTED = "Connected"


class ReplicationState(Enum):
    """What flows over a connection for one volume, as DRBD 9 words it."""

    OFF = "Off"
    ESTABLISHED = "Established"
    STARTING_SYNC_SOURCE = "StartingSyncS"
    STARTING_SYNC_TARGET = "StartingSyncT"
    BITMAP_SOURCE = "WFBitMapS"
    BITMAP_TARGET = "WFBitMapT"
    WAITING_FOR_UUID = "WFSyncUUID"
    SYNC_SOURCE = "SyncSource"
    SYNC_TARGET = "SyncTarget"
    VERIFY_SOURCE = "VerifyS"
    VERIFY_TARGET = "VerifyT"
    PAUSED_SYNC_SOURCE = "PausedSyncS"
    PAUSED_SYNC_TARGET = "PausedSyncT"
    AHEAD = "Ahead"
    BEHIND = "Behind"

    @property
    def is_verify(self) -> bool:
        """An online verify is comparing both replicas; replication itself goes on."""
        return self in (ReplicationState.VERIFY_SOURCE, ReplicationState.VERIFY_TARGET)

    @property
    def is_resync(self) -> bool:
        """Anything from the first handshake of a resync to its end, paused ones included."""
        return self not in (ReplicationState.OFF, ReplicationState.ESTABLISHED) and not self.is_verify


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a resync or verify is, in KiB still to do and in all; `rate_kib_s` where DRBD tells it."""

    left_kib: int
    total_kib: int
    rate_kib_s: int | None = None
    eta_s: int | None = None

    @property
    def percent_done(self) -> float:
        """0 to 100, from left and total: the percentage DRBD 8.4 prints is wrong below 4 MiB."""
        return 100.0 if self.total_kib <= 0 else 100.0 * (1 - self.left_kib / self.total_kib)


@dataclass(frozen=True, slots=True)
class PeerVolume:
    """What a node says about one volume's replica on the peer, and about the traffic to it."""

    number: int
    replication: ReplicationState
    peer_disk: DiskState
    out_of_sync_kib: int
    resync_suspended: tuple[str, ...] = ()
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A node's connection to one peer; `peer` is the host name, '' where 8.x does not tell it."""

    peer: str
    state: ConnectionState
    peer_role: Role
    volumes: tuple[PeerVolume, ...] = ()


@dataclass(frozen=True, slots=True)
class Volume:
    """A node's own replica of one volume of a resource; `has_quorum` is None where 8.x knows none."""

    number: int
    minor: int
    disk: DiskState
    size_kib: int | None = None
    backing_disk: str = ""
    has_quorum: bool | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as one node's kernel sees it; `suspended` holds user, no-data, fencing, quorum."""

    name: str
    role: Role
    suspended: tuple[str, ...]
    volumes: tuple[Volume, ...]
    connections: tuple[Connection, ...]


@dataclass(frozen=True, slots=True)
class ProcMinor:
    """One minor of 8.x's /proc/drbd; `protocol` is '' while there is no net configuration (StandAlone)."""

    minor: int
    connection: ConnectionState
    replication: ReplicationState
    role: Role
    peer_role: Role
    disk: DiskState
    peer_disk: DiskState
    protocol: str
    is_io_suspended: bool
    resync_suspended: tuple[str, ...]
    out_of_sync_kib: int
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class ProcDrbd:
    """/proc/drbd as a whole: the loaded module's version and, on 8.x, its minors (Unconfigured ones left out)."""

    version: Version
    minors: tuple[ProcMinor, ...]


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A DRBD version, such as 8.4.11; (0, 0, 0) means none is there."""

    major: int
    minor: int
    patch: int

    @property
    def series(self) -> str:
        """'8.3', '8.4' or '9': what decides commands, formats and verbs."""
        return "9" if self.major >= 9 else f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        """The dotted form that administrators know."""
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, slots=True)
class Versions:
    """What `drbdadm --version` says of itself and of the module it believes to be loaded."""

    tools: Version
    module: Version


@dataclass(frozen=True, slots=True)
class GenerationIds:
    """One replica's generation identifiers, role bit masked out; see facts in the readers' sources."""

    current: int
    bitmap: int
    history: tuple[int, ...]
    flags: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class HostVolume:
    """One volume of a resource on one host, as configured; `disk_options` are those of this volume alone, if any."""

    number: int
    minor: int
    device: str
    disk: str
    meta_disk: str
    disk_options: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A replication end point."""

    family: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class ResourceHost:
    """One host's part of a resource, as configured; `node_id` is None where it is left implicit, or not told."""

    name: str
    node_id: int | None
    volumes: tuple[HostVolume, ...]
    address: Address | None


@dataclass(frozen=True, slots=True)
class ResourceConfig:
    """One resource as configured; `options` maps a section ('net', 'disk', ...) to its settings.

    `paths` holds, for each path of each configured connection, the address of every host in it.
    `connection_options` holds the connections' own net options; '' where one connection's differs from another's.
    """

    name: str
    hosts: tuple[ResourceHost, ...]
    options: Mapping[str, Mapping[str, str]]
    paths: tuple[Mapping[str, Address], ...] = ()
    connection_options: Mapping[str, str] | None = None

    def host(self, node: str) -> ResourceHost | None:
        """The part of `node`, None if the resource is not configured on it."""
        return next((host for host in self.hosts if host.name == node), None)


@dataclass(frozen=True, slots=True)
class DrbdConfig:
    """`drbdadm dump-xml all`: what the next `adjust` would make true on this node."""

    common: Mapping[str, Mapping[str, str]]
    resources: tuple[ResourceConfig, ...]

    def resource(self, name: str) -> ResourceConfig | None:
        """The resource called `name`, None if it is not configured."""
        return next((each for each in self.resources if each.name == name), None)


@dataclass(frozen=True, slots=True)
class RunningOptions:
    """Running net options of one resource on one node, from DRBD 9's `show --json`; peer name to settings."""

    resource: str
    net: Mapping[str, Mapping[str, str]]
