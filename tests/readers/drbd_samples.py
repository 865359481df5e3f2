"""The samples of DRBD's outputs, and what their readers make of them.

A sample is named by the version and the situation it is from, and by the node of the lab pair that answered
(105 or 106); `from-source` marks one that was written after the printing code, not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pve_drbd.errors import Unreadable
from pve_drbd.readers.drbdsetup_json import read_show_json, read_status_json
from pve_drbd.readers.dump_xml import read_dump_xml
from pve_drbd.readers.events2 import read_event, read_events2
from pve_drbd.readers.generation_ids import read_get_gi
from pve_drbd.readers.proc_drbd import read_proc_drbd
from pve_drbd.readers.versions import read_drbdadm_version

SAMPLES = Path(__file__).parent.parent / "samples"

# Every 8.4 node of the lab answers these with usage text and exit code 20: 8.4 has no JSON.
WITHOUT_AN_ANSWER = {
    ("status-json", "8.4.11-healthy-105"),
    ("show-json", "8.4.11-healthy-105"),
    # It lacks out-of-sync, which decides.
    ("events2", "8.4.11-split-brain-without-statistics-105"),
}


def read_stream(text: str) -> tuple[object, ...]:
    return tuple(read_event(line) for line in text.splitlines(keepends=True))


def read_identifiers(text: str) -> object:
    # As many slots as whole lines, so that the number of lines alone never decides.
    return read_get_gi(text, [(f"r{number}", 0) for number in range(text.count("\n"))])


READERS: dict[str, Callable[[str], object]] = {
    "drbdadm-version": read_drbdadm_version,
    "proc-drbd": read_proc_drbd,
    "events2": read_events2,
    "events2-stream": read_stream,
    "status-json": read_status_json,
    "show-json": read_show_json,
    "dump-xml": read_dump_xml,
    "get-gi": read_identifiers,
}


def sample(reader: str, name: str) -> str:
    return (SAMPLES / reader / f"{name}.txt").read_bytes().decode()


def samples(*readers: str, readable: bool = True) -> Iterator[tuple[str, str]]:
    """(reader, name) of every sample of `readers` (all, if none is named)."""
    for reader in readers or READERS:
        for path in sorted((SAMPLES / reader).glob("*.txt")):
            if ((reader, path.stem) not in WITHOUT_AN_ANSWER) is readable:
                yield reader, path.stem


def value_or_unreadable(reader: str, text: str) -> object:
    """What `text` reads as, or the Unreadable; any other exception is the reader's defect."""
    try:
        return READERS[reader](text)
    except Unreadable as err:
        return err
