"""The hunt for damage that makes an answer healthier: which inputs, what came of each, and each again by its name.

`python -m tests.fuzz.hunt PAIR FILE KIND NUMBER` does one again, by the line that a failure printed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from random import Random

from pve_drbd.cli.as_json import dump, finding_json
from pve_drbd.cli.text import report_text
from pve_drbd.findings import Mode, Report, Verdict
from tests.fuzz.barely import barely_unhealthy, told_once
from tests.fuzz.damage import KINDS, OF_BYTES, Damage, chosen
from tests.fuzz.pairs import Pair, node_answers, pve_answers, reports, scenarios, survey_again, survey_of

_PART = 250
SHARES = {
    "truncated": 0.15,
    "strange-byte": 0.22,
    "line-lost": 0.18,
    "line-doubled": 0.1,
    "lines-swapped": 0.1,
    "far-lines-swapped": 0.05,
    "another-word": 0.2,
}
"""Of all inputs, what part each kind is."""
_TOLD_ONCE = ("/ip-address.out", "/ping.out")
"""Which interfaces a node has, and who answered it, is named by these alone."""
UNREAD, CAREFUL, SAME, HOLE = "unreadable", "more careful", "as before", "HOLE"


@dataclass(frozen=True)
class Input:
    """One damage to one file of one pair."""

    pair: str
    file: str
    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.pair} {self.file} {self.kind} {self.number}"

    @property
    def damage(self) -> Damage:
        """What is done to the file."""
        found = KINDS[self.kind](pairs()[self.pair].files[self.file])[1](self.number)
        if found is None:
            raise ValueError(f"{self} is no damage")
        return found


@dataclass(frozen=True)
class Outcome:
    """What came of an input; `why` tells what is wrong with it, '' for nothing."""

    result: str
    why: str = ""


@cache
def pairs() -> Mapping[str, Pair]:
    """Every pair that is damaged: the scenarios, and those with one bad fact."""
    return {**scenarios(), **barely_unhealthy(), **told_once()}


class Undamaged:
    """What a pair answers as it is: what damage is held against."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.survey = survey_of(pair)
        self.reports = tuple(reports(pair, self.survey))
        self.verdicts = tuple(each.verdict for each in self.reports)

    def outcome(self, one: Input) -> Outcome:
        """The pair asked again with one file damaged."""
        damaged = self.pair.with_file(one.file, one.damage.done_to(self.pair.files[one.file]))
        try:
            found = tuple(reports(damaged, survey_again(damaged, self.survey, one.file)))
            for report, before in zip(found, self.reports, strict=True):
                if report != before:
                    _show(report)
        except Exception as err:
            return Outcome(HOLE, f"{type(err).__name__}: {err}")
        return self._judge(found, one)

    def _judge(self, found: tuple[Report, ...], one: Input) -> Outcome:
        verdicts = tuple(each.verdict for each in found)
        for report, before in zip(found, self.verdicts, strict=True):
            if report.allowed and before is not Verdict.ALLOWED and not _is_without_proof(report, one):
                return Outcome(HOLE, f"{' '.join(report.question.values())} was {before.name} and became ALLOWED")
        if any(finding.code == "VIEW-E002" for report in found for finding in report.findings):
            return Outcome(UNREAD)
        return Outcome(SAME if verdicts == self.verdicts else CAREFUL)


def _is_without_proof(report: Report, one: Input) -> bool:
    """A start is refused only on proof: without the other node's answer, or by another word in this node's, it is not.

    Which data this node has, and which LV, its identifiers and its lvs alone tell.
    """
    is_own = one.file.startswith(("pve/", f"nodes/{report.question.get('node')}/"))
    is_other_word = one.kind == "another-word" and one.file.endswith(("/get-gi.out", "/lvs.out"))
    return report.mode is Mode.START and (not is_own or is_other_word)


