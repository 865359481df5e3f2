"""Gives a guest our hookscript, or takes it away; as root through qm and pct, for an API token may not."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.errors import StepStopped, Unreachable, Unreadable
from pve_drbd.findings import Finding, Report, find, report
from pve_drbd.jobs.pve_account import gather_pve
from pve_drbd.jobs.survey import World
from pve_drbd.model.pve import Guest, GuestConfig, GuestKind, StorageEntry
from pve_drbd.model.survey import NoView, PveAccount, Survey
from pve_drbd.rules.enforcement import HOOKSCRIPT, enforcements, is_our_hook
from pve_drbd.rules.entry import hosts_of_vg
from pve_drbd.rules.views import missing

log = logging.getLogger(__name__)

SOURCE = f"/usr/share/pve-drbd/{HOOKSCRIPT}"
_TIMEOUT_S = 30.0
_TOOLS = {GuestKind.VM: "qm", GuestKind.CONTAINER: "pct"}

Step = tuple[str, tuple[str, ...]]
"""A node, and the command that runs there."""


@dataclass(frozen=True, slots=True)
class HookPlan:
    """What is still missing until guest `vmid` has the hookscript `wanted` ('': none)."""

    action: str
    vmid: int
    wanted: str
    steps: tuple[Step, ...]
    report: Report

    @property
    def is_needed(self) -> bool:
        """There is something to do."""
        return bool(self.steps)

    @property
    def shown(self) -> tuple[str, ...]:
        """The commands, each with its node, for a person."""
        return tuple(f"{node}# {shlex.join(argv)}" for node, argv in self.steps)


def plan_attach(world: World, survey: Survey, vmid: int, storeid: str = "") -> HookPlan:
    """How guest `vmid` gets the hookscript, from the snippets of `storeid` or of the first storage that holds some."""
    guest, config, findings = _guest(survey, vmid)
    storage = _snippets(survey, storeid)
    steps: list[Step] = []
    wanted = f"{storage.storeid}:snippets/{HOOKSCRIPT}" if storage else ""
    if guest and config:
        findings += _judge_attach(guest, config, storage, storeid)
        for node in _nodes(survey, guest, config) if storage and not findings else ():
            found = _file_steps(world.hosts, node, wanted)
            steps += [each for each in found if not isinstance(each, Finding)]
            findings += [each for each in found if isinstance(each, Finding)]
        if config.hookscript != wanted:
            steps.append((guest.node, (_TOOLS[guest.kind], "set", str(vmid), "--hookscript", wanted)))
    told = report({"ask": "hook attach", "vmid": str(vmid)}, None, findings)
    return HookPlan("attach", vmid, wanted, tuple(steps) if told.allowed else (), told)


def plan_detach(survey: Survey, vmid: int) -> HookPlan:
    """How guest `vmid` loses our hookscript; another one is left alone."""
    guest, config, findings = _guest(survey, vmid)
    steps: list[Step] = []
    if guest and config and is_our_hook(config.hookscript):
        steps.append((guest.node, (_TOOLS[guest.kind], "set", str(vmid), "--delete", "hookscript")))
    told = report({"ask": "hook detach", "vmid": str(vmid)}, None, findings)
    return HookPlan("detach", vmid, "", tuple(steps) if told.allowed else (), told)


def judge_scripts(hosts: Hosts, survey: Survey) -> Iterator[Finding]:
    """Is the script of each guest that has our hook on every node where the guest may run."""
    pve = survey.pve
    seen: dict[tuple[str, str], tuple[Step | Finding, ...]] = {}
    for each in enforcements(survey):
        config = pve.configs.get(each.guest.vmid) if isinstance(pve, PveAccount) else None
        if each.by != "hook" or not isinstance(config, GuestConfig):
            continue
        for node in _nodes(survey, each.guest, config):
            place = (node, each.hookscript)
            seen[place] = seen[place] if place in seen else _file_steps(hosts, *place)
            unknown = [found for found in seen[place] if isinstance(found, Finding) and found.entry.is_unknown]
            yield from unknown
            if seen[place] and not unknown:
                yield find("PVE-W415", node=node, vmid=str(each.guest.vmid), volid=each.hookscript)


def carry_out(world: World, plan: HookPlan) -> None:
    """Run the steps of `plan`, and see by Proxmox VE's account that the guest has it now."""
    for node, argv in plan.steps:
        log.info("step=hook event=intended vmid=%s node=%s command=%s", plan.vmid, node, shlex.join(argv))
        result = world.hosts.run(node, argv, _TIMEOUT_S)
        if result.exit_code:
            words = (result.err.strip() or f"it ended with exit code {result.exit_code}").splitlines()[-1]
            raise StepStopped(f"`{shlex.join(argv)}` on {node} failed: {words}. Put that right, then run this again")
    account = gather_pve(world.pve, (plan.vmid,))
    config = account.configs.get(plan.vmid) if isinstance(account, PveAccount) else account
    if isinstance(config, NoView):
        raise StepStopped(
            f"the commands for guest {plan.vmid} ended well, but whether it is so is not known: {config.reason}"
        )
    if config is None or (config.hookscript != plan.wanted if plan.wanted else is_our_hook(config.hookscript)):
        raise StepStopped(f"the commands for guest {plan.vmid} ended well, but its configuration does not show it")


