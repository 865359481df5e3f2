"""Is one resource a healthy Primary/Primary mirror between two nodes, by both nodes' own accounts."""

from __future__ import annotations

from collections.abc import Iterator

from pve_drbd.findings import Finding, find
from pve_drbd.model.drbd import (
    Connection,
    ConnectionState,
    DiskState,
    PeerVolume,
    Progress,
    ReplicationState,
    Resource,
    Role,
)
from pve_drbd.model.survey import DrbdAccount, NodeAccount, NoView, Survey
from pve_drbd.rules.agreement import judge_agreement, judge_witness
from pve_drbd.rules.divergence import is_split, judge_divergence
from pve_drbd.rules.options import configured_net, judge_options, judge_versions
from pve_drbd.rules.views import account, connection_to, hosts_of, missing, resource, value_or


def judge_resource(survey: Survey, name: str, node: str, peer: str) -> Iterator[Finding]:
    """Everything that is wrong with resource `name` between `node` and `peer`, as both tell it."""
    hosts = hosts_of(survey, name)
    strangers = [each for each in (node, peer) if hosts and each not in hosts]
    for stranger in strangers:
        yield find("DRBD-E125", node=stranger, resource=name, hosts=", ".join(hosts))
    if strangers:
        return
    for here, there in ((node, peer), (peer, node)):
        yield from judge_side(survey, name, here, there)
    yield from judge_agreement(survey, name, node, peer)
    yield from judge_divergence(survey, name, node, peer)
    yield from judge_versions(survey, node, peer)
    yield from _more_hosts(survey, name, node, peer)
    if is_split(survey, name, node, peer) or _stands_alone(survey, name, node, peer):
        yield from _traps(survey, name, node, peer)


def judge_side(survey: Survey, name: str, node: str, peer: str) -> Iterator[Finding]:
    """What `node` itself says of resource `name`, of its link to `peer`, and of the peer's replica."""
    view = account(survey, node)
    if isinstance(view, NoView):
        yield from missing(view)
        return
    drbd = view.drbd
    yield from _needed_views(drbd)
    if not isinstance(drbd.loaded, NoView) and drbd.loaded.version.major == 0:
        yield find("DRBD-E126", node=node)
        return
    own = resource(survey, node, name)
    if own is None:
        if not isinstance(drbd.resources, NoView):
            yield find("DRBD-E101", node=node, resource=name)
        return
    yield from _own_state(own, node)
    yield from judge_witness(view, own, peer)
    yield from _link(own, node, peer)
    yield from judge_options(view, own, peer)
    yield from _probe(view, name, peer)


def _needed_views(drbd: DrbdAccount) -> Iterator[Finding]:
    if isinstance(drbd.loaded, NoView) or drbd.loaded.version.major > 0:
        for part in (drbd.loaded, drbd.versions, drbd.config, drbd.resources, drbd.witness, drbd.running):
            yield from missing(part)


def _own_state(own: Resource, node: str) -> Iterator[Finding]:
    if own.suspended:
        yield find("DRBD-E112", node=node, resource=own.name, why=", ".join(own.suspended))
    if own.role is not Role.PRIMARY:
        yield find("DRBD-E105", node=node, resource=own.name, state=own.role.value)
    for volume in own.volumes:
        subject = {"node": node, "resource": own.name, "volume": str(volume.number)}
        if volume.disk is not DiskState.UP_TO_DATE:
            yield find("DRBD-E104", **subject, state=volume.disk.value)
        if volume.has_quorum is False:
            yield find("DRBD-E122", **subject)


def _link(own: Resource, node: str, peer: str) -> Iterator[Finding]:
    connection = connection_to(own, peer)
    subject = {"node": node, "resource": own.name, "peer": peer}
    if connection is None:
        yield find("DRBD-E103", **subject, state="without a connection in its kernel")
    elif connection.state is ConnectionState.STAND_ALONE:
        yield find("DRBD-E102", **subject)
    elif connection.state is not ConnectionState.CONNECTED:
        yield find("DRBD-E103", **subject, state=connection.state.value)
    else:
        yield from _peer_side(own, connection, node, peer)


