"""What this node alone can say of a VG: is it whole and mirrored here, and may new data go onto it."""

from __future__ import annotations

from collections.abc import Iterator

from pve_drbd.findings import Finding, find
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.rules.divergence import judge_divergence
from pve_drbd.rules.health import judge_side
from pve_drbd.rules.placement import resources_without_vg, shown_off_drbd, vg_resources
from pve_drbd.rules.views import account, hosts_of, missing
from pve_drbd.rules.volumes import judge_backing

_FORBID_NEW_DATA = frozenset(
    ("DRBD-E101", "DRBD-E102", "DRBD-E105", "DRBD-E112", "DRBD-E122", "DRBD-E126", "LVM-E201", "LVM-E205")
)
"""Split or not writable here. Merely degraded (peer off, resync running) is no reason to refuse a new volume."""

_INACTIVE = _FORBID_NEW_DATA | {"DRBD-E104"}


def judge_new_data(survey: Survey, node: str, vg: str) -> Iterator[Finding]:
    """The blockers that forbid a new or larger volume on `vg` from `node`; a missing view is one too."""
    for each in _judge_vg(survey, node, vg):
        if each.code in _FORBID_NEW_DATA or each.entry.is_unknown:
            yield each


def judge_local_state(survey: Survey, node: str, vg: str) -> Iterator[Finding]:
    """What makes the storage on `vg` inactive on `node`: split, diskless, suspended, not Primary, not on DRBD."""
    for each in _judge_vg(survey, node, vg):
        if each.code in _INACTIVE and each.node == node:
            yield each
    if node in shown_off_drbd(survey, vg):
        yield find("LVM-E219", node=node, volume=vg, vg=vg)


def judge_copy(survey: Survey, node: str, vg: str) -> Iterator[Finding]:
    """The proof, if there is one, that the copy of `vg` on `node` is older than the peer's."""
    for name in vg_resources(survey, vg) or resources_without_vg(survey):
        for peer in hosts_of(survey, name):
            if peer != node:
                found = judge_divergence(survey, name, node, peer)
                yield from (each for each in found if each.code == "DRBD-E124" and each.node == node)


def _judge_vg(survey: Survey, node: str, vg: str) -> Iterator[Finding]:
    view = account(survey, node)
    if isinstance(view, NoView):
        yield from missing(view)
        return
    below = vg_resources(survey, vg)
    names = resources_without_vg(survey) if below is None else below
    for name in names:
        peers = [host for host in hosts_of(survey, name) if host != node]
        yield from judge_side(survey, name, node, peers[0] if peers else "")
    lvm = view.lvm.lvm
    group = None if isinstance(lvm, NoView) else lvm.vg(vg)
    if group is not None:
        yield from judge_backing(view, group)
    elif not isinstance(lvm, NoView) and not names:
        yield find("LVM-E205", node=node, volume=vg, vg=vg)
    yield from missing(lvm)
