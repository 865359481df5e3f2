"""Pairs in which one fact is bad and all else is healthy, and which texts name that fact.

Each fact is told alike by every source that names it: events2, /proc/drbd or the status JSON, and the peer's account.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from pve_drbd.adapters.replay import Recorded
from tests.fuzz.pairs import Pair, scenarios

A, B = "proxmox-105", "proxmox-106"
PEERS = {A: B, B: A}
OLD, NEW = "84-healthy", "9-healthy"
SECOND_SOURCE = {OLD: "proc-drbd", NEW: "status-json"}
Telling = tuple[str, str, str, str]
"""A node, one of its answers, a pattern, and what the first match becomes."""


@dataclass(frozen=True)
class Fact:
    """One fact about r0 of a healthy pair `base`; `code` is the finding. `sources` map a file to its substitutions."""

    name: str
    base: str
    code: str
    sources: Mapping[str, tuple[tuple[str, str], ...]]

    def told_by(self, files: Iterable[str]) -> Pair:
        """The healthy pair with the fact in these of its sources."""
        pair = scenarios()[self.base]
        for file in files:
            text = pair.files[file].decode()
            for pattern, put in self.sources[file]:
                text, count = re.subn(pattern, put, text, count=1)
                if not count:
                    raise ValueError(f"{file} of {self.base} does not hold {pattern}")
            pair = pair.with_file(file, text.encode())
        return replace(pair, name=f"{self.base}+{self.name}")


def _fact(base: str, name: str, code: str, *tellings: Telling) -> Fact:
    sources: dict[str, tuple[tuple[str, str], ...]] = {}
    for node, source, pattern, put in tellings:
        file = f"nodes/{node}/{source}.out"
        sources[file] = (*sources.get(file, ()), (pattern, rf"\g<1>{put}"))
    return Fact(name.format(node=A), base, code, sources)


def _second(base: str, node: str, proc_drbd: tuple[str, str], status: tuple[str, str]) -> Telling:
    return (node, SECOND_SOURCE[base], *(proc_drbd if base == OLD else status))


def _role(base: str, node: str, role: str) -> tuple[Telling, ...]:
    return (
        (node, "events2", r"(resource name:r0 role:)\w+", role),
        _second(base, node, (r"( 0: cs:\w+ ro:)\w+", role), (r'("role": ")\w+', role)),
        *_seen_role(base, PEERS[node], role),
    )


def _seen_role(base: str, node: str, role: str) -> tuple[Telling, ...]:
    return (
        (node, "events2", r"(connection name:r0 .* role:)\w+", role),
        _second(base, node, (r"( 0: cs:\w+ ro:\w+/)\w+", role), (r'("peer-role": ")\w+', role)),
    )


def _disk(base: str, node: str, disk: str) -> tuple[Telling, ...]:
    return (
        (node, "events2", r"(exists device name:r0 .*disk:)\w+", disk),
        _second(base, node, (r"( 0: .* ds:)\w+", disk), (r'("disk-state": ")\w+', disk)),
        *_seen_disk(base, PEERS[node], disk),
    )


def _seen_disk(base: str, node: str, disk: str) -> tuple[Telling, ...]:
    return (
        (node, "events2", r"(peer-device name:r0 .*peer-disk:)\w+", disk),
        _second(base, node, (r"( 0: .* ds:\w+/)\w+", disk), (r'("peer-disk-state": ")\w+', disk)),
    )


def _replication(base: str, node: str, state: str) -> tuple[Telling, ...]:
    return (
        (node, "events2", r"(peer-device name:r0 .*replication:)\w+", state),
        _second(base, node, (r"( 0: cs:)\w+", state), (r'("replication-state": ")\w+', state)),
    )


def _loss(base: str, node: str, state: str, cs: str) -> tuple[Telling, ...]:
    """The link as `node` sees it lost; while StandAlone, 8.4 has no protocol."""
    return (
        (node, "events2", r"(connection name:r0 .*connection:)\w+", state),
        (node, "events2", r"(peer-device name:r0 .*replication:)\w+", "Off"),
        *([(node, "status-json", r'("connection-state": ")\w+', state)] if base == NEW else []),
        _second(base, node, (r"( 0: cs:)\w+", cs), (r'("replication-state": ")\w+', "Off")),
        *([(node, "proc-drbd", r"( 0: .*) C ", "   ")] if cs == "StandAlone" and base == OLD else []),
        *_seen_role(base, node, "Unknown"),
        *_seen_disk(base, node, "DUnknown"),
    )


def _out_of_sync(base: str, node: str, kib: str) -> tuple[Telling, ...]:
    return (
        (node, "events2", r"(peer-device name:r0 .*out-of-sync:)\w+", kib),
        _second(base, node, (r"( 0: .*\n.*oos:)\w+", kib), (r'("out-of-sync": )\w+', kib)),
    )


def _suspended(base: str, node: str) -> tuple[Telling, ...]:
    return (
        (node, "events2", r"(resource name:r0 .*suspended:)\w+", "user"),
        _second(base, node, (r"( 0: .* C )r", "s"), (r'("suspended": )false,\s*"suspended-user": false', _USER)),
    )


_USER = 'true, "suspended-user": true'


def _facts() -> Iterable[Fact]:
    for base in (OLD, NEW):
        for node, here in ((A, "here"), (B, "there")):
            yield _fact(base, f"secondary-{here}", "DRBD-E105", *_role(base, node, "Secondary"))
            yield _fact(base, f"inconsistent-{here}", "DRBD-E104", *_disk(base, node, "Inconsistent"))
            yield _fact(base, f"outdated-{here}", "DRBD-E104", *_disk(base, node, "Outdated"))
            yield _fact(base, f"out-of-sync-{here}", "DRBD-E106", *_out_of_sync(base, node, "4"))
            yield _fact(base, f"suspended-{here}", "DRBD-E112", *_suspended(base, node))
            yield _fact(base, f"alone-{here}", "DRBD-E102", *_loss(base, node, "StandAlone", "StandAlone"))
            ways = ((node, "PausedSyncS"), (PEERS[node], "PausedSyncT"))
            told = (each for side, state in ways for each in _replication(base, side, state))
            yield _fact(base, f"resync-from-{here}", "DRBD-E107", *told)
        told = (each for node in (A, B) for each in _loss(base, node, "Connecting", "WFConnection"))
        yield _fact(base, "connecting", "DRBD-E103", *told)
    for letter in "AB":
        told = ((node, "proc-drbd", r"( 0: .* )C(?= r)", letter) for node in (A, B))
        yield _fact(OLD, f"protocol-{letter}", "DRBD-E111", *told)
        told = ((node, "show-json", r'("protocol": ")\w+', letter) for node in (A, B))
        yield _fact(NEW, f"protocol-{letter}", "DRBD-E111", *told)
    told = ((node, "dump-xml", r'(name="allow-two-primaries" value=")\w+', "no") for node in (A, B))
    yield _fact(OLD, "one-primary-only", "DRBD-E110", *told)
    told = ((node, "show-json", r'("allow-two-primaries": )\w+', "false") for node in (A, B))
    yield _fact(NEW, "one-primary-only", "DRBD-E110", *told)


@cache
def facts() -> Mapping[str, Fact]:
    """Every fact, by the name of its pair."""
    return {f"{fact.base}+{fact.name}": fact for fact in _facts()}


@cache
def barely_unhealthy() -> Mapping[str, Pair]:
    """Each fact told by all of its sources, by the pair's name."""
    return {name: fact.told_by(fact.sources) for name, fact in facts().items()}


