"""The gate's answers: evidence read at the time of asking, judged by the same rules as everywhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.errors import PveDrbdError
from pve_drbd.findings import Finding, Mode, Report, Severity, Verdict, find, report
from pve_drbd.jobs.guest_files import GuestFiles, read_guest_files, read_storages
from pve_drbd.jobs.survey import Clock, World, nodes_of_pair, survey_with
from pve_drbd.model.pve import GuestVolume, StorageEntry, VolumeUse
from pve_drbd.model.survey import PVE, NoView, Survey
from pve_drbd.rules.migration import judge_age, judge_placements, other_node
from pve_drbd.rules.placement import Placement, place
from pve_drbd.rules.vg_state import judge_copy, judge_local_state, judge_new_data
from pve_drbd.rules.views import missing
from pve_drbd.service.batch import SharedLook
from pve_drbd.service.guard import Guard, NoGuard
from pve_drbd.service.policy import Policy
from pve_drbd.service.protocol import Answer, Question

log = logging.getLogger(__name__)

HostsSource = Callable[[], Hosts]
"""Opens the nodes anew for each look: a session that broke yesterday must not answer today."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the gate looks: `pair` opens this node and its peer, `local` runs commands here only."""

    here: str
    local: Hosts
    pair: HostsSource
    clock: Clock


class Gate:
    """Answers questions; safe to use from many threads at once."""

    def __init__(self, evidence: Evidence, policy: Callable[[], Policy], guard: Guard | None = None) -> None:
        """`policy` gives the configuration in force at the time of asking; `guard` goes on where an answer ends."""
        self._evidence = evidence
        self._policy = policy
        self._guard = guard or NoGuard()
        self._pair = SharedLook(self._look_at_pair)
        self._here = SharedLook(self._look_here)

    def answer(self, question: Question) -> Answer:
        """The answer to `question`, within the configured bound."""
        policy = self._policy()
        if policy.storage(question.storage).gate == "off" and question.ask in ("migration", "new-data"):
            return Answer("yes", f"the gate of {question.storage} is off in the configuration")
        handlers = {
            "migration": self._migration,
            "new-data": self._new_data,
            "start": self._start,
            "status": self._status,
            "entry": self._entry,
        }
        try:
            return handlers[question.ask](question, policy)
        except TimeoutError:
            return Answer("unknown", f"the nodes did not answer within {policy.answer_limit_s:g} s")
        except PveDrbdError as err:
            return Answer("unknown", str(err))

    def _migration(self, question: Question, policy: Policy) -> Answer:
        survey = self._pair.take(self._deadline(policy), self._evidence.clock.monotonic)
        here = self._evidence.here
        source = question.source or here
        target = question.target or other_node(survey, source)
        files = self._files(question, (source, target))
        mode = Mode(question.mode) if question.mode else Mode.LIVE
        placements = _placements(survey, files, question)
        findings = [*_judge_guest(survey, files, question, placements, source, target)]
        findings += judge_age(survey, (source, target), policy.view_limit_s)
        asked = {"ask": "migration", "source": source, "target": target, "mode": mode.value}
        told = report({**asked, "vmid": str(question.vmid or 0)}, mode, findings)
        answer = self._as_answer(told, question, policy)
        if answer.answer == "yes":
            below = (name for where in placements for name in where.resources)
            self._guard.permitted(question, survey, target, below, policy.storage(question.storage).gate == "enforce")
        return answer

    def _new_data(self, question: Question, policy: Policy) -> Answer:
        survey = self._here.take(self._deadline(policy), self._evidence.clock.monotonic)
        findings = judge_new_data(survey, self._evidence.here, question.vg)
        return self._as_answer(report({"ask": "new-data"}, Mode.LIVE, findings), question, policy)

    def _start(self, question: Question, policy: Policy) -> Answer:
        """Only proof that this copy is the older one refuses, and only where the administrator asked for that.

        A guest that a migration over a lost link left behind is refused whatever was configured.
        """
        refusal = self._guard.refusal(question.vmid)
        if refusal:
            return Answer("no", refusal)
        survey = self._pair.take(self._deadline(policy), self._evidence.clock.monotonic)
        findings = tuple(judge_copy(survey, self._evidence.here, question.vg))
        told = report({"ask": "start"}, Mode.START, findings)
        chief = told.chief
        if chief is None or policy.storage(question.storage).start != "enforce":
            line = chief.line if chief else "nothing speaks against it"
            return Answer("yes", line, (chief.code,) if chief else ())
        return Answer("no", chief.line, (chief.code,))

    def _status(self, question: Question, policy: Policy) -> Answer:
        survey = self._here.take(self._deadline(policy), self._evidence.clock.monotonic)
        told = report({"ask": "status"}, None, judge_local_state(survey, self._evidence.here, question.vg))
        blockers = [each for each in told.of(Severity.BLOCKER) if not each.entry.is_unknown]
        can_hang = any(each.code == "DRBD-E112" for each in told.findings)
        line = blockers[0].line if blockers else "no fault is known here"
        codes = tuple(sorted({each.code for each in blockers}))
        return Answer("yes", line, codes, active=not blockers, read_lvm=not can_hang)

    def _entry(self, question: Question, policy: Policy) -> Answer:
        survey = self._here.take(self._deadline(policy), self._evidence.clock.monotonic)
        told = report({"ask": "entry"}, None, judge_local_state(survey, self._evidence.here, question.vg))
        storages = read_storages(self._evidence.local, self._evidence.here)
        others = () if isinstance(storages, NoView) else storages
        taken = [e.storeid for e in others if e.is_lvm and e.vgname == question.vg and e.storeid != question.storage]
        if taken:
            line = f"the volume group {question.vg} is used by the entry {taken[0]} already: one entry per volume group"
            return Answer("no", line)
        return self._as_answer(told, question, policy)

    def _as_answer(self, told: Report, question: Question, policy: Policy) -> Answer:
        codes = tuple(sorted({each.code for each in told.of(Severity.BLOCKER)}))
        chief = told.chief
        word = {Verdict.ALLOWED: "yes", Verdict.REFUSED: "no", Verdict.UNKNOWN: "unknown"}[told.verdict]
        line = chief.line if chief else "nothing speaks against it"
        if word != "yes" and policy.storage(question.storage).gate == "warn":
            log.warning("ask=%s vmid=%s would=%s because=%s", question.ask, question.vmid, word, line)
            return Answer("yes", f"not enforced: {line}", codes)
        return Answer(word, line, codes)

    def _files(self, question: Question, nodes: tuple[str, ...]) -> GuestFiles:
        if question.vmid is None:
            unknown = NoView(PVE, "the guest's configuration", "the plugin does not know the guest's number")
            return GuestFiles(read_storages(self._evidence.local, self._evidence.here), unknown)
        return read_guest_files(self._evidence.local, self._evidence.here, question.vmid, nodes)

    def _deadline(self, policy: Policy) -> float:
        return self._evidence.clock.monotonic() + policy.answer_limit_s

    def _look_at_pair(self) -> Survey:
        hosts = self._evidence.pair()
        try:
            world = self._world(hosts)
            survey = survey_with(world, nodes_of_pair(world), _no_pve)
        finally:
            hosts.close()
        self._guard.saw(survey)
        return survey

    def _look_here(self) -> Survey:
        # pvestatd waits for this one: a ping over a dead link would take longer than it does.
        world = replace(self._world(self._evidence.local), probes_links=False)
        return survey_with(world, (self._evidence.here,), _no_pve)

    def _world(self, hosts: Hosts) -> World:
        policy = self._policy()
        evidence = self._evidence

        def no_api() -> object:
            raise NotImplementedError

        return World(hosts, no_api, evidence.clock, evidence.here, unprobed=policy.unprobed)  # type: ignore[arg-type]


