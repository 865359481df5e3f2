"""Stand-ins of the service's tests: a recorded pair with /etc/pve, an asker written as the shim is, workers, a QEMU."""

import contextlib
import json
import os
import queue
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.adapters.replay import ReplayHosts
from pve_drbd.adapters.stream import Stream
from pve_drbd.errors import Unreachable
from pve_drbd.jobs.survey import Clock
from pve_drbd.model.watch import Moment
from pve_drbd.readers.upid import read_upid
from pve_drbd.service.gate import Evidence, Gate
from pve_drbd.service.policy import Policy
from pve_drbd.service.server import Watchdog, listen, serve

ROOT = Path(__file__).parents[2]
HEALTHY = ROOT / "tests" / "scenarios" / "84-healthy-probed"
A, B = "proxmox-105", "proxmox-106"
SAFE = Policy()
CLOCK = Clock(monotonic=time.monotonic, sleep=time.sleep, utc=lambda: "2026-11-22T10:00:00Z")

STORAGE_CFG = "drbdlvm: drbdvg\n\tvgname drbdvg\n\tcontent images,rootdir\n\tshared 1\n\n"
GUEST_100 = "cores: 1\nmemory: 512\nscsi0: drbdvg:vm-100-disk-0,aio=native,size=16M\n"
PVE_FILES = {
    "/etc/pve/storage.cfg": STORAGE_CFG,
    f"/etc/pve/nodes/{A}/qemu-server/100.conf": GUEST_100,
}
MIGRATION = {
    "v": 1, "ask": "migration", "gate": "source", "storage": "drbdvg", "vg": "drbdvg",
    "vmid": 100, "source": A, "target": B, "mode": "live",
}  # fmt: skip


class WithPve:
    """Recorded nodes, with the files of /etc/pve that the gate reads and no recording has."""

    def __init__(self, hosts, files=PVE_FILES):
        self.hosts, self.files = hosts, files

    def nodes(self):
        return self.hosts.nodes()

    def run(self, node, argv, timeout_s):
        if argv[0] == "cat" and argv[1].startswith("/etc/pve/"):
            text = self.files.get(argv[1])
            said = "" if text is not None else f"cat: {argv[1]}: No such file or directory\n"
            return CommandResult(argv, 0 if text is not None else 1, text or "", said, 1)
        return self.hosts.run(node, argv, timeout_s)

    def close(self):
        self.hosts.close()


class Spoiled(WithPve):
    """A recorded pair on which `spoil(node, argv, timeout_s)` may answer in place of the recording, or raise."""

    def __init__(self, spoil, hosts=None):
        super().__init__(hosts or ReplayHosts(HEALTHY))
        self.spoil = spoil

    def run(self, node, argv, timeout_s):
        told = self.spoil(node, argv, timeout_s)
        return told if told is not None else super().run(node, argv, timeout_s)


def hangs(node, patience_s, give_up=None):
    """A spoiler: every command on `node` takes `patience_s`, or its own time if that is less, and gives nothing."""
    give_up = give_up or threading.Event()

    def spoil(asked, argv, timeout_s):
        if asked == node:
            give_up.wait(min(timeout_s, patience_s))
            raise Unreachable(asked, f"{argv[0]} did not end within {timeout_s:g} s and was stopped")

    return spoil


def healthy():
    return WithPve(ReplayHosts(HEALTHY))


def gate_on(hosts, policy=SAFE, guard=None, clock=CLOCK):
    """The gate of node A, asking `hosts`."""
    return Gate(Evidence(A, hosts, lambda: hosts, clock), lambda: policy, guard)


def pve_bundle(directory):
    """A copy of the healthy recording that has the files of /etc/pve too, so that `serve --replay` can say yes."""
    shutil.copytree(HEALTHY, directory)
    folder = directory / "nodes" / A
    missing = [f"/etc/pve/nodes/{A}/lxc/100.conf", f"/etc/pve/nodes/{B}/qemu-server/100.conf"]
    with (folder / "commands.tsv").open("a") as commands:
        for number, (path, text) in enumerate({**PVE_FILES, **dict.fromkeys(missing)}.items()):
            commands.write(f"etc-pve-{number}\t{int(text is None)}\t1\tcat {path}\n")
            (folder / f"etc-pve-{number}.out").write_text(text or "")
            (folder / f"etc-pve-{number}.err").write_text("" if text else "No such file or directory\n")
    return directory


