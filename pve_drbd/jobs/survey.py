"""Ask both nodes and Proxmox VE side by side, and put what they say together as one survey."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pve_drbd.accounts import NO_MODULE, Answer, read_config, read_lvm_account
from pve_drbd.adapters.hosts import Hosts
from pve_drbd.dialects import DRBD_COMMANDS
from pve_drbd.errors import PveDrbdError
from pve_drbd.jobs.asker import Asker, probe_links
from pve_drbd.jobs.pve_account import PveSource, gather_pve
from pve_drbd.model.drbd import DrbdConfig
from pve_drbd.model.survey import DrbdAccount, LvmAccount, NodeAccount, NoView, Probe, PveAccount, Survey
from pve_drbd.rules.divergence import has_silent_divergence

if TYPE_CHECKING:
    from pve_drbd.model.evacuation import DirtyMap

SECOND_LOOK_S = 1.0
"""Silent divergence counts only if it is seen twice, this far apart."""

_READ_CONFIG = next(each for each in DRBD_COMMANDS if each.name == "dump-xml")


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as this process knows it: `monotonic` and `sleep` in seconds, `utc` as ISO 8601."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    utc: Callable[[], str]


@dataclass(frozen=True, slots=True)
class World:
    """What is asked: nodes, PVE, and the clock by which the answers age.

    In a replay nothing is waited for: an account is as old as its commands took when they were recorded, and
    `taken_at` is when that was. `unprobed` are resources whose link the administrator does not let us ping;
    without `probes_links` none is pinged.
    """

    hosts: Hosts
    pve: PveSource
    clock: Clock
    taken_on: str
    taken_at: str = ""
    is_replay: bool = False
    unprobed: frozenset[str] = frozenset()
    probes_links: bool = True


@dataclass(frozen=True, slots=True)
class _Gathered:
    """One node's answers, before the clock stops."""

    asker: Asker
    drbd: DrbdAccount
    lvm: LvmAccount
    probes: tuple[Probe, ...] | NoView
    dirty: Mapping[tuple[str, int], DirtyMap | NoView]


def take_survey(
    world: World,
    nodes: Sequence[str],
    vmids: Iterable[int] | None = (),
    *,
    with_pending: bool = True,
    with_changes: bool = False,
) -> Survey:
    """The accounts of `nodes` and of PVE, with the configurations of guests `vmids` (None: of every guest).

    `with_changes` also reads what each node changed since it lost its peer, which may take a while: see ask_changes.
    """
    wanted = None if vmids is None else tuple(vmids)
    pve = world.pve
    return survey_with(world, nodes, lambda: gather_pve(pve, wanted, with_pending=with_pending), with_changes)


def survey_with(
    world: World, nodes: Sequence[str], ask_pve: Callable[[], PveAccount | NoView], with_changes: bool = False
) -> Survey:
    """As `take_survey`, with PVE's account from wherever `ask_pve` has it."""
    with ThreadPoolExecutor(max_workers=len(nodes) + 1) as pool:
        asked = {node: pool.submit(_gather_node, world, node, with_changes) for node in nodes}
        pve = pool.submit(ask_pve)
        gathered = {node: future.result() for node, future in asked.items()}
        account = pve.result()
    found = _put_together(world, gathered, account)
    if world.is_replay or not has_silent_divergence(found):
        return found
    world.clock.sleep(SECOND_LOOK_S)
    again = {node: each if isinstance(each, NoView) else _look_again(world, each) for node, each in gathered.items()}
    return _put_together(world, again, account)


def _look_again(world: World, first: _Gathered) -> _Gathered | NoView:
    """What DRBD says now, and none of what it said before; LVM and the link as they were."""
    asker = Asker(world.hosts, first.asker.node, first.asker.began_s)
    drbd = asker.look_at_drbd()
    return drbd if isinstance(drbd, NoView) else replace(first, asker=asker, drbd=drbd)


def nodes_of_pair(world: World) -> tuple[str, ...]:
    """The nodes to ask: the hosts of what is configured here; in a recording, also every node it has."""
    named = set(world.hosts.nodes()) if world.is_replay else {world.taken_on}
    for node in sorted(named):
        try:
            result = world.hosts.run(node, _READ_CONFIG.argv, _READ_CONFIG.timeout_s)
        except PveDrbdError:
            # The survey asks again, and then says what was wrong.
            continue
        config = read_config(node, {"dump-xml": Answer(result.exit_code, result.out, result.err)})
        if isinstance(config, DrbdConfig):
            named.update(host.name for resource in config.resources for host in resource.hosts)
    # Without a configuration here, this may be a third node of the cluster: then every node is asked.
    return tuple(sorted(named if len(named) > 1 else {*named, *world.hosts.nodes()}))


def _gather_node(world: World, node: str, with_changes: bool) -> _Gathered | NoView:
    if node not in world.hosts.nodes():
        where = "in the bundle" if world.is_replay else "among the members of this cluster"
        return NoView(node, "the account", f"it is not {where}")
    asker = Asker(world.hosts, node, world.clock.monotonic())
    drbd = asker.look_at_drbd()
    if isinstance(drbd, NoView):
        return drbd
    asker.ask_devices(drbd)
    lvm = read_lvm_account(node, asker.answers, drbd.config)
    probes: tuple[Probe, ...] | NoView = ()
    if drbd.loaded != NO_MODULE and world.probes_links:
        probes = probe_links(asker, drbd.config, world.unprobed)
    return _Gathered(asker, drbd, lvm, probes, _changes(asker, drbd) if with_changes else {})


def _changes(asker: Asker, drbd: DrbdAccount) -> Mapping[tuple[str, int], DirtyMap | NoView]:
    """See ask_changes, imported only here so that a check does not pay for what only a plan reads."""
    from pve_drbd.jobs.changes import ask_changes  # noqa: PLC0415

    return ask_changes(asker, drbd)


def _put_together(world: World, gathered: Mapping[str, _Gathered | NoView], pve: PveAccount | NoView) -> Survey:
    now_s = world.clock.monotonic()
    nodes: dict[str, NodeAccount | NoView] = {}
    for node, each in gathered.items():
        if isinstance(each, NoView):
            nodes[node] = each
        else:
            age_s = each.asker.took_ms / 1000 if world.is_replay else now_s - each.asker.began_s
            nodes[node] = NodeAccount(node, age_s, each.drbd, each.lvm, each.probes, each.dirty)
    return Survey(world.taken_at or world.clock.utc(), world.taken_on, nodes, pve, world.is_replay)
