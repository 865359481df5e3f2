"""Which side of a group survives: both discards are planned in full, and the cheaper one wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pve_drbd.model.evacuation import (
    Cost,
    Group,
    GuestPlan,
    NodeStatus,
    Rates,
    StorageStatus,
    VolumeChange,
    Wishes,
)
from pve_drbd.model.plan import Evacuee, Infeasible, Pool, Shortfall
from pve_drbd.model.pve import Guest, GuestKind
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.planner.assign import assign
from pve_drbd.planner.blockers import blockers
from pve_drbd.planner.groups import Split, resync_mib, vg_of
from pve_drbd.planner.options import memory_pool, options_of, storage_pool
from pve_drbd.planner.priorities import priority_of
from pve_drbd.planner.setting import Setting, Subject
from pve_drbd.planner.wishes import wished_survivor
from pve_drbd.rules.divergence import changed_kib
from pve_drbd.rules.placement import vg_resources
from pve_drbd.rules.views import account, resource

Taken = Mapping[str, int]
Additions = tuple[tuple[Shortfall, ...], ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a plan is made from, beside the survey."""

    changes: tuple[VolumeChange, ...]
    storages: tuple[StorageStatus, ...]
    memory: tuple[NodeStatus, ...]
    rates: Rates
    wishes: Wishes


@dataclass(frozen=True, slots=True)
class Discard:
    """The discard of one side, planned: who is saved how, from which pools, and which additions would make it fit."""

    victim: str
    survivor: str
    cost: Cost
    guests: tuple[GuestPlan, ...]
    pools: tuple[Pool, ...]
    additions: Additions
    subjects: tuple[Subject, ...]
    changes: tuple[VolumeChange, ...]


def choose(survey: Survey, split: Split, inputs: Inputs, taken: Taken) -> tuple[Group, Discard]:
    """The group's decision and the plan for its victim: the operator's word, else the cheaper discard.

    `taken` is what earlier groups took from the pools and keep.
    """
    discards = {victim: plan_discard(survey, split, victim, inputs, taken) for victim in split.nodes}
    survivor, why = wished_survivor(split, inputs.wishes), "you said so"
    if not survivor:
        survivor, why = _cheaper(split, discards)
    victim = _other(split, survivor)
    group = Group(
        resources=split.resources,
        vgs=split.vgs,
        survivor=survivor,
        victim=victim,
        why=why,
        evidence={node: _evidence(survey, split, node) for node in split.nodes},
        cost_if_victim={node: each.cost for node, each in discards.items()},
    )
    return group, discards[victim]


def _cheaper(split: Split, discards: Mapping[str, Discard]) -> tuple[str, str]:
    """The survivor, and in words why: the one whose peer's discard costs less."""
    first, second = split.nodes

    def price(victim: str) -> tuple[object, ...]:
        each = discards[victim]
        # A tie goes to the side with more running guests of higher priority: it survives, the other is discarded.
        weight = _weight(each, each.survivor)
        leaving = sum(1 for guest in each.guests if guest.choice and guest.choice.leaves_node)
        cost = each.cost
        return (not cost.is_feasible, cost.weighted_downtime_s, cost.makespan_s, leaving, -weight, victim)

    victim = min((first, second), key=price)
    mine, other = discards[victim].cost, discards[_other(split, victim)].cost
    if not mine.is_feasible:
        why = "neither side can be discarded yet"
    elif not other.is_feasible:
        why = f"discarding {_other(split, victim)} cannot be done: {other.why_not}"
    elif mine.weighted_downtime_s != other.weighted_downtime_s:
        there = f"the other way {other.weighted_downtime_s} s"
        why = f"discarding {victim} costs {mine.weighted_downtime_s} s of weighted downtime, {there}"
    elif mine.makespan_s != other.makespan_s:
        why = f"discarding {victim} takes {mine.makespan_s} s of copying, the other way {other.makespan_s} s"
    elif _weight(discards[victim], victim) == _weight(discards[victim], _other(split, victim)):
        why = "both ways cost the same, and nothing speaks for either side"
    else:
        why = "both ways cost the same; the side with more running guests of higher priority survives"
    return _other(split, victim), why


def _weight(discard: Discard, node: str) -> int:
    return sum(guest.priority for guest in discard.guests if guest.node == node and guest.is_running)


def _other(split: Split, node: str) -> str:
    return split.nodes[1] if node == split.nodes[0] else split.nodes[0]


def plan_discard(survey: Survey, split: Split, victim: str, inputs: Inputs, taken: Taken) -> Discard:
    """Who must be saved before `victim` is discarded for this group, and the best way to do it."""
    setting = _setting(survey, split, victim, _other(split, victim), inputs)
    changes = tuple(each for each in inputs.changes if concerns(each, split))
    subjects = _subjects(survey, changes)
    plans = tuple(_guest_plan(subject, setting) for subject in subjects)
    pools = _pools(setting, taken)
    reasons = [*blockers(survey, split, setting, changes, subjects)]
    reasons += [f"nothing can save guest {plan.vmid}" for plan in plans if not plan.candidates]

    def told(cost: Cost, guests: tuple[GuestPlan, ...] = plans, additions: Additions = ()) -> Discard:
        return Discard(victim, setting.survivor, cost, guests, pools, additions, subjects, changes)

    if reasons:
        return told(Cost(0, 0, is_feasible=False, why_not="; ".join(reasons)))
    found = assign((Evacuee(plan.vmid, plan.priority, plan.candidates) for plan in plans), pools)
    if isinstance(found, Infeasible):
        why = "; ".join(f"{each.pool} is short by {each.short_by} {each.unit}" for each in found.shortfalls)
        return told(Cost(0, 0, is_feasible=False, why_not=why or "the guests do not fit"), additions=found.additions)
    chosen = tuple(replace(plan, chosen=found.chosen[plan.vmid]) for plan in plans)
    return told(Cost(found.weighted_downtime_s, found.makespan_s, is_feasible=True), chosen)


