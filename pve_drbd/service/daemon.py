"""`pve-drbd serve`: the gate's process, from systemd's socket to the signal that ends it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.adapters.live import live_hosts
from pve_drbd.adapters.local import LocalCommands
from pve_drbd.errors import ConfigInvalid
from pve_drbd.jobs.entry_files import EntryMemory
from pve_drbd.jobs.entry_watch import EntryWatch
from pve_drbd.jobs.survey import Clock
from pve_drbd.service.entries import EntryLooker
from pve_drbd.service.gate import Evidence, Gate
from pve_drbd.service.guard import live_guard
from pve_drbd.service.policy import CONFIG_FILE, Policy, load_policy
from pve_drbd.service.server import listen, serve, systemd_watchdog

log = logging.getLogger(__name__)

SOCKET = "/run/pve-drbd/gate.sock"
CLOCK = Clock(
    monotonic=time.monotonic,
    sleep=time.sleep,
    utc=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
)


class _Stopped(BaseException):
    """SIGTERM arrived; raised by its handler in the one thread that waits."""


class Configuration:
    """The policy in force: a reload that fails leaves the last good one."""

    def __init__(self, path: Path) -> None:
        """Read it once; raises ConfigInvalid, so that a bad configuration is refused at start."""
        self._path = path
        self._policy = load_policy(path)

    def current(self) -> Policy:
        """The policy in force."""
        return self._policy

    def reload(self) -> None:
        """Read the file again."""
        try:
            self._policy = load_policy(self._path)
            log.info("event=reloaded file=%s", self._path)
        except ConfigInvalid as err:
            log.error("event=reload-refused reason=%s", err)


def run_service(hosts: Hosts | None = None, path: str = SOCKET, config: Path = CONFIG_FILE) -> int:
    """Serve until SIGTERM. `hosts` stands in for the live pair in tests and demonstrations."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    here = os.uname().nodename.split(".")[0] if hosts is None else hosts.nodes()[0]
    local = LocalCommands(here)
    configuration = Configuration(config)

    def pair() -> Hosts:
        return hosts or live_hosts(local)

    evidence = Evidence(here, hosts or local, pair, CLOCK)
    # A recording has no events, no worker, and nothing to remember.
    guard = live_guard(here, local, pair) if hosts is None else None
    entries = EntryLooker(EntryWatch(local, here, EntryMemory(local, here)), CLOCK.utc) if hosts is None else None
    watchers = [each for each in (guard, entries) if each]
    gate = Gate(evidence, configuration.current, guard)
    stop = threading.Event()

    def stopped(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        raise _Stopped

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    signal.signal(signal.SIGHUP, lambda _signal, _frame: configuration.reload())
    try:
        listener = listen(path)
        for each in watchers:
            each.start()
        serve(listener, gate.answer, systemd_watchdog(), stop)
    except _Stopped:
        log.info("event=stopped")
    finally:
        for each in watchers:
            each.stop()
    return 0
