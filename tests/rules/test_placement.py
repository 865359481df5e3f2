"""From a volid to the resources below it: entry, VG, LV, segments, PVs, DRBD volumes."""

from dataclasses import replace

import pytest

from pve_drbd.model.lvm import Segment
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NoView
from pve_drbd.rules.placement import (
    guest_number,
    place,
    resources_without_vg,
    storage_vgs,
    vg_resources,
    volumes_by_name,
)
from tests.pair_parts import layout_of, lvm_account
from tests.pairs import A, B, connected, disk, entry, two_nodes

SPANNING = layout_of(
    {"drbdvg": ("r0", "r1")},
    {
        "drbdvg/vm-100-disk-0": [("r0", 0, 2)],
        "drbdvg/vm-102-disk-0": [("r1", 0, 2)],
        "drbdvg/vm-110-disk-0": [("r0", 10, 2), ("r1", 10, 3)],
    },
)


def spanning():
    """Two resources below one VG; guest 110's disk lies on both."""
    survey = two_nodes(r0=connected(), r1=connected())
    for node in (A, B):
        survey = survey.with_node(node, replace(survey.nodes[node], lvm=lvm_account(node, SPANNING)))
    return survey


def placed(survey, volid="drbdvg:vm-100-disk-0", **changes):
    return place(survey, disk(volid), entry("drbdvg", **changes))


def test_a_volume_lies_on_the_resource_below_its_vg():
    where = placed(two_nodes(r0=connected(), r1=connected()))

    assert (where.name, where.resources, where.vg_resources) == ("drbdvg/vm-100-disk-0", ("r0",), ("r0",))
    assert not where.is_guess


@pytest.mark.parametrize(
    ("lv", "resources"),
    [("vm-100-disk-0", ("r0",)), ("vm-102-disk-0", ("r1",)), ("vm-110-disk-0", ("r0", "r1"))],
)
def test_in_a_vg_over_two_resources_the_segments_decide(lv, resources):
    where = placed(spanning(), f"drbdvg:{lv}")

    assert where.resources == resources
    assert where.vg_resources == ("r0", "r1")


def test_segments_that_only_one_node_shows_count_too():
    survey = spanning()
    elsewhere = (Segment(0, "/dev/drbd1", 20, 2),)

    where = placed(survey.with_lv(B, "drbdvg/vm-100-disk-0", segments=elsewhere))

    assert where.resources == ("r0", "r1")


def test_a_volume_that_no_node_shows_may_lie_on_any_resource_of_its_vg():
    assert placed(spanning(), "drbdvg:vm-111-disk-0").resources == ("r0", "r1")


def test_a_vg_that_only_one_node_shows_is_placed_by_that_node():
    survey = two_nodes().with_vg(B, is_gone=True)

    assert placed(survey).resources == ("r0",)


def test_a_vg_taken_from_the_raw_disk_still_belongs_to_the_resource_above():
    survey = two_nodes()
    for node in (A, B):
        survey = survey.with_vg(node, pvs=("/dev/sdb",))

    assert vg_resources(survey, "drbdvg") == ("r0",)


def test_a_vg_on_a_disk_of_its_own_is_not_on_drbd():
    survey = two_nodes()
    for node in (A, B):
        survey = survey.with_vg(node, pvs=("/dev/sdz",))

    assert vg_resources(survey, "drbdvg") == ()
    assert placed(survey) is None


def test_a_vg_that_no_node_shows_may_be_below_any_resource_that_shows_none():
    survey = two_nodes(r0=connected(), r1=connected())
    for node in (A, B):
        survey = survey.with_vg(node, is_gone=True)

    where = placed(survey)

    assert vg_resources(survey, "drbdvg") is None
    assert resources_without_vg(survey) == ("r0",)
    assert where.is_guess
    assert where.resources == where.vg_resources == ("r0",)


def test_an_unshared_entry_of_a_vg_that_no_node_shows_names_a_vg_of_one_nodes_own():
    survey = two_nodes()
    for node in (A, B):
        survey = survey.with_vg(node, is_gone=True)

    assert placed(survey, type="lvm", is_shared=False) is None
    assert placed(survey, type="lvm", is_shared=True).is_guess
    assert placed(survey, type="drbdlvm", is_shared=False).is_guess


