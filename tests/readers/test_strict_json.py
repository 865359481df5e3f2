"""Strict JSON: one text has one meaning, or none and a line to look at."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.readers.strict_json import read_json

ANSWER = '{"data": [{"vmid": 100, "used": 1.5e3, "name": "wéb\\n\\ud83d\\ude00", "none": null, "up": true}, -7, ""]}'

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_what_json_can_say_is_read_as_it_was_said(value):
    assert read_json(json.dumps(value, indent=1), "drbdsetup") == value


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "Expecting value"),
        ('{"a":\n', 2, "Expecting value"),
        ("[1]\n[2]", 2, "Extra data"),
        ('{"a": 1,\n "b": {"c": 1,\n "c": 2}}', 3, "key 'c' stands twice"),
        ('{"a": {"a": 1},\n "\\u0061": 2}', 2, "key 'a' stands twice"),
        ('["NaN", "Infinity",\nNaN]', 2, "NaN is not a JSON number"),
        ("[\n-Infinity]", 2, "-Infinity is not a JSON number"),
        ("[1e308,\n\n1e309]", 3, "1e309 is too large"),
        (f"[{'1' * 4000},\n{'1' * 5000}]", 2, "a number that is too long"),
        ("[" * 100_000, 0, "nested too deeply"),
        ('["\\ud800"]', 0, "not valid Unicode"),
        ('["\udcff"]', 0, "not valid Unicode"),
        ("\ufeff{}", 1, "BOM"),
        ('["a\tb"]', 1, "control character"),
    ],
)
def test_what_is_no_strict_json_is_told_with_its_line(text, line, why):
    with pytest.raises(Unreadable, match=why) as refusal:
        read_json(text, "drbdsetup status")

    assert (refusal.value.source, refusal.value.line) == ("drbdsetup status", line)


def test_an_answer_cut_off_at_any_character_is_unreadable():
    assert read_json(ANSWER, "pve")
    for length in range(len(ANSWER)):
        with pytest.raises(Unreadable):
            read_json(ANSWER[:length], "pve")


@given(st.text())
def test_any_text_is_a_value_or_unreadable(text):
    with contextlib.suppress(Unreadable):
        read_json(text, "noise")


@given(st.integers(0, len(ANSWER) - 1), st.text(max_size=3))
def test_a_damaged_answer_is_a_value_or_unreadable(place, damage):
    try:
        value = read_json(ANSWER[:place] + damage + ANSWER[place + 1 :], "pve")
    except Unreadable:
        return
    # What is left is within the grammar: it can be written again, so it holds no NaN and no half character.
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@given(st.text(alphabet='{}[]:,"\\aud8 NI-1e.\n', max_size=40))
def test_a_text_made_of_json_signs_is_a_value_or_unreadable(text):
    try:
        value = read_json(text, "noise")
    except Unreadable:
        return
    assert not isinstance(value, float) or math.isfinite(value)
