"""LVM's three reports become one account of extents, or are refused."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from damaged_text import (
    sample,
    samples,
    truncated,
    with_a_line_twice,
    with_lines_swapped,
    with_strange_bytes,
    without_a_line,
)
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.lvm import LogicalVolume, Lvm, PhysicalVolume, Segment, VolumeGroup
from pve_drbd.readers.lvm import read_lvm
from pve_drbd.readers.lvm_whole import is_physical

REPORTS = ("lvs", "vgs", "pvs")
NAMES = [name.removesuffix(".lvs.json").removeprefix("lvm/") for name in samples("lvm/*.lvs.json")]
WITH_ROWS = [name for name in NAMES if "created" not in name]


def reports(name: str) -> dict[str, str]:
    return {each: sample(f"lvm/{name}.{each}.json") for each in REPORTS}


def read(texts: dict[str, str]) -> Lvm:
    return read_lvm(texts["lvs"], texts["vgs"], texts["pvs"])


def deciding(lvm: Lvm) -> Lvm:
    """Without what is told for information only, and without LVM's order of PVs."""
    return Lvm(
        tuple(replace(lv, made_on="", made_at="") for lv in lvm.lvs),
        tuple(replace(vg, pvs=tuple(sorted(vg.pvs))) for vg in lvm.vgs),
        lvm.pvs,
    )


def rows(name: str) -> dict[str, list[dict[str, str]]]:
    return {each: json.loads(text)["report"][0][each[:-1]] for each, text in reports(name).items()}


def refuse(changed: dict[str, list[dict[str, str]]]) -> Unreadable:
    texts = {each: json.dumps({"report": [{each[:-1]: found}]}, indent=1) for each, found in changed.items()}
    with pytest.raises(Unreadable) as refusal:
        read(texts)
    return refusal.value


def test_a_volume_over_two_resources_is_read_with_its_segments_in_order():
    lvm = read(reports("84-vg-over-two-resources-105"))
    assert lvm.lv("drbdvg1", "vm-110-disk-0") == LogicalVolume(
        uuid="zZrv57-6Qjs-a8xf-qWDB-D1o5-e1sn-qfLMVg",
        vg="drbdvg1",
        name="vm-110-disk-0",
        size_b=83886080,
        attributes="-wi-ao----",
        is_active=True,
        is_open=True,
        health="",
        made_on="proxmox-105",
        made_at="2026-11-22 10:35:13 +0000",
        tags=("pve-vm-110",),
        segment_type="linear",
        segments=(Segment(0, "/dev/drbd1", 8, 15), Segment(15, "/dev/drbd2", 0, 5)),
        device=(253, 3),
    )
    assert lvm.vg("drbdvg1") == VolumeGroup(
        uuid="J6mNMT-g6Vx-rCQF-TLTc-irtE-hirR-Ye6ZAa",
        name="drbdvg1",
        seqno=6,
        attributes="wz--n-",
        size_b=159383552,
        free_b=41943040,
        extent_size_b=4194304,
        missing_pvs=0,
        pvs=("/dev/drbd1", "/dev/drbd2"),
    )
    assert lvm.pvs[2] == PhysicalVolume(
        uuid="eYRh8C-VDZB-OHCm-9cm7-F7Yh-dnSu-zBKxUg",
        name="/dev/drbd2",
        vg="drbdvg1",
        size_b=62914560,
        free_b=41943040,
        attributes="a--",
        is_missing=False,
        is_duplicate=False,
        pe_start_b=1048576,
    )


def test_an_inactive_volume_has_no_device_and_nobody_knows_whether_it_is_open():
    lv = read(reports("84-healthy-105")).lv("drbdvg", "vm-101-disk-0")
    assert lv is not None
    assert (lv.is_active, lv.is_open, lv.device) == (False, None, None)


def test_a_node_without_a_volume_group_has_none():
    assert read(reports("84-created-inconsistent-105")) == Lvm((), (), ())


def test_a_backing_disk_taken_for_the_volume_is_named_as_lvm_names_it():
    vg = read(reports("84-no-filter-106")).vg("drbdvg")
    assert vg is not None
    assert vg.pvs == ("/dev/vdb",)


@pytest.mark.parametrize("name", NAMES)
def test_every_captured_report_reads(name):
    assert read(reports(name)).lvs or "created" in name


