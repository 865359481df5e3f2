"""A guest's configuration as PVE's API gives it, already decoded, and what both its forms have in common.

Source: pve-guest-common PVE/AbstractConfig.pm (load_current_config), qemu-server PVE/QemuServer.pm ($confdesc).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import GuestConfig, GuestKind, GuestVolume, VolumeUse
from pve_drbd.readers.fields import Odd, flag, shown, text
from pve_drbd.readers.guest_volumes import Named, read_key, read_property_string, read_raw_lxc

Settings = Mapping[str, str]

DEFAULT_MEMORY_MIB = 512
_DIGEST = re.compile(r"[0-9a-f]{40}")
_LOCK = re.compile(r"[a-z-]+")
_SNAPSHOT = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WORD = re.compile(r"[!-~]+")
_FREE = re.compile(r"[^\x00-\x1f\x7f]*")
_MEMORY = re.compile(r"[0-9]{1,9}")
_LIST = re.compile(r"[,;\s]+")
_RAW = "lxc"
_IGNORED = frozenset({"special-sections"})


@dataclass(frozen=True, slots=True)
class Sections:
    """The parts of one configuration; `raw` are a container's lxc.… lines, `leftovers` volumes that PVE will remove."""

    live: Settings
    pending: Settings = field(default_factory=dict)
    has_pending: bool = False
    snapshots: Mapping[str, Settings] = field(default_factory=dict)
    raw: Sequence[tuple[str, str]] = ()
    leftovers: tuple[GuestVolume, ...] = ()


def read_guest_config(kind: GuestKind, current: object, merged: object | None, source: str) -> GuestConfig:
    """The configuration from `…/config?current=1` and, unless None, from `…/config`, where pending changes are merged.

    The API does not tell the snapshots but the newest, which the guest descends from. Raises Unreadable.
    """
    try:
        live, raw = _settings(current)
        pending = live if merged is None or merged == current else _settings(merged)[0]
        parent = text(live, "parent", _SNAPSHOT, "")
        sections = Sections(
            live=live,
            pending=pending,
            has_pending=_without_digest(live) != _without_digest(pending),
            snapshots={parent: {}} if parent else {},
            raw=raw,
        )
        return config_of(kind, sections)
    except Odd as err:
        raise Unreadable(source, 0, str(err)) from err


def _settings(answer: object) -> tuple[Settings, tuple[tuple[str, str], ...]]:
    """The settings of one answer as text, and the raw lines of a container."""
    if not isinstance(answer, dict):
        raise Odd("it is not an object")
    # PVE sends the digest with every configuration, so an object without it is something else.
    text(answer, "digest", _DIGEST)
    settings: dict[str, str] = {}
    for key, value in answer.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            if key != _RAW and key not in _IGNORED:
                raise Odd(f"{key} is {shown(value)}")
        else:
            settings[key] = str(value)
    return settings, tuple(_raw_lines(answer.get(_RAW, [])))


def _raw_lines(lines: object) -> Iterator[tuple[str, str]]:
    for line in lines if isinstance(lines, list) else [lines]:
        if not isinstance(line, list) or len(line) != 2 or not all(isinstance(word, str) for word in line):
            raise Odd(f"{_RAW} holds {shown(line)}")
        yield line[0], line[1]


def _without_digest(settings: Settings) -> Settings:
    return {key: value for key, value in settings.items() if key != "digest"}


def config_of(kind: GuestKind, sections: Sections) -> GuestConfig:
    """The values that both forms of a configuration give. Raises Odd."""
    live = sections.live
    named = {key: read_key(kind, key, value) for key, value in live.items()}
    planned = {key: read_key(kind, key, value) for key, value in sections.pending.items() if live.get(key) != value}
    raw = [(key, read_raw_lxc(key, value)) for key, value in sections.raw]
    both = [*named.items(), *planned.items()]
    machine = read_property_string(live.get("machine", ""), "type").get("type", "")
    memory = read_property_string(live.get("memory", str(DEFAULT_MEMORY_MIB)), "current")
    return GuestConfig(
        volumes=tuple(_volumes(kind, named, planned, sections)),
        local_devices=tuple(sorted({key for key, each in both if each.is_local}, key=_natural)),
        host_paths=tuple(sorted({key for key, each in both if each.is_host_path}, key=_natural)),
        raw_paths=tuple(sorted({(key, path) for key, each in [*both, *raw] for path in each.paths})),
        snapshots=tuple(sorted(sections.snapshots)),
        has_pending=sections.has_pending,
        lock=text(live, "lock", _LOCK, ""),
        is_template=flag(live, "template"),
        machine=machine,
        memory_mib=int(text(memory, "current", _MEMORY)),
        starts_at_boot=flag(live, "onboot"),
        hookscript=text(live, "hookscript", _WORD, ""),
        tags=tuple(word for word in _LIST.split(text(live, "tags", _FREE, "")) if word),
        name=text(live, "name" if kind is GuestKind.VM else "hostname", _FREE, ""),
    )


def _volumes(
    kind: GuestKind, named: Mapping[str, Named], planned: Mapping[str, Named], sections: Sections
) -> Iterator[GuestVolume]:
    """The live volumes, those that only a pending change names, then those of each snapshot; by key."""
    live = _by_key(named)
    known = {(each.key, each.volid) for each in live}
    yield from live
    yield from sections.leftovers
    for each in _by_key(planned):
        if (each.key, each.volid) not in known:
            yield replace(each, is_pending=True)
    for snapshot, settings in sorted(sections.snapshots.items()):
        for each in _by_key({key: read_key(kind, key, value) for key, value in settings.items()}):
            yield replace(each, snapshot=snapshot)


def _by_key(named: Mapping[str, Named]) -> list[GuestVolume]:
    found = [volume for each in named.values() for volume in each.volumes]
    return sorted(found, key=lambda volume: (_natural(volume.key), volume.volid))


def _natural(key: str) -> tuple[str, int]:
    """Sorts scsi2 before scsi10."""
    word = key.rstrip("0123456789")
    return word, int(key[len(word) :] or -1)


def leftovers(key: str, value: str) -> tuple[GuestVolume, ...]:
    """The fleecing images of a broken backup: PVE removes them itself before it migrates (QemuMigrate.pm, prepare)."""
    found = read_key(GuestKind.VM, key, value).volumes
    return tuple(replace(volume, use=VolumeUse.UNUSED) for volume in found)
