"""What a split is about: every LV and other use of its devices, brought together from the nodes that show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pve_drbd.model.evacuation import Twin
from pve_drbd.model.survey import NodeAccount, NoView, Survey
from pve_drbd.rules.device_uses import (
    Layout,
    Use,
    device_use,
    layout_of,
    slots_of_vg,
    uses_of_vg,
    uses_without_vg,
)
from pve_drbd.rules.guest_claims import Claims
from pve_drbd.rules.replica_changes import Slot
from pve_drbd.rules.twins import twins_of
from pve_drbd.rules.views import hosts_of, resource, resources

Layouts = Mapping[str, Layout | NoView]


@dataclass(frozen=True, slots=True)
class Subject:
    """One use of DRBD by every node that has it, or, without uses, a VG as a whole.

    `slots` are the DRBD volumes on which it lies, or all of its VG's where that is not told. `nodes` are the sides,
    `seeing` those whose LVM shows the VG. `claimed` are the guests whose configurations name it.
    """

    vg: str
    uses: Mapping[str, Use]
    slots: frozenset[Slot]
    nodes: tuple[str, ...]
    seeing: frozenset[str]
    twins: frozenset[Twin] = frozenset()
    claimed: frozenset[int] = frozenset()

    @property
    def first(self) -> Use:
        """The use, as an LV where any node has it as one."""
        return next((each for each in self.uses.values() if each.lv), next(iter(self.uses.values())))


def layouts_of(survey: Survey) -> Layouts:
    """The layout of every node, or why it has none."""
    return {
        node: layout_of(view) if isinstance(view, NodeAccount) else view for node, view in sorted(survey.nodes.items())
    }


def subjects_of(survey: Survey, layouts: Layouts, resources: frozenset[str], claims: Claims) -> tuple[Subject, ...]:
    """Every LV of every VG on `resources`, every orphan there, and every other use of their devices."""
    of_vgs = (each for vg in vg_subjects(survey, layouts, resources) for each in _of_vg(layouts, vg, claims))
    return (*of_vgs, *_without_vg(survey, layouts, resources, claims))


def vg_subjects(survey: Survey, layouts: Layouts, resources: frozenset[str]) -> tuple[Subject, ...]:
    """Every VG that any node shows on one of `resources`, as a whole."""
    slots: dict[str, set[Slot]] = {}
    seeing: dict[str, set[str]] = {}
    for node, layout in layouts.items():
        if isinstance(layout, NoView):
            continue
        for vg in layout.lvm.vgs:
            found = slots_of_vg(layout, vg.name)
            if found:
                slots.setdefault(vg.name, set()).update(found)
                seeing.setdefault(vg.name, set()).add(node)
    return tuple(
        Subject(vg, {}, frozenset(found), _sides(survey, found), frozenset(seeing[vg]))
        for vg, found in sorted(slots.items())
        if resources & {name for name, _ in found}
    )


def _sides(survey: Survey, slots: Iterable[Slot]) -> tuple[str, ...]:
    """The nodes that have a resource below, by any configuration or by their own kernel."""
    names = {name for name, _ in slots}
    up = {node for node in survey.nodes if any(resource(survey, node, name) for name in names)}
    return tuple(sorted(up.union(*(hosts_of(survey, name) for name in names))))


def _of_vg(layouts: Layouts, vg: Subject, claims: Claims) -> Iterator[Subject]:
    sides = {
        node: {use.key: use for use in uses_of_vg(layout, vg.vg)}
        for node, layout in layouts.items()
        if node in vg.seeing and isinstance(layout, Layout)
    }
    twins = twins_of(sides, has_unseen_side=not vg.seeing >= set(vg.nodes))
    for key in sorted(twins):
        uses = {node: found[key] for node, found in sides.items() if key in found}
        slots: set[Slot] = set()
        for use in uses.values():
            slots.update(vg.slots if isinstance(use.places, NoView) else use.places)
        names = {use.name for use in uses.values()}
        claimed = frozenset[int]().union(*(claims.of_lv(vg.vg, name) for name in names))
        yield Subject(vg.vg, uses, frozenset(slots), vg.nodes, vg.seeing, twins[key], claimed)


def _without_vg(survey: Survey, layouts: Layouts, resources: frozenset[str], claims: Claims) -> Iterator[Subject]:
    found: dict[tuple[Slot, str], dict[str, Use]] = {}
    slots = {slot for name in resources for slot in _slots_of(survey, name)}
    for node, layout in layouts.items():
        if isinstance(layout, Layout):
            uses = list(uses_without_vg(layout, claims.paths))
        else:
            # Nothing of this node's LVM is known: whatever it may have on the device counts as one use.
            uses = [(slot, device_use(slot)) for slot in slots if node in _sides(survey, {slot})]
        for slot, use in uses:
            if slot[0] in resources:
                found.setdefault((slot, use.key), {})[node] = use
    for (slot, _), by_node in sorted(found.items()):
        nodes = _sides(survey, {slot})
        yield Subject("", by_node, frozenset({slot}), nodes, frozenset(by_node))


def _slots_of(survey: Survey, name: str) -> frozenset[Slot]:
    """The volumes of a resource, as any node has them configured or up."""
    slots = {
        (name, volume.number)
        for node in survey.nodes
        for own in resources(survey, node)
        if own.name == name
        for volume in own.volumes
    }
    for view in survey.nodes.values():
        if isinstance(view, NodeAccount) and not isinstance(view.drbd.config, NoView):
            config = view.drbd.config.resource(name)
            slots.update((name, volume.number) for host in (config.hosts if config else ()) for volume in host.volumes)
    return frozenset(slots)