ONE_ORPHAN = "drbdvg-vm--101--disk--0: 0 32768 linear 147:0 {}\ndrbdvg1-vm--103--disk--0: 0 24576 linear 147:1 26624\n"
TWO_STRETCHES = """\
drbdvg-vm--101--disk--0: 0 16384 linear 147:0 34816
drbdvg-vm--101--disk--0: 16384 16384 linear 147:0 2048
drbdvg1-vm--103--disk--0: 0 24576 linear 147:1 26624
"""


@cache
def told_once() -> Mapping[str, Pair]:
    """Pairs with a bad fact that a single answer tells: a ping without reply, the table of an orphan."""
    orphans = scenarios()["84-orphan-dm"]
    tables = {"second": ONE_ORPHAN.format(34816), "oldest": ONE_ORPHAN.format(2048), "both": TWO_STRETCHES}
    found = [
        _with_answer(orphans, f"orphan-on-{name}", B, ("dmsetup", "table"), table) for name, table in tables.items()
    ]
    cut = scenarios()["84-link-just-cut-probed"]
    for node in (A, B):
        ping = next(each for each in cut.commands[node].values() if each.argv[0] == "ping")
        no_reply = cut.files[f"nodes/{node}/{ping.name}.out"].decode()
        probed = scenarios()["84-healthy-probed"]
        found.append(_with_answer(probed, f"deaf-{node}", node, ping.argv, no_reply, ping.exit_code))
    return {pair.name: pair for pair in found}


def _with_answer(pair: Pair, name: str, node: str, argv: tuple[str, ...], out: str, exit_code: int = 0) -> Pair:
    """`pair` in which `node` gave this answer to a command, which it may not have been asked before."""
    known = pair.commands[node].get(argv)
    recorded = replace(known, exit_code=exit_code) if known else Recorded("-".join(argv), exit_code, 1, argv)
    commands = {**pair.commands, node: {**pair.commands[node], argv: recorded}}
    named = replace(pair, name=f"{pair.name}+{name}", commands=commands)
    return named.with_file(f"nodes/{node}/{recorded.name}.out", out.encode())
