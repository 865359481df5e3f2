"""One ssh session that answers many commands, each in a frame of its own."""

from __future__ import annotations

import binascii
import re
import shlex
import subprocess
import time
from dataclasses import dataclass

from pve_drbd.adapters import children
from pve_drbd.adapters.children import Output
from pve_drbd.adapters.hosts import OUTPUT_LIMIT_BYTES, as_bytes, as_text
from pve_drbd.adapters.ssh_client import complaint
from pve_drbd.errors import ConfigInvalid, Unreachable, Unreadable

KILL_AFTER_S = 0.5
REMOTE_SCRIPT = """\
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
cd /
marker=$1 limit=$2 kill_after=$3
read -r host </proc/sys/kernel/hostname
printf '\\n%s ready %s %s\\n' "$marker" "$$" "$host"
while IFS= read -r request; do
    eval "set -- $request"
    seconds=$1
    shift
    body=$(
        exec 3>&1
        err=$(
            {
                { timeout -k "$kill_after" "$seconds" "$@" </dev/null 3>&-; printf '\\n%s' "$?" >&2; } |
                    head -c "$limit" | base64 -w 0 >&3
            } 2>&1 | head -c "$limit" | base64 -w 0
        )
        printf ' %s' "$err"
    )
    printf '%s frame %s\\n%s\\n' "$marker" "${#body}" "$body"
done
"""
"""What the peer's shell runs: for each request line (seconds, then the quoted argv) one frame, until stdin ends.

A frame is `MARKER frame LENGTH`, then LENGTH bytes: stdout and stderr in base64 with a blank between, then a newline.
The exit code is the last line of stderr. Nothing is written to any file, so nothing is left behind however it ends; a
shell variable holds the answer, which is why it is base64 (no NUL) and cut at a limit. `timeout -k` ends what can be
ended there, also when this side is gone.
"""

