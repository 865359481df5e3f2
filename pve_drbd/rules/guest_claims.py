"""Which guests lay claim to an LV or a raw device, by their configurations; and whether one has run on a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pve_drbd.model.pve import GuestConfig
from pve_drbd.model.survey import NoView, PveAccount, Survey
from pve_drbd.model.task import Upid
from pve_drbd.rules.placement import storage_vgs

Tasks = Mapping[str, Sequence[Upid] | NoView]
"""By node: the tasks in its own log since its link was last good; NoView where its clock or its log cannot tell."""

Logged = Mapping[str, frozenset[str] | NoView]
"""By node: the subjects of these tasks, for guests their numbers."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Guests by what their configurations name: `lvs` by (VG, LV), `paths` by a raw device's path."""

    lvs: Mapping[tuple[str, str], frozenset[int]]
    paths: Mapping[str, frozenset[int]]

    def of_lv(self, vg: str, lv: str) -> frozenset[int]:
        """The guests that name it, as a volume of a storage entry or as a raw device."""
        mapped = f"/dev/mapper/{vg.replace('-', '--')}-{lv.replace('-', '--')}"
        raw = (self.paths.get(path, frozenset()) for path in (f"/dev/{vg}/{lv}", mapped))
        return self.lvs.get((vg, lv), frozenset()).union(*raw)


def claims_of(survey: Survey) -> Claims:
    """What the configurations name that PVE's account has."""
    lvs: dict[tuple[str, str], set[int]] = {}
    paths: dict[str, set[int]] = {}
    pve = survey.pve
    if isinstance(pve, PveAccount):
        vgs = {entry.storeid: entry.vgname for entry in storage_vgs(pve)}
        for vmid, config in pve.configs.items():
            if isinstance(config, GuestConfig):
                for volume in config.volumes:
                    if volume.storage in vgs:
                        lvs.setdefault((vgs[volume.storage], volume.name.rsplit("/", 1)[-1]), set()).add(vmid)
                for _, path in config.raw_paths:
                    paths.setdefault(path, set()).add(vmid)
    return Claims(
        {key: frozenset(each) for key, each in lvs.items()}, {key: frozenset(each) for key, each in paths.items()}
    )


def logged(tasks: Tasks) -> Logged:
    """The subjects of all tasks, by node."""
    return {
        node: log if isinstance(log, NoView) else frozenset(task.subject for task in log) for node, log in tasks.items()
    }


def not_run_on(survey: Survey, node: str, vmids: frozenset[int], logs: Logged) -> str:
    """The proof, in words, that none of `vmids` ran on `node` since the loss; '' where there is none.

    A guest that is on another node now, and about which this node's log has no task at all, cannot have been here:
    every way to it or from it leaves a task in this log.
    """
    log, pve = logs.get(node), survey.pve
    if log is None or isinstance(log, NoView) or isinstance(pve, NoView) or not vmids:
        return ""
    if log & {str(vmid) for vmid in vmids}:
        return ""
    guests = {vmid: pve.guest(vmid) for vmid in sorted(vmids)}
    homes = {vmid: guest.node for vmid, guest in guests.items() if guest is not None}
    if len(homes) < len(vmids) or node in homes.values():
        return ""
    where = ", ".join(f"guest {vmid} is on {home}" for vmid, home in homes.items())
    return f"{where}, and since the loss the task log of {node} has nothing about it"
