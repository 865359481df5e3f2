"""Reports and overviews as JSON: the contract with programs; its schemas stand in pve_drbd/data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pve_drbd.findings import CatalogueEntry, Finding, Mode, Report, Verdict
from pve_drbd.model.drbd import Progress
from pve_drbd.model.survey import NoView, Survey

if TYPE_CHECKING:
    from pve_drbd.rules.overview import EntryView, GuestView, Overview, ResourceView, Side, VgView

Json = Mapping[str, object]

ANSWERS = {Verdict.ALLOWED: "allowed", Verdict.REFUSED: "refused", Verdict.UNKNOWN: "unknown"}
HEALTH = {Verdict.ALLOWED: "healthy", Verdict.REFUSED: "degraded", Verdict.UNKNOWN: "unknown"}


def dump(document: Json, output_format: str) -> str:
    """`document` as text: one line for 'json', indented for 'json-pretty'. It is ASCII: any terminal has it."""
    return json.dumps(document, indent=2 if output_format == "json-pretty" else None)


def report_json(report: Report, survey: Survey) -> Json:
    """A report by report.schema.json."""
    return {
        "format": 1,
        "question": dict(report.question),
        "answer": ANSWERS[report.verdict],
        "allowed": report.allowed,
        "codes": sorted({each.code for each in report.findings}),
        **taken(survey),
        "findings": [finding_json(each, report.mode) for each in report.findings],
    }


def overview_json(overview: Overview, survey: Survey) -> Json:
    """An overview by status.schema.json; sizes in KiB."""
    return {
        "format": 1,
        "health": HEALTH[overview.report.verdict],
        **taken(survey),
        "resources": [_resource_json(each) for each in overview.resources],
        "vgs": [_vg_json(each) for each in overview.vgs],
        "entries": [_entry_view_json(each) for each in overview.entries],
        "guests": [_guest_json(each) for each in overview.guests],
        "codes": sorted({each.code for each in overview.report.findings}),
        "findings": [finding_json(each, None) for each in overview.report.findings],
    }


def action_json(action: str, report: Report, survey: Survey) -> dict[str, object]:
    """What every command has in its answer that looks at a thing and may change it."""
    return {
        "format": 1,
        "action": action,
        "answer": ANSWERS[report.verdict],
        "codes": sorted({each.code for each in report.findings}),
        **taken(survey),
        "findings": [finding_json(each, None) for each in report.findings],
    }


def finding_json(finding: Finding, mode: Mode | None) -> Json:
    """One finding, its texts filled in."""
    subject = {"node": finding.node, "resource": finding.resource, "volume": finding.volume}
    return {
        "code": finding.code,
        "severity": finding.severity_in(mode).value,
        "unknown": finding.entry.is_unknown,
        "title": finding.entry.title,
        **{key: value for key, value in subject.items() if value},
        "details": dict(finding.details),
        "message": finding.message,
        "remedy": finding.remedy,
    }


def entry_json(entry: CatalogueEntry) -> Json:
    """One code of the catalogue, its placeholders left as they are."""
    return {
        "code": entry.code,
        "severity": entry.severity.value,
        "unknown": entry.is_unknown,
        "blocks": [mode.value for mode in Mode if mode in entry.blocks],
        "title": entry.title,
        "message": entry.message,
        "remedy": entry.remedy,
        "explanation": entry.explanation,
        "source": entry.source,
    }


def taken(survey: Survey) -> Json:
    """When and where the survey was taken, and how old each account was."""
    accounts = {}
    for node in sorted(survey.nodes):
        view = survey.nodes[node]
        accounts[node] = {"missing": view.reason} if isinstance(view, NoView) else {"age_s": round(view.age_s, 3)}
    return {
        "taken_at": survey.taken_at,
        "taken_on": survey.taken_on,
        "replay": survey.is_replay,
        "accounts": accounts,
    }


def _resource_json(view: ResourceView) -> Json:
    return {
        "name": view.name,
        "volume": view.volume,
        "healthy": view.is_healthy,
        "nodes": {side.node: _side_json(side) for side in view.sides},
    }


def _vg_json(view: VgView) -> Json:
    return {
        "name": view.name,
        "resources": list(view.resources),
        "shown_by": list(view.shown_by),
        "size_kib": view.size_b // 1024,
        "free_kib": view.free_b // 1024,
        "healthy": view.is_healthy,
    }


def _entry_view_json(view: EntryView) -> Json:
    return {
        "storage": view.storeid,
        "type": view.type,
        "vg": view.vg,
        "shared": view.is_shared,
        "disabled": view.is_disabled,
    }


def _guest_json(view: GuestView) -> Json:
    return {
        "vmid": view.vmid,
        "name": view.name,
        "kind": view.kind,
        "node": view.node,
        "state": view.state,
        "volumes": list(view.volumes),
        "resources": list(view.resources),
        "mirrored": view.is_mirrored,
    }


def _side_json(side: Side) -> Json:
    if side.missing:
        return {"missing": side.missing}
    told: dict[str, object] = {
        "role": side.role,
        "disk": side.disk,
        "connection": side.connection,
        "suspended": list(side.suspended),
    }
    if side.replication:
        told["replication"] = side.replication
    if side.out_of_sync_kib is not None:
        told["out_of_sync_kib"] = side.out_of_sync_kib
    if side.progress:
        told["progress"] = _progress_json(side.progress)
    return told


def _progress_json(progress: Progress) -> Json:
    told: dict[str, object] = {
        "left_kib": progress.left_kib,
        "total_kib": progress.total_kib,
        "percent_done": round(progress.percent_done, 2),
    }
    if progress.rate_kib_s is not None:
        told["rate_kib_s"] = progress.rate_kib_s
    if progress.eta_s is not None:
        told["eta_s"] = progress.eta_s
    return told
