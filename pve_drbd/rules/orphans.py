"""Device-mapper devices whose LV is gone: still writing to extents that may belong to another guest by now."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pve_drbd.findings import Finding, find
from pve_drbd.model.lvm import DmDevice, DmTarget, LogicalVolume, Lvm, PhysicalVolume
from pve_drbd.model.survey import NodeAccount, NoView
from pve_drbd.rules.devices import DRBD_MAJOR
from pve_drbd.rules.placement import Placement, guest_number
from pve_drbd.rules.views import missing

_SECTOR_B = 512
_DM_NAME = re.compile(r"((?:[^-]|--)+)-((?:[^-]|--)+)")
_NUMBER = re.compile(r"(?:vm|base|subvol)-(\d+)-")


def judge_orphans(view: NodeAccount, where: Placement, lv: LogicalVolume | None, vmid: int) -> Iterator[Finding]:
    """The orphans of this node in the VG of `where`: blockers on its extents or with its number, else warnings."""
    lvm = view.lvm.lvm
    if isinstance(lvm, NoView) or isinstance(view.lvm.dm, NoView):
        return
    for orphan in orphans_of(view, where.vg):
        yield from _damaged_tables(view)
        subject = {"node": view.node, "volume": where.name, "device": orphan.name}
        if number_of(orphan) == vmid or (lv is not None and _may_share(view, lvm, lv, orphan)):
            yield find("LVM-E209", **subject, vmid=str(vmid))
        else:
            yield find("LVM-W210", node=view.node, volume=where.vg, device=orphan.name, vg=where.vg)


def judge_all_orphans(view: NodeAccount, vg_name: str) -> Iterator[Finding]:
    """Every orphan of `vg_name` on this node: a blocker for each guest on whose extents it may lie, else a warning."""
    lvm = view.lvm.lvm
    if isinstance(lvm, NoView):
        return
    for orphan in orphans_of(view, vg_name):
        yield from _damaged_tables(view)
        hit = [lv for lv in lvm.lvs if lv.vg == vg_name and _may_share(view, lvm, lv, orphan)]
        for lv in hit:
            number = guest_number(lv)
            words = {"device": orphan.name, "vmid": str(number) if number else "(none)"}
            yield find("LVM-E209", node=view.node, volume=f"{vg_name}/{lv.name}", **words)
        if not hit:
            yield find("LVM-W210", node=view.node, volume=vg_name, device=orphan.name, vg=vg_name)


def orphans_of(view: NodeAccount, vg_name: str) -> tuple[DmDevice, ...]:
    """The dm devices of `vg_name` on this node, by uuid or by name, whose LV its metadata no longer has."""
    lvm = view.lvm.lvm
    if isinstance(lvm, NoView) or isinstance(view.lvm.dm, NoView):
        return ()
    vg = lvm.vg(vg_name)
    if vg is None:
        return ()
    own = vg.uuid.replace("-", "")
    known = {(own, lv.uuid.replace("-", "")) for lv in lvm.lvs if lv.vg == vg_name}
    keyed = ((each, each.lv_key) for each in view.lvm.dm)
    # A VG that was made anew has another uuid, and the devices of the old one its name.
    ours = (each for each, key in keyed if key and (key[0] == own or _vg_of(each) == vg_name) and key not in known)
    return tuple(ours)


def number_of(device: DmDevice) -> int | None:
    """The guest number in a dm name, in which LVM doubles every dash of a VG's or LV's own name."""
    parts = _DM_NAME.fullmatch(device.name)
    named = _NUMBER.match(parts.group(2).replace("--", "-")) if parts else None
    return int(named.group(1)) if named else None


def _vg_of(device: DmDevice) -> str:
    parts = _DM_NAME.fullmatch(device.name)
    return parts.group(1).replace("--", "-") if parts else ""


def _may_share(view: NodeAccount, lvm: Lvm, lv: LogicalVolume, orphan: DmDevice) -> bool:
    """Does `orphan` lie on an extent of `lv`: by its table, or, in a recording without tables, by age.

    An LV can only have got an orphan's extents if it was made after the orphan's LV was removed. Without the
    table every LV but the oldest of its VG is taken to have been.
    """
    targets = () if isinstance(view.lvm.tables, NoView) else view.lvm.tables.get(orphan.name, ())
    if not targets or any(target.device is None for target in targets):
        return lv.made_at > min(each.made_at for each in lvm.lvs if each.vg == lv.vg)
    taken = {extent for target in targets for extent in _extents(lvm, lv.vg, target)}
    own = {(part.pv, first) for part in lv.segments for first in range(part.first, part.first + part.extents)}
    return bool(taken & own)


def _extents(lvm: Lvm, vg_name: str, target: DmTarget) -> Iterator[tuple[str, int]]:
    """(PV, physical extent) of every extent that `target` touches."""
    vg = lvm.vg(vg_name)
    pv = _pv_at(lvm, vg_name, target.device)
    if vg is None or pv is None:
        return
    first_b = target.offset * _SECTOR_B - pv.pe_start_b
    last_b = first_b + target.sectors * _SECTOR_B - 1
    for extent in range(max(first_b // vg.extent_size_b, 0), last_b // vg.extent_size_b + 1):
        yield pv.name, extent


def _pv_at(lvm: Lvm, vg_name: str, device: tuple[int, int] | None) -> PhysicalVolume | None:
    major, minor = device or (0, 0)
    name = f"/dev/drbd{minor}"
    return next((pv for pv in lvm.pvs if major == DRBD_MAJOR and pv.vg == vg_name and pv.name == name), None)


def _damaged_tables(view: NodeAccount) -> Iterator[Finding]:
    """Tables that were never asked for are done without; damaged ones may have told of more volumes."""
    if isinstance(view.lvm.tables, NoView) and view.lvm.tables.is_damaged:
        yield from missing(view.lvm.tables)
