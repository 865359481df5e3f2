"""Damage to a text, by kinds: what stands instead of what, each by its number among those that the text can take."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from pve_drbd.readers.drbd_words import CONNECTIONS, DISKS, REPLICATIONS, ROLES

STRANGE = (
    *(bytes([code]) for code in (0x00, 0x01, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1B, 0x1C, 0x1F, 0x7F)),
    *(bytes([code]) for code in (0x80, 0x85, 0xA0, 0xC3, 0xED, 0xFE, 0xFF)),
    *(text.encode() for text in ("\u00e9", "\u0085", "\u0660", "\u2028", "\u00a0", "\u200b", "\U0001f4a5")),
)
"""What no format has where a fact stands: control bytes, bytes that are no UTF-8, letters and digits beyond ASCII."""


@dataclass(frozen=True, order=True)
class Damage:
    """`put` instead of what stands from byte `start` to `end`."""

    start: int
    end: int
    put: bytes

    def done_to(self, content: bytes) -> bytes:
        """The damaged content."""
        return content[: self.start] + self.put + content[self.end :]


Choice = tuple[int, Callable[[int], Damage | None]]
"""How many damages of a kind there are, and each by its number; None where a number stands for none."""


def _truncations(content: bytes) -> Choice:
    return len(content), lambda at: Damage(at, len(content), b"")


def _strange_bytes(content: bytes) -> Choice:
    def pick(number: int) -> Damage:
        at, which = divmod(number, len(STRANGE))
        return Damage(at, at + 1, STRANGE[which])

    return len(content) * len(STRANGE), pick


def _lines(content: bytes) -> list[tuple[int, int]]:
    """Start and end of each line, its newline included."""
    ends = [at + 1 for at, code in enumerate(content) if code == 0x0A]
    ends += [len(content)] if content and not content.endswith(b"\n") else []
    return list(zip([0, *ends], ends, strict=False))


def _lost_lines(content: bytes) -> Choice:
    lines = _lines(content)
    return len(lines), lambda at: Damage(*lines[at], b"")


def _doubled_lines(content: bytes) -> Choice:
    lines = _lines(content)
    return len(lines), lambda at: Damage(lines[at][1], lines[at][1], content[slice(*lines[at])])


def _swap(content: bytes, one: tuple[int, int], other: tuple[int, int]) -> Damage:
    between = content[one[1] : other[0]]
    return Damage(one[0], other[1], content[slice(*other)] + between + content[slice(*one)])


def _swapped_neighbours(content: bytes) -> Choice:
    lines = _lines(content)
    return len(lines) - 1, lambda at: _swap(content, lines[at], lines[at + 1])


def _swapped_far_lines(content: bytes) -> Choice:
    lines = _lines(content)

    def pick(number: int) -> Damage | None:
        one, other = divmod(number, len(lines))
        return _swap(content, lines[one], lines[other]) if other > one + 1 else None

    return len(lines) ** 2, pick


_LISTS = (
    [*ROLES],
    [*DISKS],
    [*CONNECTIONS, "WFConnection", "WFReportParams", *REPLICATIONS],
    ["yes", "no"],
    ["true", "false"],
    ["user", "no", "no-data", "fencing", "quorum"],
    ["C", "A", "B"],
    ["r", "s"],
    ["active", "open", "unknown"],
    ["a", "r"],
)
_OTHERS: Mapping[bytes, tuple[bytes, ...]] = {
    word.encode(): tuple(
        sorted({each.encode() for words in _LISTS if word in words for each in words} - {word.encode()})
    )
    for words in _LISTS
    for word in words
}
_TOKEN = re.compile(rb"[A-Za-z][A-Za-z-]*|[0-9]+|\"\"")
_ATTRIBUTES = re.compile(rb'attr": ?"([^"]*)"')


def _other_words(content: bytes) -> Choice:
    """Another word of the same list, another digit, one more or one less, another letter among LVM's attributes."""
    every = _every_other_word(content)
    return len(every), every.__getitem__


@lru_cache(maxsize=64)
def _every_other_word(content: bytes) -> Sequence[Damage]:
    found: set[Damage] = set()
    # When an LV was made only orders orphans in recordings without their tables; no other source is asked for it.
    untouched = [range(*match.span()) for match in re.finditer(rb'"lv_time":"[^"]*"', content)]
    for match in _TOKEN.finditer(content):
        if any(match.start() in each for each in untouched):
            continue
        found.update(Damage(*match.span(), put) for put in _OTHERS.get(match.group(), ()))
        if match.group().isdigit():
            found.update(_other_numbers(*match.span(), match.group()))
        elif match.group() == b'""':
            found.update(Damage(*match.span(), put) for put in (b'"active"', b'"open"', b'"partial"', b'"missing"'))
    for match in _ATTRIBUTES.finditer(content):
        found.update(Damage(at, at + 1, put) for at in range(*match.span(1)) for put in (b"-", b"a", b"o", b"p", b"X"))
    return sorted(found)


def _other_numbers(start: int, end: int, digits: bytes) -> Iterator[Damage]:
    for at in range(start, end):
        yield from (Damage(at, at + 1, b"%d" % digit) for digit in range(10))
    yield Damage(end, end, b"0")
    yield Damage(start, start, b"1")
    if len(digits) > 1:
        yield Damage(start, start + 1, b"")
        yield Damage(start, end, b"0")


KINDS: Mapping[str, Callable[[bytes], Choice]] = {
    "truncated": _truncations,
    "strange-byte": _strange_bytes,
    "line-lost": _lost_lines,
    "line-doubled": _doubled_lines,
    "lines-swapped": _swapped_neighbours,
    "far-lines-swapped": _swapped_far_lines,
    "another-word": _other_words,
}
OF_BYTES = ("truncated", "strange-byte")
"""The kinds that PVE's answers get: they stand on one line."""


def chosen(content: bytes, kind: str, most: int, seed: str) -> list[int]:
    """The numbers of up to `most` damages of this kind that change `content`, the same for the same `seed`."""
    count, pick = KINDS[kind](content)
    order = Random(seed).sample(range(count), min(count, 3 * most + 10))
    picked = ((number, pick(number)) for number in order)
    return [number for number, each in picked if each and each.done_to(content) != content][:most]
