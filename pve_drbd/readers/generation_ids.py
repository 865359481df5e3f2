"""`drbdadm get-gi all`: generation identifiers of this node's replicas, one line each, without names.

Formats: drbd-utils dt_print_uuids (8.x: seven flags) and dt_print_v9_uuids (twelve flags); the flags' meanings are in
dt_pretty_print_uuids and dt_pretty_print_v9_uuids beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import PRIMARY_BIT, GenerationIds

_SOURCE = "drbdadm get-gi"
_LINE = re.compile(r"((?:[0-9A-F]{16}:){4})([01](?::[01]){6}(?:(?::[01]){5})?)")


def read_get_gi(text: str, slots: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], GenerationIds]:
    """Identifiers by (resource, volume), the role bit masked out of each.

    `slots` are the (resource, volume) that this node has in dump-xml, in its order: the only link between the lines
    and what they are about. Raises Unreadable if there are not as many lines as slots: a resource without a disk has
    no line, and one with several peers has a line for each (adm_main.c, call_cmd), so that no line could be named.
    """
    lines = text.split("\n")
    if lines.pop() != "":
        raise Unreadable(_SOURCE, len(lines) + 1, "it stops within a line")
    found = [_generation_ids(line, number) for number, line in enumerate(lines, 1)]
    if len(found) != len(slots):
        raise Unreadable(_SOURCE, 0, f"{len(found)} lines for {len(slots)} configured volumes: none can be named")
    by_slot = dict(zip(slots, found, strict=True))
    if len(by_slot) != len(slots):
        raise Unreadable(_SOURCE, 0, "a volume is configured twice: its lines cannot be told apart")
    return by_slot


def _generation_ids(line: str, number: int) -> GenerationIds:
    match = _LINE.fullmatch(line)
    if match is None:
        raise Unreadable(_SOURCE, number, "not four identifiers of 16 hexadecimal digits and 7 or 12 flags")
    current, bitmap, *history = (int(digits, 16) & ~PRIMARY_BIT for digits in match[1].split(":")[:4])
    return GenerationIds(current, bitmap, tuple(history), tuple(flag == "1" for flag in match[2].split(":")))
