"""What changed where: each LV, and each other use of a DRBD device, on each side since the link was last good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pve_drbd.model.drbd import Role
from pve_drbd.model.evacuation import Change, DirtyMap, Twin, VgChange, VolumeChange
from pve_drbd.model.lvm import DiskCounters
from pve_drbd.model.survey import NodeAccount, NoView, Survey
from pve_drbd.rules.device_uses import Layout, Places, Use, metadata_of_vg, pv_below_drbd
from pve_drbd.rules.guest_claims import Logged, Tasks, claims_of, logged, not_run_on
from pve_drbd.rules.replica_changes import Ground, Range, Slot, ground_of, overlap_kib
from pve_drbd.rules.subjects import Subject, layouts_of, subjects_of, vg_subjects
from pve_drbd.rules.views import resource

Marks = Mapping[tuple[str, str], DiskCounters]
"""By (node, lv_uuid): the write counters of an LV's device while the link was still good, in the boot that still runs.

Taken after the loss they would prove nothing: writes that the loss released are counted, and the peer lacks them.
"""

_KIB = 1024
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is known of one use on one side.

    `most_kib` is the most that changed, None if that is not known; `bits_kib` what the bitmap alone shows for sure.
    """

    change: Change
    words: str
    most_kib: int | None = 0
    bits_kib: int = 0


@dataclass(frozen=True, slots=True)
class _World:
    """The survey, what was given beside it, and what follows from them for every replica."""

    survey: Survey
    layouts: Mapping[str, Layout | NoView]
    grounds: Mapping[tuple[str, Slot], Ground]
    logs: Logged
    marks: Marks


def volume_changes(
    survey: Survey, resources: Iterable[str], tasks: Tasks | None = None, marks: Marks | None = None
) -> tuple[VolumeChange, ...]:
    """Every LV of every VG on `resources`, and every other use of their devices, with an answer for each side.

    Sorted by VG, name and uuid; other uses last. A side is a node that any configuration names for a resource below.
    Without `tasks` nothing is `not run here`, and without `marks` no write counters are compared.
    """
    layouts, claims = layouts_of(survey), claims_of(survey)
    vgs = vg_subjects(survey, layouts, frozenset(resources))
    subjects = subjects_of(survey, layouts, frozenset(resources), claims)
    world = _World(survey, layouts, _grounds(survey, (*vgs, *subjects)), logged(tasks or {}), marks or {})
    found = [_change(world, each) for each in subjects]
    return tuple(sorted(found, key=lambda each: (not each.vg, each.vg, each.lv, each.lv_uuid)))


def vg_changes(survey: Survey, resources: Iterable[str]) -> tuple[VgChange, ...]:
    """For every VG on `resources`, sorted by name: did a side change its metadata."""
    layouts = layouts_of(survey)
    vgs = vg_subjects(survey, layouts, frozenset(resources))
    world = _World(survey, layouts, _grounds(survey, vgs), {}, {})
    return tuple(_vg_change(world, each) for each in vgs)


def _grounds(survey: Survey, subjects: Iterable[Subject]) -> Mapping[tuple[str, Slot], Ground]:
    wanted = {(node, slot) for each in subjects for node in each.nodes for slot in each.slots}
    return {key: ground_of(survey, *key) for key in sorted(wanted)}


def _vg_change(world: _World, vg: Subject) -> VgChange:
    answers = {node: _metadata(world, vg, node) for node in vg.nodes}
    evidence = {}
    for node, answer in answers.items():
        layout = world.layouts.get(node)
        group = layout.lvm.vg(vg.vg) if isinstance(layout, Layout) else None
        evidence[node] = f"sequence number {group.seqno}: {answer.words}" if group else answer.words
    return VgChange(vg.vg, {node: each.change for node, each in answers.items()}, evidence)


def _metadata(world: _World, subject: Subject, node: str) -> _Answer:
    """Did `node` change the metadata of the subject's VG."""
    layout = world.layouts.get(node)
    if node not in subject.seeing or not isinstance(layout, Layout):
        return _unseen(world, subject, node)
    past_drbd = _past_drbd(world, subject, node)
    return past_drbd or _by_places(world, node, metadata_of_vg(layout, subject.vg), "the VG's metadata")