@contextlib.contextmanager
def serving(path, answer, watchdog=None):
    """The real server on a real socket at `path`, in a thread of this process."""
    stop = threading.Event()
    listener = listen(str(path))
    watchdog = watchdog or Watchdog(lambda _message: None, None)
    thread = threading.Thread(target=serve, args=(listener, answer, watchdog, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as waker:
            waker.connect(str(path))
        thread.join(5)
        listener.close()


def converse(path, line, patience_s=10.0):
    """What comes back for the bytes `line`, up to the end of the line or of the connection."""
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(patience_s)
        asker.connect(str(path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            asker.sendall(line)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while b"\n" not in received and len(received) < 65536:
                part = asker.recv(65536 - len(received))
                if not part:
                    break
                received += part
        return received


def as_the_shim_reads(received):
    """'yes', 'no' or 'unknown', or 'none' for bytes that are no whole answer: what the Perl asker makes of them."""
    text = received.decode("utf-8", "replace")
    if not text.endswith("\n") or len(text) < 2:
        return "none"
    try:
        reply = json.loads(text)
    except ValueError:
        return "none"
    if not isinstance(reply, dict) or reply.get("v") != 1 or reply.get("answer") not in ("yes", "no", "unknown"):
        return "none"
    return reply["answer"]


def ask(path, question, patience_s=10.0):
    """What an asker that is written as the shim is makes of the service's answer; 'none' without one."""
    try:
        return as_the_shim_reads(converse(path, json.dumps(question).encode() + b"\n", patience_s))
    except OSError:
        return "none"


def wait_until(is_so, patience_s=5.0):
    deadline = time.monotonic() + patience_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)
    return is_so()


class Time:
    """A node's clocks, moved by hand."""

    def __init__(self):
        self.seen_at, self.monotonic_s, self.boot_id = 1_800_000_000.0, 5_000.0, "boot-1"

    def __call__(self):
        return Moment(self.seen_at, self.monotonic_s, self.boot_id)

    def pass_s(self, seconds):
        self.seen_at += seconds
        self.monotonic_s += seconds


class Fed:
    """A stream of lines that a test feeds; `end` ends it as a child's end does."""

    def __init__(self, *lines):
        self._lines = queue.SimpleQueue()
        self.feed(*lines)

    def feed(self, *lines):
        for line in lines:
            self._lines.put(line if line.endswith("\n") else line + "\n")

    def end(self, why="it ended with exit code 1"):
        self._lines.put(Unreachable("drbdsetup", why))

    def lines(self):
        while True:
            line = self._lines.get()
            if line is None:
                return
            if isinstance(line, Exception):
                raise line
            yield line

    def close(self):
        self._lines.put(None)


class Piped(Stream):
    """A stream of a real child that prints what a test feeds, at once."""

    def __init__(self, folder, *lines):
        os.mkfifo(folder / "events")
        super().__init__(("cat", str(folder / "events")))
        self._writer = (folder / "events").open("w")
        self.feed(*lines)

    def feed(self, *lines):
        self._writer.write("".join(f"{line}\n" for line in lines))
        self._writer.flush()


_BECOME_WORKER = """
ticks=$(cut -d' ' -f22 /proc/$$/stat)
upid=$(printf 'UPID:%s:%08X:%08X:6B02BF51:%s:%s:root@pam:' "$1" $$ "$ticks" "$2" "$3")
exec -a "task $upid" sleep 60
"""


@contextlib.contextmanager
def worker(node=A, kind="qmigrate", vmid=100):
    """(process, Upid) of a real process whose title and start are those of a task's worker."""
    process = subprocess.Popen(["bash", "-c", _BECOME_WORKER, "bash", node, kind, str(vmid)])
    try:
        assert wait_until(lambda: title_of(process.pid).startswith("task UPID:"))
        yield process, read_upid(title_of(process.pid).removeprefix("task "))
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(*argv):
    """A process that runs `argv`, and is ended however the test ends."""
    with subprocess.Popen(argv) as process:
        try:
            yield process
        finally:
            process.kill()


def title_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


class Qemu:
    """A QEMU's QMP socket: says `run` and `migration`, which a test may change, and notes what it was asked.

    A state of None is silence. `greeting` is its first line.
    """

    def __init__(self, path, run="running", migration="active", greeting='{"QMP": {"version": {}}}'):
        self.run, self.migration, self.greeting = run, migration, greeting
        self.asked = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                with link, contextlib.suppress(OSError):
                    self._converse(link)

    def _converse(self, link):
        link.settimeout(5)
        link.sendall(self.greeting.encode() + b"\r\n")
        for line in link.makefile():
            command = json.loads(line)["execute"]
            self.asked.append(command)
            link.sendall(b'{"event": "RTC_CHANGE", "data": {}}\r\n')
            state = {"query-status": self.run, "query-migrate": self.migration}.get(command, {})
            if state is None:
                continue
            told = {"status": state} if state else {}
            link.sendall(json.dumps({"return": told}).encode() + b"\r\n")
