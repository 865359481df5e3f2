"""What stands in the way of discarding one side, whatever the guests cost: each in words, with the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pve_drbd.model.drbd import DiskState, Role
from pve_drbd.model.evacuation import Change, VolumeChange
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.planner.groups import Split
from pve_drbd.planner.setting import Setting, Subject
from pve_drbd.rules.divergence import changed_kib
from pve_drbd.rules.placement import lvm_of, vg_resources
from pve_drbd.rules.views import resource


def blockers(
    survey: Survey, split: Split, setting: Setting, changes: Sequence[VolumeChange], subjects: Sequence[Subject]
) -> tuple[str, ...]:
    """Everything that forbids the discard of the setting's victim; nothing if the guests alone decide."""
    return (
        *_unfit(survey, split, setting),
        *_unasked(survey),
        *_hidden(survey, split, setting, changes),
        *_undecided(split, setting, changes, subjects),
        *_unowned(setting, changes, subjects),
    )


def _unfit(survey: Survey, split: Split, setting: Setting) -> Iterator[str]:
    """A survivor without good data of its own."""
    for name in split.resources:
        own = resource(survey, setting.survivor, name)
        for volume in own.volumes if own else ():
            if volume.disk is not DiskState.UP_TO_DATE:
                told = f"{name}/{volume.number} is {volume.disk.value} on {setting.survivor}, not UpToDate"
                yield f"{told}: it cannot survive"


def _unasked(survey: Survey) -> Iterator[str]:
    """Without PVE's account nobody knows which guests would lose something."""
    pve = survey.pve
    for view in (pve,) if isinstance(pve, NoView) else (pve.guests, pve.storages):
        if isinstance(view, NoView):
            yield f"Proxmox VE did not tell {view.subject}: {view.reason}"
    for vmid, config in sorted({} if isinstance(pve, NoView) else pve.configs.items()):
        if isinstance(config, NoView):
            yield f"the configuration of guest {vmid} could not be read: {config.reason}"


def _hidden(survey: Survey, split: Split, setting: Setting, changes: Iterable[VolumeChange]) -> Iterator[str]:
    """A victim that changed something where nobody can see what lies there."""
    victim, lvm = setting.victim, lvm_of(survey, setting.victim)
    known = {name for each in changes for name in each.resources}
    for name in split.resources:
        own = resource(survey, victim, name)
        if own is None:
            yield f"{name} is not up on {victim}"
        elif all(changed_kib(own, setting.survivor, volume.number) == "0" for volume in own.volumes):
            continue
        elif isinstance(lvm, NoView):
            yield f"LVM of {victim} could not be looked at: {lvm.reason}"
        elif own.role is not Role.PRIMARY:
            way_out = f"make it Primary again while both sides are StandAlone (drbdadm primary {name}), then plan again"
            yield f"{name} is {own.role.value} on {victim}, which hides what lies on it: {way_out}"
        elif any(lvm.vg(vg) is None for vg in split.vgs if name in (vg_resources(survey, vg) or ())):
            yield f"LVM of {victim} does not show the volume group on {name}"
        elif name not in known:
            yield f"{victim} changed {name}, and nobody knows what lies on it"


def _undecided(
    split: Split, setting: Setting, changes: Iterable[VolumeChange], subjects: Iterable[Subject]
) -> Iterator[str]:
    """A guest's volumes that may have changed on both sides: only the operator can say which copy counts."""
    wishes, told = setting.wishes, {subject.guest.vmid for subject in subjects}
    for each in changes:
        if each.vmid not in told or each.vmid in wishes.sides or each.vmid in wishes.abandoned:
            continue
        if unknown_on_both(each, split.nodes):
            states = " and ".join(f"{each.per_side[node].value} on {node}" for node in split.nodes)
            yield f"{name_of(each)} is {states}: decide with --side {each.vmid}=NODE"


def _unowned(setting: Setting, changes: Iterable[VolumeChange], subjects: Iterable[Subject]) -> Iterator[str]:
    """What the discard would destroy and no guest of the plan owns: it must be given up by name, or saved by hand."""
    owned = {(change.vg, change.lv_uuid) for subject in subjects for change in subject.changes if change.vg}
    wishes, victim = setting.wishes, setting.victim
    for each in changes:
        is_given_up = each.vmid is not None and (
            each.vmid in wishes.abandoned or wishes.sides.get(each.vmid) == setting.survivor
        )
        if (each.vg, each.lv_uuid) in owned or is_given_up or change_of(each, victim).has_nothing_to_lose:
            continue
        way_out = "save it by hand and remove it there"
        if each.vmid is not None:
            way_out = f"give it up with --abandon {each.vmid}, or {way_out}"
        state = change_of(each, victim).value
        yield f"{name_of(each)} on {victim} belongs to no guest in the plan and is {state} there: {way_out}"


def unknown_on_both(change: VolumeChange, nodes: tuple[str, str]) -> bool:
    """Neither side's copy is known to be safe to lose: the operator must decide which one counts."""
    return not any(change_of(change, node).has_nothing_to_lose for node in nodes)


def change_of(change: VolumeChange, node: str) -> Change:
    """What is known of the volume on `node`; a side that gives no answer is unknown."""
    return change.per_side.get(node, Change.UNKNOWN)


def name_of(change: VolumeChange) -> str:
    """'VG/LV', or the name of another use of a device."""
    return f"{change.vg}/{change.lv}" if change.vg else change.lv
