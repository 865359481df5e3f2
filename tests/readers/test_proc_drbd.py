from __future__ import annotations

from dataclasses import replace

import pytest
from drbd_samples import sample

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import (
    ConnectionState,
    DiskState,
    ProcDrbd,
    ProcMinor,
    Progress,
    ReplicationState,
    Role,
    Version,
)
from pve_drbd.readers.proc_drbd import read_proc_drbd, split_cs

HEALTHY = ProcMinor(
    minor=0,
    connection=ConnectionState.CONNECTED,
    replication=ReplicationState.ESTABLISHED,
    role=Role.PRIMARY,
    peer_role=Role.PRIMARY,
    disk=DiskState.UP_TO_DATE,
    peer_disk=DiskState.UP_TO_DATE,
    protocol="C",
    is_io_suspended=False,
    resync_suspended=(),
    out_of_sync_kib=0,
)
V84 = Version(8, 4, 11)

HEAD = "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: F73C670A7EC572DB9CF3E5B \n"
COUNTERS = "    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:d oos:0\n"
SYNC_SOURCE = " 0: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----\n" + COUNTERS


def minor(number: int, flags: str = "r-----", cs: str = "Connected") -> str:
    return f"{number:2}: cs:{cs} ro:Primary/Primary ds:UpToDate/UpToDate C {flags}\n" + COUNTERS


def only_minor(text: str) -> ProcMinor:
    (found,) = read_proc_drbd(text).minors
    return found


def test_a_healthy_pair_reads():
    found = read_proc_drbd(sample("proc-drbd", "8.4.11-healthy-105"))
    assert found == ProcDrbd(V84, (HEALTHY, replace(HEALTHY, minor=1)))


def test_a_split_brain_reads_without_a_protocol_letter():
    split = replace(
        HEALTHY,
        connection=ConnectionState.STAND_ALONE,
        replication=ReplicationState.OFF,
        peer_role=Role.UNKNOWN,
        peer_disk=DiskState.UNKNOWN,
        protocol="",
        out_of_sync_kib=12288,
    )
    found = read_proc_drbd(sample("proc-drbd", "8.4.11-split-brain-105"))
    assert found == ProcDrbd(V84, (split, replace(split, minor=1, out_of_sync_kib=2180)))


def test_a_cut_link_reads_as_connecting():
    found = read_proc_drbd(sample("proc-drbd", "8.4.11-link-cut-noticed-105")).minors
    assert [(each.connection, each.replication, each.protocol) for each in found] == [
        (ConnectionState.CONNECTING, ReplicationState.OFF, "C")
    ] * 2


def test_a_resync_tells_what_is_left_from_left_and_total_where_the_percentage_is_wrong():
    found = read_proc_drbd(sample("proc-drbd", "8.4.11-resync-after-discard-106")).minors[1]
    assert found.replication is ReplicationState.SYNC_TARGET
    assert found.progress == Progress(left_kib=2856, total_kib=5256, rate_kib_s=340, eta_s=7)
    assert found.progress.percent_done == pytest.approx(45.66, abs=0.01)


def test_a_verify_reads_with_thousands_commas():
    found = read_proc_drbd(sample("proc-drbd", "8.4.11-verify-105")).minors[0]
    assert found.replication is ReplicationState.VERIFY_SOURCE
    assert found.progress == Progress(left_kib=120424, total_kib=131032, rate_kib_s=5304, eta_s=22)


def test_suspended_io_shows():
    found = read_proc_drbd(sample("proc-drbd", "8.4.11-suspended-io-105")).minors
    assert [each.is_io_suspended for each in found] == [True, False]


def test_a_loaded_module_without_resources_reads():
    assert read_proc_drbd(sample("proc-drbd", "8.4.11-no-resource-105")) == ProcDrbd(V84, ())


def test_drbd_9_tells_its_version_only():
    assert read_proc_drbd(sample("proc-drbd", "9.2.18-healthy-105")) == ProcDrbd(Version(9, 2, 18), ())


def test_the_classic_howto_reads():
    found = read_proc_drbd(sample("proc-drbd", "8.3.2-howto-healthy"))
    assert found == ProcDrbd(Version(8, 3, 2), (HEALTHY,))
    created = only_minor(sample("proc-drbd", "8.3.2-howto-created"))
    assert (created.role, created.disk, created.out_of_sync_kib) == (Role.SECONDARY, DiskState.INCONSISTENT, 2096348)


def test_holes_between_minors_and_unconfigured_minors_are_left_out():
    text = HEAD + "\n" + minor(2) + " 3: cs:Unconfigured\n" + minor(4) + "\n" + minor(10)
    assert [each.minor for each in read_proc_drbd(text).minors] == [2, 4, 10]


def test_three_resources_read():
    found = read_proc_drbd(sample("proc-drbd", "8.4.11-vg-over-two-resources-105"))
    assert [each.minor for each in found.minors] == [0, 1, 2]


@pytest.mark.parametrize(
    ("flags", "reasons"),
    [
        ("r--u--", ("user",)),
        ("r-p---", ("peer",)),
        ("r-pu--", ("user", "peer")),
        ("ra----", ("dependency",)),
        ("r---d-", ()),
        ("r----s", ()),
        ("r----", ()),
    ],
)
def test_a_paused_resync_tells_who_paused_it(flags: str, reasons: tuple[str, ...]):
    found = only_minor(HEAD + minor(0, flags, "PausedSyncS"))
    assert (found.resync_suspended, found.is_io_suspended) == (reasons, False)


