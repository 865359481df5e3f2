"""Every scenario gives the answers that its story demands, in the form that the schemas promise."""

import json

import jsonschema
import pytest

from pve_drbd.data import shipped_text
from pve_drbd.findings import catalogue
from tests.scenarios import ask, cases, directories, expectation, questions, told

SCHEMAS = {"check": "report", "status": "status", "storage": "storage", "hook": "hook", "plan": "plan"}


def validator(words):
    """The schema of the answer to a question."""
    return jsonschema.Draft7Validator(json.loads(shipped_text(f"{SCHEMAS[words[0]]}.schema.json")))


@pytest.mark.parametrize(("scenario", "name", "words"), [pytest.param(*c, id=f"{c[0].name}:{c[1]}") for c in cases()])
def test_a_scenario_gives_the_expected_answer(scenario, name, words):
    code, answer = ask(scenario, words)

    assert told(code, answer) == json.loads(expectation(scenario, name).read_text())
    validator(words).validate(answer)


def test_every_expectation_belongs_to_a_question():
    for scenario in directories():
        files = {path.name for path in scenario.glob("expect.*.json")}
        assert files == {f"expect.{name}.json" for name, _ in questions(scenario)}, scenario.name


def test_every_scenario_tells_its_story():
    for scenario in directories():
        assert len((scenario / "README").read_text().split()) >= 12, scenario.name


def test_every_code_of_the_catalogue_is_produced_by_a_scenario():
    produced = set()
    for scenario, name, words in cases():
        if words[0] == "plan":
            continue
        lines = json.loads(expectation(scenario, name).read_text())["findings"]
        produced |= {line.split()[1] for line in lines}

    assert produced == set(catalogue())
