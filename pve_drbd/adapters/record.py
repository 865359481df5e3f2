"""Keeps what nodes answer in a bundle, without secrets, while it hands the answers on."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Callable, Mapping

from pve_drbd.adapters.bundle import remove_file, write_file
from pve_drbd.adapters.hosts import TIMED_OUT, CommandResult, Hosts
from pve_drbd.adapters.replay import COMMANDS, FILE_NAME, NODE_NAME, UNREACHABLE, Recorded
from pve_drbd.adapters.scrub import scrub
from pve_drbd.errors import ConfigInvalid, NotRecorded, Unreachable, Unreadable

Names = Mapping[tuple[str, ...], str]


class RecordingHosts:
    """Asks `inner`, and writes each answer into the bundle `directory` before it returns it.

    A command that is asked again keeps its last answer, which is what the verdict rests on. One that failed is kept
    with exit code 124 and its reason, and replays as Unreachable with that reason; a node with no answer at all also
    gets a file UNREACHABLE. After each command the bundle is whole.
    """

    def __init__(
        self,
        inner: Hosts,
        directory: str | os.PathLike[str],
        names: Names | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write below `directory`/nodes; `names` gives the files' names by argv, others are derived from the argv."""
        self._inner = inner
        self._directory = os.fspath(directory)
        self._names = dict(names or {})
        self._monotonic = monotonic
        self._nodes: dict[str, _NodeRecord] = {}
        for name in self._names.values():
            if not FILE_NAME.fullmatch(name):
                raise ConfigInvalid(f"{name!r} cannot be the name of a file in a bundle")

    def nodes(self) -> tuple[str, ...]:
        """Those of `inner`."""
        return self._inner.nodes()

    def run(self, node: str, argv: tuple[str, ...], timeout_s: float) -> CommandResult:
        """What `inner` gives, or raises."""
        record = self._record_of(node)
        started = self._monotonic()
        try:
            result = self._inner.run(node, argv, timeout_s)
        except NotRecorded:
            raise  # a bundle made from a bundle must not turn "nobody asked" into "it did not answer"
        except (Unreachable, Unreadable) as err:
            why = err.why if isinstance(err, Unreachable) else str(err)
            record.keep(argv, TIMED_OUT, round((self._monotonic() - started) * 1000), "", f"{why}\n")
            raise
        record.keep(argv, result.exit_code, result.took_ms, result.out, result.err)
        return result

    def close(self) -> None:
        """Close `inner`; the bundle needs no end."""
        self._inner.close()

    def _record_of(self, node: str) -> _NodeRecord:
        if not NODE_NAME.fullmatch(node):
            raise ConfigInvalid(f"{node!r} is not the name of a node, and gets no folder in the bundle")
        if node not in self._nodes:
            self._nodes[node] = _NodeRecord(os.path.join(self._directory, "nodes", node), self._names)
        return self._nodes[node]


class _NodeRecord:
    """One node's folder in the making; used by one thread."""

    def __init__(self, folder: str, names: Names) -> None:
        self._folder = folder
        self._names = names
        self._recorded: dict[tuple[str, ...], Recorded] = {}

    def keep(self, argv: tuple[str, ...], exit_code: int, took_ms: int, out: str, err: str) -> None:
        """Write one answer's files, then the list that names them: it never names a file that is not there."""
        earlier = self._recorded.pop(argv, None)
        name = earlier.name if earlier else self._free_name(argv)
        write_file(self._folder, f"{name}.out", scrub(out))
        if err:
            write_file(self._folder, f"{name}.err", scrub(err))
        else:
            remove_file(self._folder, f"{name}.err")
        self._recorded[argv] = Recorded(name, exit_code, took_ms, argv)
        if all(each.exit_code == TIMED_OUT for each in self._recorded.values()):
            write_file(self._folder, UNREACHABLE, scrub(err))
        else:
            remove_file(self._folder, UNREACHABLE)
        rows = (
            f"{each.name}\t{each.exit_code}\t{each.took_ms}\t{shlex.join(each.argv)}\n"
            for each in self._recorded.values()
        )
        write_file(self._folder, COMMANDS, "".join(rows))

    def _free_name(self, argv: tuple[str, ...]) -> str:
        """The name that the caller wants, or one made from the words of the command; numbered if it is taken."""
        stem = self._names.get(argv) or re.sub(r"[^A-Za-z0-9]+", "-", " ".join(argv))[:60].strip("-") or "command"
        taken = {each.name for each in self._recorded.values()}
        name, number = stem, 2
        while name in taken:
            name, number = f"{stem}-{number}", number + 1
        return name
