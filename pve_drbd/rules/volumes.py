"""Is one LV of a guest the same, whole and free to use on both nodes."""

from __future__ import annotations

from collections.abc import Iterator

from pve_drbd.findings import Finding, find
from pve_drbd.model.drbd import Role
from pve_drbd.model.lvm import LogicalVolume, Lvm, VolumeGroup
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NodeAccount, NoView, Survey
from pve_drbd.rules.devices import replicas_of
from pve_drbd.rules.filters import judge_filters
from pve_drbd.rules.orphans import judge_orphans
from pve_drbd.rules.placement import Placement, lvm_of, shown_off_drbd
from pve_drbd.rules.views import account, missing, resource

INCOMPLETE_TAG = "pve-drbd-incomplete"


def judge_volume(survey: Survey, where: Placement, vmid: int, source: str, target: str) -> Iterator[Finding]:
    """Everything LVM says against using `where` on `target`, or going on with it on `source`."""
    for node in dict.fromkeys((source, target)):
        yield from judge_vg_on(survey, where, node)
    yield from _judge_both(survey, where, source, target)
    yield from _judge_existence(survey, where, vmid, source, target)
    for node, peer in ((source, target), (target, source)):
        lv = _lv(survey, node, where)
        if lv is not None:
            yield from _judge_lv(where, lv, node)
            if node != source and lv.is_active:
                code = "LVM-E212" if lv.is_open else "LVM-W211"
                yield find(code, node=node, volume=where.name, vmid=vmid, peer=peer)
        view = account(survey, node)
        if isinstance(view, NodeAccount):
            yield from judge_orphans(view, where, lv, vmid)


def judge_vg_on(survey: Survey, where: Placement, node: str) -> Iterator[Finding]:
    """Does `node` show the VG of `where`, on DRBD and through the right filters."""
    view = account(survey, node)
    if isinstance(view, NoView):
        yield from missing(view)
        return
    for part in (view.lvm.lvm, view.lvm.dm, view.lvm.devices, *((view.drbd.config,) if where.is_guess else ())):
        yield from missing(part)
    yield from judge_filters(view, where.vg, where.resources)
    if isinstance(view.lvm.lvm, NoView):
        return
    vg = view.lvm.lvm.vg(where.vg)
    if vg is None:
        if not is_hidden_by_role(survey, where, node):
            yield find("LVM-E205", node=node, volume=where.vg, vg=where.vg)
        return
    yield from judge_backing(view, vg)


def is_hidden_by_role(survey: Survey, where: Placement, node: str) -> bool:
    """A resource of the VG is not Primary (or not up) on `node`, which hides the VG there without a word."""
    owns = [resource(survey, node, name) for name in where.vg_resources]
    return any(own is None or own.role is not Role.PRIMARY for own in owns)


def judge_backing(view: NodeAccount, vg: VolumeGroup) -> Iterator[Finding]:
    """The disks below DRBD that LVM on this node takes for volumes of `vg`."""
    for replica in replicas_of(view):
        for disk in replica.disks:
            for pv in sorted(set(disk.paths) & set(vg.pvs)):
                yield find("LVM-E201", node=view.node, resource=replica.resource, volume=vg.name, pv=pv, vg=vg.name)


def judge_off_drbd(survey: Survey, entry: StorageEntry) -> Iterator[Finding]:
    """The nodes on which the VG of an entry of our type is not on DRBD, against what the type promises."""
    for node in shown_off_drbd(survey, entry.vgname) if entry.type == "drbdlvm" else ():
        yield find("LVM-E219", node=node, volume=entry.vgname, vg=entry.vgname)


def _judge_both(survey: Survey, where: Placement, source: str, target: str) -> Iterator[Finding]:
    sides = [_vg(survey, node, where) for node in (source, target)]
    here, there = sides
    if here is None or there is None or source == target:
        return
    for what, own, other in (
        ("its uuid", here.uuid, there.uuid),
        ("its metadata sequence number", here.seqno, there.seqno),
        ("its size in bytes", here.size_b, there.size_b),
    ):
        if own != other:
            words = {"what": what, "here": str(own), "there": str(other)}
            yield find("LVM-E206", node=source, volume=where.vg, peer=target, vg=where.vg, **words)
            return


def _judge_existence(survey: Survey, where: Placement, vmid: int, source: str, target: str) -> Iterator[Finding]:
    nodes = [node for node in dict.fromkeys((source, target)) if _vg(survey, node, where) is not None]
    found = {node: lv for node in nodes if (lv := _lv(survey, node, where)) is not None}
    if nodes and not found:
        yield find("LVM-E208", volume=where.name, vmid=vmid, key=where.volume.key)
    for node in nodes:
        if node not in found and found:
            yield find("LVM-E207", node=node, volume=where.name, peer=next(iter(found)))
    if len(found) == 2:
        yield from _judge_same(where, found[source], found[target], source, target)


def _judge_same(
    where: Placement, here: LogicalVolume, there: LogicalVolume, source: str, target: str
) -> Iterator[Finding]:
    for what, own, other in (
        ("its uuid", here.uuid, there.uuid),
        ("its size in bytes", here.size_b, there.size_b),
        ("its place", _extents(here), _extents(there)),
    ):
        if own != other:
            words = {"what": what, "here": str(own), "there": str(other)}
            yield find("LVM-E217", node=source, volume=where.name, peer=target, **words)
            return


def _extents(lv: LogicalVolume) -> str:
    """Its extents without the PVs' names, which may differ where a node takes a backing disk for the PV."""
    return " ".join(f"{part.start}+{part.extents}@{part.first}" for part in lv.segments)


def _judge_lv(where: Placement, lv: LogicalVolume, node: str) -> Iterator[Finding]:
    subject = {"node": node, "volume": where.name}
    if lv.is_partial:
        yield find("LVM-E213", **subject, vg=where.vg)
    if lv.has_stale_table:
        yield find("LVM-E214", **subject, attributes=lv.attributes)
    if INCOMPLETE_TAG in lv.tags:
        yield find("LVM-E215", **subject)


def _vg(survey: Survey, node: str, where: Placement) -> VolumeGroup | None:
    lvm = lvm_of(survey, node)
    return lvm.vg(where.vg) if isinstance(lvm, Lvm) else None


def _lv(survey: Survey, node: str, where: Placement) -> LogicalVolume | None:
    lvm = lvm_of(survey, node)
    return lvm.lv(where.vg, where.lv) if isinstance(lvm, Lvm) else None
