"""Whatever happens to an answer on its way, a reader gives a value or Unreadable, and never a wrong whole."""

from __future__ import annotations

import pytest
from drbd_samples import READERS, sample, samples, value_or_unreadable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import ProcDrbd

ALL = tuple(samples())
BY_LINE = ("drbdadm-version", "proc-drbd", "events2", "events2-stream", "get-gi")

any_sample = st.sampled_from(ALL)
any_code_point = st.integers(0, 0x10FFFF).map(chr)
any_character = any_code_point | st.sampled_from("\n\t :<>&\"'{}[]0-9eE.+\x00\x85\u2028\ud800")
few_examples = settings(max_examples=150, deadline=None)


def lines_of(reader: str, name: str) -> list[str]:
    return sample(reader, name).splitlines(keepends=True)


@pytest.mark.parametrize(("reader", "name"), ALL)
def test_every_sample_reads(reader: str, name: str):
    assert not isinstance(value_or_unreadable(reader, sample(reader, name)), Unreadable)


@pytest.mark.parametrize(("reader", "name"), tuple(samples(readable=False)))
def test_what_is_no_answer_is_refused(reader: str, name: str):
    assert isinstance(value_or_unreadable(reader, sample(reader, name)), Unreadable)


def is_cut(reader: str, cut: object, whole: object) -> bool:
    """`cut` claims to be whole and is not: fewer minors are what a text cut between two minors shows."""
    if isinstance(cut, Unreadable) or cut == whole:
        return False
    if isinstance(cut, ProcDrbd) and isinstance(whole, ProcDrbd):
        return cut.minors != whole.minors[: len(cut.minors)]
    return reader not in ("events2-stream", "get-gi")


@pytest.mark.parametrize(("reader", "name"), ALL)
def test_a_truncated_answer_is_refused_or_loses_nothing_but_its_last_minors(reader: str, name: str):
    text = sample(reader, name)
    whole = READERS[reader](text)
    # Each line of a stream is read for itself, so that not every place in so many lines has to be tried.
    places = range(0, len(text), 17 if reader == "events2-stream" else 1)
    found = {at: value_or_unreadable(reader, text[:at]) for at in places}
    assert [at for at, cut in found.items() if is_cut(reader, cut, whole)] == []


@few_examples
@given(any_sample, st.data())
def test_an_answer_truncated_anywhere_never_breaks_a_reader(which: tuple[str, str], data: st.DataObject):
    text = sample(*which)
    value_or_unreadable(which[0], text[: data.draw(st.integers(0, len(text)))])


@few_examples
@given(any_sample, st.data(), any_character)
def test_a_damaged_character_never_breaks_a_reader(which: tuple[str, str], data: st.DataObject, character: str):
    text = sample(*which)
    at = data.draw(st.integers(0, len(text) - 1))
    for damaged in (
        text[:at] + character + text[at + 1 :],
        text[:at] + character + text[at:],
        text[:at] + text[at + 1 :],
    ):
        value_or_unreadable(which[0], damaged)


@pytest.mark.parametrize(("reader", "name"), tuple(samples(*BY_LINE)))
@pytest.mark.parametrize("character", ["\x00", "\x7f", "\u00e9"])
def test_a_byte_that_no_grammar_has_is_always_noticed(reader: str, name: str, character: str):
    text = sample(reader, name)
    places = range(0, len(text), 17 if reader == "events2-stream" else 3)
    found = [at for at in places if not unreadable(reader, text[:at] + character + text[at + 1 :])]
    assert found == []


@pytest.mark.parametrize(("reader", "name"), tuple(samples("proc-drbd", "events2")))
def test_a_lost_line_is_noticed(reader: str, name: str):
    lines = lines_of(reader, name)
    # Nothing rests on a path.
    lost = [at for at, line in enumerate(lines) if " path " not in line]
    assert [at for at in lost if not unreadable(reader, "".join(lines[:at] + lines[at + 1 :]))] == []


@pytest.mark.parametrize(("reader", "name"), tuple(samples("drbdadm-version", "proc-drbd", "events2")))
def test_a_doubled_line_is_noticed(reader: str, name: str):
    lines = lines_of(reader, name)
    assert [at for at in range(len(lines)) if not unreadable(reader, "".join(lines[: at + 1] + lines[at:]))] == []


@pytest.mark.parametrize(("reader", "name"), tuple(samples("drbdadm-version", "proc-drbd", "events2")))
def test_swapped_lines_are_noticed_or_change_nothing(reader: str, name: str):
    lines, whole = lines_of(reader, name), READERS[reader](sample(reader, name))
    for at in range(len(lines) - 1):
        swapped = "".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])
        found = value_or_unreadable(reader, swapped)
        assert isinstance(found, Unreadable) or found == whole


@few_examples
@given(any_sample, st.data(), st.sampled_from(("lost", "doubled", "moved")))
def test_a_line_lost_doubled_or_moved_never_breaks_a_reader(which: tuple[str, str], data: st.DataObject, what: str):
    lines = lines_of(*which) or [""]
    at = data.draw(st.integers(0, len(lines) - 1))
    line = lines[at] if what == "doubled" else lines.pop(at)
    if what != "lost":
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    value_or_unreadable(which[0], "".join(lines))


@few_examples
@given(st.sampled_from(sorted(READERS)), st.text(any_code_point))
@example("dump-xml", "<config><common/><common/>")
@example("status-json", "[" * 100_000)
@example("dump-xml", "<a>" * 100_000)
def test_no_text_at_all_breaks_a_reader(reader: str, text: str):
    value_or_unreadable(reader, text)


def unreadable(reader: str, text: str) -> bool:
    return isinstance(value_or_unreadable(reader, text), Unreadable)
