"""The whole-answer checks: where parts of one node's account contradict each other, one of them is damaged."""

from __future__ import annotations

from collections.abc import Mapping

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import DrbdConfig, ProcDrbd, Resource
from pve_drbd.model.lvm import BlockDevice, DmDevice, DmTarget, Lvm
from pve_drbd.model.survey import NoView

_SECTOR_B = 512


def check_minors(
    node: str,
    resources: tuple[Resource, ...],
    loaded: ProcDrbd | NoView,
    witness: tuple[Resource, ...] | NoView,
    config: DrbdConfig | NoView,
) -> None:
    """Every configured device stands in events2, or is down by the second source as well."""
    minors = {(each.name, volume.number): volume.minor for each in resources for volume in each.volumes}
    seen = {each.minor for each in loaded.minors} if isinstance(loaded, ProcDrbd) else set()
    seen |= {volume.minor for each in witness for volume in each.volumes} if isinstance(witness, tuple) else set()
    has_second_source = bool(seen) or not isinstance(witness, NoView)
    for minor in sorted(seen ^ set(minors.values())) if has_second_source else ():
        raise Unreadable("events2", 0, f"minor {minor} is up by one source of this node and missing in another")
    for resource in config.resources if isinstance(config, DrbdConfig) else ():
        host = resource.host(node)
        for volume in host.volumes if host else ():
            minor = minors.get((resource.name, volume.number), volume.minor)
            if minor != volume.minor:
                raise Unreadable("dump-xml", 0, f"{resource.name} has minor {volume.minor}, in the kernel {minor}")


def check_dm(dm: tuple[DmDevice, ...], devices: tuple[BlockDevice, ...] | NoView) -> None:
    """Dmsetup holds exactly the LVM devices that lsblk shows."""
    if isinstance(devices, NoView):
        return
    every = {(each.name, each.major, each.minor) for each in dm}
    of_lvm = {(each.name, each.major, each.minor) for each in dm if each.lv_key}
    shown = {(each.name, each.major, each.minor) for each in devices if each.type == "lvm"}
    for name, _, _ in sorted(shown - every):
        raise Unreadable("dmsetup info", 0, f"{name} is in lsblk and missing here")
    for name, _, _ in sorted(of_lvm - shown):
        raise Unreadable("lsblk", 0, f"{name} is in dmsetup and missing here")


def check_tables(
    tables: Mapping[str, tuple[DmTarget, ...]],
    dm: tuple[DmDevice, ...] | NoView,
    devices: tuple[BlockDevice, ...] | NoView,
) -> None:
    """Every device-mapper device has its table, as long as lsblk says that it is, and on what lsblk shows below it."""
    if not isinstance(dm, NoView):
        for name in sorted({each.name for each in dm} ^ tables.keys()):
            raise Unreadable("dmsetup table", 0, f"{name} is in one of dmsetup info and table, and not in the other")
    known = () if isinstance(devices, NoView) else devices
    numbers = {each.kernel_name: (each.major, each.minor) for each in known}
    shown = {each.name: each.size_b for each in known}
    below = {each.name: {numbers[parent] for parent in each.parents} for each in known}
    for name, targets in tables.items():
        size_b = sum(each.sectors for each in targets) * _SECTOR_B
        if shown.get(name, size_b) != size_b:
            raise Unreadable("dmsetup table", 0, f"{name} has {size_b} bytes, lsblk says {shown[name]}")
        strange = {each.device for each in targets if each.device} - below.get(name, set())
        if name in below and strange:
            raise Unreadable("dmsetup table", 0, f"{name} is on {strange.pop()}, which lsblk does not show below it")


def check_lvs(lvm: Lvm, dm: tuple[DmDevice, ...] | NoView) -> None:
    """Every active LV has its device-mapper device, and every such device's LV is active."""
    if isinstance(dm, NoView):
        return
    uuids = {vg.name: vg.uuid.replace("-", "") for vg in lvm.vgs}
    devices = {each.lv_key: (each.major, each.minor) for each in dm if each.lv_key}
    for lv in lvm.lvs:
        device = devices.get((uuids[lv.vg], lv.uuid.replace("-", "")))
        # '-' is a plain LV: the hidden parts of thin pools, mirrors and caches have uuids with suffixes of their own.
        if lv.device != device and lv.attributes.startswith("-"):
            raise Unreadable("lvs", 0, f"{lv.vg}/{lv.name} is {lv.device or 'inactive'}, dmsetup has {device}")


def check_disks(node: str, devices: tuple[BlockDevice, ...], config: DrbdConfig | NoView) -> None:
    """The disks below each DRBD device are those configured, as far as their names can be compared."""
    names = {f"/dev/{each.kernel_name}" for each in devices}
    parents = {each.kernel_name: {f"/dev/{name}" for name in each.parents} for each in devices}
    for resource in config.resources if isinstance(config, DrbdConfig) else ():
        host = resource.host(node)
        for volume in host.volumes if host else ():
            below = parents.get(f"drbd{volume.minor}")
            if below and volume.disk in names and volume.disk not in below:
                raise Unreadable("lsblk", 0, f"/dev/drbd{volume.minor} is not on {volume.disk}, which dump-xml names")
