"""Block devices, device-mapper devices and write counters of one node: lsblk, dmsetup info, /proc/diskstats.

Formats: util-linux misc-utils/lsblk.c; lvm2 libdm/dm-tools/dmsetup.c; Linux Documentation/admin-guide/iostats.rst.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import BlockDevice, DiskCounters, DiskStats, DmDevice
from pve_drbd.readers.fields import Entry, Odd, entries, number, shown, text, text_or_null
from pve_drbd.readers.strict_json import read_json

_LSBLK, _DMSETUP, _DISKSTATS = "lsblk", "dmsetup info", "/proc/diskstats"

_NAME = re.compile(r"[!-~]+")
_KERNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.!/-]*")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_MOUNT = re.compile(r"[^\x00-\x1f\x7f]+")
_NUMBERS = re.compile(r" *([0-9]{1,4}):([0-9]{1,7}) *")
# libdm writes any other character of a name or uuid as \xNN (mangling), but leaves the separator as it is.
_DM_WORD = r"[A-Za-z0-9#+.:=@_\\-]"
_DM_LINE = re.compile(rf"({_DM_WORD}+?):([0-9]{{1,4}}):([0-9]{{1,7}}):([0-9]{{1,9}}):({_DM_WORD}*)")
_LVM_NAME = re.compile(r"(?:[A-Za-z0-9_.+]|--)+-(?:[A-Za-z0-9_.+]|--)+(?:-[a-z0-9_]+)?")
_LVM_UUID = re.compile(r"LVM-[A-Za-z0-9]{64}(?:-[a-z0-9_]+)?")
# No other subsystem has a uuid of this form: three letters say whose it is, and they may be damaged.
_LIKE_LVM_UUID = re.compile(r"LVM.*|...-[A-Za-z0-9]{64}(?:-[a-z0-9_]+)?")
_STAT_LINE = re.compile(r" *([0-9]{1,4}) +([0-9]{1,7}) ([A-Za-z0-9][A-Za-z0-9_.!/-]*)((?: [0-9]{1,20}){11,})")
_NUMBERED = re.compile(r"(drbd|dm-)([0-9]{1,7})")

_LISTS = frozenset({"children", "mountpoints"})
_DRBD_MAJOR = 147
_WRITES, _SECTORS_WRITTEN = 4, 6
"""Places of completed writes and sectors written among the counters of one line."""


def read_lsblk(text: str) -> tuple[BlockDevice, ...]:
    """Every block device once, in lsblk's order; a device on top of several others has several parents.

    Raises Unreadable for a device that is described in two ways, or whose PKNAME is not where it stands in the tree.
    """
    document = read_json(text, _LSBLK)
    found: dict[str, BlockDevice] = {}
    places: set[tuple[str, str]] = set()
    try:
        for entry, parent in _tree(document):
            device = _block_device(entry, parent)
            known = found.get(device.kernel_name)
            if known is not None:
                if replace(known, parents=device.parents) != device:
                    raise Odd(f"{device.kernel_name} is described in two ways")
                if (device.kernel_name, parent) in places:
                    raise Odd(f"{device.kernel_name} stands twice in the same place")
                device = replace(known, parents=known.parents + device.parents)
            found[device.kernel_name] = device
            places.add((device.kernel_name, parent))
        _check_numbers((device.kernel_name, device.major, device.minor) for device in found.values())
    except Odd as err:
        raise Unreadable(_LSBLK, 0, str(err)) from err
    return tuple(found.values())


def _tree(document: object) -> Iterator[tuple[Entry, str]]:
    """Each entry with its parent's kernel name ('' at the top), parents before children."""
    if not isinstance(document, dict):
        raise Odd("it is not an object")
    waiting = [(entry, "") for entry in reversed(entries(document.get("blockdevices"), "blockdevices"))]
    while waiting:
        entry, parent = waiting.pop()
        for key, value in entry.items():
            if isinstance(value, list) and key not in _LISTS and any(isinstance(each, dict) for each in value):
                raise Odd(f"{shown(key)} holds devices")
        yield entry, parent
        if "children" in entry:
            name = text(entry, "kname", _KERNEL_NAME)
            waiting.extend((child, name) for child in reversed(entries(entry["children"], f"children of {name}")))


