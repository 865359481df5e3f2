"""Writes a storage entry: the API for its fields, pve-drbd-retype for its type; then looks whether it is so."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pve_drbd.adapters.pve import Pve, WritablePve
from pve_drbd.errors import ApiRefused, StepStopped, Unreachable, Unreadable
from pve_drbd.jobs.entry_files import EntryMemory
from pve_drbd.jobs.plugin_account import RETYPE
from pve_drbd.jobs.survey import World
from pve_drbd.model.entry import PluginAccount
from pve_drbd.model.lvm import Lvm
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import Survey
from pve_drbd.readers.pve_lists import read_storages
from pve_drbd.readers.strict_json import read_json
from pve_drbd.rules.entry import is_same_entry
from pve_drbd.rules.entry_plan import EntryPlan, Plugins
from pve_drbd.rules.placement import lvm_of

log = logging.getLogger(__name__)

TRIES = 3
"""How often a change of storage.cfg by somebody else is met with another look, and another try."""
LOOKS = 5
LOOK_AGAIN_S = 2.0
"""After a write without an answer: PVE itself gives the write 10 s for the lock, and a hook 8.5 s."""
RETYPE_TIMEOUT_S = 90.0
"""PVE's lock: 10 s until it is had, 60 s at most while it is held (PVE::Cluster, cfs_lock)."""

_STALE_EXIT = 3


@dataclass(frozen=True, slots=True)
class Desk:
    """What an acting run works with."""

    world: World
    pve: WritablePve
    memory: EntryMemory


@dataclass(frozen=True, slots=True)
class EntryRun:
    """What came of a plan: the entry as it is now, and whether this run changed it."""

    plan: EntryPlan
    entry: StorageEntry | None
    is_done: bool = False
    is_kept: bool = False


def carry_out(desk: Desk, plan: EntryPlan, survey: Survey, plugins: Plugins) -> EntryRun:
    """Do what `plan` says, if nothing speaks against it; what is right already is left alone."""
    if not plan.report.allowed:
        return EntryRun(plan, plan.actual)
    entry = plan.actual
    if plan.is_needed:
        log.info("step=%s event=intended storage=%s changes=%s", plan.action, plan.storeid, len(plan.changes))
        entry = _retype(desk, plan, plugins) if plan.retype_to else _write(desk, plan)
        log.info("step=%s event=done storage=%s", plan.action, plan.storeid)
    kept = entry is not None and desk.memory.keep(entry, _vg_uuid(survey, plan.vg), desk.world.clock.utc())
    return EntryRun(plan, entry, is_done=plan.is_needed, is_kept=kept)


def shown(plan: EntryPlan, plugins: Plugins) -> str:
    """The exact call of the API, or the command, that `plan` stands for; '' if there is nothing to do."""
    if plan.request is not None:
        return plan.request.shown
    if plan.retype_to and plan.actual and plan.is_needed:
        return " ".join((RETYPE, "change", f"'{_question(plan, plan.actual, plugins)}'"))
    return ""


def _write(desk: Desk, plan: EntryPlan) -> StorageEntry:
    """Post or put, at most three times where only the digest was stale; then the entry as it is afterwards."""
    if plan.request is None:
        raise StepStopped(f"there is no call for {plan.storeid}: this is an error in pve-drbd, report it")
    fields, call = dict(plan.request.fields), plan.request.path
    for _ in range(TRIES):
        doubt: Exception | None = None
        entry = _entry_now(desk.pve, plan.storeid)
        if _is_as_planned(plan, entry):
            return entry  # type: ignore[return-value]  # an entry that is as planned is there
        _refuse_surprise(plan, entry)
        try:
            if plan.request.method == "post":
                desk.pve.post(call, **fields)
            else:
                desk.pve.put(call, **fields, digest=entry.digest if entry else "")
        except ApiRefused as err:
            if "detected modified configuration" in err.reason or "already defined" in err.reason:
                continue
            if not 595 <= err.status <= 599:
                raise
            doubt = err
        except Unreachable as err:
            doubt = err
        return _see(desk, plan, lambda found: _is_as_planned(plan, found), doubt)
    raise StepStopped(
        f"{plan.storeid} was not changed: storage.cfg changed under each of {TRIES} tries. "
        "Find out what keeps writing it, then run this again"
    )


