"""`drbdmeta --force - v08|v09 DEVICE INDEX dump-md`: the bitmap of one volume, as it stands on the disk.

Formats: drbd-utils user/shared/drbdmeta.c (meta_dump_md, printf_bm, fprintf_bm), the same from 8.9.0 to 9.34; the
flags are MDF_* of drbd-headers linux/drbd.h. Which slot is whose, and that a slot of nobody holds bits as well:
LINBIT/drbd drbd_actlog.c, drbd_set_sync.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pve_drbd.errors import Unreadable
from pve_drbd.model.bitmap import BitmapSlot, DumpedBitmap
from pve_drbd.model.drbd import PRIMARY_BIT

_SOURCE = "drbdmeta dump-md"

_AL_DISABLED = 1 << 8
_WORD_BITS = 64
_ALL_SET = 2**_WORD_BITS - 1
_KIB_PER_MARK = 256
"""What a word of 64 bits stands for in the marks of where a line is, whatever a bit stands for."""

_FINE_RUNS = 300_000
"""Beyond this many runs, each of some 130 bytes, the bits of a word (256 KiB) become one run."""

_FIRST_SLOT = re.compile(r"bm \{|bitmap\[0\] \{")
_SLOT = re.compile(r"(?:bm|bitmap\[([0-9]{1,2})\]) \{")
_MARK = re.compile(r"   # at ([0-9]{1,16})kB")
_WORDS = re.compile(r"   (?: 0x[0-9A-F]{16};){1,4}")
_REPEATED = re.compile(r"    ([0-9]{1,10}) times 0x([0-9A-F]{16});")
_END = re.compile(r"# bits-set ([0-9]{1,20});")
_PEERS = re.compile(r"^peer\[([0-9]{1,2})\] \{\n    bitmap-index (-1|[0-9]{1,2});$", re.MULTILINE)
_MOVED = "### Device seems to have been resized!"

Stretch = tuple[int, int, int]
"""The first word, how many words, and the 64 bits that each of them has."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands above the bitmap; `owners` maps a slot to the node id of the peer it is kept for."""

    bits: int
    kib_per_bit: int
    bitmap_words_32: int
    slots: int
    current: int
    is_log_off: bool
    owners: dict[int, int]

    def words_32_of(self, slot: int) -> int:
        """Words of 32 bits in `slot`: those of all slots take turns on the disk."""
        return len(range(slot, self.bitmap_words_32, self.slots))


def read_metadata_dump(text: str) -> DumpedBitmap:
    """The bitmap and what is needed to judge it; slots that are kept for no peer are left out.

    Raises Unreadable where the text is cut off or not in the form that drbdmeta prints, has another number of words
    than it says, or another number of bits (it says that of the last slot only); and where the metadata was not found
    in its place.
    """
    lines = text.split("\n")
    if lines.pop() != "" or not lines:
        raise Unreadable(_SOURCE, len(lines) + 1, "it is empty, or stops within a line")
    first = next((at for at, line in enumerate(lines) if _FIRST_SLOT.fullmatch(line)), None)
    if first is None:
        raise Unreadable(_SOURCE, len(lines), "it has no bitmap")
    header = _header(lines[:first])
    numbered = iter(enumerate(lines[first:], first + 1))
    slots: dict[int, BitmapSlot] = {}
    for slot in range(header.slots):
        number, line = next(numbered, (len(lines), ""))
        match = _SLOT.fullmatch(line)
        if match is None or int(match[1] or 0) != slot:
            raise Unreadable(_SOURCE, number, f"not the beginning of bitmap {slot}")
        found, counted = _slot(_stretches(numbered, header.slots), header, slot)
        if slot in header.owners:
            slots[header.owners[slot]] = found
    _check_end(numbered, len(lines), counted, has_hidden_word=header.words_32_of(slot) % 2 == 1)
    return DumpedBitmap(header.bits * header.kib_per_bit, header.current, header.is_log_off, slots)


