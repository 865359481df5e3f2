"""From a survey and what was gathered beside it to the whole evacuation plan, or to what it is instead."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

from pve_drbd.model.evacuation import Group, GuestPlan, Plan, Step
from pve_drbd.model.plan import Pool
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.planner.groups import Split, Stage, resync_mib, splits, stage_of
from pve_drbd.planner.notes import dialect_of, notes_of
from pve_drbd.planner.script import Scene
from pve_drbd.planner.steps import steps_of
from pve_drbd.planner.survivor import Discard, Inputs, choose
from pve_drbd.planner.wishes import check_wishes
from pve_drbd.rules.views import account, hosts_of, resource, resource_names


def plan_evacuation(survey: Survey, inputs: Inputs) -> Plan:
    """The plan for every split group of the survey; one without groups is nothing to do.

    The same survey and inputs give the same plan, byte for byte. Raises ConfigInvalid for a wish about nothing here.
    """
    groups = splits(survey)
    if groups:
        check_wishes(survey, groups, inputs.changes, inputs.wishes)
    decided: list[tuple[Group, Discard]] = []
    taken: Counter[str] = Counter()
    for split in groups:
        group, discard = choose(survey, split, inputs, taken)
        decided.append((group, discard))
        # What moved off for a while comes home before the next group begins; who has left stays where it is.
        for each in discard.guests:
            taken.update(each.choice.uses if each.choice and each.choice.leaves_node else {})
    discards = [discard for _, discard in decided]
    is_feasible = all(each.cost.is_feasible for each in discards)
    steps = _steps(survey, inputs, decided) if is_feasible else ()
    digest, stages = survey_digest(survey), {name: stage_of(survey, name) for name in resource_names(survey)}
    return Plan(
        plan_id=f"{survey.taken_at.translate(str.maketrans('', '', '-:.'))}-{digest[:8]}",
        taken_at=survey.taken_at,
        survey_digest=digest,
        is_feasible=is_feasible,
        groups=tuple(group for group, _ in decided),
        pools=_pools(discards),
        guests=_merged(discards),
        volumes=inputs.changes,
        weighted_downtime_s=sum(each.cost.weighted_downtime_s for each in discards),
        # Groups are done one after the other.
        makespan_s=sum(each.cost.makespan_s for each in discards),
        additions=tuple(each for discard in discards for each in discard.additions),
        steps=steps,
        rates=inputs.rates,
        notes=(*(f"{name}: {stage.value}" for name, stage in stages.items()), *notes_of(survey, groups, steps)),
        unknown=tuple(name for name, stage in stages.items() if stage is Stage.NO_ACCOUNT),
    )


def _steps(survey: Survey, inputs: Inputs, decided: list[tuple[Group, Discard]]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for number, (group, discard) in enumerate(decided, start=1):
        scene = Scene(
            group=group,
            guests=discard.guests,
            volumes=discard.changes,
            dialect=dialect_of(survey, group.survivor),
            subjects={each.guest.vmid: each for each in discard.subjects},
            ha=_ha(survey),
            resync_mib=resync_mib(survey, Split(group.resources, group.vgs, (group.survivor, group.victim))),
            rates=inputs.rates,
            prefix=f"g{number}.",
            after=(steps[-1].id,) if steps else (),
        )
        steps += steps_of(scene)
    return tuple(steps)


def survey_digest(survey: Survey) -> str:
    """What must still be so when the plan is run: roles, identifiers, changed amounts, places of guests."""
    facts = []
    for name in resource_names(survey):
        for node in hosts_of(survey, name):
            own, view = resource(survey, node, name), account(survey, node)
            if own is None or isinstance(view, NoView):
                facts.append(f"{name}@{node} none")
                continue
            ids = view.drbd.generation_ids
            told = {} if isinstance(ids, NoView) else ids
            for volume in own.volumes:
                id_words = told.get((name, volume.number))
                facts.append(f"{name}/{volume.number}@{node} {own.role.value} {volume.disk.value} {id_words}")
    guests = () if isinstance(survey.pve, NoView) or isinstance(survey.pve.guests, NoView) else survey.pve.guests
    facts += [f"guest {each.vmid}@{each.node} {each.state.value}" for each in guests]
    return hashlib.sha256("\n".join(sorted(facts)).encode()).hexdigest()


def _merged(discards: list[Discard]) -> tuple[GuestPlan, ...]:
    return tuple(sorted((each for discard in discards for each in discard.guests), key=lambda each: each.vmid))


def _pools(discards: list[Discard]) -> tuple[Pool, ...]:
    # The first group's are whole; later ones lack what earlier groups keep.
    pools = {pool.name: pool for discard in reversed(discards) for pool in discard.pools}
    return tuple(pools[name] for name in sorted(pools))


def _ha(survey: Survey) -> Mapping[int, str]:
    pve = survey.pve
    ha = () if isinstance(pve, NoView) or isinstance(pve.ha, NoView) else pve.ha
    return {each.vmid: each.state for each in ha if each.state != "ignored"}