def test_every_kind_of_volume_is_read_with_what_it_lies_on():
    lvm = read(reports("2.03.16-every-type"))
    shapes = {lv.name: (lv.segment_type, lv.segments) for lv in lvm.lvs}
    assert shapes["stri"] == (
        "striped",
        (Segment(0, "/dev/loop3", 3, 2), Segment(0, "/dev/loop4", 0, 2), Segment(0, "/dev/loop5", 0, 2)),
    )
    assert shapes["strlin"][0] == "striped,linear"
    assert shapes["tp"] == ("thin-pool", (Segment(0, "tp_tdata", 0, 8),))
    assert shapes["thinv"] == ("thin", (Segment(0, "", 0, 0),))
    assert shapes["r5"][1][2] == Segment(0, "r5_rimage_2", 0, 2)
    assert shapes["two"][1][2] == Segment(4, "", 0, 0)
    assert shapes["[tp_tdata]"][1] == (Segment(0, "/dev/loop3", 5, 5), Segment(5, "/dev/loop4", 2, 3))


def test_volumes_on_a_missing_pv_are_partial_and_the_others_are_not():
    lvm = read(reports("2.03.16-one-pv-missing"))
    vg = lvm.vg("tvg")
    assert vg is not None
    assert (vg.missing_pvs, vg.pvs) == (1, ("/dev/loop3", "/dev/loop4", "[unknown]"))
    assert {lv.name for lv in lvm.lvs if lv.is_partial} >= {"stri", "two", "mir", "cached", "strlin"}
    assert not {"lin", "tp", "r1"} & {lv.name for lv in lvm.lvs if lv.is_partial}


def test_several_missing_pvs_share_one_name():
    vg = read(reports("2.03.16-two-pvs-missing")).vg("tvg")
    assert vg is not None
    assert (vg.missing_pvs, vg.pvs) == (2, ("/dev/loop3", "[unknown]", "[unknown]"))


def test_an_exported_group_shows_no_volumes_and_is_whole_all_the_same():
    lvm = read(reports("2.03.16-exported-vg"))
    assert [vg.name for vg in lvm.vgs] == ["ovg", "xvg"]
    assert [lv.vg for lv in lvm.lvs] == ["ovg"]


def test_a_stale_table_is_read_and_shows():
    changed = rows("84-healthy-105")
    changed["lvs"][0]["lv_attr"] = "-wi-XX--X-"
    lvm = read({each: json.dumps({"report": [{each[:-1]: found}]}) for each, found in changed.items()})
    assert lvm.lvs[0].has_stale_table


def test_a_second_device_with_the_same_pv_is_told_and_not_counted():
    changed = rows("84-healthy-105")
    copy = {"pv_name": "/dev/vdb", "pv_attr": "d--", "pv_duplicate": "duplicate"}
    changed["pvs"].append({**changed["pvs"][0], **copy})
    lvm = read({each: json.dumps({"report": [{each[:-1]: found}]}) for each, found in changed.items()})
    assert [pv.name for pv in lvm.pvs if pv.is_duplicate] == ["/dev/vdb"]


