"""Which keys of a guest's configuration name volumes, paths and hardware of the node, and how their values read.

Grammars: pve-common PVE/JSONSchema.pm (parse_property_string); qemu-server PVE/QemuServer/Drive.pm (parse_drive,
drive_is_cloudinit), PVE/QemuMigrate/Helpers.pm (check_local_resources), PVE/QemuMigrate.pm (scan_local_volumes);
pve-container PVE/LXC/Config.pm (parse_volume, classify_mountpoint); pve-storage PVE/Storage/Plugin.pm
(parse_volume_id).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pve_drbd.model.pve import GuestKind, GuestVolume, VolumeUse
from pve_drbd.readers.fields import Odd, flag, shown

VOLUME_KEYS: Mapping[GuestKind, Mapping[str, tuple[int, VolumeUse]]] = {
    GuestKind.VM: {
        "ide": (4, VolumeUse.DISK),
        "sata": (6, VolumeUse.DISK),
        "scsi": (31, VolumeUse.DISK),
        "virtio": (16, VolumeUse.DISK),
        "efidisk": (1, VolumeUse.EFI),
        "tpmstate": (1, VolumeUse.TPM),
        "vmstate": (0, VolumeUse.VM_STATE),
        "unused": (256, VolumeUse.UNUSED),
    },
    GuestKind.CONTAINER: {
        "rootfs": (0, VolumeUse.ROOTFS),
        "mp": (256, VolumeUse.MOUNT_POINT),
        "unused": (256, VolumeUse.UNUSED),
    },
}
"""Keys that name a volume: how many there are, numbered from 0 (0: one, without a number), and the volume's use."""

KEYS = {
    GuestKind.VM: re.compile(r"[a-z][a-z_-]*[0-9]*"),
    GuestKind.CONTAINER: re.compile(r"[a-z][a-z_]*[0-9]*"),
}
"""What a key looks like (qemu-server parse_vm_config, pve-container parse_pct_config)."""

_FREE_TEXT = frozenset({"description", "env"})
_KEY_PARTS = re.compile(r"([a-z_-]+)(0|[1-9][0-9]{0,3})?")
_OPTION = re.compile(r"[A-Za-z0-9_-]+")
# A colon with a blank ends the key of a line: within a setting it is a line that lost its end.
_SETTING = re.compile(r"(?:[^:]|:(?! ))+")
_STORAGE = r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]"
_VOLID = re.compile(rf"({_STORAGE}):([!-~]+)")
# The name of an ISO image may hold blanks and any letter.
_CDROM_VOLID = re.compile(rf"({_STORAGE}):([^\x00-\x1f\x7f]+)")
# PVE's names of guest volumes: bare on LVM, ZFS and RBD, after slashes in directories and for linked clones.
_GUEST_NAME = r"(?:(?:[0-9]+|base(?:vol)?-[0-9]+-[^\s/,;]+)/)*(?:vm|base|subvol|basevol)-[0-9]+-[^\s,;]+"
_GUEST_VOLID = re.compile(rf"(?:^|[=;, ])({_STORAGE}):({_GUEST_NAME})")
_CLOUD_INIT = re.compile(r"[:/](?:vm-[0-9]+-)?cloudinit(?:\.(?:raw|qcow2?|qed|vmdk|cloop))?$")
_PORT = re.compile(r"/dev/[^\s,:]+")
_DEVICE = re.compile(r"/dev/[^\s,'\"]+")

_WORDS = {
    "media": frozenset({"disk", "cdrom"}),
    "cache": frozenset({"none", "writethrough", "writeback", "unsafe", "directsync"}),
    "aio": frozenset({"native", "threads", "io_uring"}),
}
_FLAGS = frozenset({"backup", "shared", "snapshot", "replicate", "ro"})


@dataclass(frozen=True, slots=True)
class Named:
    """What one key names: volumes, paths of the node, or hardware of the node (`is_local`).

    `is_host_path` is false for a path that PVE takes to every node, by the administrator's word (shared=1) or unseen.
    """

    volumes: tuple[GuestVolume, ...] = ()
    paths: tuple[str, ...] = ()
    is_host_path: bool = False
    is_local: bool = False


NOTHING = Named()


def read_key(kind: GuestKind, key: str, value: str) -> Named:
    """What `key: value` of a configuration names. Raises Odd for what PVE could not read either."""
    meaning = _meaning(kind is GuestKind.VM, key)
    if meaning is None:
        return NOTHING
    if not value.isprintable():
        raise Odd(f"{key} is {shown(value)}")
    use, is_local, has_paths = meaning
    try:
        if use is not None:
            return _read_volume(kind, key, use, value)
        if is_local is not None:
            return Named(is_local=is_local(value))
    except Odd as err:
        raise Odd(f"{key}: {err}") from err
    if ":" not in value and not has_paths:
        return NOTHING
    found = (GuestVolume(key, VolumeUse.OTHER, match[1], match[2], {}) for match in _GUEST_VOLID.finditer(value))
    return Named(volumes=tuple(found), paths=tuple(_DEVICE.findall(value)) if has_paths else ())


