"""`dmsetup table`: which stretch of which device each device-mapper device maps."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import DmTarget

SOURCE = "dmsetup table"
_LINE = re.compile(r"(?P<name>[\w.+:@#-]+): (?P<start>\d+) (?P<sectors>\d+) (?P<kind>[\w-]+)(?: (?P<rest>[ -~]*))?")
_LINEAR = re.compile(r"(\d+):(\d+) (\d+)")


def read_dm_table(text: str) -> Mapping[str, tuple[DmTarget, ...]]:
    """The linear targets of every dm device by name; a device with other targets only has none.

    Raises Unreadable for a line outside the grammar, or a text that does not end with a whole line.
    """
    tables: dict[str, tuple[DmTarget, ...]] = {}
    if text.strip() in ("", "No devices found"):
        return tables
    if not text.endswith("\n"):
        raise Unreadable(SOURCE, text.count("\n") + 1, "the last line is cut off")
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise Unreadable(SOURCE, number, f"not a table line: {line!r}")
        targets = tables.get(match["name"], ())
        if match["kind"] == "linear":
            linear = _LINEAR.fullmatch(match["rest"] or "")
            if linear is None:
                raise Unreadable(SOURCE, number, "a linear target without device and offset")
            major, minor, offset = (int(each) for each in linear.groups())
            target = DmTarget(int(match["start"]), int(match["sectors"]), (major, minor), offset)
            if target in targets:
                raise Unreadable(SOURCE, number, "the same target twice")
            targets = (*targets, target)
        tables[match["name"]] = targets
    return tables
