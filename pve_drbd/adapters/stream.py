"""A child that prints lines for as long as it lives, read as they come."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from pve_drbd.adapters import children
from pve_drbd.adapters.children import Output
from pve_drbd.adapters.hosts import as_text
from pve_drbd.errors import Unreachable, Unreadable

_LONGEST_LINE_BYTES = 64 * 1024
_WORDS_BYTES = 4096
# Nothing is to be done while nothing comes; the selector just cannot be told "for ever" by Output.
_PATIENCE_S = 3600.0


class Lines(Protocol):
    """A source of lines that ends some day, by itself or because it is told to."""

    def lines(self) -> Iterator[str]:
        """Each line with its newline, as soon as it is there; raises where it cannot go on."""

    def close(self) -> None:
        """End it, from whatever thread; `lines` then ends too."""


class Stream:
    """One running child. One thread reads its `lines`; another may `close` it."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        """Start `argv`; Unreachable if that is not possible."""
        self._program = argv[0]
        self._turn = threading.Lock()
        try:
            self._child = children.start(argv)
        except OSError as err:
            raise Unreachable(argv[0], f"it could not be started: {err.strerror}") from err

    def lines(self) -> Iterator[str]:
        """Each line with its newline; a last one that was torn is left out.

        Ends by raising Unreachable with how the child ended, Unreadable for a line without end.
        """
        output = Output(self._child)
        try:
            while output.is_out_open:
                output.more(time.monotonic() + _PATIENCE_S)
                del output.err[:-_WORDS_BYTES]
                while (end := output.out.find(b"\n")) >= 0:
                    line = bytes(output.out[: end + 1])
                    del output.out[: end + 1]
                    yield as_text(line)
                if len(output.out) > _LONGEST_LINE_BYTES:
                    raise Unreadable(self._program, 0, f"it prints a line of more than {_LONGEST_LINE_BYTES} bytes")
            raise self._ended(output)
        finally:
            self.close()
            output.close()

    def close(self) -> None:
        """End the child."""
        # One at a time: whoever comes second finds it reaped, and must not signal what has its number by then.
        with self._turn:
            if self._child.poll() is None:
                children.stop(self._child)

    def _ended(self, output: Output) -> Unreachable:
        soon = time.monotonic() + 1.0
        while output.is_open and output.more(soon):
            pass
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(max(0.0, soon - time.monotonic()))
        if self._child.returncode is None:
            return Unreachable(self._program, "it closed its output and lives on")
        words = as_text(output.err).strip().splitlines()
        last = f": {words[-1][:200]}" if words else ""
        return Unreachable(self._program, f"it ended with exit code {children.exit_code(self._child)}{last}")
