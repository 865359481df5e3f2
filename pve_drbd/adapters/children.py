"""Child processes as our commands need them: a fixed environment, output read up to a deadline, an end that is sure."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C"}
_CHUNK_BYTES = 65536
_AFTER_TERM_S = 0.5
_AFTER_KILL_S = 0.25

Child = subprocess.Popen[bytes]
SignalGroup = Callable[[int, int], None]


def start(argv: tuple[str, ...], *, is_asked: bool = False) -> Child:
    """A running child in a session of its own, with both outputs piped; stdin is empty unless it `is_asked` things.

    Its own session and not only its own group: without a controlling terminal no tool can stop to ask for a password,
    and Ctrl-C ends us first, so that we end it. Raises OSError.
    """
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if is_asked else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=_ENVIRONMENT,
        start_new_session=True,
        bufsize=0,
    )


def stop(child: Child, signal_group: SignalGroup = os.killpg) -> bool:
    """End `child` and all of its group: SIGTERM, then SIGKILL. False if it lives on, which only state D explains.

    A child that lives on is abandoned: a thread waits for it, so that it leaves no zombie whenever it does end.
    """
    with contextlib.suppress(ProcessLookupError):
        signal_group(child.pid, signal.SIGTERM)
    # Not reaped between the two signals: as long as its zombie stands, nobody else can be given its process group.
    deadline = time.monotonic() + _AFTER_TERM_S
    while not _has_ended(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        signal_group(child.pid, signal.SIGKILL)
    try:
        child.wait(_AFTER_KILL_S)
    except subprocess.TimeoutExpired:
        threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True).start()
        return False
    return True


def exit_code(child: Child) -> int:
    """The exit code of an ended child as a shell gives it: 128 + N after signal N."""
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def state_of(pid: int) -> str:
    """The kernel's letter for what process `pid` does (D: waits, and no signal gets through), '?' if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return "?"


class Output:
    """What a child has printed so far, read without ever waiting past a deadline."""

    def __init__(self, child: Child) -> None:
        assert child.stdout  # noqa: S101 (for the type checker: start() pipes both)
        assert child.stderr  # noqa: S101
        self.out = bytearray()
        self.err = bytearray()
        self._files = (child.stdout, child.stderr)
        self._selector = selectors.DefaultSelector()
        for file, kept in zip(self._files, (self.out, self.err), strict=True):
            self._selector.register(file, selectors.EVENT_READ, kept)

    @property
    def is_open(self) -> bool:
        """More may come on either stream."""
        return bool(self._selector.get_map())

    @property
    def is_out_open(self) -> bool:
        """More may come on stdout."""
        return self._files[0] in {key.fileobj for key in self._selector.get_map().values()}

    def more(self, deadline: float) -> bool:
        """Wait until a stream gives something, or its end; False if `deadline` (monotonic) passes first."""
        ready = self._selector.select(max(0.0, deadline - time.monotonic()))
        for key, _ in ready:
            data = os.read(key.fd, _CHUNK_BYTES)
            if data:
                key.data.extend(data)
            else:
                self._selector.unregister(key.fileobj)
        return bool(ready)

    def close(self) -> None:
        """Stop listening; a child that still writes gets SIGPIPE."""
        self._selector.close()
        for file in self._files:
            file.close()


def _has_ended(child: Child) -> bool:
    if child.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
