"""What LVM's filters let in: the DRBD device must pass, the disk below it must not."""

from dataclasses import replace

import pytest

from pve_drbd.model.lvm import BlockDevice, FilterRule, LvmFilters, PhysicalVolume
from pve_drbd.model.survey import NoView
from pve_drbd.rules.devices import replicas_of
from pve_drbd.rules.filters import is_visible, judge_filters
from tests.pairs import A, codes, two_nodes

DISK = ("/dev/vdb", "/dev/disk/by-id/virtio-r0", "/dev/disk/by-path/pci-0")
NOTHING = LvmFilters((), (), has_devices_file=False)


def rules(*words):
    """Rules as lvm.conf has them: 'a|pattern|' accepts, 'r|pattern|' rejects."""
    return tuple(FilterRule(word.startswith("a"), word[2:-1]) for word in words)


ONE_LIST = [
    ("an empty list passes everything", (), True),
    ("a device that no pattern matches passes", ("r|/dev/sd|",), True),
    ("one accepted name is enough", ("a|by-id|", "r|.*|"), True),
    ("one accepted name is enough beside rejected ones", ("r|^/dev/vdb$|", "a|by-path|", "r|by-id|"), True),
    ("one rejected name is enough if none is accepted", ("r|by-id|",), False),
    ("all names rejected", ("r|.*|",), False),
    ("the first pattern that matches a name decides", ("r|vdb|", "a|vdb|", "r|.*|"), False),
    ("the order decides the other way too", ("a|vdb|", "r|vdb|", "r|.*|"), True),
    ("a pattern matches anywhere unless it is anchored", ("r|db|",), False),
    ("a pattern that is anchored elsewhere does not match", ("r|^db|",), True),
]


@pytest.mark.parametrize(("words", "passes"), [pytest.param(*rest, id=name) for name, *rest in ONE_LIST])
def test_a_list_passes_or_rejects_a_device_as_lvm_itself_does(words, passes):
    assert is_visible(replace(NOTHING, filter=rules(*words)), DISK) is passes
    assert is_visible(replace(NOTHING, global_filter=rules(*words)), DISK) is passes


def test_a_device_must_pass_both_lists():
    accepts, rejects = rules("a|.*|"), rules("r|.*|")

    assert is_visible(LvmFilters(accepts, accepts, has_devices_file=False), DISK)
    assert not is_visible(LvmFilters(accepts, rejects, has_devices_file=False), DISK)
    assert not is_visible(LvmFilters(rejects, accepts, has_devices_file=False), DISK)


def judged(*words, survey=None, **parts):
    survey = (survey or two_nodes()).with_lvm(A, filters=LvmFilters(rules(*words), (), has_devices_file=False), **parts)
    return list(judge_filters(survey.nodes[A], "drbdvg", ("r0",)))


def test_the_usual_filter_lets_drbd_in_and_nothing_else():
    assert judged("a|^/dev/drbd|", "r|.*|") == []


def test_a_disk_that_is_let_in_is_a_warning_while_lvm_uses_drbd():
    assert codes(judged("a|.*|")) == ["LVM-W202"]


def test_a_disk_that_is_let_in_is_a_blocker_where_lvm_does_not_show_the_vg_on_drbd():
    assert codes(judged("a|.*|", survey=two_nodes().with_vg(A, is_gone=True))) == ["LVM-E203"]


def test_a_disk_that_is_let_in_is_a_blocker_where_lvm_could_not_be_asked():
    assert codes(judged("a|.*|", lvm=NoView(A, "LVM", "it would hang"))) == ["LVM-E203"]


def test_a_disk_that_is_let_in_is_a_blocker_where_lvm_names_it_beside_drbd():
    survey = two_nodes()
    lvm = survey.nodes[A].lvm.lvm
    raw = PhysicalVolume("pv-raw", "/dev/sdb", "drbdvg", 1, 0, "a--", False, True, 0)

    assert codes(judged("a|.*|", lvm=replace(lvm, pvs=(*lvm.pvs, raw)))) == ["LVM-E203"]


def test_a_filter_that_hides_drbd_is_a_blocker():
    assert codes(judged("r|/dev/drbd|", "r|/dev/sd|", "r|/dev/block|", "r|/dev/disk|")) == ["LVM-E204"]


def test_a_filter_that_forgets_an_alias_of_the_disk_still_rejects_it():
    assert judged("r|^/dev/sdb$|") == []


def test_a_filter_that_accepts_an_alias_lets_the_disk_in():
    assert codes(judged("a|/dev/disk/by-id|", "a|^/dev/drbd|", "r|.*|")) == ["LVM-W202"]


def test_a_resource_that_is_not_below_the_vg_is_not_judged():
    view = two_nodes().with_lvm(A, filters=NOTHING).nodes[A]

    assert list(judge_filters(view, "drbdvg", ("r1",))) == []


def test_with_a_devices_file_the_lists_decide_nothing():
    view = two_nodes().with_lvm(A, filters=LvmFilters(rules("r|.*|"), (), has_devices_file=True)).nodes[A]

    assert list(judge_filters(view, "drbdvg", ("r0",))) == []


def test_a_pattern_that_is_no_regular_expression_is_an_unreadable_answer():
    (found,) = judged("r|[|")

    assert found.code == "VIEW-E002"
    assert "filter pattern '['" in found.message


def test_filters_that_could_not_be_read_are_a_missing_view():
    view = two_nodes().with_lvm(A, filters=NoView(A, "lvmconfig", "it does not answer")).nodes[A]

    assert codes(judge_filters(view, "drbdvg", ("r0",))) == ["VIEW-E001"]


def test_a_disk_is_known_by_the_names_that_the_kernel_and_udev_give_it():
    (replica,) = replicas_of(two_nodes().nodes[A])
    (disk,) = replica.disks

    assert replica.device_paths[0] == "/dev/drbd0"
    assert {"/dev/drbd/by-res/r0/0", "/dev/drbd_r0", "/dev/block/147:0"} <= set(replica.device_paths)
    assert disk.path == "/dev/sdb"
    assert set(disk.paths) == {"/dev/sdb", "/dev/disk/by-id/sdb", "/dev/disk/by-path/sdb", "/dev/block/8:16"}


def test_a_disk_on_the_device_mapper_is_known_by_its_name_there_too():
    survey = two_nodes()
    devices = (
        BlockDevice("vg0-r0", "dm-3", (), 253, 3, "lvm", 0, "", ()),
        BlockDevice("drbd0", "drbd0", ("dm-3",), 147, 0, "disk", 0, "", ()),
    )
    replicas = replicas_of(survey.with_lvm(A, devices=devices).nodes[A])

    below = {disk.path: disk.paths for disk in replicas[0].disks}
    assert set(below) == {"/dev/dm-3", "/dev/sdb"}
    assert "/dev/mapper/vg0-r0" in below["/dev/dm-3"]


def test_without_any_account_of_devices_the_configured_disk_is_still_known():
    survey = two_nodes().with_lvm(A, devices=NoView(A, "lsblk", "it does not answer"))

    assert [disk.path for replica in replicas_of(survey.nodes[A]) for disk in replica.disks] == ["/dev/sdb"]


def test_a_node_without_any_account_of_drbd_has_no_replicas():
    nothing = NoView(A, "DRBD", "its module is not loaded")

    assert replicas_of(two_nodes().with_drbd(A, resources=nothing, config=nothing).nodes[A]) == ()
