"""The process of one PVE task: held so that no other process can ever be taken for it."""

from __future__ import annotations

import logging
import os
import select
import signal

from pve_drbd.errors import Unreachable
from pve_drbd.model.task import Upid

log = logging.getLogger(__name__)

_STARTED = 19
"""Place of `starttime` among the fields after the command's name. Source: man proc, /proc/PID/stat, field 22."""


class Worker:
    """A task's worker, by a pidfd: that names a process, and not a number which another may have by now.

    Whoever opens one closes it.
    """

    def __init__(self, upid: Upid, proc: str = "/proc") -> None:
        """Hold the worker that `upid` names; Unreachable if it has ended, or its number belongs to another."""
        self._upid = upid
        self._proc = proc
        try:
            self._pidfd = os.pidfd_open(upid.pid)
        except OSError as err:
            raise Unreachable(upid.text, f"its worker has ended ({err.strerror})") from err
        # The handle first, the look second: a process that had this number before and after is the one we hold.
        why = self._why_not()
        if why:
            os.close(self._pidfd)
            raise Unreachable(upid.text, why)

    def fileno(self) -> int:
        """The pidfd, which becomes readable when the worker ends."""
        return self._pidfd

    def wait(self, timeout_s: float) -> bool:
        """The worker has ended, now or within `timeout_s`."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(max(0, round(timeout_s * 1000))))

    def end(self) -> bool:
        """Send it SIGTERM, on which PVE cancels the migration; False if there is nobody to send it to."""
        why = self._why_not()
        if why:
            log.info("event=not-signalled upid=%s reason=%s", self._upid.text, why)
            return False
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
        except OSError as err:
            log.info("event=not-signalled upid=%s reason=%s", self._upid.text, err.strerror)
            return False
        return True

    def close(self) -> None:
        """Let go of it."""
        os.close(self._pidfd)

    def _why_not(self) -> str:
        """Why the process with this number is not, or no longer, the worker; '' if it is."""
        if self.wait(0):
            return "its worker has ended"
        folder = f"{self._proc}/{self._upid.pid}"
        try:
            with open(f"{folder}/stat", "rb") as file:
                started = int(file.read().rpartition(b")")[2].split()[_STARTED])
            with open(f"{folder}/cmdline", "rb") as file:
                title = file.read(4096)
        except (OSError, ValueError, IndexError) as err:
            return f"its process cannot be looked at ({err})"
        if started != self._upid.started_ticks:
            return f"process {self._upid.pid} started at {started} ticks, the worker at {self._upid.started_ticks}"
        # Pid and start name it already. Perl cuts a title that does not fit, so only its beginning is asked for.
        # Source: pve-common, src/PVE/RESTEnvironment.pm, fork_worker.
        if not title.startswith(b"task UPID:"):
            return f"process {self._upid.pid} is not the worker of a task"
        return ""
