"""Device-mapper devices whose LV is gone: on whose extents they lie, and whom that concerns."""

from dataclasses import replace

import pytest

from pve_drbd.model.lvm import DmDevice
from pve_drbd.model.survey import NoView
from pve_drbd.rules.orphans import judge_all_orphans, judge_orphans, number_of, orphans_of
from pve_drbd.rules.placement import place
from tests.pair_parts import dm_device, dm_name, layout_of, lvm_account, target, uuid_of
from tests.pairs import A, codes, two_nodes

LAYOUT = layout_of(
    {"drbdvg": ("r0",)},
    {
        "drbdvg/vm-101-disk-0": [("r0", 10, 2)],
        "drbdvg/vm-100-disk-0": [("r0", 0, 2), ("r0", 20, 1)],
        "drbdvg/notes": [("r0", 30, 1)],
    },
)
"""101's disk is the oldest LV of the VG."""


def with_orphan(name, *targets):
    """A pair on whose pveA the LV `name` of drbdvg is gone, and its device is not; `targets` is its table."""
    account = lvm_account(A, LAYOUT)
    tables = (
        {**account.tables, dm_name("drbdvg", name): targets} if targets else NoView(A, "dmsetup table", "not asked")
    )
    parts = {"lvm": account.lvm, "dm": (*account.dm, dm_device("drbdvg", name)), "tables": tables}
    return two_nodes().with_lvm(A, **parts)


def judged(survey, vmid=100):
    view = survey.nodes[A]
    where = place(survey, survey.pve.configs[100].volumes[0], survey.pve.storage("drbdvg"))
    name = f"vm-{vmid}-disk-0"
    lv = view.lvm.lvm.lv("drbdvg", name)
    return list(judge_orphans(view, replace(where, lv=name), lv, vmid))


def test_without_an_orphan_there_is_nothing_to_tell():
    survey = two_nodes()

    assert judged(survey) == []
    assert orphans_of(survey.nodes[A], "drbdvg") == ()


@pytest.mark.parametrize(
    ("first", "extents", "code"),
    [(0, 1, "LVM-E209"), (1, 1, "LVM-E209"), (2, 8, "LVM-W210"), (2, 19, "LVM-E209"), (19, 2, "LVM-E209")],
)
def test_an_orphan_blocks_the_guest_on_whose_extents_its_table_lies(first, extents, code):
    survey = with_orphan("vm-109-disk-0", target("r0", first, extents))

    assert codes(judged(survey)) == [code]


def test_an_orphan_that_lies_on_no_disk_of_the_vg_is_a_warning():
    elsewhere = replace(target("r0", 0, 2), device=(253, 7))

    assert codes(judged(with_orphan("vm-109-disk-0", elsewhere))) == ["LVM-W210"]


def test_an_orphan_that_begins_inside_an_extent_lies_on_it():
    half = replace(target("r0", 1, 1), offset=target("r0", 1, 1).offset + 8, sectors=8)

    assert codes(judged(with_orphan("vm-109-disk-0", half))) == ["LVM-E209"]


def test_an_orphan_with_the_guests_number_blocks_it_wherever_it_lies():
    survey = with_orphan("vm-100-disk-7", target("r0", 25, 1))

    assert codes(judged(survey)) == ["LVM-E209"]


def test_without_tables_every_volume_made_after_the_oldest_may_share_extents():
    survey = with_orphan("vm-109-disk-0")

    assert codes(judged(survey, vmid=100)) == ["LVM-E209"]
    assert codes(judged(survey, vmid=101)) == ["LVM-W210"]


def test_an_orphan_without_a_table_of_its_own_is_judged_as_without_tables():
    survey = with_orphan("vm-109-disk-0", target("r0", 25, 1))
    tables = {name: each for name, each in survey.nodes[A].lvm.tables.items() if "109" not in name}

    assert codes(judged(survey.with_lvm(A, tables=tables))) == ["LVM-E209"]


def test_a_guest_without_a_volume_here_is_only_warned_of_other_guests_orphans():
    assert codes(judged(with_orphan("vm-109-disk-0"), vmid=105)) == ["LVM-W210"]


