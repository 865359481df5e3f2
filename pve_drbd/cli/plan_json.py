"""plan.json: everything the decision rests on, so that anyone can check it; its schema is data/plan.schema.json."""

from __future__ import annotations

from collections.abc import Mapping

from pve_drbd.model.evacuation import Cost, Group, GuestPlan, Method, Plan, Step, VolumeChange
from pve_drbd.model.plan import Shortfall

Json = Mapping[str, object]


def plan_json(plan: Plan) -> Json:
    """The plan by its schema; the same plan gives the same bytes."""
    return {
        "format": 1,
        "plan_id": plan.plan_id,
        "taken_at": plan.taken_at,
        "survey_digest": plan.survey_digest,
        "feasible": plan.is_feasible,
        "unknown": list(plan.unknown),
        "groups": [_group(each) for each in plan.groups],
        "pools": [{"pool": each.name, "unit": each.unit, "free": each.free} for each in plan.pools],
        "guests": [guest_json(each) for each in plan.guests],
        "volumes": [_volume(each, plan) for each in plan.volumes],
        "objective": {"weighted_downtime_s": plan.weighted_downtime_s, "makespan_s": plan.makespan_s},
        "rates": {name: getattr(plan.rates, name) for name in plan.rates.__slots__},
        "shortfalls": [[_shortfall(each) for each in together] for together in plan.additions],
        "steps": [_step(each) for each in plan.steps],
        "findings": list(plan.notes),
    }


def _shortfall(shortfall: Shortfall) -> Json:
    return {
        "pool": shortfall.pool,
        "unit": shortfall.unit,
        "short_by": shortfall.short_by,
        "vmids": list(shortfall.vmids),
    }


def _group(group: Group) -> Json:
    return {
        "resources": list(group.resources),
        "vgs": list(group.vgs),
        "survivor": group.survivor,
        "victim": group.victim,
        "why": group.why,
        "evidence": {node: dict(told) for node, told in sorted(group.evidence.items())},
        "cost_if_victim": {node: _cost(cost) for node, cost in sorted(group.cost_if_victim.items())},
    }


def _cost(cost: Cost) -> Json:
    told: dict[str, object] = {
        "feasible": cost.is_feasible,
        "weighted_downtime_s": cost.weighted_downtime_s,
        "makespan_s": cost.makespan_s,
    }
    return told if cost.is_feasible else {**told, "why_not": cost.why_not}


def guest_json(guest: GuestPlan) -> Json:
    """One guest with every candidate it had."""
    return {
        "vmid": guest.vmid,
        "kind": guest.kind,
        "name": guest.name,
        "node": guest.node,
        "running": guest.is_running,
        "priority": guest.priority,
        "reason": guest.reason,
        "chosen": guest.chosen,
        "candidates": [
            {
                "method": each.method,
                "target": each.target,
                "downtime_s": each.downtime_s,
                "work": dict(sorted(each.work.items())),
                "uses": dict(sorted(each.uses.items())),
                "leaves_node": each.leaves_node,
            }
            for each in guest.candidates
        ],
        "ruled_out": [{"method": each.method, "target": each.target, "why": each.why} for each in guest.ruled_out],
    }


def _volume(volume: VolumeChange, plan: Plan) -> Json:
    return {
        "vg": volume.vg,
        "lv": volume.lv,
        "lv_uuid": volume.lv_uuid,
        "vmid": volume.vmid,
        "size_mib": volume.size_mib,
        "exists_on": list(volume.exists_on),
        "per_side": {node: change.value for node, change in sorted(volume.per_side.items())},
        "evidence": dict(sorted(volume.evidence.items())),
        "changed_mib": dict(sorted(volume.changed_mib.items())),
        "saved_by": saved_by(volume, plan),
    }


def saved_by(volume: VolumeChange, plan: Plan) -> str:
    """The method that gets the volume through; 'keep' where its group's victim has nothing of it to lose, '' for none.

    A volume that no discard of the plan concerns is kept where it is.
    """
    own = set(volume.resources)
    concerned = (each for each in plan.groups if volume.vg in each.vgs or (not volume.vg and own & set(each.resources)))
    victims = {each.victim for each in concerned}
    if all(volume.per_side[node].has_nothing_to_lose for node in victims & set(volume.per_side)):
        return Method.KEEP.value
    guest = next((each for each in plan.guests if each.vmid == volume.vmid), None)
    return guest.choice.method if guest and guest.choice else ""


def _step(step: Step) -> Json:
    return {
        "id": step.id,
        "action": step.action,
        "node": step.node,
        "args": dict(sorted(step.args.items())),
        "needs": list(step.needs),
        "pre": [list(each) for each in step.pre],
        "post": [list(each) for each in step.post],
        "repeatable": step.is_repeatable,
        "no_return": step.is_no_return,
        "timeout_s": step.timeout_s,
        "estimate_s": step.estimate_s,
        "shown": step.shown,
    }