def test_a_vg_whose_node_could_not_tell_what_its_drbd_is_made_of_is_a_guess():
    survey = two_nodes()
    for node in (A, B):
        nothing = NoView(node, "dump-xml", "it does not answer")
        survey = survey.with_vg(node, pvs=("/dev/sdz",)).with_drbd(node, config=nothing)

    assert vg_resources(survey, "drbdvg") is None
    assert placed(survey, type="lvm", is_shared=False).is_guess


def test_a_silent_node_does_not_hide_what_the_other_shows():
    survey = two_nodes().with_node(B, NoView(B, "the account", "no route to host"))

    assert placed(survey).resources == ("r0",)


def test_where_no_node_could_be_asked_about_lvm_the_resources_are_a_guess():
    survey = two_nodes(r0=connected(), r1=connected())
    for node in (A, B):
        survey = survey.with_lvm(node, lvm=NoView(node, "LVM", "it would hang"))

    assert placed(survey).resources == ("r0", "r1")


def test_a_linked_clone_names_its_base_and_lies_where_its_own_lv_does():
    where = placed(two_nodes(), "drbdvg:base-9-disk-0/vm-100-disk-0")

    assert where.lv == "vm-100-disk-0"


def test_only_entries_of_plain_lvs_have_a_vg():
    pve = two_nodes().with_more_entries(
        StorageEntry("local", "dir"), entry("old", type="lvm"), entry("empty", vgname="")
    )

    assert [each.storeid for each in storage_vgs(pve.pve)] == ["drbdvg", "old"]
    assert storage_vgs(two_nodes().with_pve(storages=NoView("PVE", "/storage", "refused")).pve) == ()


@pytest.mark.parametrize(
    ("name", "tags", "number"),
    [
        ("vm-100-disk-0", (), 100),
        ("vm-100-cloudinit", (), 100),
        ("base-100-disk-0", (), 100),
        ("basevol-100-disk-0", (), 100),
        ("subvol-100-disk-0", (), 100),
        ("snap_vm-100-disk-0_before", (), 100),
        ("vm-100", (), None),
        ("svm-100-disk-0", (), None),
        ("vm-x-disk-0", (), None),
        ("notes", (), None),
        ("data", ("pve-vm-100",), 100),
        ("data", ("backup", "pve-vm-"), None),
        ("data", ("pve-vm-none",), None),
    ],
)
def test_an_lv_belongs_to_the_guest_that_its_name_or_its_tag_has(name, tags, number):
    (lv,) = two_nodes().nodes[A].lvm.lvm.lvs

    assert guest_number(replace(lv, name=name, tags=tags)) == number


def test_without_pve_a_guests_volumes_are_those_with_its_number_on_any_node():
    survey = spanning().with_lv(A, "drbdvg/vm-110-disk-0", is_gone=True)

    assert [each.name for each in volumes_by_name(survey, 110)] == ["drbdvg/vm-110-disk-0"]
    assert [each.name for each in volumes_by_name(survey, 100)] == ["drbdvg/vm-100-disk-0"]
    assert volumes_by_name(survey, 999) == ()


def test_without_pve_a_guests_volumes_off_drbd_and_hidden_parts_are_left_out():
    survey = two_nodes()
    for node in (A, B):
        survey = survey.with_lv(node, name="[vm-100-disk-0_rmeta]")
    local = two_nodes()
    for node in (A, B):
        local = local.with_vg(node, pvs=("/dev/sdz",))

    assert volumes_by_name(survey, 100) == ()
    assert volumes_by_name(local, 100) == ()


def test_without_pve_and_with_one_silent_node_the_other_one_still_names_volumes():
    survey = two_nodes().with_lvm(A, lvm=NoView(A, "LVM", "it would hang"))

    assert [each.name for each in volumes_by_name(survey, 100)] == ["drbdvg/vm-100-disk-0"]
