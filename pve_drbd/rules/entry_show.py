"""Every storage entry that concerns DRBD at one glance: present, wanted or remembered, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pve_drbd.findings import Finding, Report, report
from pve_drbd.model.entry import KnownEntry, WantedEntry
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NoView, PveAccount, Survey
from pve_drbd.rules.enforcement import enforcements, judge_enforcement
from pve_drbd.rules.entry import judge_drift, judge_wanted
from pve_drbd.rules.entry_ground import judge_ground
from pve_drbd.rules.placement import storage_vgs, vg_resources
from pve_drbd.rules.views import missing


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry; `entry` is None where it is only wanted or remembered. `guests` are those with a disk on it."""

    storeid: str
    vg: str
    resources: tuple[str, ...]
    entry: StorageEntry | None
    is_wanted: bool
    is_known: bool
    guests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EntriesShown:
    """What `storage show` shows."""

    rows: tuple[EntryRow, ...]
    report: Report


def show_entries(survey: Survey, wanted: Sequence[WantedEntry], known: Sequence[KnownEntry] | NoView) -> EntriesShown:
    """The entries of our type, those on DRBD, those the configuration wants, and those that vanished."""
    remembered = () if isinstance(known, NoView) else tuple(known)
    pve = survey.pve
    present = {each.storeid: each for each in storage_vgs(pve)} if isinstance(pve, PveAccount) else {}
    vgs = {each.storeid: each.vgname for each in present.values() if _concerns(survey, each)}
    vgs |= {each.storeid: each.vg for each in remembered}
    vgs |= {each.storeid: each.vg for each in wanted}
    rows = tuple(_row(survey, storeid, vgs[storeid], present, wanted, remembered) for storeid in sorted(vgs))
    findings = [*missing(known), *missing(pve), *_judge(survey, rows, wanted, remembered)]
    return EntriesShown(rows, report({"ask": "storage show"}, None, findings))


def _judge(
    survey: Survey, rows: Sequence[EntryRow], wanted: Sequence[WantedEntry], known: Sequence[KnownEntry]
) -> Iterator[Finding]:
    if isinstance(survey.pve, NoView):
        return
    yield from missing(survey.pve.storages)
    if isinstance(survey.pve.storages, NoView):
        return
    yield from judge_drift(known, survey.pve.storages)
    for each in wanted:
        yield from judge_wanted(each, survey.pve.storage(each.storeid))
    for row in rows:
        vg = row.entry.vgname if row.entry else row.vg
        yield from judge_ground(survey, vg, row.storeid)
    yield from judge_enforcement(survey)


def _concerns(survey: Survey, entry: StorageEntry) -> bool:
    return entry.type == "drbdlvm" or bool(vg_resources(survey, entry.vgname))


def _row(
    survey: Survey,
    storeid: str,
    vg: str,
    present: dict[str, StorageEntry],
    wanted: Sequence[WantedEntry],
    known: Sequence[KnownEntry],
) -> EntryRow:
    entry = present.get(storeid)
    vg = entry.vgname if entry else vg
    return EntryRow(
        storeid=storeid,
        vg=vg,
        resources=vg_resources(survey, vg) or (),
        entry=entry,
        is_wanted=any(each.storeid == storeid for each in wanted),
        is_known=any(each.storeid == storeid for each in known),
        guests=tuple(each.guest.vmid for each in enforcements(survey) if storeid in each.on),
    )
