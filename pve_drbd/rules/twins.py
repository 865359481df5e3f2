"""How each LV of one side stands to those of the other side, after both went on by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from pve_drbd.model.evacuation import Twin
from pve_drbd.model.survey import NoView
from pve_drbd.rules.device_uses import Use
from pve_drbd.rules.replica_changes import Slot

Uses = Mapping[str, Mapping[str, Use]]
"""By node, for each that shows the VG, its uses by key."""


def twins_of(sides: Uses, has_unseen_side: bool) -> Mapping[str, frozenset[Twin]]:
    """By key of a use: what sets it apart from the same LV on the other side; nothing where they are alike."""
    found: dict[str, set[Twin]] = {key: set() for uses in sides.values() for key in uses}
    for key, twins in found.items():
        lvs = [uses[key] for uses in sides.values() if key in uses and uses[key].lv]
        if has_unseen_side:
            twins.add(Twin.UNSEEN)
        if 0 < len(lvs) < len(sides):
            twins.add(Twin.ALONE)
        if len({each.size_b for each in lvs}) > 1:
            twins.add(Twin.RESIZED)
        elif any(each.places != lvs[0].places for each in lvs if not isinstance(each.places, NoView)):
            twins.add(Twin.MOVED)
    for twin, pairs in ((Twin.SAME_NAME, _same_names(sides)), (Twin.SAME_EXTENTS, _same_extents(sides))):
        for key in (key for pair in pairs for key in pair):
            found[key].add(twin)
    return {key: frozenset(twins) for key, twins in found.items()}


def _same_names(sides: Uses) -> Iterator[tuple[str, str]]:
    for here, there in combinations(sides.values(), 2):
        names = {each.name: key for key, each in there.items() if each.lv}
        yield from (
            (key, names[each.name])
            for key, each in here.items()
            if each.lv and names.get(each.name, key) != key and names[each.name] not in here
        )


def _same_extents(sides: Uses) -> Iterator[tuple[str, str]]:
    """Pairs of LVs of different sides that have a part of a device in common."""
    taken: dict[Slot, list[tuple[int, int, str, str]]] = {}
    for node, uses in sides.items():
        for key, use in uses.items():
            places = {} if isinstance(use.places, NoView) or use.lv is None else use.places
            for slot, ranges in places.items():
                taken.setdefault(slot, []).extend((first, end, key, node) for first, end in ranges)
    for ranges_of_slot in taken.values():
        open_ranges: list[tuple[int, str, str]] = []
        for first, end, key, node in sorted(ranges_of_slot):
            open_ranges = [each for each in open_ranges if each[0] > first]
            yield from ((key, other) for _, other, where in open_ranges if where != node and other != key)
            open_ranges.append((end, key, node))