def _peer_side(own: Resource, connection: Connection, node: str, peer: str) -> Iterator[Finding]:
    if connection.peer_role is not Role.PRIMARY:
        yield find("DRBD-E105", node=peer, resource=own.name, state=connection.peer_role.value)
    for volume in connection.volumes:
        if volume.peer_disk is not DiskState.UP_TO_DATE:
            yield find(
                "DRBD-E104", node=peer, resource=own.name, volume=str(volume.number), state=volume.peer_disk.value
            )
        yield from _replication(own.name, volume, node, peer)


def _replication(name: str, volume: PeerVolume, node: str, peer: str) -> Iterator[Finding]:
    state = volume.replication
    subject = {"node": node, "resource": name, "volume": str(volume.number)}
    told = {"progress": progress_words(volume.progress)}
    if state in (ReplicationState.OFF, ReplicationState.AHEAD, ReplicationState.BEHIND):
        yield find("DRBD-E109", **subject, peer=peer, state=state.value)
    elif state.is_resync:
        yield find("DRBD-E107", **subject, state=state.value, **told)
    elif state.is_verify:
        yield find("DRBD-N108", **subject, **told)
    if volume.out_of_sync_kib and not state.is_resync:
        yield find("DRBD-E106", **subject, out_of_sync_kib=volume.out_of_sync_kib)


def progress_words(progress: Progress | None) -> str:
    """', 42.0 % done, 1234 KiB left, about 56 s', as far as it is known."""
    if progress is None:
        return ""
    eta = f", about {progress.eta_s} s" if progress.eta_s is not None else ""
    return f", {progress.percent_done:.1f} % done, {progress.left_kib} KiB left{eta}"


def _probe(view: NodeAccount, name: str, peer: str) -> Iterator[Finding]:
    if isinstance(view.probes, NoView):
        yield from missing(view.probes)
        return
    probes = [each for each in view.probes if each.resource == name]
    if not probes:
        yield find("VIEW-N006", node=view.node, resource=name, reason="its addresses are not known")
    for probe in probes:
        subject = {"node": view.node, "resource": name}
        if not probe.is_done:
            yield find("VIEW-N006", **subject, reason=probe.problem)
        elif probe.problem and not probe.interface:
            yield find("DRBD-E120", **subject, address=probe.address, reason=probe.problem)
        elif probe.problem:
            yield find("DRBD-E119", **subject, peer=peer, peer_address=probe.peer_address, reason=probe.problem)


def _more_hosts(survey: Survey, name: str, node: str, peer: str) -> Iterator[Finding]:
    hosts = hosts_of(survey, name)
    if set(hosts) > {node, peer}:
        yield find("DRBD-N127", node=node, resource=name, peer=peer, hosts=", ".join(hosts))


def _stands_alone(survey: Survey, name: str, node: str, peer: str) -> bool:
    for here, there in ((node, peer), (peer, node)):
        own = resource(survey, here, name)
        link = connection_to(own, there) if own else None
        if link is not None and link.state is ConnectionState.STAND_ALONE:
            return True
    return False


def _traps(survey: Survey, name: str, node: str, peer: str) -> Iterator[Finding]:
    """What would make a split resource reconnect, and throw a side away, without anybody deciding it."""
    for here in (node, peer):
        view = account(survey, here)
        if isinstance(view, NoView):
            continue
        policy = effective_after_sb_1pri(view.drbd, name)
        if policy == "discard-secondary":
            yield find("DRBD-W121", node=here, resource=name, policy=policy)
        if name in value_or(view.drbd.adjust_would_connect, ()):
            yield find("DRBD-W115", node=here, resource=name)


def effective_after_sb_1pri(drbd: DrbdAccount, name: str) -> str:
    """The configured after-sb-1pri of `name`: what the next connect would use; '' if unknown."""
    if isinstance(drbd.config, NoView):
        return ""
    layers = configured_net(drbd.config, name)
    return next((net["after-sb-1pri"] for net in layers if "after-sb-1pri" in net), "disconnect")
