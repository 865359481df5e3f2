"""LVM's filters, as lvmconfig prints them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from damaged_text import sample, samples, truncated, with_a_line_twice, with_strange_bytes, without_a_line
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import FilterRule, LvmFilters
from pve_drbd.readers.lvm import read_filters

NAMES = samples("lvmconfig/*.txt")
ACCEPT_ALL = (FilterRule(is_accept=True, pattern=".*"),)


def of(filter_: str, global_filter: str = '["a|.*|"]', devices_file: str = "0") -> str:
    return f"devices {{\n\tfilter={filter_}\n\tglobal_filter={global_filter}\n\tuse_devicesfile={devices_file}\n}}\n"


def test_the_recommended_filter_is_read_in_its_order():
    assert read_filters(sample("lvmconfig/84-healthy-105.txt")) == LvmFilters(
        filter=(
            FilterRule(is_accept=False, pattern="^/dev/vd[bcd]$"),
            FilterRule(is_accept=False, pattern="^/dev/disk/"),
            FilterRule(is_accept=False, pattern="^/dev/block/"),
            *ACCEPT_ALL,
        ),
        global_filter=ACCEPT_ALL,
        has_devices_file=False,
    )


def test_a_missing_filter_is_lvms_own_default():
    assert read_filters(sample("lvmconfig/84-no-filter-106.txt")).filter == ACCEPT_ALL


def test_a_single_string_any_delimiter_and_escapes_are_read_as_lvm_reads_them():
    assert read_filters(sample("lvmconfig/2.03.16-odd-patterns.txt")) == LvmFilters(
        filter=(
            FilterRule(is_accept=False, pattern='^/dev/vd"[bc]\\.x$'),
            FilterRule(is_accept=True, pattern=".*"),
            FilterRule(is_accept=False, pattern="x"),
            FilterRule(is_accept=True, pattern="y"),
        ),
        global_filter=(FilterRule(is_accept=False, pattern="^/dev/zd.*"),),
        has_devices_file=True,
    )


def test_an_empty_list_has_no_rules():
    assert read_filters(of("[]")).filter == ()


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 0, "not one whole section"),
        ("devices {\n}\n", 0, "filter is missing"),
        (of('["a|.*|"]').removesuffix("}\n"), 0, "not one whole section"),
        (of('["a|.*|"]').replace("\tfilter", "\tfilters"), 0, "filter is missing"),
        (of('["a|.*|"]') + of('["a|.*|"]'), 5, "is not a setting"),
        (of('["a|.*|"]').replace("}", '\tfilter="a|x|"\n}'), 5, "filter stands twice"),
        (of('["a|.*"]'), 2, "is not a filter pattern"),
        (of('["b|.*|"]'), 2, "is not a filter pattern"),
        (of('["a|"]'), 2, "is not a filter pattern"),
        (of('["a(.*("]'), 2, "is not a filter pattern"),
        (of('["a|.*|",1]'), 2, "is not a list of patterns"),
        (of("1"), 2, "is not a list of patterns"),
        (of('["a|.*|"'), 2, "is not a setting"),
        (of('["a|.*|"]', devices_file="2"), 4, "use_devicesfile is '2'"),
    ],
)
def test_what_lvm_would_not_print_or_take_is_refused(text, line, why):
    with pytest.raises(Unreadable) as refusal:
        read_filters(text)
    assert (refusal.value.source, refusal.value.line) == ("lvmconfig", line)
    assert why in refusal.value.why


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_refused_or_changes_nothing(name):
    whole = read_filters(sample(name))
    for damage in (truncated, with_a_line_twice, without_a_line):
        for text in damage(sample(name)):
            with suppress(Unreadable):
                assert read_filters(text) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_strange_byte_is_refused_unless_it_stands_within_a_pattern(name):
    whole = read_filters(sample(name))
    for text in with_strange_bytes(sample(name), 400):
        try:
            found = read_filters(text)
        except Unreadable:
            continue
        assert [len(rules) for rules in (found.filter, found.global_filter)] == [
            len(rules) for rules in (whole.filter, whole.global_filter)
        ]


@given(st.sampled_from(NAMES), st.data())
def test_no_change_of_one_character_ends_in_anything_but_a_value_or_a_refusal(name, data):
    text = sample(name)
    at = data.draw(st.integers(0, len(text) - 1))
    with suppress(Unreadable):
        read_filters(text[:at] + data.draw(st.characters()) + text[at + 1 :])
