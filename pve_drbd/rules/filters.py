"""What an LVM filter lets LVM see: the backing disk must be hidden, the DRBD device visible."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pve_drbd.errors import Unreadable
from pve_drbd.findings import Finding, find
from pve_drbd.model.lvm import FilterRule, LvmFilters
from pve_drbd.model.survey import NodeAccount, NoView
from pve_drbd.rules.devices import Replica, replicas_of
from pve_drbd.rules.views import missing


def is_visible(filters: LvmFilters, paths: Sequence[str]) -> bool:
    """LVM may use a device with these `paths`: both of its lists pass it."""
    return _passes(filters.filter, paths) and _passes(filters.global_filter, paths)


def _passes(rules: Sequence[FilterRule], paths: Sequence[str]) -> bool:
    """One path accepted is enough; else one rejected is; a path that no pattern matches does not count.

    For each path the first pattern that matches decides.
    Source: lvm2 lib/filters/filter-regex.c, _accept_p; lvm.conf manual, devices/filter.
    """
    decisions = {_decision(rules, path) for path in paths}
    return True in decisions or False not in decisions


def _decision(rules: Sequence[FilterRule], path: str) -> bool | None:
    for rule in rules:
        try:
            if re.search(rule.pattern, path):
                return rule.is_accept
        except re.error as err:
            raise Unreadable("lvmconfig", 0, f"filter pattern {rule.pattern!r}: {err}") from err
    return None


def judge_filters(view: NodeAccount, vg: str, names: Sequence[str]) -> Iterator[Finding]:
    """What the filters of this node do to the devices of resources `names`, on which `vg` lies."""
    filters = view.lvm.filters
    if isinstance(filters, NoView):
        yield from missing(filters)
        return
    if filters.has_devices_file:
        # The devices file decides alone then; whether LVM uses the DRBD device shows in its own account.
        return
    for replica in replicas_of(view):
        if replica.resource in names:
            try:
                yield from _judge_replica(view, filters, replica, vg)
            except Unreadable as err:
                yield find("VIEW-E002", node=view.node, subject="the LVM filter", reason=str(err))


def _judge_replica(view: NodeAccount, filters: LvmFilters, replica: Replica, vg: str) -> Iterator[Finding]:
    subject = {"node": view.node, "resource": replica.resource, "volume": str(replica.number)}
    if not is_visible(filters, replica.device_paths):
        yield find("LVM-E204", **subject, device=replica.device)
    for disk in replica.disks:
        if is_visible(filters, disk.paths):
            code = "LVM-W202" if _lvm_uses(view, vg, replica) else "LVM-E203"
            yield find(code, **subject, disk=disk.path, device=replica.device, vg=vg)


def _lvm_uses(view: NodeAccount, vg: str, replica: Replica) -> bool:
    """The node's own LVM names the DRBD device, and no disk below it, as a volume of `vg`."""
    lvm = view.lvm.lvm
    if isinstance(lvm, NoView):
        return False
    names = {pv.name for pv in lvm.pvs if pv.vg == vg}
    return bool(names & set(replica.device_paths)) and not names & {disk.path for disk in replica.disks}