def _show(report: Report) -> None:
    """Whatever stands in a damaged answer, it must be possible to say so to a person and to a program."""
    report_text(report).encode()
    for finding in report.findings:
        dump(finding_json(finding, report.mode), "json").encode()


def inputs(count: int, seed: str = "1") -> list[Input]:
    """About `count` inputs, the same for the same `seed`, spread over kinds, pairs and files as evenly as can be."""
    found: list[Input] = []
    for kind, share in SHARES.items():
        wanted = round(count * share)
        places = list(_places()[kind])
        Random(f"{seed} {kind}").shuffle(places)
        some_places = sorted(places[:wanted], key=lambda place: KINDS[kind](pairs()[place[0]].files[place[1]])[0])
        for left, (name, file) in zip(range(len(some_places), 0, -1), some_places, strict=True):
            some = chosen(pairs()[name].files[file], kind, -(-wanted // left), f"{seed} {name} {file} {kind}")
            found += (Input(name, file, kind, number) for number in some)
            wanted -= len(some)
    return found


@cache
def _places() -> Mapping[str, Sequence[tuple[str, str]]]:
    """(pair, file) of every answer that gets a kind of damage.

    PVE's answers, which stand on one line, get those of bytes. What a single answer tells, another word in it changes.
    """
    of_nodes = [(name, file) for name, pair in pairs().items() for file in node_answers(pair)]
    of_pve = [(name, file) for name, pair in pairs().items() for file in pve_answers(pair)]
    told_twice = [(name, file) for name, file in of_nodes if name not in told_once() and not file.endswith(_TOLD_ONCE)]
    return {
        kind: told_twice if kind == "another-word" else [*of_nodes, *(of_pve if kind in OF_BYTES else ())]
        for kind in KINDS
    }


def hunt(some: Sequence[Input]) -> list[Outcome]:
    """What came of each input; best called with the inputs of one pair together."""
    undamaged: dict[str, Undamaged] = {}
    found = []
    for one in some:
        if one.pair not in undamaged:
            undamaged = {one.pair: Undamaged(pairs()[one.pair])}
        found.append(undamaged[one.pair].outcome(one))
    return found


def hunt_all(some: Sequence[Input], workers: int) -> Iterator[tuple[Input, Outcome]]:
    """Each input with what came of it, on several processors at once."""
    ordered = sorted(some, key=lambda each: (each.pair, each.file))
    parts = [ordered[at : at + _PART] for at in range(0, len(ordered), _PART)]
    if workers < 2:
        results: Iterable[list[Outcome]] = map(hunt, parts)
        yield from _together(parts, results)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from _together(parts, pool.map(hunt, parts))


def _together(parts: Iterable[Sequence[Input]], results: Iterable[list[Outcome]]) -> Iterator[tuple[Input, Outcome]]:
    for part, outcomes in zip(parts, results, strict=True):
        yield from zip(part, outcomes, strict=True)


def table(results: Iterable[tuple[Input, Outcome]]) -> str:
    """How many inputs there were of each kind, and what came of them."""
    counts = Counter((one.kind, outcome.result) for one, outcome in results)
    columns = (UNREAD, CAREFUL, SAME, HOLE)
    rows = [("", "inputs", *columns)]
    for kind in KINDS:
        each = [counts[kind, column] for column in columns]
        rows.append((kind, *(f"{number:,}" for number in (sum(each), *each))))
    sums = [sum(counts[kind, column] for kind in KINDS) for column in columns]
    rows.append(("all", *(f"{number:,}" for number in (sum(sums), *sums))))
    return "\n".join("".join([f"{row[0]:18}", *(f"{cell:>13}" for cell in row[1:])]) for row in rows)


def again(words: Sequence[str]) -> Outcome:
    """One input done again, by the words of the line that a failure printed."""
    pair, file, kind, number = words
    return hunt([Input(pair, file, kind, int(number))])[0]


if __name__ == "__main__":
    outcome = again(sys.argv[1:])
    print(outcome.result, outcome.why)
    sys.exit(outcome.result == HOLE)
