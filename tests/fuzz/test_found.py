"""Damage that once made an answer healthier, or stopped the program: each case once more, in plain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pve_drbd.cli.text import report_text
from pve_drbd.findings import Verdict
from tests.fuzz.barely import A, B, told_once
from tests.fuzz.pairs import reports, scenarios, survey_of


def about(pair, vmid):
    """The answer to the first question about guest `vmid`."""
    return next(each for each in reports(pair, survey_of(pair)) if each.question["vmid"] == str(vmid))


def codes(report):
    return {each.code for each in report.findings}


def cut(pair, file, at):
    return pair.with_file(file, pair.files[file][:at])


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("84-peer-unreachable", A),
        ("84-suspended-io", B),
        ("84-module-missing", A),
        ("84-victim-secondary", A),
        ("9-suspended-quorum", B),
    ],
)
def test_without_proc_drbd_no_volume_is_taken_for_one_that_is_not_on_drbd(name, node):
    report = about(cut(scenarios()[name], f"nodes/{node}/proc-drbd.out", 12), 100)

    assert not report.allowed
    assert "PVE-N319" not in codes(report)


def test_without_any_account_of_drbd_nobody_knows_where_a_volume_lies():
    pair = scenarios()["84-healthy"]
    for node in (A, B):
        pair = cut(cut(pair, f"nodes/{node}/proc-drbd.out", 12), f"nodes/{node}/dump-xml.out", 12)

    report = about(pair, 100)

    assert report.verdict is Verdict.UNKNOWN
    assert "PVE-N319" not in codes(report)


def test_damaged_interfaces_are_not_taken_for_a_link_that_nobody_probed():
    report = about(cut(told_once()[f"84-healthy-probed+deaf-{A}"], f"nodes/{A}/ip-address.out", 100), 100)

    assert report.verdict is Verdict.UNKNOWN
    assert "VIEW-E002" in codes(report)


def test_interfaces_that_could_not_be_asked_are_not_taken_for_a_link_that_nobody_probed():
    pair = scenarios()["84-healthy-probed"]
    recorded = {
        argv: replace(each, exit_code=1) if each.name == "ip-address" else each
        for argv, each in pair.commands[A].items()
    }

    report = about(replace(pair, commands={**pair.commands, A: recorded}), 100)

    assert report.verdict is Verdict.UNKNOWN
    assert "VIEW-E001" in codes(report)


def test_a_configuration_without_an_address_is_not_taken_for_a_link_that_nobody_probed():
    pair = scenarios()["84-address-gone"]
    file = f"nodes/{A}/dump-xml.out"
    lines = pair.files[file].splitlines(keepends=True)
    address = next(at for at, line in enumerate(lines) if b"<address" in line)

    report = about(pair.with_file(file, b"".join(lines[:address] + lines[address + 1 :])), 100)

    assert not report.allowed


@pytest.mark.parametrize(("name", "vmid"), [("second", 109), ("oldest", 100), ("both", 100), ("both", 109)])
@pytest.mark.parametrize("at", [0, 40, 54, 55])
def test_without_its_whole_table_an_orphan_is_not_taken_to_lie_elsewhere(name, vmid, at):
    pair = told_once()[f"84-orphan-dm+orphan-on-{name}"]
    file = f"nodes/{B}/dmsetup-table.out"
    assert "LVM-E209" in codes(about(pair, vmid))

    report = about(cut(pair, file, at), vmid)

    assert not report.allowed
    assert "VIEW-E002" in codes(report)


def test_a_message_that_is_no_unicode_can_be_told():
    pair = scenarios()["84-module-missing"]
    file = f"nodes/{B}/proc-drbd.err"

    report = about(pair.with_file(file, pair.files[file].replace(b"No such", b"No\xa0such")), 100)

    assert report_text(report).encode()


def test_a_node_whose_proc_drbd_cannot_be_read_is_still_asked_for_its_configuration():
    """To ask for that loads no module, and it tells which volumes are on DRBD."""
    pair = cut(scenarios()["84-healthy"], f"nodes/{A}/proc-drbd.out", 12)

    view = survey_of(pair).nodes[A]

    assert {each.name for each in view.drbd.config.resources} == {"r0", "r1"}
    assert view.drbd.resources.reason == "it was not asked"


def test_an_orphan_is_known_by_its_name_where_its_uuid_is_of_no_vg():
    pair = scenarios()["84-orphan-dm"]
    file = f"nodes/{B}/dmsetup.out"

    report = about(pair.with_file(file, pair.files[file].replace(b"LVM-mJnxS5", b"LVM-mJnxS6", 1)), 109)

    assert "LVM-E209" in codes(report)


def test_a_table_on_another_device_than_lsblk_shows_is_damaged():
    pair = told_once()["84-orphan-dm+orphan-on-oldest"]
    file = f"nodes/{B}/dmsetup-table.out"

    report = about(pair.with_file(file, pair.files[file].replace(b"147:0", b"147:1", 1)), 100)

    assert not report.allowed
    assert "VIEW-E002" in codes(report)
