"""Who watches between two questions: watcher, in-flight guard and refused starts, as one thing to the gate."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.adapters.state_dir import DEFAULT, StateDir
from pve_drbd.errors import Unreadable
from pve_drbd.findings import Mode
from pve_drbd.model.survey import NodeAccount, NoView, Survey
from pve_drbd.model.task import Move
from pve_drbd.readers.upid import read_upid
from pve_drbd.service.aftermath import Aftermath, Notify, log_notice
from pve_drbd.service.inflight import InFlight
from pve_drbd.service.memory import Memory
from pve_drbd.service.protocol import Question
from pve_drbd.service.refusals import Refusals
from pve_drbd.service.watch import Watch, moment_now

log = logging.getLogger(__name__)

_FOLLOWED = ("qmigrate", "vzmigrate")


class Guard(Protocol):
    """What the gate tells of its questions, and the one thing it asks. Nothing here may make an answer wait."""

    def saw(self, survey: Survey) -> None:
        """The pair was surveyed for a question."""

    def permitted(
        self, question: Question, survey: Survey, target: str, resources: Iterable[str], may_end: bool
    ) -> None:
        """A migration was answered with yes; `resources` are those below the guest's disks."""

    def refusal(self, vmid: int | None) -> str:
        """Why guest `vmid` is not to be started; '' if nothing is against it."""


class NoGuard:
    """The guard of a gate that answers from a recording: there is nothing to watch."""

    def saw(self, survey: Survey) -> None:
        """Nothing is remembered."""

    def permitted(
        self, question: Question, survey: Survey, target: str, resources: Iterable[str], may_end: bool
    ) -> None:
        """Nothing is followed."""

    def refusal(self, vmid: int | None) -> str:
        """Nothing is refused."""
        return ""


class LiveGuard:
    """The guard of a node."""

    def __init__(self, here: str, watch: Watch, in_flight: InFlight, refusals: Refusals) -> None:
        self._here, self._watch, self._in_flight, self._refusals = here, watch, in_flight, refusals

    def start(self) -> None:
        """Watch, and take up the migrations that an earlier life of the service followed; all of it in threads."""
        self._watch.start()
        threading.Thread(target=self._in_flight.take_up, name="take-up", daemon=True).start()

    def stop(self) -> None:
        """End what watches. Migrations under way are followed again by the next life of the service."""
        self._watch.stop()

    def saw(self, survey: Survey) -> None:
        """Remember what the peer said of its LVs."""
        self._watch.note(survey)

    def permitted(
        self, question: Question, survey: Survey, target: str, resources: Iterable[str], may_end: bool
    ) -> None:
        """Follow the migration, if its worker runs here."""
        if question.gate != "source" or not question.upid or question.vmid is None:
            return
        try:
            upid = read_upid(question.upid)
        except Unreadable as err:
            log.warning("event=not-followed vmid=%s reason=%s", question.vmid, err)
            return
        if upid.node != self._here or upid.type not in _FOLLOWED or upid.subject != str(question.vmid):
            return
        names = tuple(sorted(set(resources)))
        # Without a mode the plugin could not look into PVE's migration: QEMU itself will say if there is one.
        is_live = upid.type == "qmigrate" and question.mode in ("", Mode.LIVE.value)
        pings = pings_of(survey, self._here, names)
        self._in_flight.follow(Move(upid, question.vmid, target, names, pings, may_end and is_live))

    def refusal(self, vmid: int | None) -> str:
        """The sentence in the guest's file below `refuse-start`."""
        return "" if vmid is None else self._refusals.reason(vmid)


def pings_of(survey: Survey, node: str, resources: Iterable[str]) -> tuple[tuple[str, str, str], ...]:
    """The pings that were answered for `resources` when `node` was surveyed: the ones to repeat."""
    view = survey.nodes.get(node)
    if not isinstance(view, NodeAccount) or isinstance(view.probes, NoView):
        return ()
    wanted = set(resources)
    probes = (each for each in view.probes if each.resource in wanted and each.is_done and each.interface)
    return tuple(dict.fromkeys((each.interface, each.address, each.peer_address) for each in probes))


def live_guard(here: str, local: Hosts, pair: Callable[[], Hosts], notify: Notify = log_notice) -> LiveGuard:
    """The guard of this node, with its state where systemd says."""
    state = StateDir(os.environ.get("STATE_DIRECTORY", DEFAULT).split(":")[0])
    watch = Watch(here, local, Memory(here, state, moment_now))
    refusals = Refusals(state)
    aftermath = Aftermath(here, local, pair, refusals, notify)
    return LiveGuard(here, watch, InFlight(local, watch, aftermath, state), refusals)
