"""`dmsetup table`: which stretch of which device each device-mapper device maps.

Format: lvm2 libdm/dm-tools/dmsetup.c, _status: NAME, a colon and a target on each line; no target where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import DmTarget

SOURCE = "dmsetup table"
_SECTORS = r"[0-9]{1,20}"
_LINE = re.compile(rf"([!-~]+): (?:({_SECTORS}) ({_SECTORS}) ([a-z][a-z0-9_-]*)(?: ([ -~]*))?)?")
_LINEAR = re.compile(rf"([0-9]{{1,4}}):([0-9]{{1,7}}) ({_SECTORS})")


def read_dm_table(text: str) -> Mapping[str, tuple[DmTarget, ...]]:
    """The targets of every dm device by name.

    Raises Unreadable for a line outside the grammar, a text that does not end with a whole line, and a device whose
    targets do not follow one another from its first sector on. With no device at all dmsetup says so.
    """
    if text == "No devices found\n":
        return {}
    if not text.endswith("\n"):
        raise Unreadable(SOURCE, text.count("\n") + 1, "the last line is cut off")
    tables: dict[str, tuple[DmTarget, ...]] = {}
    for number, line in enumerate(text[:-1].split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise Unreadable(SOURCE, number, f"not a table line: {line[:60]!r}")
        name, start, sectors, kind, rest = match.groups()
        known = tables.setdefault(name, ())
        if int(start or 0) != sum(each.sectors for each in known) or (start is None and known):
            raise Unreadable(SOURCE, number, f"this target of {name} does not follow the one before it")
        if start is not None:
            device, offset = _place(rest or "", number) if kind == "linear" else (None, 0)
            tables[name] = (*known, DmTarget(int(start), int(sectors), device, offset))
    return tables


def _place(rest: str, number: int) -> tuple[tuple[int, int], int]:
    match = _LINEAR.fullmatch(rest)
    if match is None:
        raise Unreadable(SOURCE, number, "a linear target without device and offset")
    return (int(match[1]), int(match[2])), int(match[3])
