"""Damage of every kind to every answer of every recorded pair: no answer about a guest becomes healthier by it.

FUZZ_INPUTS sets how many inputs (`make fuzz`: 100,000), FUZZ_SEED which ones; the same two give the same inputs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pve_drbd.cli.main import main
from tests.fuzz.damage import KINDS
from tests.fuzz.hunt import HOLE, Input, hunt, hunt_all, inputs, pairs, table
from tests.fuzz.pairs import reports, scenarios, survey_again, survey_of
from tests.scenarios import SCENARIOS

COUNT = int(os.environ.get("FUZZ_INPUTS", "2000"))
SEED = os.environ.get("FUZZ_SEED", "1")
HEALTHY = ("84-healthy", "84-healthy-probed", "84-recovered", "84-vg-over-two-resources", "9-healthy", "9-recovered")


def test_no_damage_makes_an_answer_healthier(capsys):
    results = list(hunt_all(inputs(COUNT, SEED), workers=os.cpu_count() or 1))

    if "FUZZ_INPUTS" in os.environ:
        with capsys.disabled():
            print(f"\n{table(results)}")
    holes = [
        f"python -m tests.fuzz.hunt {one}\n    {outcome.why}" for one, outcome in results if outcome.result == HOLE
    ]
    assert not holes, "\n".join(["", *holes])


@pytest.mark.parametrize("name", HEALTHY)
def test_the_undamaged_healthy_pair_stays_allowed(name):
    pair = scenarios()[name]

    answers = [each for each in reports(pair, survey_of(pair)) if each.question["ask"] == "migration"]

    assert answers
    assert all(each.allowed for each in answers if each.question["mode"] == "live")


def test_the_same_number_and_seed_give_the_same_inputs():
    assert inputs(300, "7") == inputs(300, "7")
    assert inputs(300, "7") != inputs(300, "8")
    assert {each.kind for each in inputs(300, "7")} == set(KINDS)


def test_an_input_is_done_again_by_its_name():
    one = inputs(50, "7")[20]

    pair, file, kind, number = str(one).split()

    assert Input(pair, file, kind, int(number)) == one
    assert hunt([one])[0].result != HOLE


def _as_the_command_answers(directory: Path, words: tuple[str, ...]) -> int:
    return main(["--replay", str(directory), *words, "--output-format", "json"])


@pytest.mark.parametrize("name", sorted(scenarios()))
def test_a_pair_in_memory_answers_as_the_command_does(name, capsys):
    pair = scenarios()[name]

    told = [each.verdict.value for each in reports(pair, survey_of(pair))]

    assert told == [_as_the_command_answers(SCENARIOS / name, words) for words in pair.questions]


@pytest.fixture
def damaged_copy(tmp_path: Path) -> Callable[[Input], Path]:
    def make(one: Input) -> Path:
        target = tmp_path / "bundle"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(SCENARIOS / one.pair, target)
        (target / one.file).write_bytes(one.damage.done_to((target / one.file).read_bytes()))
        return target

    return make


def test_a_damaged_pair_in_memory_answers_as_the_command_does(damaged_copy, capsys):
    recorded = [one for one in inputs(500, "command") if one.pair in scenarios()]
    for one in recorded[:: len(recorded) // 40]:
        pair = pairs()[one.pair]
        damaged = pair.with_file(one.file, one.damage.done_to(pair.files[one.file]))

        told = [each.verdict.value for each in reports(damaged, survey_again(damaged, survey_of(pair), one.file))]

        copy = damaged_copy(one)
        assert told == [_as_the_command_answers(copy, words) for words in pair.questions], str(one)
