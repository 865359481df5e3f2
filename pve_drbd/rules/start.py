"""May this guest start where it is: only this node's own copy and link decide, a missing peer does not."""

from __future__ import annotations

from collections.abc import Iterator

from pve_drbd.findings import Finding, Mode, Report, find, report
from pve_drbd.model.pve import Guest, GuestConfig
from pve_drbd.model.survey import PVE, NoView, PveAccount, Survey
from pve_drbd.rules.guests import judge_entry, judge_quorum
from pve_drbd.rules.migration import CLI_LIMIT_S, judge_age, judge_placements
from pve_drbd.rules.placement import Placement, place, volumes_by_name
from pve_drbd.rules.views import hosts_of, missing
from pve_drbd.rules.volumes import judge_off_drbd

_FROM_THE_PEER = frozenset({"LVM-E212"})
"""The findings on the other node that forbid a start here."""

_OF_A_PAIR = frozenset({"DRBD-N127"})
"""What is told of the two nodes that a move is judged between; a start looks at every host in turn."""


def judge_start(survey: Survey, vmid: int, node: str = "", limit_s: float = CLI_LIMIT_S) -> Report:
    """May guest `vmid` start on the node that has its configuration (`node` where PVE cannot say)."""
    guest = None if isinstance(survey.pve, NoView) else survey.pve.guest(vmid)
    here = guest.node if guest else node
    question = {"ask": "start", "vmid": str(vmid), "node": here, "mode": Mode.START.value}
    findings = [*_judge(survey, vmid, guest, here), *judge_age(survey, (here,), limit_s)]
    return report(question, Mode.START, findings)


def _judge(survey: Survey, vmid: int, guest: Guest | None, here: str) -> Iterator[Finding]:
    pve = survey.pve
    if isinstance(pve, NoView):
        yield from missing(pve)
        yield from _judge_placements(survey, volumes_by_name(survey, vmid), vmid, here)
        return
    for part in (pve.cluster, pve.guests, pve.storages):
        yield from missing(part)
    if guest is None and not isinstance(pve.guests, NoView):
        yield find("PVE-E301", vmid=str(vmid))
        return
    yield from judge_quorum(pve)
    config = pve.configs.get(vmid, NoView(PVE, f"the configuration of guest {vmid}", "it was not asked"))
    if guest is None or isinstance(config, NoView) or isinstance(pve.storages, NoView):
        yield from missing(config)
        yield from _judge_placements(survey, volumes_by_name(survey, vmid), vmid, here)
        return
    yield from _judge_configured(survey, pve, guest, config)


def _judge_configured(survey: Survey, pve: PveAccount, guest: Guest, config: GuestConfig) -> Iterator[Finding]:
    vmid, here = guest.vmid, guest.node
    lock = config.lock or guest.lock
    if lock:
        yield find("PVE-E306", node=here, vmid=str(vmid), lock=lock)
    placements: dict[str, Placement] = {}
    for volume in config.volumes:
        if not volume.is_attached or volume.snapshot:
            continue
        entry = pve.storage(volume.storage)
        if entry is None:
            yield find("PVE-E302", volume=volume.volid, vmid=str(vmid), key=volume.key, storage=volume.storage)
            continue
        where = place(survey, volume, entry) if entry.is_lvm else None
        if where is None:
            yield from judge_off_drbd(survey, entry)
        else:
            placements.setdefault(where.name, where)
            yield from judge_entry(entry, vmid, (here,))
    if not placements:
        yield find("PVE-N319", vmid=str(vmid))
    yield from _judge_placements(survey, tuple(placements.values()), vmid, here)


def _judge_placements(survey: Survey, placements: tuple[Placement, ...], vmid: int, here: str) -> Iterator[Finding]:
    """What `here` says of these volumes, held against each node that has a replica of theirs."""
    names = {name for where in placements for name in where.vg_resources}
    peers = {host for name in names for host in hosts_of(survey, name)} - {here}
    for peer in sorted(peers) or [here]:
        for each in judge_placements(survey, placements, vmid, here, peer):
            if each.code not in _OF_A_PAIR and (each.node != peer or each.code in _FROM_THE_PEER or peer == here):
                yield each