def _guest_plan(subject: Subject, setting: Setting) -> GuestPlan:
    guest = subject.guest
    candidates, ruled_out = options_of(subject, setting)
    return GuestPlan(
        vmid=guest.vmid,
        kind=guest.kind.value,
        name=guest.name,
        node=guest.node,
        priority=priority_of(guest, subject.config, setting.wishes),
        reason=_reason(subject, setting.victim),
        chosen=None,
        candidates=candidates,
        ruled_out=ruled_out,
        is_running=subject.is_running,
    )


def concerns(change: VolumeChange, split: Split) -> bool:
    """The volume, or other use of a device, lies on the group's resources."""
    return change.vg in split.vgs if change.vg else bool(set(change.resources) & set(split.resources))


def _setting(survey: Survey, split: Split, victim: str, survivor: str, inputs: Inputs) -> Setting:
    entries = () if isinstance(survey.pve, NoView) or isinstance(survey.pve.storages, NoView) else survey.pve.storages
    return Setting(
        victim=victim,
        survivor=survivor,
        storages=inputs.storages,
        memory={each.node: each for each in inputs.memory},
        vg_storages=frozenset(each.storeid for each in entries if each.is_lvm and each.vgname in split.vgs),
        drbd_storages=frozenset(each.storeid for each in entries if each.is_lvm and vg_resources(survey, each.vgname)),
        rates=inputs.rates,
        wishes=inputs.wishes,
        resync_s=-(-sum(resync_mib(survey, split).values()) // max(inputs.rates.link_mib_s, 1)),
    )


def _subjects(survey: Survey, changes: Sequence[VolumeChange]) -> tuple[Subject, ...]:
    """Every guest with a volume on these VGs, in its configuration or by the volume's number, by vmid."""
    pve = survey.pve
    if isinstance(pve, NoView) or isinstance(pve.guests, NoView):
        return ()
    found = []
    for guest in sorted(pve.guests, key=lambda each: each.vmid):
        config = pve.configs.get(guest.vmid)
        if config is None or isinstance(config, NoView):
            continue
        # A volume named twice counts as attached if it is attached anywhere.
        named = sorted(config.volumes, key=lambda each: each.is_attached)
        pairs = {(vg_of(survey, each.storage), each.name.rsplit("/", 1)[-1]): each for each in named}
        own = _of_guest(guest, [each for each in changes if (each.vg, each.lv) in pairs])
        own = tuple(each for each in own if pairs[each.vg, each.lv].is_attached)
        volumes = tuple(pairs[each.vg, each.lv] for each in own)
        if own:
            found.append(Subject(guest, config, volumes, own))
    return tuple(found)


def _of_guest(guest: Guest, named: Sequence[VolumeChange]) -> tuple[VolumeChange, ...]:
    """Of several LVs of one name, made on both sides apart, the guest has the one that its own node shows."""
    at_home = {(each.vg, each.lv) for each in named if guest.node in each.exists_on}
    return tuple(each for each in named if guest.node in each.exists_on or (each.vg, each.lv) not in at_home)


def _pools(setting: Setting, taken: Taken) -> tuple[Pool, ...]:
    free = {storage_pool(each, setting): each.free_mib for each in setting.storages}
    for node in (setting.victim, setting.survivor):
        status = setting.memory.get(node)
        free[memory_pool(node)] = status.memory_free_mib if status else 0
    return tuple(Pool(name, "MiB", free[name] - taken.get(name, 0)) for name in sorted(free))


def _reason(subject: Subject, victim: str) -> str:
    lost = [each for each in subject.changes if not each.per_side[victim].has_nothing_to_lose]
    if lost:
        names = ", ".join(f"{each.vg}/{each.lv} ({each.per_side[victim].value})" for each in lost)
        return f"its data on {victim} would be discarded: {names}"
    kind = "container" if subject.guest.kind is GuestKind.CONTAINER else "VM"
    running = subject.is_running and subject.guest.node == victim
    return f"a running {kind} on {victim}: its volumes must be closed" if running else "nothing of it would be lost"


def _evidence(survey: Survey, split: Split, node: str) -> Mapping[str, str]:
    """What one side says of each resource, in the words of the report."""
    told: dict[str, str] = {}
    other = _other(split, node)
    for name in split.resources:
        own = resource(survey, node, name)
        view = account(survey, node)
        if own is None or isinstance(view, NoView):
            continue
        for volume in own.volumes:
            told[f"{name}/{volume.number} changed KiB since the split"] = changed_kib(own, other, volume.number)
            ids = view.drbd.generation_ids
            if not isinstance(ids, NoView) and (name, volume.number) in ids:
                told[f"{name}/{volume.number} current identifier"] = f"{ids[name, volume.number].current:016X}"
        told[f"{name} role"] = own.role.value
    guests = () if isinstance(survey.pve, NoView) or isinstance(survey.pve.guests, NoView) else survey.pve.guests
    running: list[Guest] = [each for each in guests if each.node == node and each.state.value == "running"]
    told["running guests"] = ", ".join(str(each.vmid) for each in running) or "none"
    return told
