"""What drbdmeta's dump-md and DRBD's act_log_extents print, written after their sources for any content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

WORD = 2**64 - 1
NOBODY = -1


def bits_of(ranges: Iterable[tuple[int, int]], kib_per_bit: int = 4) -> int:
    """The bitmap, bit 0 lowest, that has set what half-open `ranges` of KiB touch."""
    bits = 0
    for first, end in ranges:
        low, high = first // kib_per_bit, -(-end // kib_per_bit)
        bits |= ((1 << (high - low)) - 1) << low
    return bits


def ranges_of(bits: int, kib_per_bit: int = 4) -> tuple[tuple[int, int], ...]:
    """The half-open ranges of KiB that are set in `bits`: the slow and plain way."""
    text = bin(bits)[2:][::-1]
    found, at = [], text.find("1")
    while at >= 0:
        end = text.find("0", at)
        end = len(text) if end < 0 else end
        found.append((at * kib_per_bit, end * kib_per_bit))
        at = text.find("1", end)
    return tuple(found)


def dump_text(
    size_kib: int,
    *slots: int,
    version: str = "v08",
    current: int = 4,
    flags: int = 0,
    owners: Mapping[int, int] | None = None,
    bytes_per_bit: int = 4096,
) -> str:
    """A dump of a volume of `size_kib` whose bitmaps are `slots`; `owners` maps the node id of a peer to its slot."""
    bits = -(-size_kib * 1024 // bytes_per_bit)
    words_32 = -(-bits // 64) * 2 * len(slots) if size_kib else 0
    on_disk = -(-words_32 // 1024) * 1024
    lines = ["# DRBD meta data dump", "# 2026-11-22 10:30:01 +0000 [1795343401]"]
    lines += [f"# pveA> drbdmeta --force - {version} /dev/sdb internal dump-md", "#", "", f'version "{version}";', ""]
    if version == "v09":
        lines += [f"max-peers {len(slots)};", "# md_size_sect 264", "", "node-id 0;", f"current-uuid 0x{current:016X};"]
        lines += [f"flags 0x{flags:08X};", "members 0x0000000000000000;"]
        for node in range(32):
            index = {NOBODY: NOBODY, **(owners or {1: 0})}.get(node, NOBODY)
            lines += [f"peer[{node}] {{", f"    bitmap-index {index};", "    bitmap-uuid 0x0000000000000000;"]
            lines += ["    bitmap-dagtag 0x0000000000000000;", "    flags 0x00000000;", "}"]
        lines += ["history-uuids {", "        0x0000000000000000;", "}"]
    else:
        lines += ["# md_size_sect 80", "", "uuid {", f"    0x{current:016X};" + " 0x0000000000000000;" * 3]
        lines += [f"    flags 0x{flags:08X};", "}"]
    lines += ["# al-extents 1237;", f"la-size-sect {size_kib * 2};", f"bm-byte-per-bit {bytes_per_bit};"]
    lines += [f"# bm-bytes {on_disk * 4};"]
    for slot, content in enumerate(slots):
        lines.append("bm {" if version == "v08" else f"bitmap[{slot}] {{")
        words = len(range(slot, on_disk, len(slots))) // 2
        lines += _bitmap([content >> 64 * at & WORD for at in range(words)], len(slots))
        lines.append("}")
    lines.append(f"# bits-set {slots[-1].bit_count()};")
    return "\n".join(lines) + "\n"


def _bitmap(words: Sequence[int], slots: int) -> Iterable[str]:
    """Lines of four words; from eight equal ones on, as many as make whole lines are told by their number."""
    at = 0
    while at < len(words):
        if 2 * at * slots % 64 == 0:
            yield f"   # at {256 * at * slots}kB"
        same = next((end for end in range(at, len(words)) if words[end] != words[at]), len(words)) - at
        count = same // 4 * 4
        if count > 4:
            yield f"    {count} times 0x{words[at]:016X};"
        else:
            count = min(4, len(words) - at)
            yield "   " + "".join(f" 0x{word:016X};" for word in words[at : at + count])
        at += count


def act_log_text(extents: Iterable[int], changing: Iterable[tuple[int, int]] = (), size: int = 1237) -> str:
    """The list of an activity log of `size` slots; `changing` are (number, new number), with -1 for a free slot."""
    same = '-"-     '
    told = [f"{each:6} {same}" for each in extents] + [f"{old:6} {new:8}" for old, new in changing]
    told += [f"{-1:6} {same}"] * (size - len(told))
    lines = [f"\t{slot:5}: {each} {0:6} \n" for slot, each in enumerate(reversed(told))]
    stats = f"\tact_log: used:0/{size} hits:34 misses:2 starving:0 locked:0 changed:2\n"
    return f"v: 0\n\n{stats}\tnn: lc_number (new nr) refcnt \n " + "".join(lines)
