"""A storage entry beside what the configuration wants of it, and beside what was last known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pve_drbd.findings import Finding, find
from pve_drbd.model.entry import DEFAULT_CONTENT, Change, EntryRequest, KnownEntry, WantedEntry
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.rules.placement import vg_resources
from pve_drbd.rules.views import hosts_of

ANY_NODE = "any node"


def wanted_changes(wanted: WantedEntry, actual: StorageEntry) -> tuple[Change, ...]:
    """The fields of `actual` that Proxmox VE can change and the configuration wants otherwise.

    What the configuration does not name is left alone, but for `shared`: without it Proxmox VE would copy volumes.
    """
    pairs = [("shared", str(int(actual.is_shared)), "1")]
    if wanted.content is not None:
        pairs.append(("content", _listed(actual.content), _listed(wanted.content)))
    if wanted.nodes is not None:
        pairs.append(("nodes", _listed(actual.nodes), _listed(wanted.nodes)))
    return tuple(Change(field, now, to_be) for field, now, to_be in pairs if now != to_be)


def creation(wanted: WantedEntry, hosts: Sequence[str], members: Sequence[str]) -> EntryRequest:
    """The call that makes the entry. It is confined to `hosts`, those of its resources, if there are other members."""
    nodes = wanted.nodes if wanted.nodes is not None else tuple(hosts) if set(members) - set(hosts) else ()
    fields: list[tuple[str, str | int]] = [
        ("storage", wanted.storeid),
        ("type", wanted.type),
        ("vgname", wanted.vg),
        ("content", _listed(wanted.content or DEFAULT_CONTENT)),
        ("shared", 1),
    ]
    return EntryRequest("post", "/storage", (*fields, *((("nodes", _listed(nodes)),) if nodes else ())))


def update(storeid: str, changes: Sequence[Change]) -> EntryRequest:
    """The call that makes `changes`; a field that is to be '' is taken away."""
    fields: list[tuple[str, str | int]] = [(each.field, each.wanted) for each in changes if each.wanted]
    gone = [each.field for each in changes if not each.wanted]
    return EntryRequest("put", f"/storage/{storeid}", (*fields, *((("delete", ",".join(gone)),) if gone else ())))


def judge_wanted(wanted: WantedEntry, actual: StorageEntry | None) -> Iterator[Finding]:
    """What of `actual` is not as the configuration wants it; fixed fields are told, never changed."""
    if actual is None:
        yield find("PVE-W413", volume=wanted.vg, storage=wanted.storeid, vg=wanted.vg)
        return
    yield from judge_fixed(wanted, actual)
    for each in wanted_changes(wanted, actual):
        words = {"field": each.field, "now": each.now or "not set", "wanted": each.wanted or "not set"}
        yield find("PVE-W403", volume=wanted.vg, storage=wanted.storeid, **words)


def judge_fixed(wanted: WantedEntry, actual: StorageEntry) -> Iterator[Finding]:
    """The type and the volume group, which Proxmox VE lets nobody change."""
    if actual.type != wanted.type:
        verb = {"drbdlvm": "adopt", "lvm": "release"}[wanted.type]
        words = {"storage": wanted.storeid, "now": actual.type, "wanted": wanted.type, "verb": verb}
        yield find("PVE-E404", volume=wanted.vg, **words)
    if actual.vgname != wanted.vg:
        words = {"storage": wanted.storeid, "now": actual.vgname or "none", "wanted": wanted.vg}
        yield find("PVE-E405", volume=wanted.vg, **words)


def judge_drift(known: Sequence[KnownEntry], present: Sequence[StorageEntry] | NoView) -> Iterator[Finding]:
    """The entries that vanished, or changed in a field that matters, since they were last known to be right."""
    if isinstance(present, NoView):
        return
    by_name = {each.storeid: each for each in present}
    for each in known:
        entry = by_name.get(each.storeid)
        if entry is None:
            yield find("PVE-E401", volume=each.vg, storage=each.storeid, type=each.type, vg=each.vg)
            continue
        for field, then, now in _fields(each, entry):
            if then != now:
                words = {"field": field, "then": then or "not set", "now": now or "not set", "seen_at": each.seen_at}
                yield find("PVE-W402", volume=each.vg, storage=each.storeid, **words)


def known_of(entry: StorageEntry, vg_uuid: str, seen_at: str) -> KnownEntry:
    """What is to be remembered of `entry`."""
    return KnownEntry(
        entry.storeid, entry.type, entry.vgname, entry.is_disabled, entry.nodes, entry.content, vg_uuid, seen_at
    )


def is_same_entry(here: StorageEntry | None, there: StorageEntry | None) -> bool:
    """Equal in everything but the digest, which any change of storage.cfg alters."""
    if here is None or there is None:
        return here is there
    fields = ("storeid", "type", "vgname", "is_shared", "is_disabled", "nodes", "content")
    same = all(getattr(here, field) == getattr(there, field) for field in fields)
    return same and dict(here.options or {}) == dict(there.options or {})


def hosts_of_vg(survey: Survey, vg: str) -> tuple[str, ...]:
    """The hosts of every resource below `vg`, in alphabetical order."""
    return tuple(sorted({host for name in vg_resources(survey, vg) or () for host in hosts_of(survey, name)}))


def _fields(known: KnownEntry, entry: StorageEntry) -> Iterator[tuple[str, str, str]]:
    yield "type", known.type, entry.type
    yield "vgname", known.vg, entry.vgname
    yield "disable", str(int(known.is_disabled)), str(int(entry.is_disabled))
    yield "nodes", _listed(known.nodes) or ANY_NODE, _listed(entry.nodes) or ANY_NODE
    yield "content", _listed(known.content), _listed(entry.content)


def _listed(words: Sequence[str]) -> str:
    return ",".join(sorted(words))