_STREAM_BYTES = OUTPUT_LIMIT_BYTES + 5  # a stderr at the limit, the newline, three digits of exit code: one to spare
_FRAME_BYTES = 2 * (_STREAM_BYTES // 3 * 4 + 4) + 1
_READY_LIMIT_BYTES = 65536
_REQUEST_LIMIT_BYTES = 32768  # half of a pipe's buffer: writing one request can never block
_COMPLAINT_BYTES = 8192
_FRAME_HEAD = re.compile(rb"frame ([0-9]{1,9})")
_READY = re.compile(rb"ready ([0-9]{1,10}) ([^ ]+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """One command's answer."""

    exit_code: int
    out: bytes
    err: bytes


def request_line(argv: tuple[str, ...], timeout_s: float) -> bytes:
    """The line that asks for `argv`; ConfigInvalid if it is too long for one."""
    line = as_bytes(f"{timeout_s:g} {shlex.join(argv)}\n")
    if len(line) > _REQUEST_LIMIT_BYTES:
        raise ConfigInvalid(f"the arguments of {argv[0]} are {len(line)} bytes long: too many names for one command")
    return line


def read_answer(body: bytes, source: str) -> Answer:
    """The answer within a frame; Unreadable if it has not all of its parts."""
    try:
        out, err = (binascii.a2b_base64(part, strict_mode=True) for part in body.split(b" "))
    except ValueError as error:  # not two parts, or not base64 (binascii.Error is a ValueError)
        raise Unreadable(source, 0, "its answer is damaged: something else writes into the ssh session") from error
    if len(out) > OUTPUT_LIMIT_BYTES or len(err) >= _STREAM_BYTES:
        raise Unreadable(source, 0, f"it printed more than {OUTPUT_LIMIT_BYTES // 2**20} MiB and was stopped")
    err, _, code = err.rpartition(b"\n")
    if not re.fullmatch(rb"[0-9]{1,3}", code):
        raise Unreadable(source, 0, "its answer has no exit code: something it started still writes to stderr")
    return Answer(int(code), out, err)


class Session:
    """A running ssh and the shell behind it. Not for two threads at once. After any exception it is of no more use."""

    def __init__(self, node: str, command: tuple[str, ...], marker: str) -> None:
        """Start ssh; `marker` is a word that no login script prints by chance."""
        self.marker = marker
        self.shell_pid = 0
        self._node = node
        self._command = command
        arguments = shlex.join(("pve-drbd", marker, str(_STREAM_BYTES), str(KILL_AFTER_S)))
        remote = f"exec /bin/sh -c {shlex.quote(REMOTE_SCRIPT)} {arguments}"
        self._child = children.start((*command, remote), is_asked=True)
        self._output = Output(self._child)

    def open(self, deadline: float) -> None:
        """Wait until the shell on the node says that it is ready, past whatever a login prints before."""
        start = b"\n" + as_bytes(self.marker) + b" "
        while (found := self._output.out.find(start)) < 0 or b"\n" not in self._output.out[found + len(start) :]:
            if len(self._output.out) > _READY_LIMIT_BYTES:
                raise Unreadable(
                    f"ssh to {self._node}", 0, "a login script prints without end: look at /root/.bashrc there"
                )
            if not self._more(deadline):
                raise Unreachable(self._node, complaint(self._node, self._command, None, self._last_words()))
        del self._output.out[: found + len(start)]
        ready = _READY.fullmatch(self._line())
        if not ready:
            raise self._garbage()
        self.shell_pid = int(ready[1])
        calls_itself = as_text(ready[2]).partition(".")[0]
        if calls_itself.lower() != self._node.lower():
            # A wrong line in /etc/hosts can lead back to ourselves: then one node's account would stand for two.
            address = self._command[-1].rpartition("@")[2]
            raise Unreachable(
                self._node,
                f"who answers at {address} calls itself {calls_itself}. "
                "Correct the address in /etc/hosts or /etc/pve/corosync.conf",
            )

    def ask(self, request: bytes, deadline: float) -> bytes | None:
        """The body of the frame that answers one request line; None if it did not come by `deadline` (monotonic)."""
        while not self._output.out and self._more(time.monotonic()):
            pass  # what came without being asked for is no answer to this request
        if self._output.out:
            raise self._garbage()
        stdin = self._child.stdin
        try:
            if stdin is not None:
                stdin.write(request)
        except BrokenPipeError:
            raise self._ended() from None
        while b"\n" not in self._output.out:
            if not self._more(deadline):
                return None
        marker, _, rest = self._line().partition(b" ")
        head = _FRAME_HEAD.fullmatch(rest)
        if marker != as_bytes(self.marker) or not head:
            raise self._garbage()
        length = int(head[1])
        if length > _FRAME_BYTES:
            raise self._garbage()
        while len(self._output.out) <= length:
            if not self._more(deadline):
                return None
        body = bytes(self._output.out[:length])
        if self._output.out[length:] != b"\n":
            raise self._garbage()
        self._output.out.clear()
        return body

    def close(self) -> None:
        """End ssh; the shell on the node ends at the end of its stdin, or once its command does."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        self._output.close()
        if self._child.poll() is None:
            children.stop(self._child)

    def _line(self) -> bytes:
        line, _, rest = self._output.out.partition(b"\n")
        self._output.out[:] = rest
        return bytes(line)

    def _more(self, deadline: float) -> bool:
        if not self._output.is_out_open:
            raise self._ended()
        has_more = self._output.more(deadline)
        # ssh's own words, and those of the shell itself; what a command prints is in its frame.
        del self._output.err[:-_COMPLAINT_BYTES]
        return has_more

    def _ended(self) -> Unreachable:
        """What to raise when ssh ended, or the login behind it."""
        soon = time.monotonic() + 1.0
        while self._output.is_open and self._output.more(soon):
            pass
        try:
            self._child.wait(max(0.0, soon - time.monotonic()))
            code: int | None = children.exit_code(self._child)
        except subprocess.TimeoutExpired:
            code = None
        if self.shell_pid:
            why = "the ssh session ended before its answer was whole"
            return Unreachable(self._node, f"{why}: {complaint(self._node, self._command, code, self._last_words())}")
        return Unreachable(self._node, complaint(self._node, self._command, code, self._last_words()))

    def _garbage(self) -> Unreadable:
        return Unreadable(
            f"ssh to {self._node}", 0, "its answer is not in our frames: something else writes into the session"
        )

    def _last_words(self) -> str:
        return as_text(self._output.err) or as_text(self._output.out[-_COMPLAINT_BYTES:])