def _block_device(entry: Entry, parent: str) -> BlockDevice:
    """The device where it stands below `parent`."""
    name, kernel_name, kind = text(entry, "name", _NAME), text(entry, "kname", _KERNEL_NAME), text(entry, "type", _WORD)
    is_mapped = kernel_name.startswith("dm-")
    if (name != kernel_name and not is_mapped) or (kind == "lvm" and not (is_mapped and _LVM_NAME.fullmatch(name))):
        raise Odd(f"{kernel_name} of type {kind} is called {shown(name)}")
    # The column is missing where lsblk was not asked for it; the tree says the same.
    if "pkname" in entry and text_or_null(entry, "pkname", _KERNEL_NAME) != parent:
        raise Odd(f"{kernel_name} stands below {parent or 'nothing'}, but its pkname is {shown(entry['pkname'])}")
    major, minor = text(entry, "maj:min", _NUMBERS).split(":")
    return BlockDevice(
        name=name,
        kernel_name=kernel_name,
        parents=(parent,) if parent else (),
        major=int(major),
        minor=int(minor),
        type=kind,
        size_b=number(entry, "size"),
        filesystem=text_or_null(entry, "fstype", _WORD),
        mounts=tuple(_mounts(entry)),
    )


def _mounts(entry: Entry) -> Iterator[str]:
    """Where it is mounted; lsblk writes a list with one null for nowhere, never an empty one."""
    mounts = entry.get("mountpoints")
    if not isinstance(mounts, list) or not mounts or (None in mounts and len(mounts) > 1):
        raise Odd(f"mountpoints of {entry['kname']} is {shown(mounts)}")
    for each in mounts:
        if each is not None:
            yield text({"mountpoints": each}, "mountpoints", _MOUNT)


def _check_numbers(devices: Iterable[tuple[str, int, int]]) -> None:
    """No number belongs to two devices, and drbdN and dm-N have the minor of their name."""
    owners: dict[tuple[int, int], str] = {}
    for name, major, minor in devices:
        if owners.setdefault((major, minor), name) != name:
            raise Odd(f"{name} and {owners[major, minor]} are both {major}:{minor}")
        numbered = _NUMBERED.fullmatch(name)
        if numbered and (int(numbered[2]) != minor or (numbered[1] == "drbd" and major != _DRBD_MAJOR)):
            raise Odd(f"{name} is {major}:{minor}")


def read_dmsetup(text: str) -> tuple[DmDevice, ...]:
    """The device-mapper devices of `dmsetup info -c --noheadings --separator : -o name,major,minor,open,uuid`.

    Raises Unreadable also where nothing was printed: with no device dmsetup says so.
    """
    if text == "No devices found\n":
        return ()
    found: dict[object, DmDevice] = {}
    for at, line in _lines(text, _DMSETUP):
        match = _DM_LINE.fullmatch(line)
        if match is None:
            raise Unreadable(_DMSETUP, at, f"{shown(line)} is not name:major:minor:open:uuid")
        device = DmDevice(match[1], int(match[2]), int(match[3]), int(match[4]), match[5])
        is_whole = _LVM_UUID.fullmatch(device.uuid) and _LVM_NAME.fullmatch(device.name)
        if _LIKE_LVM_UUID.fullmatch(device.uuid) and not is_whole:
            raise Unreadable(_DMSETUP, at, f"{device.name} with uuid {device.uuid} is not one of LVM's")
        for key in (device.name, (device.major, device.minor), ("uuid", device.uuid or device.name)):
            if found.setdefault(key, device) is not device:
                raise Unreadable(_DMSETUP, at, f"{device.name} has the name, number or uuid of an earlier device")
    return tuple(dict.fromkeys(found.values()))


def read_diskstats(text: str) -> DiskStats:
    """Write counters by (major, minor). Raises Unreadable if lines differ in their number of columns."""
    found: dict[tuple[int, int], DiskCounters] = {}
    names: set[str] = set()
    columns = 0
    for at, line in _lines(text, _DISKSTATS):
        match = _STAT_LINE.fullmatch(line)
        if match is None:
            raise Unreadable(_DISKSTATS, at, f"{shown(line)} is not a line of counters")
        counters, numbers, name = match[4].split(), (int(match[1]), int(match[2])), match[3]
        columns = columns or len(counters)
        if len(counters) != columns:
            raise Unreadable(_DISKSTATS, at, f"{name} has {len(counters)} counters, others {columns}")
        if numbers in found or name in names:
            raise Unreadable(_DISKSTATS, at, f"{name} stands twice")
        names.add(name)
        found[numbers] = DiskCounters(int(counters[_WRITES]), int(counters[_SECTORS_WRITTEN]))
        try:
            _check_numbers([(name, *numbers)])
        except Odd as err:
            raise Unreadable(_DISKSTATS, at, str(err)) from err
    return found


def _lines(text: str, source: str) -> Iterator[tuple[int, str]]:
    """The numbered lines; the text must end with a newline, as a torn last line could pass for a whole one."""
    if not text.endswith("\n"):
        raise Unreadable(source, 0, "it is empty" if not text else "its last line is torn")
    return enumerate(text[:-1].split("\n"), 1)
