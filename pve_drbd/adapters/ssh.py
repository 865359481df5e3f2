"""Commands on a peer: one ssh session per survey, opened at the first command."""

from __future__ import annotations

import secrets
import time

from pve_drbd.adapters.hosts import (
    TIMED_OUT,
    CommandResult,
    as_text,
    is_lvm,
    refuse_unsendable,
)
from pve_drbd.adapters.ssh_session import KILL_AFTER_S, Session, read_answer, request_line
from pve_drbd.errors import Unreachable, Unreadable

CONNECT_TIMEOUT_S = 5.0
"""A TCP and ssh handshake take 0.2 s in a cluster network; 5 s bear one lost SYN and a busy node."""
_TRANSFER_S = 1.0
_KILLED = 137
_SESSIONS_PER_SURVEY = 2


class SshCommands:
    """Runs commands on one peer. One thread at a time; a survey is what lies between two calls of `close`.

    A second session is opened only after a command that hung: what comes after it is still worth asking. After any
    other failure all that follows is refused at once, so that a dead peer costs one timeout and not seventeen.
    """

    def __init__(
        self, node: str, command: tuple[str, ...], *, connect_timeout_s: float = CONNECT_TIMEOUT_S, marker: str = ""
    ) -> None:
        """Remember the ssh call `command` (see ssh_argv); `marker` is for tests, each session makes its own."""
        self._node = node
        self._command = command
        self._connect_timeout_s = connect_timeout_s
        self._marker = marker
        self._session: Session | None = None
        self._sessions = 0
        self._failed = ""
        self._hung: tuple[int, str, str] | None = None

    def nodes(self) -> tuple[str, ...]:
        """The one peer."""
        return (self._node,)

    def run(self, node: str, argv: tuple[str, ...], timeout_s: float) -> CommandResult:
        """What `argv` gave on the peer; the session's opening has a time of its own."""
        refuse_unsendable(argv)
        request_line(argv, timeout_s)  # may refuse it too, before a session is opened for it
        if node != self._node:
            raise Unreachable(node, f"this ssh session leads to {self._node}")
        session = self._open_session()
        if is_lvm(argv):
            self._refuse_after_hang(session, argv)
        return self._ask(session, argv, timeout_s)

    def close(self) -> None:
        """End the session, if there is one."""
        self._drop()
        self._sessions = 0
        self._failed = ""

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open_session(self) -> Session:
        if self._failed:
            raise Unreachable(self._node, self._failed)
        if self._session is not None:
            return self._session
        if self._sessions >= _SESSIONS_PER_SURVEY:
            raise Unreachable(self._node, "two of its commands hung, so nothing more was asked")
        self._sessions += 1
        try:
            self._session = Session(self._node, self._command, self._marker or secrets.token_hex(16))
            self._session.open(time.monotonic() + self._connect_timeout_s)
        except OSError as err:
            self._failed = f"ssh could not be started: {err.strerror}. Is openssh-client installed?"
            raise Unreachable(self._node, self._failed) from err
        except BaseException as err:
            self._give_up(err)
            raise
        return self._session

    def _ask(self, session: Session, argv: tuple[str, ...], timeout_s: float) -> CommandResult:
        request = request_line(argv, timeout_s)
        started = time.monotonic()
        try:
            body = session.ask(request, started + timeout_s + KILL_AFTER_S + _TRANSFER_S)
        except BaseException as err:
            self._give_up(err)
            raise
        took_s = time.monotonic() - started
        if body is None:
            if is_lvm(argv):
                self._hung = (session.shell_pid, session.marker, argv[0])
            self._drop()
            raise Unreachable(
                self._node,
                f"{argv[0]} gave no answer within {timeout_s:g} s and was not stopped there either (below pid "
                f"{session.shell_pid}): a block device that it reads does not answer, or the network to it is gone. "
                "Look there at: drbdadm status",
            )
        answer = read_answer(body, f"{argv[0]} on {self._node}")
        if answer.exit_code == TIMED_OUT or (answer.exit_code == _KILLED and took_s >= timeout_s):
            raise Unreachable(self._node, f"{argv[0]} did not end within {timeout_s:g} s and was stopped")
        return CommandResult(argv, answer.exit_code, as_text(answer.out), as_text(answer.err), round(took_s * 1000))

    def _give_up(self, err: BaseException) -> None:
        """No more sessions in this survey; the reason is repeated for whatever is still asked."""
        self._failed = err.why if isinstance(err, Unreachable | Unreadable) else "the survey was interrupted"
        self._drop()

    def _refuse_after_hang(self, session: Session, argv: tuple[str, ...]) -> None:
        """Refuse LVM while the shell of an earlier session still waits for the LVM command that hung."""
        if self._hung is None:
            return
        pid, marker, program = self._hung
        # That shell's own argv holds its session's marker, so a reused pid is not taken for it.
        check = self._ask(session, ("grep", "-qsaF", marker, f"/proc/{pid}/cmdline"), 2.0)
        if check.exit_code == 0:
            raise Unreachable(
                self._node,
                f"{argv[0]} was not run: an earlier {program} still hangs there (below pid {pid}). "
                "It goes on by itself once its block device answers again; look at: drbdadm status",
            )
        self._hung = None
