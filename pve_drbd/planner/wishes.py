"""The operator's wishes, checked against the pair before anything is planned by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pve_drbd.errors import ConfigInvalid
from pve_drbd.model.evacuation import VolumeChange, Wishes
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.planner.groups import Split


def check_wishes(survey: Survey, groups: Sequence[Split], changes: Iterable[VolumeChange], wishes: Wishes) -> None:
    """Raise ConfigInvalid for a node, a resource or a guest that is not there: a slip must not decide anything."""
    nodes = {node for split in groups for node in split.nodes}
    resources = {name for split in groups for name in split.resources}
    for node in sorted({*wishes.survivors.values(), *wishes.sides.values()} - nodes):
        raise ConfigInvalid(f"{node} is no side of the split: {' or '.join(sorted(nodes))}")
    for name in sorted(set(wishes.survivors) - resources - {""}):
        raise ConfigInvalid(f"{name} is not split: {', '.join(sorted(resources))}")
    pve = survey.pve
    guests = () if isinstance(pve, NoView) or isinstance(pve.guests, NoView) else pve.guests
    known = {each.vmid for each in guests} | {each.vmid for each in changes}
    for vmid in sorted({*wishes.priorities, *wishes.sides, *wishes.abandoned} - known):
        raise ConfigInvalid(f"there is no guest {vmid}")
    for split in groups:
        wished_survivor(split, wishes)


def wished_survivor(split: Split, wishes: Wishes) -> str:
    """The survivor that the operator named for this group; '' if none. Raises ConfigInvalid for two."""
    named = {name: wishes.survivors.get(name, wishes.survivors.get("", "")) for name in split.resources}
    found = sorted(set(named.values()) - {""})
    if len(found) > 1:
        raise ConfigInvalid(f"{', '.join(split.resources)} must go the same way, not {' and '.join(found)}")
    return found[0] if found else ""