CHANGES = {
    "a volume with another size": ("lvs", 0, {"lv_size": "20971520"}, "are not 5 extents"),
    "half an extent": ("lvs", 0, {"lv_size": "16777217"}, "whole number of extents"),
    "a volume of an unknown group": ("lvs", 0, {"vg_name": "other"}, "vgs does not show its VG"),
    "the second segment alone": ("lvs", 0, {"seg_start_pe": "1"}, "first segment is missing"),
    "overlapping extents": (
        "lvs",
        0,
        {"seg_pe_ranges": "/dev/drbd0:4-7", "devices": "/dev/drbd0(4)"},
        "extent 4 of /dev/drbd0 in VG drbdvg is used twice",
    ),
    "extents beyond the end": (
        "lvs",
        0,
        {"seg_pe_ranges": "/dev/drbd0:30-33", "devices": "/dev/drbd0(30)"},
        "extent 33 is beyond the end",
    ),
    "a PV of another group": (
        "lvs",
        0,
        {"seg_pe_ranges": "/dev/drbd1:0-3", "devices": "/dev/drbd1(0)"},
        "lies on /dev/drbd1, which is not part of the VG",
    ),
    "columns apart": ("lvs", 0, {"devices": "/dev/drbd0(1)"}, "devices and seg_pe_ranges do not agree"),
    "a backward range": ("lvs", 0, {"seg_pe_ranges": "/dev/drbd0:3-0"}, "seg_pe_ranges holds"),
    "a linear volume on nothing": ("lvs", 0, {"seg_pe_ranges": "", "devices": ""}, "a linear segment on 0 areas"),
    "active without a device": ("lvs", 0, {"lv_kernel_major": "-1", "lv_kernel_minor": "-1"}, "device number"),
    "half a device number": ("lvs", 0, {"lv_kernel_major": "-1"}, "its device number is -1:0"),
    "inactive by its attributes": ("lvs", 0, {"lv_attr": "-wi-------"}, "lv_attr and lv_active do not agree"),
    "not open by its attributes": ("lvs", 0, {"lv_attr": "-wi-a-----"}, "lv_attr and lv_device_open do not agree"),
    "partial without a missing PV": (
        "lvs",
        0,
        {"lv_attr": "-wi-ao--p-", "lv_health_status": "partial"},
        "the missing PVs do not agree",
    ),
    "partial in one column": ("lvs", 0, {"lv_health_status": "partial"}, "lv_attr and lv_health_status"),
    "an unknown state": ("lvs", 0, {"lv_active": "remotely"}, "lv_active is 'remotely'"),
    "a name LVM refuses": ("lvs", 0, {"lv_name": "vm 100"}, "lv_name is 'vm 100'"),
    "a broken uuid": ("lvs", 0, {"lv_uuid": "3nzyj9"}, "lv_uuid is '3nzyj9'"),
    "a group that misses PVs": ("vgs", 0, {"vg_missing_pv_count": "1"}, "misses 1 PVs, pvs says 0"),
    "a group with another size": ("vgs", 0, {"vg_size": "134217728"}, "are not those of its PVs"),
    "a group with more free space": ("vgs", 0, {"vg_free": "130023424"}, "are not those of its PVs"),
    "odd extents": ("vgs", 0, {"vg_extent_size": "3145728"}, "whole number of extents"),
    "an exported group with usable PVs": ("vgs", 0, {"vg_attr": "wzx-n-"}, "do not agree"),
    "another PV": ("vgs", 0, {"pv_name": "/dev/drbd7"}, "the PVs of VG drbdvg differ"),
    "another PV in pvs": ("pvs", 0, {"pv_name": "/dev/drbd7"}, "the PVs of VG drbdvg differ"),
    "more free extents": ("pvs", 0, {"pv_free": "130023424"}, "are not those of its PVs"),
    "a PV of an unknown group": ("pvs", 0, {"vg_name": "other"}, "VG other of PV /dev/drbd0 is missing"),
    "half a free extent": ("pvs", 0, {"pv_free": "96468993"}, "PV /dev/drbd0 is not a whole number of extents"),
    "a PV without a group": ("pvs", 0, {"vg_name": ""}, "the PVs of VG drbdvg differ"),
    "missing in one column": ("pvs", 0, {"pv_missing": "missing"}, "does not agree with pv_missing"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_reports_that_contradict_each_other_are_refused(change):
    source, index, fields, why = CHANGES[change]
    changed = rows("84-healthy-105")
    changed[source][index] |= fields
    assert why in str(refuse(changed))


def test_a_refused_row_is_named_with_its_line():
    changed = reports("84-healthy-105")
    changed["lvs"] = changed["lvs"].replace('"lv_name":"vm-101-disk-0"', '"lv_name":"vm 101"')
    with pytest.raises(Unreadable) as refusal:
        read(changed)
    assert (refusal.value.source, refusal.value.line) == ("lvs", 6)


def test_a_pv_named_unknown_that_is_not_missing_is_refused():
    changed = rows("2.03.16-one-pv-missing")
    changed["pvs"][-1] |= {"pv_missing": "", "pv_attr": "a--"}
    for row in changed["vgs"]:
        row |= {"vg_missing_pv_count": "0", "vg_attr": "wz--n-"}
    assert "do not agree" in str(refuse(changed))


def test_a_partial_stack_without_a_missing_pv_is_refused():
    changed = rows("2.03.16-every-type")
    row = next(each for each in changed["lvs"] if each["lv_name"] == "r1")
    row |= {"lv_attr": "rwi---r-p-", "lv_health_status": "partial"}
    assert "is partial, but no PV is missing" in str(refuse(changed))


def test_a_row_of_another_shape_is_refused():
    assert "lv_uuid is missing" in str(refuse({**rows("84-healthy-105"), "lvs": ["text"]}))  # type: ignore[dict-item]


def test_rows_of_one_volume_that_differ_are_refused():
    changed = rows("84-vg-over-two-resources-105")
    changed["lvs"][-1]["lv_tags"] = ""
    assert "lv_tags differs from its other rows" in str(refuse(changed))


def test_rows_of_one_group_that_differ_are_refused():
    changed = rows("84-vg-over-two-resources-105")
    changed["vgs"][-1]["vg_seqno"] = "7"
    assert "vg_seqno of VG drbdvg1 differs from its other rows" in str(refuse(changed))


def test_two_volumes_of_one_name_are_refused():
    changed = rows("84-healthy-105")
    changed["lvs"][1]["lv_name"] = "vm-100-disk-0"
    assert "LV drbdvg/vm-100-disk-0 stands twice" in str(refuse(changed))


def test_an_answer_that_is_no_report_is_refused():
    texts = reports("84-healthy-105")
    for text in ("", "{}", '{"report": []}', '{"report": [{"vg": []}]}', '{"report": [1]}', "[]"):
        with pytest.raises(Unreadable) as refusal:
            read({**texts, "lvs": text})
        assert refusal.value.source == "lvs"


@pytest.mark.parametrize("name", WITH_ROWS)
@pytest.mark.parametrize("source", REPORTS)
def test_a_truncated_report_is_refused_or_says_the_same(name, source):
    texts = reports(name)
    whole = read(texts)
    for text in truncated(texts[source], 60):
        with suppress(Unreadable):
            assert read({**texts, source: text}) == whole


@pytest.mark.parametrize("name", WITH_ROWS)
@pytest.mark.parametrize("source", REPORTS)
def test_a_strange_byte_is_refused_or_changes_nothing_that_decides(name, source):
    texts = reports(name)
    whole = deciding(read(texts))
    for text in with_strange_bytes(texts[source], 100):
        with suppress(Unreadable):
            assert deciding(read({**texts, source: text})) == whole


@pytest.mark.parametrize("name", WITH_ROWS)
@pytest.mark.parametrize("source", REPORTS)
@pytest.mark.parametrize("damage", [with_a_line_twice, with_lines_swapped])
def test_doubled_and_swapped_lines_are_refused_or_change_nothing(name, source, damage):
    texts = reports(name)
    whole = deciding(read(texts))
    for text in damage(texts[source]):
        with suppress(Unreadable):
            assert deciding(read({**texts, source: text})) == whole


@pytest.mark.parametrize("name", WITH_ROWS)
@pytest.mark.parametrize("source", REPORTS)
def test_a_lost_line_is_refused_unless_it_stood_on_no_extent(name, source):
    texts = reports(name)
    whole = read(texts)
    for text in without_a_line(texts[source]):
        try:
            found = read({**texts, source: text})
        except Unreadable:
            continue
        lost = [lv for lv in whole.lvs if lv not in found.lvs]
        assert not any(is_physical(segment.pv) for lv in lost for segment in lv.segments)
        assert found.vgs == whole.vgs
        assert all(pv.vg == "" for pv in whole.pvs if pv not in found.pvs)


@given(st.sampled_from(WITH_ROWS), st.sampled_from(REPORTS), st.data())
def test_no_change_of_one_character_ends_in_anything_but_a_value_or_a_refusal(name, source, data):
    texts = reports(name)
    at = data.draw(st.integers(0, len(texts[source]) - 1))
    letter = data.draw(st.characters())
    with suppress(Unreadable):
        read({**texts, source: texts[source][:at] + letter + texts[source][at + 1 :]})


@given(st.text(), st.text(), st.text())
def test_no_text_at_all_ends_in_anything_but_a_value_or_a_refusal(lvs, vgs, pvs):
    with pytest.raises(Unreadable):
        read_lvm(lvs, vgs, pvs)