@lru_cache(maxsize=1024)
def _meaning(is_vm: bool, key: str) -> tuple[VolumeUse | None, Callable[[str], bool] | None, bool] | None:
    """Of a key: its volume's use, the test for local hardware, whether it may hold paths; None for free text."""
    kind = GuestKind.VM if is_vm else GuestKind.CONTAINER
    if not KEYS[kind].fullmatch(key):
        raise Odd(f"{shown(key)} is not a key of a guest's configuration")
    if key in _FREE_TEXT:
        return None
    parts = _KEY_PARTS.fullmatch(key)
    prefix, digits = (parts[1], parts[2]) if parts else (key, None)
    count, use = VOLUME_KEYS[kind].get(prefix, (0, VolumeUse.OTHER))
    is_numbered_right = digits is None if count == 0 else digits is not None and int(digits) < count
    is_volume = prefix in VOLUME_KEYS[kind] and is_numbered_right
    return use if is_volume else None, _IS_LOCAL.get(prefix) if is_vm else None, prefix in ("args", "dev")


def read_raw_lxc(key: str, value: str) -> Named:
    """What a raw `lxc.…` line of a container names: PVE hands it on unseen."""
    first = value.split(None, 1)[0] if value.strip() else ""
    return Named(paths=(first,)) if key.startswith("lxc.mount.") and first.startswith("/") else NOTHING


def _read_volume(kind: GuestKind, key: str, use: VolumeUse, value: str) -> Named:
    options = read_property_string(value, "file")
    names = [options.pop(option) for option in ("file", "volume") if option in options]
    if len(names) != 1:
        raise Odd(f"{shown(value)} names {len(names)} volumes")
    name = names[0]
    for option, setting in options.items():
        if option in _WORDS and setting not in _WORDS[option]:
            raise Odd(f"{option} is {shown(setting)}")
        if option in _FLAGS:
            flag(options, option)
    is_cdrom = options.get("media") == "cdrom"
    if kind is GuestKind.VM and name in ("none", "cdrom") and use is VolumeUse.DISK:
        # A guest that uses the node's own drive is refused by PVE ("can't migrate local cdrom drive").
        return Named(is_local=name == "cdrom")
    if name.startswith("/") and use not in (VolumeUse.UNUSED, VolumeUse.VM_STATE):
        return Named(paths=(name,), is_host_path=not flag(options, "shared"))
    match = (_CDROM_VOLID if is_cdrom else _VOLID).fullmatch(name)
    if match is None:
        raise Odd(f"{shown(name)} is not a volume")
    if use is VolumeUse.DISK and _CLOUD_INIT.search(name):
        use = VolumeUse.CLOUD_INIT
    elif use is VolumeUse.DISK and is_cdrom:
        use = VolumeUse.CDROM
    return Named(volumes=(GuestVolume(key, use, match[1], match[2], options),))


def read_property_string(value: str, default_key: str) -> dict[str, str]:
    """PVE's 'value,key=value,…' as a dict; the part without a key gets `default_key`."""
    found: dict[str, str] = {}
    for part in value.split(","):
        if not part.strip():
            continue
        key, equals, setting = part.partition("=")
        if not equals:
            key, setting = default_key, part
        if not _OPTION.fullmatch(key) or not _SETTING.fullmatch(setting):
            raise Odd(f"{shown(part)} is not a setting")
        if key in found:
            raise Odd(f"{key} stands twice")
        found[key] = setting
    return found


def _is_local_usb(value: str) -> bool:
    options = read_property_string(value, "host")
    return "mapping" not in options and options.get("host", "").lower() != "spice"


def _is_local_port(value: str) -> bool:
    if value != "socket" and not _PORT.fullmatch(value):
        raise Odd(f"{shown(value)} is not a port")
    return value != "socket"


_IS_LOCAL: Mapping[str, Callable[[str], bool]] = {
    "usb": _is_local_usb,
    "hostpci": lambda value: "mapping" not in read_property_string(value, "host"),
    "serial": _is_local_port,
    "parallel": _is_local_port,
    "ivshmem": lambda _: True,
    "hostusb": lambda _: True,
}
"""Keys of a VM that tie it to its node, unless their value says otherwise."""
