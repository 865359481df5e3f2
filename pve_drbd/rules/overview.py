"""The state of everything at one glance: each resource, VG, entry and guest, as each node and PVE tell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pve_drbd.findings import Finding, Report, Severity, find, report
from pve_drbd.model.drbd import Progress, Resource
from pve_drbd.model.entry import KnownEntry
from pve_drbd.model.lvm import Lvm
from pve_drbd.model.pve import Guest
from pve_drbd.model.survey import NoView, PveAccount, Survey
from pve_drbd.rules.enforcement import judge_enforcement
from pve_drbd.rules.entry import judge_drift
from pve_drbd.rules.entry_ground import judge_neighbours
from pve_drbd.rules.filters import judge_filters
from pve_drbd.rules.guests import judge_quorum
from pve_drbd.rules.health import judge_resource, judge_side
from pve_drbd.rules.migration import CLI_LIMIT_S, judge_age
from pve_drbd.rules.orphans import judge_all_orphans
from pve_drbd.rules.placement import lvm_of, place, storage_vgs, vg_resources
from pve_drbd.rules.views import account, connection_to, hosts_of, missing, resource, resource_names
from pve_drbd.rules.volumes import judge_backing, judge_off_drbd


@dataclass(frozen=True, slots=True)
class Side:
    """One volume of a resource as `node` itself tells it; `missing` says why where it does not."""

    node: str
    missing: str = ""
    role: str = ""
    disk: str = ""
    connection: str = ""
    replication: str = ""
    out_of_sync_kib: int | None = None
    suspended: tuple[str, ...] = ()
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class ResourceView:
    """One volume of a resource, by every host's own account."""

    name: str
    volume: int
    is_healthy: bool
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class VgView:
    """One VG on DRBD: who shows it, and how much of it is free."""

    name: str
    resources: tuple[str, ...]
    shown_by: tuple[str, ...]
    size_b: int
    free_b: int
    is_healthy: bool