@pytest.mark.parametrize(
    ("lines", "progress"),
    [
        # 8.4: sizes above 4 GiB in MiB, and a rate above 1 GiB/s.
        (
            "\t[=>..................] sync'ed: 10.3% (9216/10240)M\n\tfinish: 2:01:03 speed: 1,000,123 (99) K/sec\n",
            Progress(9216 * 1024, 10240 * 1024, 1000123, 2 * 3600 + 63),
        ),
        (
            "\t[>....................] sync'ed:  0.0% (5256/5256)K\n\tfinish: 0:00:00 speed: 0 (0) K/sec (stalled)\n",
            Progress(5256, 5256, 0),
        ),
        (
            "\t[==================>.] sync'ed: 95.5% (4/100)K\n"
            "\tfinish: 0:00:01 speed: 4 (3 -- 4) want: 40,000 K/sec\n\t 95% sector pos: 8/200 stop sector: 16\n",
            Progress(4, 100, 4, 1),
        ),
        # 8.3.0 to 8.3.7.
        ("\t[>...................] sync'ed:  6.3% (93/99)K\n\tstalled\n", Progress(93, 99, 0)),
        # 8.3.8, on the target and on the source.
        (
            "\t[>...................] sync'ed:  6.3% (93/99)M queue_delay: 0.0 ms\n"
            "\tfinish: 0:01:10 speed: 1000 (999) want: 2,000 K/sec\n",
            Progress(93 * 1024, 99 * 1024, 1000, 70),
        ),
        (
            "\t[>...................] sync'ed:  6.3% (93/99)K delay_probe: 7\n\tfinish: 0:00:10 speed: 9 (9) K/sec\n",
            Progress(93, 99, 9, 10),
        ),
        # 8.3 in a kernel whose line for sizes in MiB lacks its end.
        ("\t[>...................] sync'ed:  6.3% (93/99)Mfinish: 0:00:10 speed: 9 (9) K/sec\n",
         Progress(93 * 1024, 99 * 1024, 9, 10)),
        # A verify before 8.3.10 counts bits of 4 KiB.
        ("\t 25%      100/400\n", Progress(1200, 1600)),
    ],
)  # fmt: skip
def test_every_form_of_progress_reads(lines: str, progress: Progress):
    assert only_minor(HEAD + SYNC_SOURCE + lines).progress == progress


def test_the_details_that_a_module_parameter_adds_are_passed_over():
    details = (
        "\tresync: used:0/61 hits:10 misses:1 starving:0 locked:0 changed:1\n"
        "\tact_log: used:1/1237 hits:10 misses:1 starving:0 dirty:0 changed:1\n"
        "\tblocked on activity log: 0\n"
    )
    assert only_minor(HEAD + minor(0) + details) == HEALTHY


@pytest.mark.parametrize(
    ("cs", "states"),
    [
        ("SyncSource", (ConnectionState.CONNECTED, ReplicationState.SYNC_SOURCE)),
        ("WFConnection", (ConnectionState.CONNECTING, ReplicationState.OFF)),
        ("WFReportParams", (ConnectionState.CONNECTED, ReplicationState.OFF)),
        ("Connected", (ConnectionState.CONNECTED, ReplicationState.ESTABLISHED)),
        ("NetworkFailure", (ConnectionState.NETWORK_FAILURE, ReplicationState.OFF)),
    ],
)
def test_one_word_of_8_is_two_states_of_9(cs: str, states: tuple[ConnectionState, ReplicationState]):
    assert split_cs(cs) == states


@pytest.mark.parametrize("word", ["Connecting", "Established", "Off", "TOO_LARGE", ""])
def test_a_word_that_8_does_not_have_is_refused(word: str):
    with pytest.raises(Unreadable):
        split_cs(word)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "begin"),
        ("version: 8.4.11 (api:1/proto:86-101)\n", 2, "build"),
        (HEAD + minor(0)[:-5], 4, "within a line"),
        (HEAD + minor(0) + minor(0), 5, "twice"),
        (HEAD + "\n" + minor(1) + minor(1), 6, "twice"),
        (HEAD + minor(1), 3, "minor 0"),
        (HEAD + minor(0) + "\n" + minor(1), 6, "minor 1"),
        (HEAD + minor(0) + "\n", 6, "first line of a minor"),
        (HEAD + minor(0).replace("Connected", "Konnected"), 3, "'Konnected'"),
        (HEAD + minor(0).replace("UpToDate C", "UpToDat C"), 3, "'UpToDat'"),
        (HEAD + minor(0).replace("ro:Primary", "ro:Prim_ary"), 3, "'Prim_ary'"),
        (HEAD + " 0: cs:Connected\n", 3, "no roles"),
        (HEAD + minor(0).split("\n", maxsplit=1)[0] + "\n", 4, "counters"),
        (HEAD + minor(0).replace("oos:0", "oos:x"), 4, "counters"),
        (HEAD + SYNC_SOURCE, 5, "bar"),
        (HEAD + SYNC_SOURCE + "\t[>...................] sync'ed:  6.3% (93/99)K\n", 6, "pace"),
        (HEAD + SYNC_SOURCE + "\t[>...................] sync'ed:  6.3% (93/99)K\n\tfinish: never\n", 6, "pace"),
        (HEAD + SYNC_SOURCE + "\t[>...................] sync'ed:  6.3% (93/99)K oops\n\tstalled\n", 5, "pace"),
        ("version: 9.2.18 (api:2/proto:118-124)\nGIT-hash: a7\n", 3, "transports"),
        ("version: 9.2.18 (api:2/proto:118-124) (compat 8.4)\nGIT-hash: a7\n" + minor(0), 3, "transports"),
    ],
)
def test_what_the_kernel_does_not_print_is_refused_with_its_line(text: str, line: int, why: str):
    with pytest.raises(Unreadable, match=why) as caught:
        read_proc_drbd(text)
    assert (caught.value.source, caught.value.line) == ("/proc/drbd", line)