def _retype(desk: Desk, plan: EntryPlan, plugins: Plugins) -> StorageEntry:
    """Run the program that changes the one word, and read through the API that all else is as it was."""
    here = desk.world.taken_on
    for _ in range(TRIES):
        before = _entries(desk.pve)
        entry = before.get(plan.storeid)
        if entry is not None and entry.type == plan.retype_to:
            return entry
        _refuse_surprise(plan, entry)
        argv = (RETYPE, "change", _question(plan, entry or plan.actual, plugins))
        doubt: Exception | None = None
        try:
            result = desk.world.hosts.run(here, argv, RETYPE_TIMEOUT_S)
        except (Unreachable, Unreadable) as err:
            doubt = err
        else:
            if result.exit_code == _STALE_EXIT:
                continue
            if result.exit_code:
                words = (result.err.strip() or f"it ended with exit code {result.exit_code}").splitlines()[-1]
                raise StepStopped(f"{plan.storeid} was not changed: {words}. Put that right, then run this again")
        after = _see(desk, plan, lambda found: found is not None and found.type == plan.retype_to, doubt)
        digest = None if doubt else _digest_of(result.out)
        _compare(before, _entries(desk.pve), plan, digest)
        return after
    raise StepStopped(
        f"{plan.storeid} was not changed: storage.cfg changed under each of {TRIES} tries. "
        "Find out what keeps writing it, then run this again"
    )


def _question(plan: EntryPlan, entry: StorageEntry | None, plugins: Plugins) -> str:
    seen = {node: each.sha256 for node, each in plugins.items() if isinstance(each, PluginAccount)}
    question = {
        "storage": plan.storeid,
        "from": entry.type if entry else "",
        "to": plan.retype_to,
        "digest": entry.digest if entry else "",
        "plugins": seen if plan.retype_to == "drbdlvm" else {},
    }
    return json.dumps(question, sort_keys=True)


def _digest_of(out: str) -> str:
    answer = read_json(out, RETYPE)
    return str(answer.get("digest", "")) if isinstance(answer, dict) else ""


def _compare(
    before: Mapping[str, StorageEntry], after: Mapping[str, StorageEntry], plan: EntryPlan, digest: str | None
) -> None:
    """Nothing but the one type is another; only where storage.cfg is still what was written, for others may write."""
    ours = after[plan.storeid]
    if digest is not None and ours.digest != digest:
        return
    expected = {**before, plan.storeid: replace(before[plan.storeid], type=plan.retype_to)}
    for storeid in sorted({*expected, *after}):
        if not is_same_entry(expected.get(storeid), after.get(storeid)):
            raise StepStopped(
                f"{plan.storeid} is of type {plan.retype_to} now, but the entry {storeid} does not read as before. "
                f"Look at it: pvesh get /storage/{storeid}"
            )


def _see(
    desk: Desk, plan: EntryPlan, is_so: Callable[[StorageEntry | None], bool], doubt: Exception | None
) -> StorageEntry:
    """The entry once it is as it should be; one look after an answer, several after none."""
    for look in range(LOOKS if doubt else 1):
        if look:
            desk.world.clock.sleep(LOOK_AGAIN_S)
        entry = _entry_now(desk.pve, plan.storeid)
        if entry is not None and is_so(entry):
            return entry
    if doubt:
        raise StepStopped(
            f"whether the entry {plan.storeid} was written is not known, it does not show so far ({doubt}). "
            f"Run this again: it looks first, and does only what is missing"
        ) from doubt
    raise StepStopped(
        f"Proxmox VE took the change of {plan.storeid}, but does not show it. "
        f"May the token see it (Datastore.Audit)? Look with: pvesh get /storage/{plan.storeid}"
    )


def _refuse_surprise(plan: EntryPlan, entry: StorageEntry | None) -> None:
    """The entry must be what the plan was made for; only the digest may be another."""
    if not is_same_entry(entry, plan.actual):
        what = "is gone" if entry is None else "appeared" if plan.actual is None else "changed"
        raise StepStopped(f"the entry {plan.storeid} {what} since it was looked at. Run this again, it looks anew")


def _is_as_planned(plan: EntryPlan, entry: StorageEntry | None) -> bool:
    if entry is None:
        return False
    now = {
        "type": entry.type,
        "vgname": entry.vgname,
        "content": ",".join(sorted(entry.content)),
        "nodes": ",".join(sorted(entry.nodes)),
        "shared": str(int(entry.is_shared)),
        "disable": "1" if entry.is_disabled else "",
    }
    return all(now[each.field] == each.wanted for each in plan.changes)


def _entry_now(pve: Pve, storeid: str) -> StorageEntry | None:
    return _entries(pve).get(storeid)


def _entries(pve: Pve) -> Mapping[str, StorageEntry]:
    return {each.storeid: each for each in read_storages(pve.get("/storage"))}


def _vg_uuid(survey: Survey, vg: str) -> str:
    views = (lvm_of(survey, node) for node in sorted(survey.nodes))
    found = [group.uuid for lvm in views if isinstance(lvm, Lvm) and (group := lvm.vg(vg))]
    return found[0] if found else ""
