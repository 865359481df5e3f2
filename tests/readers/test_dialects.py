from __future__ import annotations

from pathlib import Path

import pytest

import pve_drbd.readers
from pve_drbd.dialects import (
    ADJUST_DRY_RUN,
    COMMON_COMMANDS,
    DIALECTS,
    DRBD_COMMANDS,
    EVENTS_AGAIN,
    READING_NAMES,
    Verb,
    dialect_for,
    get_gi_command,
    ping_argv,
    ping_command,
)
from pve_drbd.errors import ConfigInvalid, Unreadable
from pve_drbd.model.drbd import HostVolume, Version

RECORDED = (
    ("drbdadm-version", "drbdadm --version"),
    ("proc-drbd", "cat /proc/drbd"),
    ("events2", "drbdsetup events2 --now --statistics --timestamps"),
    ("status-json", "drbdsetup status --json"),
    ("show-json", "drbdsetup show --json --show-defaults"),
    ("dump-xml", "drbdadm dump-xml all"),
    ("get-gi", "drbdadm get-gi all"),
    (
        "lvs",
        "lvs -a --reportformat json --units b --nosuffix -o lv_uuid,lv_name,vg_name,lv_size,lv_attr,lv_active,"
        "lv_device_open,lv_health_status,lv_host,lv_time,lv_tags,segtype,seg_start_pe,seg_pe_ranges,devices,"
        "lv_kernel_major,lv_kernel_minor",
    ),
    (
        "vgs",
        "vgs --reportformat json --units b --nosuffix -o vg_uuid,vg_name,vg_seqno,vg_attr,vg_size,vg_free,"
        "vg_extent_size,vg_missing_pv_count,pv_name",
    ),
    (
        "pvs",
        "pvs --reportformat json --units b --nosuffix -o pv_uuid,pv_name,vg_name,pv_size,pv_free,pv_attr,pv_missing,"
        "pv_duplicate,pe_start",
    ),
    ("lvmconfig", "lvmconfig --typeconfig full devices"),
    ("lsblk", "lsblk --json --bytes -o NAME,KNAME,PKNAME,MAJ:MIN,TYPE,SIZE,FSTYPE,MOUNTPOINTS"),
    ("dmsetup", "dmsetup info -c --noheadings --separator : -o name,major,minor,open,uuid"),
    ("diskstats", "cat /proc/diskstats"),
    ("uname", "uname -n"),
)


def test_the_reading_set_is_the_one_that_bundles_were_recorded_with():
    asked = [(each.name, " ".join(each.argv)) for each in (*DRBD_COMMANDS, *COMMON_COMMANDS)]
    assert [each for each in asked if each in RECORDED] == list(RECORDED)
    assert {name for name, _ in asked} - {name for name, _ in RECORDED} == {"dmsetup-table", "ip-address"}


def test_every_command_has_a_name_a_time_limit_and_a_reader_of_its_own():
    ping = ping_command("eth1", "10.0.7.105", "10.0.7.106")
    commands = (*DRBD_COMMANDS, ADJUST_DRY_RUN, *COMMON_COMMANDS, EVENTS_AGAIN, ping)
    folder = Path(pve_drbd.readers.__path__[0])
    assert len(READING_NAMES) == len({each.name for each in commands}) - 1
    assert all(0 < each.timeout_s < 10 for each in commands)
    assert [each.reader for each in commands if each.reader and not (folder / f"{each.reader}.py").exists()] == []


@pytest.mark.parametrize(
    ("version", "series", "may_act", "unanswered"),
    [
        (Version(8, 3, 2), "8.3", False, {"events2", "status-json", "show-json"}),
        (Version(8, 4, 11), "8.4", True, {"status-json", "show-json"}),
        (Version(9, 0, 0), "9", True, set()),
        (Version(9, 2, 18), "9", True, set()),
    ],
)
def test_a_version_decides_what_is_asked_and_whether_we_act(
    version: Version, series: str, may_act: bool, unanswered: set[str]
):
    dialect = dialect_for(version)
    assert (dialect.series, dialect.may_act) == (series, may_act)
    assert {each.name for each in dialect.commands} - {each.name for each in dialect.answered} == unanswered
    assert DIALECTS[series] is dialect


@pytest.mark.parametrize(
    ("version", "why"),
    [(Version(8, 0, 16), "8.0.16 is none of the series"), (Version(0, 0, 0), "no module is loaded")],
)
def test_an_unknown_series_is_refused(version: Version, why: str):
    with pytest.raises(Unreadable, match=why):
        dialect_for(version)


