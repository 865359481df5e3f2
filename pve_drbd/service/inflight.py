"""The in-flight guard: follows migrations that the gate let begin, and ends one whose link is lost while it still may.

Both gates answer before the guest's memory is copied, and nothing of PVE asks again. A migration that completes over
a lost mirror hands the guest to a copy of its disks that has stopped following.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.adapters.qmp import GuestRun, ask_guest, socket_path
from pve_drbd.adapters.state_dir import StateDir
from pve_drbd.adapters.worker import Worker
from pve_drbd.dialects import ping_command
from pve_drbd.errors import PveDrbdError, Unreachable, Unreadable
from pve_drbd.model.task import Move
from pve_drbd.readers.addresses import read_ping
from pve_drbd.readers.moves import moves_text, read_moves
from pve_drbd.service.aftermath import Aftermath, tell
from pve_drbd.service.links import Change

log = logging.getLogger(__name__)

FILE = "following.json"


class Step(Enum):
    """What may be done now to a migration whose link is lost."""

    END = "end it"
    WAIT = "look again: it has not begun, or is being cancelled already"
    TELL = "leave it alone, and tell: the guest may run on the target already"


_STEPS = {
    "setup": Step.END,
    "active": Step.END,
    "": Step.WAIT,
    "none": Step.WAIT,
    "cancelling": Step.WAIT,
    "cancelled": Step.WAIT,
    "failed": Step.WAIT,
}
"""By migration status, while the guest is `running`; every other status, and every other state of the guest: TELL.

Source: QEMU, qapi/migration.json, MigrationStatus. `cancelled` and `failed` are also what an earlier attempt left.
"""


def step_for(run: GuestRun) -> Step:
    """What QEMU's own words permit."""
    return _STEPS.get(run.migration, Step.TELL) if run.run == "running" else Step.TELL


