"""The overview on a screen: the verdict first, then every account side by side."""

import pytest

from pve_drbd.cli.tables import scaled, watch_overview
from pve_drbd.rules.overview import overview
from tests.cli.commands import replay
from tests.pairs import STANDALONE, lost, two_nodes


def rows(capsys, scenario):
    return replay(capsys, scenario, "status").out.splitlines()


def row(lines, *words):
    return next(line for line in lines if all(word in line for word in words))


def squeezed(line):
    return " ".join(line.split())


def test_a_resource_is_shown_as_each_node_tells_it(capsys):
    lines = rows(capsys, "84-split-brain")
    header = row(lines, "RESOURCE", "NODE SAYS")
    at = lines.index(header)

    assert [squeezed(line) for line in lines[at : at + 3]] == [
        "RESOURCE NODE SAYS ROLE DISK CONNECTION REPLICATION OUT OF SYNC",
        "r0/0 proxmox-105 Primary UpToDate StandAlone Off 12.0 MiB",
        "proxmox-106 Primary UpToDate StandAlone Off 5.0 MiB",
    ]


def test_the_age_of_each_account_is_shown(capsys):
    line = row(rows(capsys, "84-split-brain"), "recorded 2026-11-22")

    assert line.endswith("(proxmox-105 1.4 s old, proxmox-106 1.4 s old)")


def test_a_silent_node_is_shown_with_its_reason(capsys):
    lines = rows(capsys, "84-peer-unreachable")

    assert lines[0].startswith("NOT KNOWN:")
    assert "no account:" in row(lines, "proxmox-106", "no account")


def test_a_resync_is_shown_with_its_progress(capsys):
    line = row(rows(capsys, "84-initial-sync"), "[#", "proxmox-10")

    assert " %, " in line
    assert " left" in line


def test_suspended_io_is_shown_at_its_resource(capsys):
    assert row(rows(capsys, "84-suspended-io"), "I/O suspended (user)", "r0/0")


def test_a_volume_group_is_shown_with_its_entries_and_its_room(capsys):
    line = row(rows(capsys, "84-healthy"), "drbdvg1 ", "MiB")

    assert squeezed(line) == "drbdvg1 r1 proxmox-105, proxmox-106 68.0 MiB 92.0 MiB drbdvg1 (drbdlvm)"


def test_a_volume_group_without_an_entry_says_so(capsys):
    assert row(rows(capsys, "pve-vg-without-entry"), "drbdvg1", "MiB").rstrip().endswith("none")


def test_a_guest_is_shown_with_where_it_is_and_whether_it_is_mirrored(capsys):
    lines = rows(capsys, "84-diskless")

    assert row(lines, "guest100").split()[-1] == "no"
    assert row(lines, "guest102").split()[-1] == "yes"


def test_findings_are_shown_with_what_to_do(capsys):
    lines = rows(capsys, "84-split-brain")
    at = lines.index(row(lines, "DRBD-E113"))

    assert any("-> Move nothing, restart nothing." in line for line in lines[at : at + 4])


def test_without_pve_the_pair_is_shown_all_the_same(capsys):
    lines = rows(capsys, "84-api-unreachable")

    assert row(lines, "r0/0", "UpToDate")
    assert not any(line.startswith("GUEST") for line in lines)


@pytest.mark.parametrize(
    ("kib", "words"),
    [
        (0, "0"),
        (4, "4 KiB"),
        (1023, "1023 KiB"),
        (1024, "1.0 MiB"),
        (12345, "12.1 MiB"),
        (1024**2, "1.0 GiB"),
        (3 * 1024**3, "3.0 TiB"),
        (5000 * 1024**3, "5000.0 TiB"),
    ],
)
def test_a_size_is_scaled_for_a_person(kib, words):
    assert scaled(kib) == words


class Operator:
    """Stands for the operator who watches: presses Ctrl-C at the wait number `patience`."""

    def __init__(self, patience):
        self.waited = 0
        self._patience = patience

    def wait(self):
        self.waited += 1
        if self.waited == self._patience:
            raise KeyboardInterrupt


def test_watching_looks_again_until_it_is_interrupted_and_gives_the_last_look(capsys):
    healthy, degraded = two_nodes(), two_nodes().with_views(**lost(STANDALONE))
    surveys = iter((healthy, healthy, degraded))
    operator = Operator(patience=3)

    def look():
        survey = next(surveys)
        return overview(survey), survey

    last = watch_overview(look, operator.wait)

    assert not last.report.allowed
    assert operator.waited == 3
    assert "NOT HEALTHY: r0 on pveA is StandAlone" in capsys.readouterr().out


def test_watching_that_is_interrupted_at_once_gives_the_first_look(capsys):
    survey = two_nodes()

    assert watch_overview(lambda: (overview(survey), survey), Operator(patience=1).wait).report.allowed
    assert "HEALTHY" in capsys.readouterr().out