def _guest(survey: Survey, vmid: int) -> tuple[Guest | None, GuestConfig | None, list[Finding]]:
    pve = survey.pve
    if isinstance(pve, NoView) or isinstance(pve.guests, NoView):
        return None, None, list(missing(pve if isinstance(pve, NoView) else pve.guests))
    guest = pve.guest(vmid)
    if guest is None:
        return None, None, [find("PVE-E301", vmid=str(vmid))]
    config = pve.configs.get(vmid, NoView(guest.node, f"the configuration of guest {vmid}", "it was not asked"))
    if isinstance(config, NoView):
        return guest, None, list(missing(config))
    return guest, config, []


def _judge_attach(guest: Guest, config: GuestConfig, storage: StorageEntry | None, storeid: str) -> Iterator[Finding]:
    vmid = str(guest.vmid)
    if guest.kind is GuestKind.CONTAINER:
        why = "it is a container, and Proxmox VE does not tell a container's hookscript of a migration"
        advice = "Protect it by the type of its storage entry: pve-drbd storage adopt"
        yield find("PVE-E414", node=guest.node, vmid=vmid, why=why, advice=advice)
    elif config.hookscript and not is_our_hook(config.hookscript):
        why = f"it has the hookscript {config.hookscript} already, and a guest has only one"
        advice = (
            f"Let that script run {SOURCE} with its own two arguments first, in every phase and on both nodes, and end "
            "with its exit code if that is not 0. Or protect the guest by its storage entry: pve-drbd storage adopt"
        )
        yield find("PVE-E414", node=guest.node, vmid=vmid, why=why, advice=advice)
    if storage is None:
        why = f"{storeid} is no storage that holds snippets" if storeid else "no storage holds snippets"
        advice = (
            "Let one hold them, for example: pvesm set local --content iso,vztmpl,backup,snippets (with what it has)"
        )
        yield find("PVE-E414", node=guest.node, vmid=vmid, why=why, advice=advice)


def _snippets(survey: Survey, storeid: str) -> StorageEntry | None:
    """The storage that is asked for if it holds snippets; else `local`, else the first that does."""
    pve = survey.pve
    listed = () if isinstance(pve, NoView) or isinstance(pve.storages, NoView) else pve.storages
    able = [each for each in listed if "snippets" in each.content and not each.is_disabled]
    named = [each for each in able if each.storeid == (storeid or "local")]
    return next(iter(named if storeid or named else able), None)


def _nodes(survey: Survey, guest: Guest, config: GuestConfig) -> tuple[str, ...]:
    """Where the guest is, and wherever its volumes let it go: the script must be there on each."""
    pve = survey.pve
    names = {volume.storage for volume in config.volumes if volume.is_attached}
    entries = [pve.storage(name) for name in names] if isinstance(pve, PveAccount) else []
    hosts = {host for each in entries if each and each.is_lvm for host in hosts_of_vg(survey, each.vgname)}
    return tuple(sorted({guest.node, *hosts}))


def _file_steps(hosts: Hosts, node: str, volid: str) -> tuple[Step | Finding, ...]:
    """What links the script into the snippets of `node`; a link, so that an upgrade of the package reaches it."""
    try:
        if hosts.run(node, ("test", "-x", SOURCE), _TIMEOUT_S).exit_code:
            return (find("PVE-E410", node=node, why="the package pve-drbd is not installed there"),)
        asked = hosts.run(node, ("pvesm", "path", volid), _TIMEOUT_S)
        path = asked.out.strip()
        if asked.exit_code or not path.startswith("/"):
            reason = asked.err.strip() or f"pvesm path ended with exit code {asked.exit_code}"
            return (find("VIEW-E001", node=node, subject=f"the place of {volid}", reason=reason),)
        seen = hosts.run(node, ("readlink", "-e", path), _TIMEOUT_S)
    except (Unreachable, Unreadable) as err:
        return tuple(missing(NoView(node, f"the place of {volid}", getattr(err, "why", str(err)))))
    if seen.exit_code:
        folder = path.rpartition("/")[0]
        return ((node, ("mkdir", "-p", folder)), (node, ("ln", "-sfn", SOURCE, path)))
    if seen.out.strip() == SOURCE:
        return ()
    words = {"vmid": "of any number", "why": f"{path} on {node} is another file", "advice": f"Remove it: rm {path}"}
    return (find("PVE-E414", node=node, **words),)
