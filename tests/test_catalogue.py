"""The catalogue of findings is whole: every code is used, documented, told in one line, and explains itself."""

import ast
import re
import string
from pathlib import Path

import pytest

from pve_drbd.data import shipped_text
from pve_drbd.errors import ConfigInvalid
from pve_drbd.findings import Mode, Severity, Verdict, catalogue, find, read_catalogue, report
from tests.checks_page import page

ROOT = Path(__file__).parents[1]
CODE = re.compile(r"\b(?:VIEW|DRBD|LVM|PVE)-[EWN]\d{3}\b")
LETTERS = {"E": Severity.BLOCKER, "W": Severity.WARNING, "N": Severity.NOTICE}


def codes_in_rules():
    """Every code that a string of the package's code names."""
    found = set()
    for path in (ROOT / "pve_drbd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.add(node.value)
    return found


def test_the_codes_of_code_and_catalogue_are_the_same():
    assert codes_in_rules() == set(catalogue())


def test_the_page_of_checks_is_the_catalogue():
    assert (ROOT / "docs" / "checks.md").read_text() == page()


@pytest.mark.parametrize("code", catalogue())
def test_a_code_tells_its_weight_and_has_its_texts(code):
    entry = catalogue()[code]
    assert entry.severity is LETTERS[code.split("-")[1][0]]
    assert entry.message.endswith(".")
    assert "!" not in entry.message + entry.remedy
    assert len(entry.explanation) > 40
    assert bool(entry.blocks) == (entry.severity is Severity.BLOCKER)


@pytest.mark.parametrize("code", catalogue())
def test_a_remedy_names_only_what_the_message_may_name(code):
    entry = catalogue()[code]
    names = {name for text in (entry.message, entry.remedy) for _, name, _, _ in string.Formatter().parse(text) if name}
    words = dict.fromkeys(names - {"node", "resource", "volume"}, "x")

    assert "{" not in find(code, **words).line


def test_no_code_stands_twice_in_the_file():
    codes = re.findall(r"^\[(.+)\]$", shipped_text("findings.toml"), re.MULTILINE)
    assert len(codes) == len(set(codes))


def test_a_broken_catalogue_is_refused():
    no_list = "[DRBD-E999]\nseverity = 'blocker'\nblocks = 'live'"
    for text in ("[X", "[DRBD-E999]\nseverity = 'fatal'", "[DRBD-E999]\nseverity = 'blocker'\ntitle = 'x'", no_list):
        with pytest.raises(ConfigInvalid):
            read_catalogue(text)


def test_only_unknown_blockers_make_the_answer_unknown():
    unknown = find("VIEW-E001", node="pveB", subject="LVM", reason="it hangs")
    split = find("DRBD-E102", node="pveB", resource="r0", peer="pveA")

    assert report({}, Mode.LIVE, []).verdict is Verdict.ALLOWED
    assert report({}, Mode.LIVE, [unknown]).verdict is Verdict.UNKNOWN
    assert report({}, Mode.LIVE, [unknown, split]).verdict is Verdict.REFUSED


def test_a_blocker_of_another_mode_is_only_a_warning():
    secondary = find("DRBD-E105", node="pveB", resource="r0", state="Secondary")

    assert report({}, Mode.OFFLINE, [secondary]).allowed
    assert not report({}, Mode.LIVE, [secondary]).allowed


def test_findings_are_told_once_and_in_one_order():
    findings = [find("DRBD-E102", node=node, resource="r0", peer="x") for node in ("b", "a", "b")]

    told = report({}, Mode.LIVE, findings).findings

    assert [each.node for each in told] == ["a", "b"]
