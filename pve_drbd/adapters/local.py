"""Commands on this node: each gets its time, and is abandoned when not even SIGKILL ends it."""

from __future__ import annotations

import os
import subprocess
import threading
import time

from pve_drbd.adapters import children
from pve_drbd.adapters.children import Child, Output, SignalGroup
from pve_drbd.adapters.hosts import (
    NOT_EXECUTABLE,
    NOT_FOUND,
    OUTPUT_LIMIT_BYTES,
    TIMED_OUT,
    CommandResult,
    as_text,
    is_lvm,
    refuse_unsendable,
)
from pve_drbd.errors import Unreachable, Unreadable

_Slot = tuple[str, ...]
_LVM: _Slot = ("LVM",)


def local_node() -> str:
    """The name of this node: uname -n cut at the first dot. Source: pve-common, src/PVE/INotify.pm, nodename."""
    return os.uname().nodename.partition(".")[0]


class LocalCommands:
    """Runs commands on this node. Safe to use from several threads; keep one for the life of the process.

    It remembers what it had to abandon: a command that still hangs in D state is not run a second time, and of all LVM
    commands together only one may hang, or every look at a frozen device would leave one more process behind.
    """

    def __init__(self, node: str, *, signal_group: SignalGroup = os.killpg) -> None:
        self._node = node
        self._signal_group = signal_group
        self._lvm_turn = threading.Lock()
        self._abandoned: dict[_Slot, tuple[Child, str]] = {}

    def nodes(self) -> tuple[str, ...]:
        """The one node that it runs on."""
        return (self._node,)

    def run(self, node: str, argv: tuple[str, ...], timeout_s: float) -> CommandResult:
        """What `argv` gave here; a program that is not installed gives exit code 127, as in a shell."""
        refuse_unsendable(argv)
        if node != self._node:
            raise Unreachable(node, f"it is not this node, which is {self._node}")
        deadline = time.monotonic() + timeout_s
        if not is_lvm(argv):
            return self._run(argv, argv, timeout_s, deadline)
        if not self._lvm_turn.acquire(timeout=timeout_s):
            raise Unreachable(node, f"{argv[0]} was not run: another LVM command of ours took over {timeout_s:g} s")
        try:
            return self._run(_LVM, argv, timeout_s, deadline)
        finally:
            self._lvm_turn.release()

    def close(self) -> None:
        """Nothing is open between commands; what was abandoned is reaped when it ends, not waited for."""

    def _run(self, slot: _Slot, argv: tuple[str, ...], timeout_s: float, deadline: float) -> CommandResult:
        self._refuse_after_hang(slot, argv)
        started = time.monotonic()
        try:
            child = children.start(argv)
        except FileNotFoundError:
            return CommandResult(argv, NOT_FOUND, "", f"{argv[0]}: command not found\n", 0)
        except PermissionError:
            return CommandResult(argv, NOT_EXECUTABLE, "", f"{argv[0]}: permission denied\n", 0)
        except OSError as err:
            raise Unreachable(self._node, f"{argv[0]} could not be started: {err.strerror}") from err
        output, is_ended, is_gone = self._gather(child, deadline)
        if not is_gone:
            self._abandoned[slot] = (child, argv[0])
            raise Unreachable(
                self._node,
                f"{argv[0]} did not end within {timeout_s:g} s, and no signal ends it ({_about(child)}): "
                "a block device that it reads does not answer. Look at: drbdadm status",
            )
        if max(len(output.out), len(output.err)) > OUTPUT_LIMIT_BYTES:
            limit_mib = OUTPUT_LIMIT_BYTES // 2**20
            raise Unreadable(f"{argv[0]} on {self._node}", 0, f"it printed more than {limit_mib} MiB and was stopped")
        code = children.exit_code(child)
        if not is_ended or code == TIMED_OUT:
            raise Unreachable(self._node, f"{argv[0]} did not end within {timeout_s:g} s and was stopped")
        took_ms = round((time.monotonic() - started) * 1000)
        return CommandResult(argv, code, as_text(output.out), as_text(output.err), took_ms)

    def _gather(self, child: Child, deadline: float) -> tuple[Output, bool, bool]:
        """What `child` printed; whether it ended by itself, in time and within the limit; whether it is gone at all."""
        output = Output(child)
        is_ended, is_gone = False, True
        try:
            is_ended = _read_to_the_end(child, output, deadline)
        finally:
            output.close()
            if not is_ended:
                is_gone = children.stop(child, self._signal_group)
        return output, is_ended, is_gone

    def _refuse_after_hang(self, slot: _Slot, argv: tuple[str, ...]) -> None:
        child, program = self._abandoned.get(slot, (None, ""))
        if child is None:
            return
        if child.poll() is None:
            raise Unreachable(
                self._node,
                f"{argv[0]} was not run: an earlier {program} still hangs ({_about(child)}). "
                "It goes on by itself once its block device answers again; look at: drbdadm status",
            )
        self._abandoned.pop(slot, None)


def _read_to_the_end(child: Child, output: Output, deadline: float) -> bool:
    """All that it prints, and its exit; False if the deadline or the limit on its output came first."""
    while output.is_open:
        if not output.more(deadline) or max(len(output.out), len(output.err)) > OUTPUT_LIMIT_BYTES:
            return False
    try:
        child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _about(child: Child) -> str:
    return f"pid {child.pid}, state {children.state_of(child.pid)}"