class Links(Protocol):
    """Where losses are heard of: the watcher."""

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` at each change until what is given back is called."""

    def lost(self, resource: str, peer: str) -> str:
        """The state of a link that is known to be lost; else ''."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """Seconds: from ping to ping, between two looks at QEMU, and until the worker must have ended after a loss."""

    ping_s: float = 1.0
    look_s: float = 0.25
    end_s: float = 120.0


class InFlight:
    """One thread for each migration that is under way, and one for each of its links to ping; none otherwise."""

    def __init__(
        self, local: Hosts, links: Links, aftermath: Aftermath, state: StateDir, tempo: Tempo = Tempo()
    ) -> None:
        self._local, self._links, self._aftermath, self._state = local, links, aftermath, state
        self._tempo = tempo
        self._turn, self._writing = threading.Lock(), threading.Lock()
        self._moves: dict[str, Move] = {}

    def follow(self, move: Move) -> None:
        """Follow `move` to its end, in threads of its own; one that is followed already is not followed twice."""
        with self._turn:
            if move.upid.text in self._moves:
                return
            self._moves[move.upid.text] = move
        threading.Thread(target=self._run, args=(move,), name=f"move-{move.vmid}", daemon=True).start()

    def take_up(self) -> None:
        """Follow again what an earlier life of the service followed and what still runs."""
        content = self._state.read(FILE)
        try:
            moves = read_moves(content, f"{self._state.path}/{FILE}") if content else ()
        except Unreadable as err:
            log.error("event=state-damaged reason=%s consequence=%s", err, "migrations under way are not followed")
            return
        for move in moves:
            self.follow(move)

    def following(self) -> tuple[Move, ...]:
        """The migrations that are followed now."""
        with self._turn:
            return tuple(self._moves.values())

    def _run(self, move: Move) -> None:
        """The outermost function of a follower's thread."""
        try:
            worker = Worker(move.upid)
        except PveDrbdError as err:
            log.info("event=not-followed vmid=%s upid=%s reason=%s", move.vmid, move.upid.text, err)
            self._forget(move)
            return
        try:
            with _Alarm() as alarm:
                self._follow(move, worker, alarm)
        except Exception:
            log.exception("event=guard-failed vmid=%s upid=%s", move.vmid, move.upid.text)
        finally:
            worker.close()
            self._forget(move)

    def _follow(self, move: Move, worker: Worker, alarm: _Alarm) -> None:
        end = self._links.subscribe(lambda change: alarm.ring(_concerns(move, change)))
        try:
            for resource in move.resources:
                state = self._links.lost(resource, move.target)
                alarm.ring(_lost_words(resource, move.target, state) if state else "")
            for ping in move.pings:
                threading.Thread(target=self._ping, args=(ping, alarm), name="ping", daemon=True).start()
            self._keep()
            log.info("event=following vmid=%s upid=%s target=%s", move.vmid, move.upid.text, move.target)
            lost = alarm.wait(worker)
        finally:
            end()
            alarm.silence()
        if not lost:
            log.info("event=followed vmid=%s upid=%s link=%s", move.vmid, move.upid.text, "held")
        elif not move.may_end:
            log.warning("event=link-lost-meanwhile vmid=%s upid=%s lost=%s", move.vmid, move.upid.text, lost)
            worker.wait(self._tempo.end_s)
        else:
            self._react(move, worker, lost)

    def _react(self, move: Move, worker: Worker, lost: str) -> None:
        deadline = time.monotonic() + self._tempo.end_s
        was_ended = self._end(move, worker, lost, deadline)
        if not worker.wait(deadline - time.monotonic()):
            sentence = (
                f"the migration of guest {move.vmid} to {move.target} has not ended {self._tempo.end_s:g} s after "
                f"{lost}. Look at its task: pvenode task log {move.upid.text}"
            )
            tell(self._aftermath.notify, "worker-lives-on", sentence, _facts(move))
        self._aftermath.look(move, lost, was_ended)

    def _end(self, move: Move, worker: Worker, lost: str, deadline: float) -> bool:
        """Send the one signal as soon as, and only while, QEMU's words permit; whether it was sent."""
        told = ""
        while not worker.wait(0) and time.monotonic() < deadline:
            step, said = self._step(move.vmid)
            if step is Step.END:
                was_ended = worker.end()
                log.error("event=signalled sent=%s qemu=%s lost=%s upid=%s", was_ended, said, lost, move.upid.text)
                return was_ended
            if step is Step.TELL and not told:
                told = said
                sentence = (
                    f"{lost} while guest {move.vmid} migrates to {move.target}, and the migration was not ended: "
                    f"{said}. The guest may run on {move.target} soon, on disks that lack its last writes. "
                    f"Look on both nodes: qm status {move.vmid} --verbose; pve-drbd status"
                )
                tell(self._aftermath.notify, "not-ended", sentence, _facts(move))
            worker.wait(self._tempo.look_s)
        return False

    def _step(self, vmid: int) -> tuple[Step, str]:
        """What may be done, and QEMU's words for it."""
        try:
            run = ask_guest(socket_path(vmid, self._aftermath.run_dir))
        except PveDrbdError as err:
            return Step.TELL, str(err)
        return step_for(run), f"QEMU says that the guest is {run.run} and the migration {run.migration or 'none'}"

    def _ping(self, ping: tuple[str, str, str], alarm: _Alarm) -> None:
        while not alarm.is_silent(self._tempo.ping_s):
            why = self._ping_problem(ping)
            if why:
                alarm.ring(f"{ping[2]} did not answer a ping from {ping[1]} ({why})")
                return

    def _ping_problem(self, ping: tuple[str, str, str]) -> str:
        command = ping_command(*ping)
        try:
            result = self._local.run(self._aftermath.here, command.argv, command.timeout_s)
            return "" if read_ping(result.out, result.exit_code) else "no reply within 1 s"
        except Unreachable as err:
            return err.why
        except PveDrbdError as err:
            return str(err)

    def _forget(self, move: Move) -> None:
        with self._turn:
            self._moves.pop(move.upid.text, None)
        self._keep()

    def _keep(self) -> None:
        """Write down what is followed, in a thread of its own: a disk that hangs must not hold a follower."""
        threading.Thread(target=self._write, name="moves", daemon=True).start()

    def _write(self) -> None:
        with self._writing:
            self._state.write(FILE, moves_text(self.following()))


class _Alarm:
    """The first bad news of a migration's links, waited for together with the end of its worker."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._turn = threading.Lock()
        self._silent = threading.Event()
        self._news = ""

    def __enter__(self) -> _Alarm:
        return self

    def __exit__(self, *_: object) -> None:
        self.silence()
        os.close(self._fd)

    def ring(self, news: str) -> None:
        """Tell bad `news`; '' is none. Only the first counts, and none after `silence`."""
        with self._turn:
            if news and not self._news and not self._silent.is_set():
                self._news = news
                os.eventfd_write(self._fd, 1)

    def wait(self, worker: Worker) -> str:
        """The news, as soon as there are any; '' if the worker ended without."""
        poll = select.poll()
        for fd in (self._fd, worker.fileno()):
            poll.register(fd, select.POLLIN)
        poll.poll()
        with self._turn:
            return self._news

    def silence(self) -> None:
        """Nobody listens any more."""
        with self._turn:
            self._silent.set()

    def is_silent(self, timeout_s: float) -> bool:
        """Nobody listens any more, now or within `timeout_s`."""
        return self._silent.wait(timeout_s)


def _concerns(move: Move, change: Change) -> str:
    """The news that `change` is for `move`; '' if it is none."""
    is_its = change.is_lost and change.resource in move.resources and change.peer in ("", move.target)
    return _lost_words(change.resource, move.target, change.state) if is_its else ""


def _lost_words(resource: str, peer: str, state: str) -> str:
    return f"the link of {resource} to {peer} was lost ({state})"


def _facts(move: Move) -> dict[str, object]:
    return {"vmid": move.vmid, "upid": move.upid.text, "target": move.target}