@pytest.mark.parametrize(
    ("series", "verb", "argv"),
    [
        ("8.3", Verb.CONNECT_DISCARDING, "drbdadm -- --discard-my-data connect r0"),
        ("8.4", Verb.CONNECT_DISCARDING, "drbdadm connect --discard-my-data r0"),
        ("9", Verb.CONNECT_DISCARDING, "drbdadm connect --discard-my-data r0"),
        ("9", Verb.CONNECT, "drbdadm connect r0"),
        ("9", Verb.DISCONNECT, "drbdadm disconnect r0"),
        ("8.4", Verb.SECONDARY, "drbdadm secondary r0"),
        ("8.4", Verb.PRIMARY, "drbdadm primary r0"),
        ("8.4", Verb.VERIFY, "drbdadm verify r0"),
        ("8.4", Verb.ADJUST_DRY_RUN, "drbdadm -d adjust r0"),
    ],
)
def test_each_verb_is_the_series_own_command(series: str, verb: Verb, argv: str):
    assert DIALECTS[series].argv(verb, "r0") == tuple(argv.split(" "))


def test_every_series_knows_every_verb_and_none_forces_anything():
    for dialect in DIALECTS.values():
        assert set(dialect.verbs) == set(Verb)
        words = {word for argv in dialect.verbs.values() for word in argv}
        assert words.isdisjoint({"--force", "--tentative", "-f", "invalidate"})
        assert "-d" in dialect.verbs[Verb.ADJUST_DRY_RUN]


@pytest.mark.parametrize("name", ["", "-r0", "--force", "r0 r1", "r0\n"])
def test_nothing_but_the_name_of_a_resource_gets_into_a_command(name: str):
    with pytest.raises(ConfigInvalid, match="not the name of a DRBD resource"):
        DIALECTS["9"].argv(Verb.CONNECT, name)
    with pytest.raises(ConfigInvalid):
        get_gi_command("get-gi-x", name, 0)


def test_one_volume_can_be_asked_for_its_identifiers():
    command = get_gi_command("get-gi-r0-1", "r0", 1)
    assert (command.name, command.argv) == ("get-gi-r0-1", ("drbdadm", "get-gi", "r0/1"))


@pytest.mark.parametrize(
    ("series", "meta_disk", "metadata"),
    [
        ("8.3", "internal", "v08 /dev/vdb internal"),
        ("8.4", "internal", "v08 /dev/vdb internal"),
        ("9", "internal", "v09 /dev/vdb internal"),
        ("8.4", "/dev/sdc1[0]", "v08 /dev/sdc1 0"),
        ("9", "/dev/sdc1", "v09 /dev/sdc1 flex-external"),
    ],
)
def test_what_changed_is_read_from_the_log_the_bitmap_and_the_log_again(series: str, meta_disk: str, metadata: str):
    commands = DIALECTS[series].changes_commands("r0", HostVolume(1, 0, "/dev/drbd0", "/dev/vdb", meta_disk))

    log = "/sys/kernel/debug/drbd/resources/r0/volumes/1/act_log_extents"
    assert [" ".join(each.argv) for each in commands] == [
        f"cat {log}",
        f"drbdmeta --force - {metadata} dump-md",
        f"cat -- {log}",
    ]
    assert [each.name for each in commands] == ["act-log-r0-1", "dump-md-r0-1", "act-log-again-r0-1"]
    assert {each.reader for each in commands} == {"act_log", "metadata_dump"}


@pytest.mark.parametrize(
    ("resource", "disk", "meta_disk"),
    [
        ("../minors", "/dev/vdb", "internal"),
        ("..", "/dev/vdb", "internal"),
        ("r0", "", "internal"),
        ("r0", "--force", "internal"),
        ("r0", "/dev/vdb", ""),
        ("r0", "/dev/vdb", "/dev/sdc1[x]"),
        ("r0", "/dev/vdb", "/dev/sdc1[]"),
    ],
)
def test_no_command_is_made_of_what_is_no_resource_or_no_disk(resource: str, disk: str, meta_disk: str):
    with pytest.raises(ConfigInvalid):
        DIALECTS["9"].changes_commands(resource, HostVolume(0, 0, "/dev/drbd0", disk, meta_disk))


def test_the_ping_is_bound_to_our_replication_address_and_its_interface():
    argv = "ping -n -q -c 2 -i 0.2 -W 1 -I eth1 -I 10.0.7.105 10.0.7.106"
    assert ping_argv("eth1", "10.0.7.105", "10.0.7.106") == tuple(argv.split(" "))
    assert ping_command("eth1", "10.0.7.105", "10.0.7.106").argv == tuple(argv.split(" "))


def test_fencing_stands_where_the_series_configures_it():
    assert {series: each.fencing_section for series, each in DIALECTS.items()} == {
        "8.3": "disk",
        "8.4": "disk",
        "9": "net",
    }


def test_the_defaults_are_those_of_the_source():
    assert DIALECTS["8.4"].net_defaults == DIALECTS["9"].net_defaults
    chosen = ("protocol", "allow-two-primaries", "after-sb-1pri", "ping-int", "ping-timeout", "timeout", "connect-int")
    assert [DIALECTS["9"].net_defaults[key] for key in chosen] == ["C", "no", "disconnect", "10", "5", "60", "10"]
    assert (DIALECTS["8.3"].net_defaults["protocol"], DIALECTS["8.3"].net_defaults["ko-count"]) == ("", "0")
