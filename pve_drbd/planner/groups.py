"""Resources that must go the same way, and where in the procedure each stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from pve_drbd.model.drbd import ConnectionState, DiskState, Resource, Role
from pve_drbd.model.survey import NodeAccount, NoView, Survey
from pve_drbd.rules.divergence import is_split
from pve_drbd.rules.placement import vg_resources
from pve_drbd.rules.views import account, connection_to, hosts_of, resource, resource_names, value_or


class Stage(Enum):
    """Where a resource is between a split brain and health."""

    HEALTHY = "healthy: connected, Primary and UpToDate on both nodes"
    SPLIT = "split brain, nothing done yet"
    VICTIM_SECONDARY = (
        "split brain, one side is Secondary already: a discard was begun by hand, its volume group is hidden there. "
        "Connect nothing: make it Primary again while both sides are StandAlone, then plan; or, if all on it is safe, "
        "go on by hand with docs/recovery.md from the discard"
    )
    CONNECTING = "not connected, and no proof that both sides went on: wait for the link, or look at the peer"
    RESYNC = "resync running: the decision was made; wait for its end, then make the target Primary"
    NOT_PRIMARY = "connected and synchronised, one side is not Primary: make it Primary"
    DEGRADED = "degraded, but no split brain: see pve-drbd status"
    NO_ACCOUNT = "one node gives no account of it or of its identifiers, and without both nothing can be decided"


@dataclass(frozen=True, slots=True)
class Split:
    """A set of resources to be decided together, with the two nodes and the VGs on them."""

    resources: tuple[str, ...]
    vgs: tuple[str, ...]
    nodes: tuple[str, str]


def stage_of(survey: Survey, name: str) -> Stage:
    """Where resource `name` stands, by both nodes' accounts."""
    nodes = hosts_of(survey, name)
    owns = [resource(survey, node, name) for node in nodes[:2]]
    if len(nodes) < 2 or any(own is None for own in owns):
        return Stage.NO_ACCOUNT
    here, there = owns
    if here is None or there is None:
        return Stage.NO_ACCOUNT
    if not all(_has_identifiers(survey, node, own) for node, own in zip(nodes, owns, strict=False) if own):
        return Stage.NO_ACCOUNT
    states = {_link(here, nodes[1]), _link(there, nodes[0])}
    if is_split(survey, name, nodes[0], nodes[1]):
        roles = {here.role, there.role}
        return Stage.VICTIM_SECONDARY if Role.SECONDARY in roles else Stage.SPLIT
    if states != {ConnectionState.CONNECTED}:
        return Stage.CONNECTING
    if any(
        volume.replication.is_resync for side in (here, there) for link in side.connections for volume in link.volumes
    ):
        return Stage.RESYNC
    if any(volume.disk is not DiskState.UP_TO_DATE for side in (here, there) for volume in side.volumes):
        return Stage.DEGRADED
    return Stage.HEALTHY if {here.role, there.role} == {Role.PRIMARY} else Stage.NOT_PRIMARY


def _has_identifiers(survey: Survey, node: str, own: Resource) -> bool:
    view = account(survey, node)
    ids = {} if isinstance(view, NoView) else value_or(view.drbd.generation_ids, {})
    return all((own.name, volume.number) in ids for volume in own.volumes)


def _link(own: Resource, peer: str) -> ConnectionState | None:
    link = connection_to(own, peer)
    return link.state if link else None


def splits(survey: Survey) -> tuple[Split, ...]:
    """The split resources, grouped: one VG over several, or one guest on several, must go one way.

    Only resources that are split are in a group; a healthy one needs no decision.
    """
    split = [name for name in resource_names(survey) if stage_of(survey, name) in (Stage.SPLIT, Stage.VICTIM_SECONDARY)]
    below = {vg: [name for name in vg_resources(survey, vg) or () if name in split] for vg in vg_names(survey)}
    parent = {name: name for name in split}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for together in (*below.values(), *_of_guests(survey, below)):
        for name in sorted(together)[1:]:
            parent[root(name)] = root(min(together))
    groups: dict[str, list[str]] = {}
    for name in sorted(split):
        groups.setdefault(root(name), []).append(name)
    found = sorted(groups.values())
    return tuple(_split(survey, names, below) for names in found)


def _of_guests(survey: Survey, below: Mapping[str, list[str]]) -> Iterator[set[str]]:
    """Per guest, the split resources on which its configuration names a volume."""
    pve = survey.pve
    for _, config in sorted({} if isinstance(pve, NoView) else pve.configs.items()):
        if not isinstance(config, NoView):
            yield {name for each in config.volumes for name in below.get(vg_of(survey, each.storage), ())}


def vg_of(survey: Survey, storeid: str) -> str:
    """The VG of a storage entry; '' if it has none."""
    entry = None if isinstance(survey.pve, NoView) else survey.pve.storage(storeid)
    return entry.vgname if entry else ""


def _split(survey: Survey, names: list[str], below: Mapping[str, list[str]]) -> Split:
    vgs = tuple(sorted(vg for vg, under in below.items() if set(under) & set(names)))
    first, second = hosts_of(survey, names[0])[:2]
    return Split(tuple(names), vgs, (first, second))


def vg_names(survey: Survey) -> tuple[str, ...]:
    """Every VG that any node's LVM shows on DRBD."""
    names: set[str] = set()
    for node in survey.nodes:
        view = account(survey, node)
        if isinstance(view, NodeAccount) and not isinstance(view.lvm.lvm, NoView):
            names.update(vg.name for vg in view.lvm.lvm.vgs if vg_resources(survey, vg.name))
    return tuple(sorted(names))


def resync_mib(survey: Survey, split: Split) -> Mapping[str, int]:
    """What the resync of each resource will copy: about both sides' changes together.

    Seen: 2180 and 3208 KiB gave 5256.
    """
    amounts: dict[str, int] = {}
    for name in split.resources:
        kib = 0
        for node, peer in (split.nodes, split.nodes[::-1]):
            own = resource(survey, node, name)
            link = connection_to(own, peer) if own else None
            kib += sum(volume.out_of_sync_kib for volume in link.volumes) if link else 0
        amounts[name] = -(-kib // 1024)
    return amounts
