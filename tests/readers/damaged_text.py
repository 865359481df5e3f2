"""What a torn pipe, a full disk or a bad copy can make of a text; and where the samples stand.

DAMAGE=all in the environment damages every place instead of a few hundred per sample.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples"
STRANGE = ("\x00", "\x1b", "%", "\u00e9", "\n", '"')
"""Characters that none of the formats has where a fact stands."""


def sample(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def samples(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.glob(pattern))


def places(length: int, most: int) -> range:
    step = 1 if os.environ.get("DAMAGE") == "all" else max(1, length // most)
    return range(0, length, step)


def truncated(text: str, most: int = 300) -> Iterator[str]:
    yield from (text[:end] for end in places(len(text), most))
    yield from (text[:-end] for end in range(1, 30) if end < len(text))


def with_strange_bytes(text: str, most: int = 200) -> Iterator[str]:
    for count, at in enumerate(places(len(text), most)):
        byte = STRANGE[count % len(STRANGE)]
        if text[at] != byte:
            yield text[:at] + byte + text[at + 1 :]


def without_a_line(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    yield from ("".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines)))


def with_a_line_twice(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    yield from ("".join([*lines[: at + 1], *lines[at:]]) for at in range(len(lines)))


def with_lines_swapped(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for one, other in [*pairwise(range(len(lines))), *((at, len(lines) - 1 - at) for at in range(len(lines) // 2))]:
        swapped = list(lines)
        swapped[one], swapped[other] = lines[other], lines[one]
        yield "".join(swapped)
