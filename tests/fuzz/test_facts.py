"""One bad fact, told by some of the sources that name it or by all of them: none alone is outvoted."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from pve_drbd.findings import Verdict
from tests.fuzz.barely import barely_unhealthy, facts
from tests.fuzz.pairs import reports, survey_of

ON_R0 = {"100", "101"}


def _about_r0(pair):
    answers = reports(pair, survey_of(pair))
    return [each for each in answers if each.question["ask"] == "migration" and each.question["vmid"] in ON_R0]


@pytest.mark.parametrize("name", sorted(facts()))
def test_a_fact_told_by_all_its_sources_is_found(name):
    answers = _about_r0(barely_unhealthy()[name])

    assert answers
    assert all(each.verdict is Verdict.REFUSED for each in answers)
    assert all(facts()[name].code in {finding.code for finding in each.findings} for each in answers)


@pytest.mark.parametrize("name", sorted(facts()))
def test_a_fact_told_by_only_some_of_its_sources_still_stops_a_migration(name):
    fact = facts()[name]
    some = chain.from_iterable(combinations(fact.sources, size) for size in range(1, len(fact.sources)))
    for files in some:
        assert not any(each.allowed for each in _about_r0(fact.told_by(files))), files


def test_the_pair_without_any_of_these_facts_is_allowed():
    for fact in facts().values():
        answers = _about_r0(fact.told_by(()))
        assert all(each.allowed for each in answers if each.question["mode"] == "live")