def _change(world: _World, subject: Subject) -> VolumeChange:
    first = subject.first
    users = subject.claimed | ({first.vmid} if first.vmid is not None else frozenset())
    answers = {node: _answer(world, subject, node, users) for node in subject.nodes}
    size_b = max(each.size_b for each in subject.uses.values())
    return VolumeChange(
        vg=subject.vg,
        lv=first.name,
        lv_uuid=first.lv.uuid if first.lv else "",
        vmid=first.vmid if first.vmid is not None else min(users, default=None),
        size_mib=-(-size_b // _MIB),
        exists_on=tuple(node for node in subject.nodes if node in subject.uses and _is_shown(subject, node)),
        per_side={node: each.change for node, each in answers.items()},
        evidence={node: each.words for node, each in answers.items()},
        changed_mib={node: _most_mib(each, size_b) for node, each in answers.items()},
        resources=tuple(sorted({slot[0] for slot in subject.slots})),
        twins=tuple(twin for twin in Twin if twin in subject.twins),
    )


def _is_shown(subject: Subject, node: str) -> bool:
    """An orphan is not: no LVM shows an LV for it."""
    return not subject.vg or subject.uses[node].lv is not None


def _most_mib(answer: _Answer, size_b: int) -> int:
    if answer.change.has_nothing_to_lose:
        return 0
    most_b = size_b if answer.most_kib is None else min(size_b or 2**63, answer.most_kib * _KIB)
    return -(-most_b // _MIB)


def _answer(world: _World, subject: Subject, node: str, users: frozenset[int]) -> _Answer:
    use = subject.uses.get(node)
    if subject.vg and node not in subject.seeing:
        return _unseen(world, subject, node)
    if use is None:
        return _Answer(Change.UNCHANGED, "no LV of this uuid there" if subject.vg else "no such use of it there")
    if not subject.vg:
        return _of_device(world, subject, node, use)
    past_drbd = _past_drbd(world, subject, node)
    if past_drbd:
        return past_drbd
    by_data = _by_places(world, node, use.places, "its extents", subject.slots)
    if use.lv is None:
        return by_data
    if Twin.ALONE in subject.twins:
        words = f"only {node} has it, so the discard would remove it; {by_data.words}"
        return _Answer(Change.CHANGED, words, by_data.most_kib, by_data.bits_kib)
    if {Twin.RESIZED, Twin.MOVED} & subject.twins:
        metadata = _metadata(world, subject, node)
        if metadata.change is not Change.UNCHANGED:
            words = f"its size or its place differs, and {node} may have changed it: {metadata.words}"
            return _Answer(Change.CHANGED, words, by_data.most_kib, by_data.bits_kib)
    if by_data.change is Change.UNCHANGED or by_data.bits_kib:
        return by_data
    return _by_counters(world, node, use) or _by_tasks(world, subject, node, use, users) or by_data


def _unseen(world: _World, subject: Subject, node: str) -> _Answer:
    """The VG is not shown on `node`: only out-of-sync 0 proves that nothing changed there, seen or unseen."""
    grounds = [world.grounds[node, slot] for slot in sorted(subject.slots)]
    if grounds and all(each.change is Change.UNCHANGED for each in grounds):
        return _Answer(Change.UNCHANGED, "; ".join(each.words for each in grounds))
    most = [each.changed_kib for each in grounds]
    most_kib = None if None in most else sum(kib for kib in most if kib is not None)
    return _Answer(Change.UNKNOWN, _why_unseen(world, subject, node), most_kib)


def _why_unseen(world: _World, subject: Subject, node: str) -> str:
    layout = world.layouts.get(node)
    if not isinstance(layout, Layout):
        return f"LVM of {node} could not be looked at: {layout.reason if layout else 'it was not asked'}"
    what = subject.vg or "what lies on it"
    for name in sorted({slot[0] for slot in subject.slots}):
        own = resource(world.survey, node, name)
        if own is None:
            return f"{name} is not up on {node}, which hides {what}"
        if own.role is not Role.PRIMARY:
            return f"{name} is {own.role.value} on {node}, which hides {what}"
    return f"LVM of {node} does not show {what}"


def _past_drbd(world: _World, subject: Subject, node: str) -> _Answer | None:
    """LVM may write to the disk below DRBD: then nothing that DRBD counts proves anything."""
    layout = world.layouts.get(node)
    pv = pv_below_drbd(layout, subject.vg) if isinstance(layout, Layout) else ""
    words = f"LVM of {node} uses {pv}, below DRBD, which does not see what is written there"
    return _Answer(Change.UNKNOWN, words, None) if pv else None


def _of_device(world: _World, subject: Subject, node: str, use: Use) -> _Answer:
    """A use that is no LV: all of the device counts, and nothing can be looked up on one that shows nothing."""
    answer = _by_places(world, node, use.places, "the device", subject.slots)
    roles = {own.role for slot in subject.slots if (own := resource(world.survey, node, slot[0]))}
    is_shown = isinstance(world.layouts.get(node), Layout) and roles == {Role.PRIMARY}
    if answer.change is Change.UNCHANGED or is_shown:
        return answer
    return _Answer(Change.UNKNOWN, f"{_why_unseen(world, subject, node)}; {answer.words}", answer.most_kib)


def _by_places(world: _World, node: str, places: Places | NoView, what: str, slots: Iterable[Slot] = ()) -> _Answer:
    """What the replicas say of `places`; where it is not known which those are, out-of-sync 0 of all `slots` helps."""
    if isinstance(places, NoView):
        grounds = [world.grounds[node, slot] for slot in sorted(slots)]
        if grounds and all(each.change is Change.UNCHANGED for each in grounds):
            return _Answer(Change.UNCHANGED, "; ".join(each.words for each in grounds))
        return _Answer(Change.UNKNOWN, places.reason, None)
    parts = []
    for slot in sorted(places):
        ground = world.grounds[node, slot]
        if ground.map is None:
            parts.append(_Answer(ground.change, ground.words, ground.changed_kib))
        else:
            parts.append(_in_map(ground.map, ground.is_exact, places[slot], f"{what}: ", f"{slot[0]}/{slot[1]}"))
    return _together(parts)


def _in_map(found: DirtyMap, is_exact: bool, ranges: Iterable[Range], what: str, name: str) -> _Answer:
    """What the bitmap and the activity log of replica `name` say of `ranges`; `what` begins the words."""
    most_kib = overlap_kib(found.extents, ranges)
    if not most_kib:
        where = ", which has all changes" if is_exact else " or the activity log"
        return _Answer(Change.UNCHANGED, f"{what}no block in the bitmap of {name}{where}")
    bits_kib = overlap_kib(found.bitmap_extents, ranges)
    more = "" if is_exact else f", at most {most_kib} KiB with the activity log"
    return _Answer(Change.CHANGED, f"{what}{bits_kib} KiB in the bitmap of {name}{more}", most_kib, bits_kib)


def _together(parts: list[_Answer]) -> _Answer:
    """One answer for all parts: changed if any is, else unknown if any is."""
    for change in (Change.CHANGED, Change.UNKNOWN, Change.UNCHANGED):
        telling = [each for each in parts if each.change is change]
        if telling:
            most = [each.most_kib for each in parts]
            most_kib = None if None in most else sum(kib for kib in most if kib is not None)
            words = "; ".join(dict.fromkeys(each.words for each in telling))
            return _Answer(change, words, most_kib, sum(each.bits_kib for each in parts))
    return _Answer(Change.UNCHANGED, "none of it lies on DRBD there")


def _by_counters(world: _World, node: str, use: Use) -> _Answer | None:
    """Its device has counted no write since the mark. One that was made anew counts from 0, so 0 proves nothing."""
    view = world.survey.nodes.get(node)
    if use.lv is None or use.lv.device is None or not isinstance(view, NodeAccount):
        return None
    mark = world.marks.get((node, use.lv.uuid))
    now = {} if isinstance(view.lvm.counters, NoView) else view.lvm.counters
    if mark is None or not mark.writes or now.get(use.lv.device) != mark:
        return None
    return _Answer(Change.UNCHANGED, f"its device has counted {mark.writes} writes, as before the loss")


def _by_tasks(world: _World, subject: Subject, node: str, use: Use, users: frozenset[int]) -> _Answer | None:
    """Its guests never were on `node`, and it is not active there; only for an LV that both sides have alike."""
    if use.lv is None or use.lv.is_active or subject.twins:
        return None
    words = not_run_on(world.survey, node, users, world.logs)
    return _Answer(Change.NOT_RUN_HERE, words) if words else None
