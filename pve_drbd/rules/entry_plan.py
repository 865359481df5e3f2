"""What would be done to a storage entry, and everything that speaks against it: decided before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pve_drbd.findings import Finding, Report, report
from pve_drbd.model.entry import Change, EntryRequest, PluginAccount, WantedEntry
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NoView, PveAccount, Survey
from pve_drbd.rules.entry import creation, hosts_of_vg, judge_fixed, update, wanted_changes
from pve_drbd.rules.entry_ground import judge_ground, judge_plugins, judge_retype
from pve_drbd.rules.guests import judge_drive, judge_quorum
from pve_drbd.rules.views import missing

Plugins = Mapping[str, PluginAccount | NoView]


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """One entry as it is, what is to change, by which call of the API or, for a type, to which (`retype_to`)."""

    action: str
    storeid: str
    vg: str
    actual: StorageEntry | None
    changes: tuple[Change, ...]
    report: Report
    request: EntryRequest | None = None
    retype_to: str = ""

    @property
    def is_needed(self) -> bool:
        """There is something to do."""
        return bool(self.changes)


def plan_ensure(survey: Survey, wanted: WantedEntry, plugins: Plugins, left_out: Sequence[str] = ()) -> EntryPlan:
    """Make or mend the entry that the configuration wants."""
    actual = storage_of(survey, wanted.storeid)
    findings = [*judge_ground(survey, wanted.vg, wanted.storeid, left_out), *_judge_quorum(survey)]
    if actual is not None:
        findings += judge_fixed(wanted, actual)
        changes = wanted_changes(wanted, actual)
        request = update(wanted.storeid, changes) if changes else None
    else:
        if wanted.type == "drbdlvm":
            findings += judge_plugins(survey.pve, plugins, survey.taken_on, left_out)
        request = creation(wanted, hosts_of_vg(survey, wanted.vg), _members(survey))
        changes = tuple(Change(field, "", str(value)) for field, value in request.fields if field != "storage")
    told = report({"ask": "storage ensure", "storage": wanted.storeid}, None, findings)
    return EntryPlan("ensure", wanted.storeid, wanted.vg, actual, changes, told, request)


def plan_set(
    survey: Survey, actual: StorageEntry, fields: Mapping[str, str], left_out: Sequence[str] = ()
) -> EntryPlan:
    """Change `fields` of an entry; '' takes one away. Only switching it off needs no sound ground."""
    now = {
        "content": ",".join(sorted(actual.content)),
        "nodes": ",".join(sorted(actual.nodes)),
        "disable": "1" if actual.is_disabled else "",
    }
    changes = tuple(Change(key, now[key], value) for key, value in fields.items() if now[key] != value)
    findings = [*_judge_quorum(survey)]
    if any((each.field, each.wanted) != ("disable", "1") for each in changes):
        findings += judge_ground(survey, actual.vgname, actual.storeid, left_out)
    told = report({"ask": "storage set", "storage": actual.storeid}, None, findings)
    request = update(actual.storeid, changes) if changes else None
    return EntryPlan("set", actual.storeid, actual.vgname, actual, changes, told, request)


def plan_retype(survey: Survey, actual: StorageEntry, to: str, plugins: Plugins) -> EntryPlan:
    """Give the entry the type `to` in place. The way back to lvm is never barred by the state of the mirror."""
    action = {"drbdlvm": "adopt", "lvm": "release"}[to]
    findings: list[Finding] = []
    changes: tuple[Change, ...] = ()
    if actual.type != to:
        changes = (Change("type", actual.type, to),)
        findings += [*judge_retype(actual, to), *_judge_quorum(survey)]
        if to == "drbdlvm":
            findings += judge_ground(survey, actual.vgname, actual.storeid)
            findings += judge_plugins(survey.pve, plugins, survey.taken_on)
            findings += _judge_drives(survey, replace(actual, type=to))
    told = report({"ask": f"storage {action}", "storage": actual.storeid}, None, findings)
    return EntryPlan(action, actual.storeid, actual.vgname, actual, changes, told, retype_to=to)


def storage_of(survey: Survey, storeid: str) -> StorageEntry | None:
    """The entry as Proxmox VE tells it; None if there is none, or none could be read."""
    return survey.pve.storage(storeid) if isinstance(survey.pve, PveAccount) else None


def _judge_quorum(survey: Survey) -> Iterator[Finding]:
    """Without a quorum storage.cfg cannot be written; without an account of PVE nobody knows."""
    if isinstance(survey.pve, NoView):
        yield from missing(survey.pve)
        return
    yield from missing(survey.pve.cluster)
    yield from judge_quorum(survey.pve)


def _judge_drives(survey: Survey, entry: StorageEntry) -> Iterator[Finding]:
    """The drives that would start with io_uring from now on: Proxmox VE chooses aio by the type of the storage."""
    pve = survey.pve
    guests = () if isinstance(pve, NoView) or isinstance(pve.guests, NoView) else pve.guests
    for guest in guests:
        config = pve.configs.get(guest.vmid) if isinstance(pve, PveAccount) else None
        if config is None or isinstance(config, NoView):
            continue
        for volume in config.volumes:
            if volume.storage == entry.storeid and volume.is_attached:
                yield from (each for each in judge_drive(guest, volume, entry) if each.code == "PVE-W314")


def _members(survey: Survey) -> tuple[str, ...]:
    pve = survey.pve
    if isinstance(pve, NoView) or isinstance(pve.cluster, NoView):
        return ()
    return tuple(each.name for each in pve.cluster.nodes)