def test_a_device_of_a_vg_that_was_made_anew_is_an_orphan_by_its_name():
    """Its uuid begins with that of the old VG."""
    account = lvm_account(A, LAYOUT)
    old = replace(dm_device("drbdvg", "vm-109-disk-0"), uuid=f"LVM-{uuid_of('older')}{uuid_of('vm-109-disk-0')}")
    tables = {**account.tables, old.name: (target("r0", 0, 1),)}
    survey = two_nodes().with_lvm(A, lvm=account.lvm, dm=(*account.dm, old), tables=tables)

    assert [each.name for each in orphans_of(survey.nodes[A], "drbdvg")] == [old.name]
    assert codes(judged(survey)) == ["LVM-E209"]


def test_a_table_that_maps_no_plain_stretch_of_a_disk_is_judged_as_without_tables():
    survey = with_orphan("vm-109-disk-0", replace(target("r0", 25, 1), device=None))

    assert codes(judged(survey, vmid=100)) == ["LVM-E209"]
    assert codes(judged(survey, vmid=101)) == ["LVM-W210"]


def test_tables_that_cannot_be_read_are_told_beside_an_orphan():
    damaged = NoView(A, "dmsetup table", "garbled", is_damaged=True)
    survey = with_orphan("vm-109-disk-0").with_lvm(A, tables=damaged)

    assert codes(judged(survey)) == ["LVM-E209", "VIEW-E002"]
    assert codes(judge_all_orphans(survey.nodes[A], "drbdvg")) == ["LVM-E209", "VIEW-E002"]
    assert judged(two_nodes().with_lvm(A, tables=damaged)) == []


@pytest.mark.parametrize("part", ["lvm", "dm"])
def test_where_lvm_or_the_device_mapper_was_not_read_no_orphan_can_be_known(part):
    """That they were not read is told by who asks."""
    survey = with_orphan("vm-109-disk-0", target("r0", 0, 1)).with_lvm(A, **{part: NoView(A, part, "it would hang")})
    view = survey.nodes[A]
    where = place(two_nodes(), survey.pve.configs[100].volumes[0], survey.pve.storage("drbdvg"))

    assert list(judge_orphans(view, where, None, 100)) == []
    assert list(judge_all_orphans(view, "drbdvg")) == []
    assert orphans_of(view, "drbdvg") == ()


def test_a_vg_that_is_not_shown_has_no_orphans_to_tell_from_others():
    survey = with_orphan("vm-109-disk-0", target("r0", 0, 1)).with_vg(A, is_gone=True)

    assert orphans_of(survey.nodes[A], "drbdvg") == ()


def test_devices_of_other_vgs_and_of_no_lvm_are_not_orphans():
    survey = two_nodes()
    others = (dm_device("localvg", "vm-109-disk-0"), DmDevice("mpatha", 253, 8, 1, "mpath-36001405"))

    assert orphans_of(survey.with_lvm(A, dm=others).nodes[A], "drbdvg") == ()


def test_the_overview_names_every_guest_that_an_orphan_may_hit():
    survey = with_orphan("vm-109-disk-0", target("r0", 1, 10))

    told = sorted(
        (each.code, each.volume, dict(each.details)["vmid"]) for each in judge_all_orphans(survey.nodes[A], "drbdvg")
    )

    assert told == [("LVM-E209", "drbdvg/vm-100-disk-0", "100"), ("LVM-E209", "drbdvg/vm-101-disk-0", "101")]


def test_the_overview_tells_of_a_volume_that_belongs_to_no_guest():
    survey = with_orphan("vm-109-disk-0", target("r0", 30, 1))

    (found,) = judge_all_orphans(survey.nodes[A], "drbdvg")

    assert "guest (none)" in found.message


def test_the_overview_warns_of_an_orphan_on_free_extents():
    survey = with_orphan("vm-109-disk-0", target("r0", 25, 1))

    assert codes(judge_all_orphans(survey.nodes[A], "drbdvg")) == ["LVM-W210"]


@pytest.mark.parametrize(
    ("vg", "lv", "number"),
    [
        ("drbdvg", "vm-109-disk-0", 109),
        ("drbd-vg", "vm-109-disk-0", 109),
        ("drbd-", "base-7-disk-0", 7),
        ("drbdvg", "subvol-200-disk-1", 200),
        ("drbdvg", "notes", None),
        ("vm-100-disk", "notes", None),
        ("drbdvg", "vm-disk-0", None),
    ],
)
def test_a_device_name_gives_the_guest_number_of_its_volume(vg, lv, number):
    assert number_of(dm_device(vg, lv)) == number