def _header(lines: list[str]) -> _Header:
    text = "\n".join(lines)
    if _MOVED in lines:
        raise Unreadable(_SOURCE, lines.index(_MOVED) + 1, "the metadata is not in its place: the disk was resized")
    if not text.startswith("# DRBD meta data dump\n"):
        raise Unreadable(_SOURCE, 1, "it does not begin as a dump of DRBD's metadata does")
    is_v09 = _only(text, r'version "(v08|v09)";') == "v09"
    # In v08 the flags stand among the identifiers, and are 0 before drbd-utils 9.33; each peer of v09 has such a line.
    flags = int(_only(text, rf"{'' if is_v09 else '    '}flags 0x([0-9A-Fa-f]{{8}});"), 16)
    current = _only(text, rf"{'current-uuid ' if is_v09 else '    '}0x([0-9A-F]{{16}});{'' if is_v09 else ' .*'}")
    bytes_per_bit = int(_only(text, r"bm-byte-per-bit ([0-9]{1,7});"))
    if bytes_per_bit < 4096 or bytes_per_bit & (bytes_per_bit - 1):
        raise Unreadable(_SOURCE, 0, f"a bit of {bytes_per_bit} bytes is not a power of two from 4096 on")
    sectors = int(_only(text, r"la-size-sect ([0-9]{1,16});"))
    words_32 = int(_only(text, r"# bm-bytes ([0-9]{1,12});")) // 4
    slots = int(_only(text, r"max-peers ([0-9]{1,2});")) if is_v09 else 1
    header = _Header(
        bits=-(-sectors * 512 // bytes_per_bit),
        kib_per_bit=bytes_per_bit // 1024,
        bitmap_words_32=words_32,
        slots=slots,
        current=int(current, 16) & ~PRIMARY_BIT,
        is_log_off=bool(flags & _AL_DISABLED),
        owners=_owners(text, slots) if is_v09 else {0: 0},
    )
    if not slots or header.words_32_of(slots - 1) * 32 < header.bits:
        raise Unreadable(_SOURCE, 0, f"{slots} bitmaps in {words_32 * 4} bytes do not cover {sectors} sectors")
    return header


def _owners(text: str, slots: int) -> dict[int, int]:
    """The node id of the peer that each slot is kept for; a slot of nobody is not in it."""
    found: dict[int, int] = {}
    peers = _PEERS.findall(text)
    counts = {len({node for node, _ in peers}), len(peers), text.count("\npeer["), text.count("\n    bitmap-index ")}
    if len(counts) != 1:
        raise Unreadable(_SOURCE, 0, "a peer stands twice, or without its bitmap-index")
    for node, index in peers:
        if int(index) >= slots or int(index) in found:
            raise Unreadable(_SOURCE, 0, f"bitmap {index} of peer {node} is another's, or not there")
        if int(index) >= 0:
            found[int(index)] = int(node)
    return found


def _only(text: str, grammar: str) -> str:
    found = re.findall(f"^{grammar}$", text, re.MULTILINE)
    if len(found) != 1:
        raise Unreadable(_SOURCE, 0, f"{len(found)} lines of the form {grammar}")
    return str(found[0])


def _stretches(lines: Iterator[tuple[int, str]], slots: int) -> Iterator[Stretch]:
    """The stretches of one bitmap, in order, up to its closing brace."""
    at, number = 0, 0
    for number, line in lines:
        if _WORDS.fullmatch(line):
            for place in range(6, len(line), 20):
                yield at, 1, int(line[place : place + 16], 16)
                at += 1
        elif repeated := _REPEATED.fullmatch(line):
            count = int(repeated[1])
            yield at, count, int(repeated[2], 16)
            at += count
        elif mark := _MARK.fullmatch(line):
            if int(mark[1]) != at * _KIB_PER_MARK * slots:
                raise Unreadable(_SOURCE, number, f"its words are {at * _KIB_PER_MARK * slots} kB up to here")
        elif line == "}":
            return
        else:
            raise Unreadable(_SOURCE, number, "not a line of a bitmap")
    raise Unreadable(_SOURCE, number, "its last bitmap has no end")


def _slot(stretches: Iterator[Stretch], header: _Header, slot: int) -> tuple[BitmapSlot, int]:
    """The slot, and how many bits were printed of it: those behind the end of the volume too, which mean nothing."""
    whole, rest = divmod(header.bits, _WORD_BITS)
    runs: list[list[int]] = []
    words = printed = within = 0
    for at, count, word in stretches:
        words = at + count
        printed += count * word.bit_count()
        inside = min(count, max(whole - at, 0))
        within += inside * word.bit_count()
        _add(runs, at, inside, word)
        if at <= whole < words:
            last = word & ((1 << rest) - 1)
            within += last.bit_count()
            _add(runs, whole, 1, last)
    if words != header.words_32_of(slot) // 2:
        raise Unreadable(_SOURCE, 0, f"bitmap {slot} has {words} words of {header.words_32_of(slot) // 2}")
    kib = header.kib_per_bit
    return BitmapSlot(tuple((first * kib, end * kib) for first, end in runs), within * kib), printed


def _add(runs: list[list[int]], at: int, count: int, word: int) -> None:
    """Put the set bits of `count` words of one value behind `runs`, of which the last may go on."""
    if not word or not count:
        return
    start = at * _WORD_BITS
    if word == _ALL_SET:
        _extend(runs, start, start + count * _WORD_BITS)
    elif len(runs) + count * _WORD_BITS // 2 > _FINE_RUNS:
        low = (word & -word).bit_length() - 1
        _extend(runs, start + low, start + (count - 1) * _WORD_BITS + word.bit_length())
    else:
        parts = tuple(_parts(word))
        for base in range(start, start + count * _WORD_BITS, _WORD_BITS):
            for first, end in parts:
                _extend(runs, base + first, base + end)


def _parts(word: int) -> Iterator[tuple[int, int]]:
    """The half-open runs of set bits in `word`, bit 0 first."""
    base = 0
    while word:
        clear = (word & -word).bit_length() - 1
        word >>= clear
        count = (~word & (word + 1)).bit_length() - 1
        yield base + clear, base + clear + count
        word >>= count
        base += clear + count


def _extend(runs: list[list[int]], first: int, end: int) -> None:
    if runs and runs[-1][1] == first:
        runs[-1][1] = end
    else:
        runs.append([first, end])


def _check_end(lines: Iterator[tuple[int, str]], last: int, counted: int, has_hidden_word: bool) -> None:
    """The number of set bits is the last line. drbdmeta counts in 32 bits, and prints no odd half of a word."""
    number, line = next(lines, (last, ""))
    match = _END.fullmatch(line)
    if match is None or next(lines, None) is not None:
        raise Unreadable(_SOURCE, number, "it does not end with the number of set bits")
    missing = (int(match[1]) - counted) % 2**32
    if missing > (32 if has_hidden_word else 0):
        raise Unreadable(_SOURCE, number, f"it says that {match[1]} bits are set, and shows {counted}")
