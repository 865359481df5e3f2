"""The real service as a process of its own, on a temporary socket, answering from a recording."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.service.parts import ROOT, pve_bundle, wait_until

_RUN = "from pve_drbd.cli.main import run; run()"


class Service:
    """A started service; `notified` are the messages systemd would have got."""

    def __init__(self, folder, config="", watchdog_s=None, command=None):
        """`command` is another program than `pve-drbd serve` with a recording."""
        self.folder = Path(folder)
        self.path, self.config = self.folder / "gate.sock", self.folder / "config.toml"
        self.config.write_text(config)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.folder / "notify.sock"))
        self.notify.setblocking(False)
        self.notified = []
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify.sock"), "PYTHONPATH": str(ROOT)}
        if watchdog_s:
            environment["WATCHDOG_USEC"] = str(round(watchdog_s * 1e6))
        self.log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(
            command or self._replaying(), env=environment, stderr=self.log, stdout=self.log, cwd=ROOT
        )

    def _replaying(self):
        bundle = self.folder / "bundle"
        if not bundle.exists():
            pve_bundle(bundle)
        words = ("--replay", str(bundle), "serve", "--socket", str(self.path), "--config", str(self.config))
        return [sys.executable, "-c", _RUN, *words]

    def messages(self):
        """Everything told to systemd so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.notified.append(self.notify.recv(4096).decode())
        return self.notified

    def is_ready(self):
        return "READY=1" in self.messages()

    def said(self):
        """The service's own log."""
        return (self.folder / "log").read_text()

    def status(self, key):
        """A field of /proc/PID/status, as a number."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))

    def wake_ups(self):
        """How often any of its threads was woken since it started."""
        total = 0
        for each in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                lines = (each / "status").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:"))
        return total

    def end(self):
        """Stop it as systemd does; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.notify.close()
        self.log.close()
        return self.process.returncode


@contextlib.contextmanager
def started(folder, **parts):
    """A service that is ready."""
    service = Service(folder, **parts)
    try:
        assert wait_until(lambda: service.is_ready() or service.process.poll() is not None, 20), service.said()
        yield service
    finally:
        service.end()
