"""May this guest move to that node now: the one question that everything else serves."""

from __future__ import annotations

from collections.abc import Iterator

from pve_drbd.findings import Finding, Mode, Report, Severity, find, report
from pve_drbd.model.pve import Guest, GuestConfig, GuestKind, GuestState
from pve_drbd.model.survey import PVE, NoView, PveAccount, Survey
from pve_drbd.rules import guests
from pve_drbd.rules.health import judge_resource
from pve_drbd.rules.placement import Placement, place, volumes_by_name
from pve_drbd.rules.views import account, missing
from pve_drbd.rules.volumes import judge_off_drbd, judge_volume

CLI_LIMIT_S = 10.0
"""An answer given to a person may rest on a view of this age; the gate allows 2 s."""


def judge_migration(
    survey: Survey, vmid: int, target: str, mode: Mode | None = None, limit_s: float = CLI_LIMIT_S
) -> Report:
    """May guest `vmid` move to `target`; without a `mode`, the one that its state and kind ask for."""
    guest = None if isinstance(survey.pve, NoView) else survey.pve.guest(vmid)
    asked = mode or usual_mode(guest)
    source = guest.node if guest else other_node(survey, target)
    question = {"ask": "migration", "vmid": str(vmid), "source": source, "target": target, "mode": asked.value}
    findings = list(_judge(survey, vmid, guest, source, target))
    findings += judge_age(survey, (source, target), limit_s)
    return report(question, asked, findings)


def usual_mode(guest: Guest | None) -> Mode:
    """How Proxmox VE would move the guest as it is: running VM live, running container by restart, else offline."""
    if guest is None or guest.state in (GuestState.UNKNOWN, GuestState.PAUSED):
        return Mode.LIVE
    if guest.state is not GuestState.RUNNING:
        return Mode.OFFLINE
    return Mode.LIVE if guest.kind is GuestKind.VM else Mode.RESTART


def other_node(survey: Survey, node: str) -> str:
    """The first surveyed node that is not `node`; '' if there is none."""
    return next((each for each in sorted(survey.nodes) if each != node), "")


def judge_age(survey: Survey, nodes: tuple[str, ...], limit_s: float) -> Iterator[Finding]:
    """The accounts of `nodes` that are older than an answer may rest on."""
    for node in dict.fromkeys(nodes):
        view = account(survey, node)
        if not isinstance(view, NoView) and view.age_s > limit_s:
            yield find("VIEW-E003", node=node, age_s=f"{view.age_s:.1f}", limit_s=f"{limit_s:g}")


def _judge(survey: Survey, vmid: int, guest: Guest | None, source: str, target: str) -> Iterator[Finding]:
    pve = survey.pve
    if isinstance(pve, NoView):
        yield from missing(pve)
        yield from _judge_by_name(survey, vmid, source, target)
        return
    yield from guests.judge_cluster(pve, source, target)
    for part in (pve.guests, pve.storages, pve.ha):
        yield from missing(part)
    if guest is None:
        if not isinstance(pve.guests, NoView):
            yield find("PVE-E301", vmid=str(vmid))
        else:
            yield from _judge_by_name(survey, vmid, source, target)
        return
    if guest.node == target:
        yield find("PVE-E317", node=target, vmid=str(vmid))
        return
    config = pve.configs.get(vmid, NoView(PVE, f"the configuration of guest {vmid}", "it was not asked"))
    if isinstance(config, NoView):
        yield from missing(config)
        yield from _judge_by_name(survey, vmid, source, target)
        return
    yield from guests.judge_guest(guest, config, target)
    if not isinstance(pve.cluster, NoView) and pve.cluster.node(target) is None:
        return
    yield from _judge_volumes(survey, pve, guest, config, target)


def _judge_volumes(
    survey: Survey, pve: PveAccount, guest: Guest, config: GuestConfig, target: str
) -> Iterator[Finding]:
    placements: dict[str, Placement] = {}
    if isinstance(pve.storages, NoView):
        yield from _judge_by_name(survey, guest.vmid, guest.node, target)
        return
    for volume in config.volumes:
        entry = pve.storage(volume.storage)
        words = {"vmid": str(guest.vmid), "key": volume.key}
        if not volume.is_attached:
            yield find("PVE-N318", **words, volid=volume.volid)
            continue
        if entry is None:
            yield find("PVE-E302", volume=volume.volid, **words, storage=volume.storage)
            continue
        where = place(survey, volume, entry) if entry.is_lvm else None
        if where is None:
            yield from guests.judge_local(guest, volume, entry)
            yield from judge_off_drbd(survey, entry)
            continue
        placements.setdefault(where.name, where)
        yield from guests.judge_entry(entry, guest.vmid, (guest.node, target))
        yield from guests.judge_drive(guest, volume, entry)
    if not placements:
        yield find("PVE-N319", vmid=str(guest.vmid))
    yield from judge_placements(survey, tuple(placements.values()), guest.vmid, guest.node, target)


def _judge_by_name(survey: Survey, vmid: int, source: str, target: str) -> Iterator[Finding]:
    """Without PVE's account: the volumes that carry the guest's number. Finds blockers, proves nothing healthy."""
    if source:
        yield from judge_placements(survey, volumes_by_name(survey, vmid), vmid, source, target)
        for node in (source, target):
            view = account(survey, node)
            yield from missing(view)


def judge_placements(
    survey: Survey, placements: tuple[Placement, ...], vmid: int, source: str, target: str
) -> Iterator[Finding]:
    """Every volume and every resource below one, between the two nodes."""
    own = {name for where in placements for name in where.resources}
    for where in placements:
        yield from judge_volume(survey, where, vmid, source, target)
    for name in sorted(own):
        yield from judge_resource(survey, name, source, target)
    for where in placements:
        for name in sorted(set(where.vg_resources) - own):
            if _is_degraded(survey, name, source, target):
                words = {"vg": where.vg, "vmid": str(vmid)}
                yield find("LVM-W216", node=target, resource=name, volume=where.vg, **words)


def _is_degraded(survey: Survey, name: str, source: str, target: str) -> bool:
    return any(each.severity_in(Mode.LIVE) is Severity.BLOCKER for each in judge_resource(survey, name, source, target))