@dataclass(frozen=True, slots=True)
class EntryView:
    """One storage entry on such a VG."""

    storeid: str
    type: str
    vg: str
    is_shared: bool
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class GuestView:
    """One guest with volumes on such a VG; it is mirrored if all of them lie on healthy resources."""

    vmid: int
    name: str
    kind: str
    node: str
    state: str
    volumes: tuple[str, ...]
    resources: tuple[str, ...]
    is_mirrored: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything `status` shows; `report` holds what is wrong, and whether anything is."""

    report: Report
    resources: tuple[ResourceView, ...]
    vgs: tuple[VgView, ...]
    entries: tuple[EntryView, ...]
    guests: tuple[GuestView, ...]


def overview(survey: Survey, limit_s: float = CLI_LIMIT_S, known: Sequence[KnownEntry] | NoView = ()) -> Overview:
    """The state of every resource that any node has, and of what lies on it; `known` are the entries as last known."""
    by_resource = {name: tuple(_judge_pair(survey, name)) for name in resource_names(survey)}
    sick = {name for name, findings in by_resource.items() if any(_is_blocker(each) for each in findings)}
    findings = [each for found in by_resource.values() for each in found]
    for node in sorted(survey.nodes):
        findings += missing(account(survey, node))
    vgs = tuple(_vgs(survey, sick))
    findings += judge_age(survey, tuple(sorted(survey.nodes)), limit_s)
    findings += (each for vg in vgs for each in _judge_vg(survey, vg))
    pve = survey.pve
    findings += missing(pve) if isinstance(pve, NoView) else _judge_pve(survey, pve, {vg.name for vg in vgs})
    findings += missing(known) if isinstance(known, NoView) else _judge_entries(survey, known)
    question = {"ask": "status"}
    return Overview(
        report=report(question, None, findings),
        resources=tuple(view for name in by_resource for view in _resource_views(survey, name, name not in sick)),
        vgs=vgs,
        entries=() if isinstance(pve, NoView) else tuple(_entries(pve, vgs)),
        guests=() if isinstance(pve, NoView) else tuple(_guests(survey, pve, sick)),
    )


def _is_blocker(finding: Finding) -> bool:
    return finding.entry.severity is Severity.BLOCKER


def _judge_pair(survey: Survey, name: str) -> Iterator[Finding]:
    hosts = hosts_of(survey, name) or tuple(sorted(survey.nodes))
    if len(hosts) < 2:
        yield from judge_side(survey, name, hosts[0], "")
    else:
        yield from judge_resource(survey, name, hosts[0], hosts[1])


def _resource_views(survey: Survey, name: str, is_healthy: bool) -> Iterator[ResourceView]:
    hosts = hosts_of(survey, name) or tuple(sorted(survey.nodes))
    owns = {node: resource(survey, node, name) for node in hosts}
    numbers = sorted({volume.number for own in owns.values() if own for volume in own.volumes}) or [0]
    for number in numbers:
        sides = tuple(_side(survey, node, owns[node], hosts, number) for node in hosts)
        yield ResourceView(name, number, is_healthy, sides)


def _side(survey: Survey, node: str, own: Resource | None, hosts: tuple[str, ...], number: int) -> Side:
    if own is None:
        view = account(survey, node)
        part = view if isinstance(view, NoView) else view.drbd.resources
        return Side(node, missing=part.reason if isinstance(part, NoView) else "down")
    peer = next((each for each in hosts if each != node), "")
    link = connection_to(own, peer)
    seen = next((each for each in link.volumes if each.number == number), None) if link else None
    disk = next((each.disk.value for each in own.volumes if each.number == number), "")
    return Side(
        node,
        role=own.role.value,
        disk=disk,
        connection=link.state.value if link else "none",
        replication=seen.replication.value if seen else "",
        out_of_sync_kib=seen.out_of_sync_kib if seen else None,
        suspended=own.suspended,
        progress=seen.progress if seen else None,
    )


def _vgs(survey: Survey, sick: set[str]) -> Iterator[VgView]:
    shown: dict[str, list[str]] = {}
    for node in sorted(survey.nodes):
        lvm = lvm_of(survey, node)
        for vg in lvm.vgs if isinstance(lvm, Lvm) else ():
            shown.setdefault(vg.name, []).append(node)
    for name, nodes in sorted(shown.items()):
        below = vg_resources(survey, name)
        first = lvm_of(survey, nodes[0])
        group = first.vg(name) if isinstance(first, Lvm) else None
        if below and group:
            yield VgView(name, below, tuple(nodes), group.size_b, group.free_b, not sick & set(below))


def _judge_vg(survey: Survey, vg: VgView) -> Iterator[Finding]:
    for node in sorted(survey.nodes):
        view = account(survey, node)
        if isinstance(view, NoView):
            continue
        yield from missing(view.lvm.lvm)
        yield from judge_filters(view, vg.name, vg.resources)
        lvm = view.lvm.lvm
        group = None if isinstance(lvm, NoView) else lvm.vg(vg.name)
        yield from judge_backing(view, group) if group else ()
        yield from judge_all_orphans(view, vg.name)
    yield from _one_sided(survey, vg)


def _one_sided(survey: Survey, vg: VgView) -> Iterator[Finding]:
    """The LVs of `vg` that only one of two nodes shows."""
    if len(vg.shown_by) != 2:
        return
    names = {node: _lv_names(survey, node, vg.name) for node in vg.shown_by}
    for node, peer in (vg.shown_by, vg.shown_by[::-1]):
        only = sorted(names[node] - names[peer])
        if only:
            yield find("LVM-W218", node=node, volume=vg.name, vg=vg.name, peer=peer, volumes=", ".join(only))


def _lv_names(survey: Survey, node: str, vg: str) -> set[str]:
    lvm = lvm_of(survey, node)
    return {lv.name for lv in lvm.lvs if lv.vg == vg} if isinstance(lvm, Lvm) else set()


def _judge_pve(survey: Survey, pve: PveAccount, vgs: set[str]) -> Iterator[Finding]:
    for part in (pve.cluster, pve.storages, pve.guests, pve.ha):
        yield from missing(part)
    yield from judge_quorum(pve)
    yield from _judge_configs(pve)
    entries = storage_vgs(pve)
    for vg in sorted(vgs - {each.vgname for each in entries}) if not isinstance(pve.storages, NoView) else ():
        yield find("PVE-W322", volume=vg, vg=vg)
    for entry in entries:
        yield from judge_off_drbd(survey, entry)
        if entry.vgname in vgs and not entry.is_shared:
            yield find("PVE-E303", storage=entry.storeid, vmid="of any number")


def _judge_entries(survey: Survey, known: Sequence[KnownEntry]) -> Iterator[Finding]:
    """What became of the entries since they were last known to be right, and whom none of them protects."""
    if isinstance(survey.pve, NoView):
        return
    yield from judge_drift(known, survey.pve.storages)
    for entry in storage_vgs(survey.pve):
        if vg_resources(survey, entry.vgname):
            yield from judge_neighbours(survey.pve, entry.vgname, entry.storeid)
    yield from judge_enforcement(survey)


def _judge_configs(pve: PveAccount) -> Iterator[Finding]:
    """Guests whose configuration could not be read, or names a storage that has no entry."""
    for vmid, config in sorted(pve.configs.items()):
        yield from missing(config)
        volumes = () if isinstance(config, NoView) or isinstance(pve.storages, NoView) else config.volumes
        for volume in volumes:
            if volume.is_attached and pve.storage(volume.storage) is None:
                words = {"vmid": str(vmid), "key": volume.key, "storage": volume.storage}
                yield find("PVE-E302", volume=volume.volid, **words)


def _entries(pve: PveAccount, vgs: tuple[VgView, ...]) -> Iterator[EntryView]:
    names = {vg.name for vg in vgs}
    for entry in sorted(storage_vgs(pve), key=lambda each: each.storeid):
        if entry.type == "drbdlvm" or entry.vgname in names:
            yield EntryView(entry.storeid, entry.type, entry.vgname, entry.is_shared, entry.is_disabled)


def _guests(survey: Survey, pve: PveAccount, sick: set[str]) -> Iterator[GuestView]:
    listed: tuple[Guest, ...] = () if isinstance(pve.guests, NoView) else pve.guests
    for guest in sorted(listed, key=lambda each: each.vmid):
        config = pve.configs.get(guest.vmid)
        if config is None or isinstance(config, NoView):
            continue
        pairs = [(volume, pve.storage(volume.storage)) for volume in config.volumes if volume.is_attached]
        placed = [place(survey, volume, entry) for volume, entry in pairs if entry and entry.is_lvm]
        where = [each for each in placed if each]
        if where:
            below = tuple(sorted({name for each in where for name in each.resources}))
            volumes = tuple(sorted({each.name for each in where}))
            is_mirrored = bool(below) and not sick & set(below)
            words = (guest.name, guest.kind.value, guest.node, guest.state.value)
            yield GuestView(guest.vmid, *words, volumes, below, is_mirrored)
