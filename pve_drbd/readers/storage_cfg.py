"""Storage entries: /etc/pve/storage.cfg, and what it has in common with the API's list of them.

Grammar: pve-common PVE/SectionConfig.pm (parse_config), pve-storage PVE/Storage/Plugin.pm (parse_section_header,
parse_config).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import StorageEntry
from pve_drbd.readers.fields import Entry, Odd, flag, shown, text

SOURCE = "/etc/pve/storage.cfg"

INHERENTLY_SHARED = frozenset({"iscsi", "nfs", "cifs", "rbd", "cephfs", "iscsidirect", "zfs", "drbd", "pbs", "drbdlvm"})
"""Types that are shared whatever the entry says: PVE's (Plugin.pm, @SHARED_STORAGE), and ours (check_config)."""

_LOCAL = {
    "storage": "local",
    "type": "dir",
    "path": "/var/lib/vz",
    "prune-backups": "keep-all=1",
    "content": "backup,images,iso,rootdir,snippets,vztmpl",
}
_DEFAULT_CONTENT = {"lvm": "images", "drbdlvm": "images", "lvmthin": "images", "dir": "images,rootdir"}
_ON_A_VG = frozenset({"lvm", "drbdlvm", "lvmthin"})
_FLAG_KEYS = frozenset({"shared", "disable"})
_OWN_FIELDS = _FLAG_KEYS | {"storage", "type", "vgname", "nodes", "content", "digest"}

_STOREID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]")
_TYPE = re.compile(r"[a-z][a-z0-9-]*")
_VG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*[A-Za-z0-9]|[A-Za-z0-9]")
_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_CONTENT = re.compile(r"[a-z]+")
_FREE = re.compile(r"[^\x00-\x1f\x7f]*")
_LIST = re.compile(r"[,;\s]+")
_HEADER = re.compile(r"(\S+):\s*(\S+)\s*")
_SETTING = re.compile(r"\s+(\S+)(?:\s+(.*\S))?\s*")


def read_storage_cfg(text: str) -> tuple[StorageEntry, ...]:
    """The entries in the file's order, with 'local' added as PVE adds it; unknown types are kept.

    `digest` is the one that the API would tell. Raises Unreadable for what PVE would skip with a warning.
    """
    if text and not text.endswith("\n"):
        raise Unreadable(SOURCE, text.count("\n") + 1, "its last line is torn, or was edited without an end")
    import hashlib  # noqa: PLC0415  (OpenSSL costs 3 ms and 3 MiB, and the gate reads the API's list, not this file)

    digest = hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    found: dict[str, StorageEntry] = {}
    for at, storeid, settings in _sections(text):
        try:
            if storeid in found:
                raise Odd(f"entry {storeid} stands twice")
            found[storeid] = entry_of({**settings, "storage": storeid, "digest": digest})
        except Odd as err:
            raise Unreadable(SOURCE, at, str(err)) from err
    found["local"] = _local(found.get("local"), digest)
    return tuple(found.values())


def _local(entry: StorageEntry | None, digest: str) -> StorageEntry:
    """The entry 'local' is the same directory on every node, whatever the file says (Plugin.pm, parse_config)."""
    if entry is None or entry.type != "dir" or (entry.options or {}).get("path", _LOCAL["path"]) != _LOCAL["path"]:
        return entry_of({**_LOCAL, "digest": digest})
    return replace(entry, nodes=())


def _sections(text: str) -> Iterator[tuple[int, str, Mapping[str, str]]]:
    """The line, name and settings of each section; an empty line ends one, and nothing else does."""
    start, storeid, settings = 0, "", {"": ""}
    for at, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#"):
            continue
        if not line:
            if storeid:
                yield start, storeid, settings
            storeid = ""
            continue
        match = (_SETTING if storeid else _HEADER).fullmatch(line)
        if match is None or (storeid and match[1] in settings):
            raise Unreadable(SOURCE, at, f"{shown(line)} is not a {'new setting' if storeid else 'header'}")
        if storeid:
            settings[match[1]] = match[2] or ("1" if match[1] in _FLAG_KEYS else "")
        else:
            start, storeid, settings = at, match[2], {"type": match[1].lower()}


def entry_of(entry: Entry) -> StorageEntry:
    """One entry from its settings, as the API words them. Raises Odd."""
    kind = text(entry, "type", _TYPE)
    vgname = text(entry, "vgname", _VG, None if kind in _ON_A_VG else "")
    nodes = _words(entry, "nodes", _NODE)
    if "nodes" in entry and not nodes:
        raise Odd("nodes is empty")
    return StorageEntry(
        storeid=text(entry, "storage", _STOREID),
        type=kind,
        vgname=vgname,
        is_shared=flag(entry, "shared") or kind in INHERENTLY_SHARED,
        is_disabled=flag(entry, "disable"),
        nodes=nodes,
        content=_words(entry, "content", _CONTENT, _DEFAULT_CONTENT.get(kind, "")),
        digest=text(entry, "digest", _FREE, ""),
        options={key: str(value) for key, value in sorted(entry.items()) if key not in _OWN_FIELDS},
    )


def _words(entry: Entry, key: str, grammar: re.Pattern[str], default: str = "") -> tuple[str, ...]:
    """The words of a list, sorted: PVE writes them in no order."""
    words = sorted({word for word in _LIST.split(text(entry, key, _FREE, default)) if word})
    odd = next((word for word in words if not grammar.fullmatch(word)), None)
    if odd:
        raise Odd(f"{key} holds {shown(odd)}")
    return tuple(words)
