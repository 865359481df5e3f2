"""What LVM and the device mapper of one node say, read and held against each other."""

from dataclasses import replace

import pytest

from pve_drbd.accounts import Answer, read_config, read_lvm_account
from pve_drbd.model.survey import NoView
from tests.recorded import HERE, NEW, OLD, PEER, answers_of, changed, without_line


def lvm(answers, node=HERE):
    return read_lvm_account(node, answers, read_config(node, answers))


TABLES = {
    HERE: "drbdvg-vm--100--disk--0: 0 32768 linear 147:0 2048\ndrbdvg1-vm--102--disk--0: 0 24576 linear 147:1 2048\n",
    PEER: "drbdvg-vm--101--disk--0: 0 32768 linear 147:0 34816\ndrbdvg1-vm--103--disk--0: 0 24576 linear 147:1 26624\n",
}


@pytest.mark.parametrize("scenario", [OLD, NEW])
@pytest.mark.parametrize("node", [HERE, PEER])
def test_a_healthy_node_gives_a_whole_account(scenario, node):
    account = lvm({"dmsetup-table": Answer(0, TABLES[node]), **answers_of(scenario, node)}, node)

    assert [name for name in account.__slots__ if isinstance(getattr(account, name), NoView)] == []


def test_a_dm_device_that_only_lsblk_shows_makes_dmsetup_damaged():
    account = lvm(without_line(OLD, "dmsetup", "drbdvg-vm--100"))

    assert account.dm.is_damaged
    assert "drbdvg-vm--100--disk--0 is in lsblk and missing here" in account.dm.reason


def test_a_dm_device_that_only_dmsetup_shows_makes_the_device_mappers_account_damaged():
    more = "drbdvg-vm--9--disk--0:253:9:1:LVM-mJnxS5f1jNxqfWCwS6b2i5hKIvDzssK8" + "x" * 32 + "\n"
    answers = answers_of(OLD)
    account = lvm({**answers, "dmsetup": Answer(0, answers["dmsetup"].out + more)})

    assert account.dm.is_damaged
    assert "lsblk is unreadable: drbdvg-vm--9--disk--0 is in dmsetup and missing here" in account.dm.reason


def test_without_lsblk_dmsetup_is_taken_as_it_stands():
    answers = answers_of(OLD)
    account = lvm({**answers, "lsblk": Answer(1, "", "lsblk: failed\n")})

    assert [each.name for each in account.dm] == ["drbdvg-vm--100--disk--0", "drbdvg1-vm--102--disk--0"]
    assert account.devices.reason == "it ended with exit code 1: lsblk: failed"


def test_an_active_lv_without_its_device_makes_lvs_damaged():
    answers = answers_of("84-orphan-dm", "proxmox-106")
    account = lvm(changed(OLD, "lvs", '"lv_kernel_minor":"0"', '"lv_kernel_minor":"5"'))

    assert account.lvm.is_damaged
    assert "lvs is unreadable: drbdvg/vm-100-disk-0 is (253, 5), dmsetup has (253, 0)" in account.lvm.reason
    assert not isinstance(lvm(answers, "proxmox-106").lvm, NoView), "an orphan is no contradiction: it has no LV"


def test_without_dmsetup_lvs_is_taken_as_it_stands():
    answers = {name: each for name, each in answers_of(OLD).items() if name != "dmsetup"}

    account = lvm(answers)

    assert len(account.lvm.lvs) == 4
    assert account.dm == NoView(HERE, "dmsetup", "it was not asked")


def with_tables(old="", new=""):
    assert old in TABLES[HERE]
    return lvm({**answers_of(OLD), "dmsetup-table": Answer(0, TABLES[HERE].replace(old, new))}).tables


TABLES_THAT_DO_NOT_FIT = [
    (TABLES[HERE].splitlines(keepends=True)[0], "", "drbdvg-vm--100--disk--0 is in one of dmsetup info and table"),
    ("0 32768 linear", "0 16384 linear", "drbdvg-vm--100--disk--0 has 8388608 bytes, lsblk says 16777216"),
    ("147:0", "254:16", "drbdvg-vm--100--disk--0 is on (254, 16), which lsblk does not show below it"),
]


@pytest.mark.parametrize(("old", "new", "words"), TABLES_THAT_DO_NOT_FIT)
def test_tables_that_do_not_fit_what_else_is_known_of_their_devices_are_damaged(old, new, words):
    tables = with_tables(old, new)

    assert tables.is_damaged
    assert words in tables.reason


def test_tables_are_taken_as_they_stand_where_nothing_else_is_known_of_their_devices():
    answers = {**answers_of(OLD), "dmsetup-table": Answer(0, TABLES[HERE])}
    for name in ("dmsetup", "lsblk"):
        answers[name] = NoView(HERE, name, "it does not answer")

    assert lvm(answers).tables == with_tables()


def test_a_drbd_device_on_another_disk_than_the_configured_makes_lsblk_damaged():
    account = lvm(changed(OLD, "dump-xml", "<disk>/dev/vdb</disk>", "<disk>/dev/vdd</disk>"))

    assert account.devices.is_damaged
    assert "/dev/drbd0 is not on /dev/vdd, which dump-xml names" in account.devices.reason


def test_a_disk_configured_by_a_name_that_lsblk_does_not_know_is_not_compared():
    account = lvm(changed(OLD, "dump-xml", "<disk>/dev/vdb</disk>", "<disk>/dev/disk/by-id/virtio-r0</disk>"))

    assert not isinstance(account.devices, NoView)


@pytest.mark.parametrize("name", ["lvs", "vgs", "pvs"])
def test_one_of_lvms_three_lists_missing_is_the_whole_account_missing(name):
    answers = answers_of(OLD)
    silent = NoView(HERE, "LVM", "it would hang")

    assert lvm({**answers, name: silent}).lvm == silent
    assert lvm({**answers, name: replace(answers[name], out="{")}).lvm.is_damaged
