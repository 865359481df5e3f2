"""Which block devices belong to which DRBD volume on a node: the device above, the disks below."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from pve_drbd.model.lvm import BlockDevice
from pve_drbd.model.survey import NodeAccount, NoView

DRBD_MAJOR = 147


@dataclass(frozen=True, slots=True)
class Disk:
    """A block device below DRBD and the names under which LVM may meet it."""

    path: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replica:
    """One volume of one resource on one node: its DRBD device and what lies below."""

    resource: str
    number: int
    minor: int
    disks: tuple[Disk, ...]

    @property
    def device(self) -> str:
        """/dev/drbdN."""
        return f"/dev/drbd{self.minor}"

    @property
    def device_paths(self) -> tuple[str, ...]:
        """Every name under which LVM may meet the DRBD device."""
        by_resource = f"/dev/drbd/by-res/{self.resource}"
        return (
            self.device,
            f"{by_resource}/{self.number}",
            by_resource,
            f"/dev/drbd_{self.resource}",
            f"/dev/block/{DRBD_MAJOR}:{self.minor}",
        )


def replicas_of(view: NodeAccount) -> tuple[Replica, ...]:
    """Every DRBD volume of this node, from its kernel and its configuration, ordered by minor."""
    below: dict[tuple[str, int, int], set[str]] = {}
    resources = () if isinstance(view.drbd.resources, NoView) else view.drbd.resources
    for resource in resources:
        for volume in resource.volumes:
            below.setdefault((resource.name, volume.number, volume.minor), set()).add(volume.backing_disk)
    configured = () if isinstance(view.drbd.config, NoView) else view.drbd.config.resources
    for config in configured:
        host = config.host(view.node)
        for part in host.volumes if host else ():
            below.setdefault((config.name, part.number, part.minor), set()).add(part.disk)
    devices = {each.kernel_name: each for each in view.lvm.devices} if not isinstance(view.lvm.devices, NoView) else {}
    replicas = (
        Replica(name, number, minor, _disks(paths - {""}, minor, devices))
        for (name, number, minor), paths in below.items()
    )
    return tuple(sorted(replicas, key=lambda each: (each.minor, each.resource, each.number)))


def _disks(configured: Set[str], minor: int, devices: Mapping[str, BlockDevice]) -> tuple[Disk, ...]:
    """The disks below /dev/drbdN: the configured paths, and the parents that the kernel names (keys of `devices`)."""
    drbd = devices.get(f"drbd{minor}")
    names = {*(drbd.parents if drbd else ()), *(path.removeprefix("/dev/") for path in configured)}
    kernel = [devices[name] for name in sorted(names) if name in devices]
    paths = configured | {f"/dev/{each.kernel_name}" for each in kernel}
    aliases = {alias for each in kernel for alias in _aliases(each)}
    return tuple(Disk(path, (path, *sorted(aliases - {path}))) for path in sorted(paths))


def _aliases(device: BlockDevice) -> tuple[str, ...]:
    """Other names that udev gives a disk; the by-id and by-path ones stand for all of their folder."""
    names = [
        f"/dev/{device.kernel_name}",
        f"/dev/disk/by-id/{device.name}",
        f"/dev/disk/by-path/{device.name}",
        f"/dev/block/{device.major}:{device.minor}",
    ]
    return (*names, f"/dev/mapper/{device.name}") if device.name != device.kernel_name else tuple(names)
