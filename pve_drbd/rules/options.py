"""Settings and versions that decide whether two Primaries may work: protocol, allow-two-primaries, module series."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping

from pve_drbd.dialects import dialect_for
from pve_drbd.errors import Unreadable
from pve_drbd.findings import Finding, find
from pve_drbd.model.drbd import DrbdConfig, Resource, Version
from pve_drbd.model.survey import DrbdAccount, NodeAccount, NoView, Survey
from pve_drbd.rules.views import account


def judge_options(view: NodeAccount, own: Resource, peer: str) -> Iterator[Finding]:
    """Settings of `own` that forbid two Primaries, as they are in force on that node."""
    settings = effective_net(view.drbd, own, peer)
    subject = {"node": view.node, "resource": own.name}
    if settings is None:
        return
    protocol = settings.get("protocol", "") or "unknown"
    if protocol != "C":
        yield find("DRBD-E111", **subject, protocol=protocol)
    if settings.get("allow-two-primaries") != "yes":
        yield find("DRBD-E110", **subject)


def effective_net(drbd: DrbdAccount, own: Resource, peer: str) -> Mapping[str, str] | None:
    """Net settings of `own` towards `peer`: running value, else connection, resource, common, default.

    None where the configuration could not be read; that is told elsewhere.
    """
    if isinstance(drbd.config, NoView):
        return None
    layers = (*_running_layers(drbd, own, peer), *configured_net(drbd.config, own.name), _defaults(drbd))
    return dict(ChainMap(*(dict(layer) for layer in layers)))


def configured_net(config: DrbdConfig, name: str) -> tuple[Mapping[str, str], ...]:
    """The net settings configured for resource `name`, nearest first: its connection's, its own, the common."""
    own = config.resource(name)
    nearest = (own.connection_options or {}, own.options.get("net", {})) if own else ()
    return (*nearest, config.common.get("net", {}))


def _defaults(drbd: DrbdAccount) -> Mapping[str, str]:
    try:
        return {} if isinstance(drbd.loaded, NoView) else dialect_for(drbd.loaded.version).net_defaults
    except Unreadable:
        return {}


def _running_layers(drbd: DrbdAccount, own: Resource, peer: str) -> Iterator[Mapping[str, str]]:
    """The running values: of DRBD 9's `show --json`, and the protocol letter of 8.x's /proc/drbd."""
    for running in () if isinstance(drbd.running, NoView) else drbd.running:
        if running.resource == own.name and peer in running.net:
            yield running.net[peer]
    if not isinstance(drbd.loaded, NoView):
        minors = {volume.minor for volume in own.volumes}
        letters = {each.protocol for each in drbd.loaded.minors if each.minor in minors and each.protocol}
        if letters:
            # Volumes of one resource share a connection, so one letter; of a garbled two, the worse (A < B < C).
            yield {"protocol": min(letters)}


def judge_versions(survey: Survey, node: str, peer: str) -> Iterator[Finding]:
    """How far the DRBD versions of the two nodes, and of each node's tools and module, are apart."""
    told: dict[str, tuple[Version, Version]] = {}
    for side in (node, peer):
        view = account(survey, side)
        if isinstance(view, NoView) or isinstance(view.drbd.loaded, NoView) or isinstance(view.drbd.versions, NoView):
            continue
        module, versions = view.drbd.loaded.version, view.drbd.versions
        if module.major == 0:
            continue
        told[side] = (module, versions.tools)
        if versions.module != module:
            yield find("DRBD-E118", node=side, believed=versions.module, module=module)
    if len(told) == 2 and told[node] != told[peer]:
        words = {"module": str(told[node][0]), "peer_module": str(told[peer][0])}
        if told[node][0].series != told[peer][0].series:
            yield find("DRBD-E117", node=node, peer=peer, **words)
        else:
            yield find("DRBD-N116", node=node, peer=peer, **words, tools=told[node][1], peer_tools=told[peer][1])
