"""A plan as text: the verdict in one screen, then the steps; the details of one guest on demand."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pve_drbd.model.evacuation import Cost, Group, GuestPlan, Plan, Step
from pve_drbd.model.plan import Candidate

_WIDTH = 100


def plan_text(plan: Plan, why: str = "") -> str:
    """The whole plan for a person at night."""
    return "\n".join(_lines(plan, why)) + "\n"


def _lines(plan: Plan, why: str) -> Iterator[str]:
    yield verdict(plan)
    if not plan.groups:
        yield from _notes(plan)
        return
    if why:
        yield f"Proxmox VE did not say what is free where, so nothing has any room: {why}"
    for group in plan.groups:
        yield ""
        yield from _group(plan, group)
    if plan.additions:
        yield ""
        yield "Any one of these would make it fit:"
        for together in plan.additions:
            yield "  " + " and ".join(f"{each.short_by} {each.unit} more in {each.pool}" for each in together)
    yield ""
    yield from _notes(plan)
    yield ""
    yield "DRBD never merges two sides. Nothing was changed; do not demote, connect or reboot before the plan is run."
    if plan.steps:
        yield ""
        yield "Steps:"
        for step in plan.steps:
            yield from _step(step)


def _notes(plan: Plan) -> Iterator[str]:
    for note in plan.notes:
        yield from textwrap.wrap(note, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def verdict(plan: Plan) -> str:
    """The plan in one line."""
    if plan.unknown and not plan.groups:
        return f"NOT KNOWN: nobody can tell whether {', '.join(plan.unknown)} is in a split brain."
    if not plan.groups:
        return "NOTHING TO PLAN: no resource is in a split brain."
    if not plan.is_feasible:
        return "NO PLAN FITS: something must be decided or added first."
    moving = [each for each in plan.guests if each.choice and each.choice.method != "keep"]
    if not moving:
        words = f" {plan.weighted_downtime_s} s of weighted downtime while volumes are closed."
        down = words if plan.weighted_downtime_s else ""
        return f"READY: nobody needs evacuation; the discard loses nothing.{down}"
    down = f"{plan.weighted_downtime_s} s of weighted downtime" if plan.weighted_downtime_s else "no downtime"
    lost = [each.vmid for each in moving if each.choice and each.choice.method == "abandon"]
    given_up = f" GIVEN UP: guest {', '.join(map(str, lost))}." if lost else ""
    count = len(moving) - len(lost)
    saved = f"{count} guest{'' if count == 1 else 's'} to save first"
    return f"READY: {saved}, {down}, about {duration(plan.makespan_s)} of copying.{given_up}"


def _group(plan: Plan, group: Group) -> Iterator[str]:
    names, vgs = ", ".join(group.resources), ", ".join(group.vgs) or "none seen"
    if any(cost.is_feasible for cost in group.cost_if_victim.values()):
        yield f"{names} (volume groups {vgs}): {group.survivor} survives, {group.victim} is discarded"
        yield from textwrap.wrap(f"because {group.why}.", _WIDTH, initial_indent="  ", subsequent_indent="  ")
    else:
        yield f"{names} (volume groups {vgs}): neither side can be discarded yet"
    for node, cost in sorted(group.cost_if_victim.items()):
        yield from textwrap.wrap(
            f"if {node} is discarded: {_cost(cost)}", _WIDTH, initial_indent="  ", subsequent_indent="    "
        )
    for node, told in sorted(group.evidence.items()):
        words = "; ".join(f"{what}: {value}" for what, value in told.items())
        yield from textwrap.wrap(f"{node}: {words}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
    own = {each.vmid for each in plan.volumes if each.vg in group.vgs}
    for guest in plan.guests:
        if guest.vmid in own:
            yield f"  guest {guest.vmid} {guest.name} on {guest.node}: {_choice(guest)}"


def _cost(cost: Cost) -> str:
    if not cost.is_feasible:
        return f"cannot be done: {cost.why_not}"
    return f"{cost.weighted_downtime_s} s of weighted downtime, {duration(cost.makespan_s)} of copying"


def _choice(guest: GuestPlan) -> str:
    choice = guest.choice
    if choice is None:
        return "no way found" if not guest.candidates else "not decided"
    where = f" to {choice.target}" if choice.method not in ("keep", "abandon") else ""
    return f"{choice.method}{where}, {duration(choice.downtime_s) if choice.downtime_s else 'no'} downtime"


def _step(step: Step) -> Iterator[str]:
    mark = "  NO RETURN" if step.is_no_return else ""
    yield f"  {step.id}  on {step.node}: {step.action} (about {duration(step.estimate_s)}){mark}"
    yield from textwrap.wrap(
        step.shown, _WIDTH, initial_indent="           ", subsequent_indent="             ", break_long_words=False
    )


def guest_text(plan: Plan, guest: GuestPlan) -> str:
    """Why this method for one guest, what else there was, and what was impossible."""
    lines = [f"Guest {guest.vmid} {guest.name} on {guest.node}, priority {guest.priority}: {guest.reason}.", ""]
    lines.append(f"Chosen: {_choice(guest)}.")
    others = [each for index, each in enumerate(guest.candidates) if index != guest.chosen]
    if others:
        best = min(others, key=lambda each: (each.downtime_s, max(each.work.values(), default=0)))
        lines.append(f"Next best: {_price(best)}.")
    lines += ["", "Could be done:", *(f"  {_price(each)}" for each in guest.candidates)]
    lines += ["", "Ruled out:", *(f"  {each.method} ({each.target}): {each.why}" for each in guest.ruled_out)]
    lines += ["", "Its volumes:"]
    for volume in plan.volumes:
        if volume.vmid == guest.vmid:
            sides = "; ".join(f"{node}: {change.value}" for node, change in sorted(volume.per_side.items()))
            lines.append(f"  {volume.vg}/{volume.lv}, {volume.size_mib} MiB: {sides}")
            lines += [f"    {node}: {words}" for node, words in sorted(volume.evidence.items())]
    return "\n".join(lines) + "\n"


def _price(candidate: Candidate) -> str:
    work = ", ".join(f"{name} {duration(seconds)}" for name, seconds in sorted(candidate.work.items()) if seconds)
    uses = ", ".join(f"{amount} MiB of {name}" for name, amount in sorted(candidate.uses.items()) if amount)
    parts = [f"{candidate.downtime_s} s down", f"works {work}" if work else "", f"takes {uses}" if uses else ""]
    return f"{candidate.method} ({candidate.target}): {'; '.join(filter(None, parts))}"


def duration(seconds: int) -> str:
    """Seconds for a person: 3723 gives '1 h 2 min'."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = -(-seconds // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
