"""A guest's configuration as the file in /etc/pve/nodes/NODE/{qemu-server,lxc}/VMID.conf.

Grammars: qemu-server PVE/QemuServer.pm (parse_vm_config), pve-container PVE/LXC/Config.pm (parse_pct_config). PVE warns
of a line it cannot read, and goes on without it; here it is Unreadable, as it may have named a volume.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import GuestConfig, GuestKind, GuestVolume
from pve_drbd.readers.fields import Odd, shown
from pve_drbd.readers.guests import Sections, config_of, leftovers

_PENDING = {
    GuestKind.VM: re.compile(r"\[PENDING\]\s*", re.IGNORECASE),
    GuestKind.CONTAINER: re.compile(r"\[pve:pending\]\s*", re.IGNORECASE),
}
_SPECIAL = re.compile(r"\[special:([a-z][a-z0-9_-]*)\]\s*", re.IGNORECASE)
_SNAPSHOT = re.compile(r"\[([a-z][a-z0-9_-]+)\]\s*", re.IGNORECASE)
# PVE itself writes "boot: " with nothing but the blank for an empty list, and does not read it without.
_SETTING = re.compile(r"([a-z][a-z_-]*[0-9]*):(?=.)\s*(.*?)\s*")
_RAW = re.compile(r"(lxc\.[a-z0-9_.-]+)(?::|\s*=)\s*(.*?)\s*")
_SNAPSTATE = re.compile(r"snapstate:\s*(?:prepare|delete)\s*")
_DESCRIPTION = "description"
_LIVE, _PLANNED = ("live", ""), ("pending", "")


@dataclass(slots=True)
class _File:
    """What was read so far, by section; a section is its kind and its name."""

    settings: dict[tuple[str, str], dict[str, str]] = field(default_factory=lambda: {_LIVE: {}})
    raw: list[tuple[str, str]] = field(default_factory=list)
    section: tuple[str, str] = _LIVE


def read_guest_conf(kind: GuestKind, text: str, source: str) -> GuestConfig:
    """The configuration with its pending changes and all its snapshots.

    Raises Unreadable, with the line. A file cut off at the end of a line cannot be told from a shorter one.
    """
    if text and not text.endswith("\n"):
        raise Unreadable(source, text.count("\n") + 1, "its last line is torn, or was edited without an end")
    found = _File()
    for at, line in enumerate(text.split("\n"), 1):
        try:
            _read_line(kind, found, line)
        except Odd as err:
            raise Unreadable(source, at, str(err)) from err
    try:
        return config_of(kind, _sections(found))
    except Odd as err:
        raise Unreadable(source, 0, str(err)) from err


def _read_line(kind: GuestKind, found: _File, line: str) -> None:
    if not line.strip() or line.startswith("#"):
        return
    if line.startswith("["):
        found.section = _section(kind, line)
        if found.section in found.settings:
            raise Odd(f"section {shown(line)} stands twice")
        found.settings[found.section] = {}
        return
    raw = _RAW.fullmatch(line) if kind is GuestKind.CONTAINER else None
    if raw is not None:
        if found.section == _LIVE:
            found.raw.append((raw[1], raw[2]))
        return
    if found.section[0] == "snapshot" and _SNAPSTATE.fullmatch(line):
        return
    match = _SETTING.fullmatch(line)
    if match is None:
        raise Odd(f"{shown(line)} is not a setting")
    _add(found, "ide2" if kind is GuestKind.VM and match[1] == "cdrom" else match[1], match[2])


def _section(kind: GuestKind, line: str) -> tuple[str, str]:
    if _PENDING[kind].fullmatch(line):
        return _PLANNED
    special = _SPECIAL.fullmatch(line) if kind is GuestKind.VM else None
    if special:
        return "special", special[1].lower()
    snapshot = _SNAPSHOT.fullmatch(line)
    if snapshot is None:
        raise Odd(f"{shown(line)} is not a section")
    return "snapshot", snapshot[1]


def _add(found: _File, key: str, value: str) -> None:
    settings = found.settings[found.section]
    if key == "delete" and found.section != _PLANNED:
        raise Odd("delete stands outside the pending changes")
    if key in settings and key != _DESCRIPTION:
        raise Odd(f"{key} stands twice")
    settings[key] = value


def _sections(found: _File) -> Sections:
    live = found.settings[_LIVE]
    planned = found.settings.get(_PLANNED, {})
    volumes: list[GuestVolume] = []
    for (kind, name), settings in found.settings.items():
        # What PVE last wrote into the cloud-init image, for information only.
        if kind == "special" and name != "cloudinit":
            volumes += [volume for key, value in settings.items() for volume in leftovers(key, value)]
    return Sections(
        live=live,
        pending={key: value for key, value in planned.items() if key != "delete"},
        has_pending=bool(planned),
        snapshots={name: settings for (kind, name), settings in found.settings.items() if kind == "snapshot"},
        raw=found.raw,
        leftovers=tuple(volumes),
    )
