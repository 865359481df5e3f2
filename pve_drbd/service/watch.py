"""The watcher: follows DRBD's own events, tells at once of a lost link, and remembers what was so at that moment."""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.adapters.stream import Lines, Stream
from pve_drbd.dialects import COMMON_COMMANDS
from pve_drbd.errors import PveDrbdError, Unreachable, Unreadable
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.model.watch import ActiveLv, Moment
from pve_drbd.readers.devices import read_diskstats, read_dmsetup
from pve_drbd.readers.events2 import read_event
from pve_drbd.readers.fields import printable
from pve_drbd.service.links import Change, Links
from pve_drbd.service.memory import Lvs, Memory

log = logging.getLogger(__name__)

EVENTS = ("drbdsetup", "events2", "--timestamps")
MODULE = "/sys/module/drbd"
"""There while DRBD's module is loaded. drbdsetup itself would load it."""

_DMSETUP = next(each for each in COMMON_COMMANDS if each.name == "dmsetup")
_DISKSTATS = next(each for each in COMMON_COMMANDS if each.name == "diskstats")

# In a dm name the dash between VG and LV is single, those of the names are doubled.
_LV_NAME = re.compile(r"((?:[^-]|--)+)-((?:[^-]|--)+)")

Listener = Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often: a look for the module, and the pauses before a stream that ended is started again.

    The pause doubles from `first_s` to `last_s`, and starts over after a stream that held for `settled_s`.
    """

    module_s: float = 60.0
    first_s: float = 0.5
    last_s: float = 60.0
    settled_s: float = 60.0


def open_events() -> Lines:
    """The stream of the loaded module's events."""
    return Stream(EVENTS)


def moment_now() -> Moment:
    """Now, by this node's clocks."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return Moment(time.time(), time.monotonic(), file.read().strip())


class Watch:
    """Two threads: one reads the stream and never waits for anything else, one looks at devices and writes files.

    Idle, both sleep in the kernel until something happens; only the look for a module that is not there has a clock.
    """

    def __init__(
        self,
        here: str,
        local: Hosts,
        memory: Memory,
        *,
        open_stream: Callable[[], Lines] = open_events,
        module: str = MODULE,
        pace: Pace = Pace(),
    ) -> None:
        self.memory = memory
        self._here, self._local = here, local
        self._open_stream, self._module, self._pace = open_stream, module, pace
        self._links = Links()
        self._listeners: tuple[Listener, ...] = ()
        self._turn = threading.Lock()
        self._stream: Lines | None = None
        self._stop = threading.Event()
        self._chores: queue.SimpleQueue[Change | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Watch until `stop`."""
        for name, body in (("watch", self._watch), ("watch-memory", self._do_chores)):
            threading.Thread(target=body, name=name, daemon=True).start()

    def stop(self) -> None:
        """End the stream and both threads."""
        self._stop.set()
        self._chores.put(None)
        with self._turn:
            stream = self._stream
        if stream is not None:
            stream.close()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each change, from the watching thread: it must not wait. What is given back ends that."""
        with self._turn:
            self._listeners = (*self._listeners, listener)

        def end() -> None:
            with self._turn:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    def lost(self, resource: str, peer: str) -> str:
        """The state of the link of `resource` to `peer` if it is known not to be Connected; else ''."""
        with self._turn:
            return self._links.lost(resource, peer)

    def note(self, survey: Survey) -> None:
        """Remember what a survey of the pair tells of the peer; takes no time of whoever asked for it."""
        if self.memory.note(survey):
            self._chores.put(None)

    def _watch(self) -> None:
        # Before the stream tells anything: a loss that is remembered is older than one that is found.
        self.memory.load()
        pause_s = self._pace.first_s
        while not self._stop.is_set():
            if not os.path.isdir(self._module):
                pause_s = self._pace.first_s
                self._stop.wait(self._pace.module_s)
                continue
            began_s = time.monotonic()
            why = self._follow_one()
            if self._stop.is_set():
                return
            if time.monotonic() - began_s >= self._pace.settled_s:
                pause_s = self._pace.first_s
            log.warning("event=stream-ended reason=%s again_in_s=%g", why, pause_s)
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, self._pace.last_s)

    def _follow_one(self) -> str:
        """Follow one stream to its end; why it ended."""
        try:
            stream = self._open_stream()
        except PveDrbdError as err:
            return str(err)
        with self._turn:
            self._stream, self._links = stream, Links()
        try:
            for line in stream.lines():
                if self._stop.is_set():
                    break
                self._take(line)
        except (Unreachable, Unreadable) as err:
            return str(err)
        finally:
            with self._turn:
                self._stream, self._links = None, Links()
            stream.close()
        return "it ended"

    def _take(self, line: str) -> None:
        event = read_event(line)
        with self._turn:
            changes = tuple(self._links.apply(event))
            listeners = self._listeners
        for change in changes:
            for listener in listeners:
                listener(change)
            self._remember(change)

    def _remember(self, change: Change) -> None:
        words = (change.resource, change.peer, change.state, "yes" if change.saw else "no")
        if not change.is_lost:
            self.memory.regained(change)
            self._chores.put(None)
        elif self.memory.lost(change):
            log.warning("event=link-lost resource=%s peer=%s connection=%s seen=%s", *words)
            self._chores.put(change)

    def _do_chores(self) -> None:
        """Whatever may wait for a disk or a command: not in the thread that reads the stream."""
        while not self._stop.is_set():
            change = self._chores.get()
            if change is not None and change.saw:
                self.memory.describe(change, self._active_lvs())
            self.memory.save()

    def _active_lvs(self) -> Lvs:
        texts = []
        for command in (_DMSETUP, _DISKSTATS):
            try:
                result = self._local.run(self._here, command.argv, command.timeout_s)
            except PveDrbdError as err:
                return self._unseen(str(err))
            if result.exit_code:
                return self._unseen(f"{command.name} ended with exit code {result.exit_code}")
            texts.append(result.out)
        try:
            return active_lvs(*texts)
        except Unreadable as err:
            return self._unseen(str(err))

    def _unseen(self, why: str) -> NoView:
        return NoView(self._here, "the active LVs at the loss", printable(why))


def active_lvs(dmsetup: str, diskstats: str) -> tuple[ActiveLv, ...]:
    """The LVs that are active by the device mapper, with the kernel's counters; raises Unreadable."""
    counters = read_diskstats(diskstats)
    found = []
    for device in read_dmsetup(dmsetup):
        name = _LV_NAME.fullmatch(device.name)
        if device.lv_key is None or name is None:
            continue
        counted = counters.get((device.major, device.minor))
        if counted is None:
            raise Unreadable("/proc/diskstats", 0, f"{device.name} is in dmsetup and missing here")
        words = "/".join(part.replace("--", "-") for part in name.groups())
        found.append(ActiveLv(*device.lv_key, words, counted.writes, counted.sectors_written))
    return tuple(sorted(found, key=lambda each: each.name))
