"""A pair's parts built by hand: each node's accounts of DRBD and LVM, from views of its resources and a layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pve_drbd.model.drbd import (
    Address,
    Connection,
    ConnectionState,
    DiskState,
    DrbdConfig,
    GenerationIds,
    HostVolume,
    PeerVolume,
    ProcDrbd,
    ProcMinor,
    Progress,
    ReplicationState,
    Resource,
    ResourceConfig,
    ResourceHost,
    Role,
    RunningOptions,
    Version,
    Versions,
    Volume,
)
from pve_drbd.model.lvm import (
    BlockDevice,
    DmDevice,
    DmTarget,
    FilterRule,
    LogicalVolume,
    Lvm,
    LvmFilters,
    PhysicalVolume,
    Segment,
    VolumeGroup,
)
from pve_drbd.model.survey import DrbdAccount, LvmAccount, Probe

A, B = "pveA", "pveB"

VERSIONS = {"8.3": Version(8, 3, 16), "8.4": Version(8, 4, 11), "9": Version(9, 2, 18)}
NET = {"protocol": "C", "allow-two-primaries": "yes"}
DISKS = {"r0": "sdb", "r1": "sdc"}
MINORS = {"r0": 0, "r1": 1}
VG_OF = {"r0": "drbdvg", "r1": "drbdvg1"}
GUEST_ON = {"r0": 100, "r1": 102}
ADDRESSES = {A: "10.0.7.1", B: "10.0.7.2"}

MIB = 1024 * 1024
EXTENT_B = 4 * MIB
EXTENTS_OF_PV = 32
SECTORS_OF_EXTENT = EXTENT_B // 512
PE_START_B = 1 * MIB
SAME_IDS = GenerationIds(0xC0, 0, (), ())
HIDES_BACKING_DISKS = LvmFilters((), (FilterRule(True, "^/dev/drbd"), FilterRule(False, ".*")), has_devices_file=False)


@dataclass(frozen=True)
class View:
    """What one node says of one volume of a resource, and of its link to the other node."""

    role: Role = Role.PRIMARY
    disk: DiskState = DiskState.UP_TO_DATE
    connection: ConnectionState = ConnectionState.CONNECTED
    peer_role: Role = Role.PRIMARY
    replication: ReplicationState = ReplicationState.ESTABLISHED
    peer_disk: DiskState = DiskState.UP_TO_DATE
    out_of_sync_kib: int = 0
    suspended: tuple[str, ...] = ()
    has_quorum: bool | None = None
    progress: Progress | None = None


Layout = Lvm
"""The LVs, VGs and PVs that both nodes show; which LVs are active differs by node."""


def layout_of(vgs: Mapping[str, tuple[str, ...]], lvs: Mapping[str, list[tuple[str, int, int]]]) -> Layout:
    """`vgs` maps a VG to the resources below it; `lvs` maps VG/LV to its (resource, first extent, extents)."""
    pvs = tuple(
        PhysicalVolume(f"pv-{name}", device(name), vg, EXTENTS_OF_PV * EXTENT_B, 0, "a--", False, False, PE_START_B)
        for vg, names in vgs.items()
        for name in names
    )
    return Lvm(
        lvs=tuple(_lv(*name.split("/"), parts, number) for number, (name, parts) in enumerate(lvs.items())),
        vgs=tuple(_vg(name, names) for name, names in vgs.items()),
        pvs=pvs,
    )


def device(resource: str) -> str:
    """/dev/drbdN of `resource`."""
    return f"/dev/drbd{MINORS[resource]}"


def uuid_of(name: str) -> str:
    """A made-up LVM uuid, 32 characters like a real one without its dashes."""
    return name.replace("-", "x").ljust(32, "0")


def lvm_account(node: str, layout: Layout, filters: LvmFilters = HIDES_BACKING_DISKS) -> LvmAccount:
    """What `node` shows of `layout`: the guests run on pveA, so their LVs are active and open there."""
    lvs = tuple(each if node == A else replace(each, is_active=False, is_open=None, device=None) for each in layout.lvs)
    active = [each for each in lvs if each.is_active]
    return LvmAccount(
        lvm=replace(layout, lvs=lvs),
        filters=filters,
        devices=(
            *(BlockDevice(name, name, (), 8, 16 * n, "disk", 0, "", ()) for n, name in enumerate(DISKS.values(), 1)),
            *(
                BlockDevice(f"drbd{MINORS[r]}", f"drbd{MINORS[r]}", (DISKS[r],), 147, MINORS[r], "disk", 0, "", ())
                for r in DISKS
            ),
        ),
        dm=tuple(dm_device(each.vg, each.name, each.device[1]) for each in active),
        tables={dm_name(each.vg, each.name): _targets(each) for each in active},
        counters={},
    )


def dm_name(vg: str, lv: str) -> str:
    """The name that LVM gives to the dm device of an LV."""
    return f"{vg.replace('-', '--')}-{lv.replace('-', '--')}"


def dm_device(vg: str, lv: str, minor: int = 9) -> DmDevice:
    """The dm device of an LV."""
    return DmDevice(dm_name(vg, lv), 253, minor, 1, f"LVM-{uuid_of(vg)}{uuid_of(lv)}")


def target(resource: str, first: int, extents: int) -> DmTarget:
    """The stretch of a dm table that maps `extents` extents of the PV on `resource`."""
    offset = PE_START_B // 512 + first * SECTORS_OF_EXTENT
    return DmTarget(0, extents * SECTORS_OF_EXTENT, (147, MINORS[resource]), offset)


def _targets(lv: LogicalVolume) -> tuple[DmTarget, ...]:
    names = {device(name): name for name in MINORS}
    return tuple(target(names[part.pv], part.first, part.extents) for part in lv.segments)


def _vg(name: str, resources: tuple[str, ...]) -> VolumeGroup:
    pvs = tuple(device(each) for each in resources)
    size_b = len(pvs) * EXTENTS_OF_PV * EXTENT_B
    return VolumeGroup(uuid_of(name), name, 3, "wz--n-", size_b, size_b // 2, EXTENT_B, 0, pvs)


def _lv(vg: str, name: str, parts: list[tuple[str, int, int]], number: int) -> LogicalVolume:
    starts = [sum(extents for _, _, extents in parts[:index]) for index in range(len(parts))]
    return LogicalVolume(
        uuid=uuid_of(name),
        vg=vg,
        name=name,
        size_b=sum(extents for _, _, extents in parts) * EXTENT_B,
        attributes="-wi-ao----",
        is_active=True,
        is_open=True,
        health="",
        made_on=A,
        made_at=f"2026-11-0{number + 1} 10:00:00 +0000",
        tags=(),
        segment_type="linear",
        segments=tuple(
            Segment(start, device(on), first, extents)
            for start, (on, first, extents) in zip(starts, parts, strict=True)
        ),
        device=(253, number),
    )


def drbd_account(node: str, series: str, views: Mapping[str, View]) -> DrbdAccount:
    version, own = VERSIONS[series], tuple(resource_told(name, node, view) for name, view in views.items())
    minors = tuple(minor_told(name, view) for name, view in views.items())
    is_9 = series == "9"
    return DrbdAccount(
        versions=Versions(version, version),
        loaded=ProcDrbd(version, () if is_9 else minors),
        config=DrbdConfig({"net": NET}, tuple(_config(name) for name in views)),
        resources=own,
        witness=own if is_9 else (),
        generation_ids={(name, 0): SAME_IDS for name in views},
        running=tuple(RunningOptions(name, {other(node): NET}) for name in views) if is_9 else (),
    )


def _config(name: str) -> ResourceConfig:
    minor, disk_path = MINORS[name], f"/dev/{DISKS[name]}"
    hosts = tuple(
        ResourceHost(
            node,
            None,
            (HostVolume(0, minor, f"/dev/drbd{minor}", disk_path, "internal"),),
            Address("ipv4", ADDRESSES[node], 7788 + minor),
        )
        for node in (A, B)
    )
    return ResourceConfig(name, hosts, {})


def probes_of(node: str, views: Mapping[str, View]) -> tuple[Probe, ...]:
    peer = other(node)
    return tuple(Probe(name, "eth1", ADDRESSES[node], ADDRESSES[peer], is_done=True) for name in views)


def other(node: str) -> str:
    return B if node == A else A


def resource_told(name: str, node: str, view: View) -> Resource:
    seen = PeerVolume(0, view.replication, view.peer_disk, view.out_of_sync_kib, (), view.progress)
    return Resource(
        name,
        view.role,
        view.suspended,
        (Volume(0, MINORS[name], view.disk, 131032, f"/dev/{DISKS[name]}", view.has_quorum),),
        (Connection(other(node), view.connection, view.peer_role, (seen,)),),
    )


def minor_told(name: str, view: View) -> ProcMinor:
    """What 8.x's /proc/drbd says of `view`; StandAlone there is no net configuration, so no protocol."""
    return ProcMinor(
        minor=MINORS[name],
        connection=view.connection,
        replication=view.replication,
        role=view.role,
        peer_role=view.peer_role,
        disk=view.disk,
        peer_disk=view.peer_disk,
        protocol="" if view.connection is ConnectionState.STAND_ALONE else "C",
        is_io_suspended=bool(view.suspended),
        resync_suspended=(),
        out_of_sync_kib=view.out_of_sync_kib,
        progress=view.progress,
    )


def view_of(drbd: DrbdAccount, name: str) -> View:
    own = next(each for each in drbd.resources if each.name == name)
    volume, link = own.volumes[0], own.connections[0]
    seen = link.volumes[0]
    return View(
        role=own.role,
        disk=volume.disk,
        connection=link.state,
        peer_role=link.peer_role,
        replication=seen.replication,
        peer_disk=seen.peer_disk,
        out_of_sync_kib=seen.out_of_sync_kib,
        suspended=own.suspended,
        has_quorum=volume.has_quorum,
        progress=seen.progress,
    )
