"""Why a guest cannot be saved by a method: each question gives a reason in words, or '' if nothing hinders."""

from __future__ import annotations

from pve_drbd.model.evacuation import StorageStatus
from pve_drbd.model.pve import GuestConfig, GuestKind, VolumeUse
from pve_drbd.planner.setting import Setting, Subject

_MIXED_AIO = frozenset(("lvm", "rbd", "zfspool"))
"""Types to which Proxmox VE does not move a disk online that runs with io_uring, for machines older than 10.0.

Source: qemu-server PVE/QemuServer.pm, clone_disk; PVE/QemuServer/Drive.pm, storage_allows_io_uring_default.
"""


def not_stoppable(subject: Subject) -> str:
    """Why the guest cannot be stopped or changed now."""
    lock = subject.guest.lock or subject.config.lock
    return f"it is locked ({lock})" if lock else ""


def not_movable(subject: Subject) -> str:
    """Why the volumes cannot be moved at all, running or not."""
    if subject.config.snapshots:
        return f"it has snapshots ({', '.join(subject.config.snapshots)}), which a move cannot take along"
    pending = [each.key for each in subject.volumes if each.is_pending]
    if pending:
        return f"a pending change names a volume ({', '.join(pending)}), which a move would leave behind"
    if subject.is_template:
        return "it is a template: a move would make an ordinary disk of its base volume"
    return not_stoppable(subject)


def not_online(subject: Subject, storage: StorageStatus) -> str:
    """Why the volumes cannot be moved to `storage` while the guest runs."""
    if subject.guest.kind is GuestKind.CONTAINER:
        return "a container's volumes can be moved only while it is stopped"
    for each in subject.volumes:
        if each.use in (VolumeUse.TPM, VolumeUse.CLOUD_INIT):
            return f"{each.key} ({each.use.value}) cannot be moved while the guest runs"
        if each.options.get("aio", "io_uring") == "io_uring" and storage.type in _MIXED_AIO and _is_old(subject.config):
            return f"{each.key} runs with aio=io_uring, which cannot move online to type {storage.type}"
    return not_movable(subject)


def _is_old(config: GuestConfig) -> bool:
    """A machine version below 10.0; without a version it is the newest the node knows."""
    version = config.machine.rpartition("-")[2].partition("+")[0]
    major = version.partition(".")[0]
    return major.isdigit() and int(major) < 10


def not_leaving(subject: Subject, setting: Setting) -> str:
    """Why the guest cannot run on the other node: devices, paths or volumes that only its own node has."""
    ties = (*subject.config.local_devices, *subject.config.host_paths)
    if ties:
        return f"it uses devices of its node ({', '.join(ties)})"
    shared = {each.storeid for each in setting.storages if each.is_shared} | setting.vg_storages
    away = [each for each in subject.config.volumes if each.is_attached and each.storage not in shared]
    if away:
        names = ", ".join(f"{each.key} on {each.storage}" for each in away)
        return f"it has volumes that only its node has ({names})"
    return ""


def not_in_archive(subject: Subject) -> str:
    """Which part of the guest vzdump leaves out."""
    for each in subject.volumes:
        if subject.guest.kind is GuestKind.VM and each.options.get("backup") in ("0", "no", "off"):
            return f"{each.key} has backup=0: it would not be in the archive"
        is_mount = each.use is VolumeUse.MOUNT_POINT
        if is_mount and each.options.get("backup") not in ("1", "yes", "on"):
            return f"{each.key} has no backup=1: it would not be in the archive"
    if subject.config.snapshots:
        return "its snapshots would not be in the archive"
    if subject.config.has_pending:
        return "its pending changes would not be in the archive"
    return ""