def _no_pve() -> NoView:
    return NoView(PVE, "the API", "the gate does not ask it")


def _judge_guest(
    survey: Survey,
    files: GuestFiles,
    question: Question,
    placements: tuple[Placement, ...],
    source: str,
    target: str,
) -> Iterable[Finding]:
    """Every volume of the guest, or, where its configuration cannot be read, the one that was asked about."""
    yield from missing(files.storages)
    if isinstance(files.config, NoView) and not question.volume:
        yield from missing(files.config)
    is_read = not isinstance(files.config, NoView) and not isinstance(files.storages, NoView)
    if not placements and question.vg and (is_read or question.volume):
        yield find("LVM-E219", node=target, volume=question.vg, vg=question.vg)
    elif not placements and is_read:
        yield find("PVE-N319", vmid=str(question.vmid))
    yield from judge_placements(survey, placements, question.vmid or 0, source, target)


def _placements(survey: Survey, files: GuestFiles, question: Question) -> tuple[Placement, ...]:
    """Where the guest's attached volumes on DRBD lie, and the one that was asked about."""
    volumes = () if isinstance(files.config, NoView) else files.config.volumes
    pairs = [(each, files.storage(each.storage)) for each in volumes if each.is_attached]
    if question.volume and question.vg:
        pairs.append((_asked_volume(question), _asked_entry(question)))
    found = (place(survey, volume, entry) for volume, entry in pairs if entry is not None and entry.is_lvm)
    return tuple({where.name: where for where in found if where}.values())


def _asked_volume(question: Question) -> GuestVolume:
    return GuestVolume(question.volume, VolumeUse.OTHER, question.storage, question.volume, {})


def _asked_entry(question: Question) -> StorageEntry:
    return StorageEntry(question.storage, "drbdlvm", question.vg, is_shared=True)
