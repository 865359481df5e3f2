"""A bundle answers exactly what was recorded, and says where it is damaged."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pve_drbd.adapters.bundle import About
from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.adapters.replay import ReplayHosts, open_bundle, read_commands
from pve_drbd.errors import ConfigInvalid, NotRecorded, Unreachable, Unreadable

BUNDLES = Path(__file__).parents[1] / "samples" / "bundles"
HEALTHY = BUNDLES / "9-healthy"
ABOUT = '{"format": 1, "taken_at": "2026-11-22T10:38:53.703Z", "taken_on": "pve-a"}'
LINES = "uname\t0\t3\tuname -n\nlvs\t5\t40\tlvs -o 'lv name'\n"


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "nodes" / "pve-a"
    folder.mkdir(parents=True)
    (tmp_path / "bundle.json").write_text(ABOUT)
    (folder / "commands.tsv").write_text(LINES)
    (folder / "uname.out").write_text("pve-a\n")
    (folder / "lvs.out").write_bytes(b"\xff\x00half")
    (folder / "lvs.err").write_text("no such device\n")
    return tmp_path


def test_a_bundle_says_when_and_where_it_was_taken():
    about, hosts = open_bundle(HEALTHY)
    assert (about.taken_at, about.taken_on) == ("2026-11-22T10:38:53.703Z", "proxmox-105")
    assert about.note.startswith("DRBD 9, healthy pair")
    assert hosts.nodes() == ("proxmox-105", "proxmox-106")


def test_a_real_command_is_found_by_its_argv():
    _, hosts = open_bundle(HEALTHY)
    argv = ("dmsetup", "info", "-c", "--noheadings", "--separator", ":", "-o", "name,major,minor,open,uuid")
    result = hosts.run("proxmox-106", argv, 5.0)
    assert (result.exit_code, result.err, result.took_ms) == (0, "", 84)
    assert "drbdvg-vm--101--disk--0" in result.out


def test_output_exit_code_errors_and_time_come_back_byte_for_byte(bundle):
    hosts = ReplayHosts(bundle)
    argv = ("lvs", "-o", "lv name")
    assert hosts.run("pve-a", argv, 5.0) == CommandResult(argv, 5, "\udcff\0half", "no such device\n", 40)
    assert hosts.run("pve-a", ("uname", "-n"), 5.0).err == ""


def test_the_age_of_a_view_is_the_sum_of_the_recorded_times(bundle):
    hosts = ReplayHosts(bundle)
    assert hosts.recorded_ms("pve-a") == 43
    assert hosts.recorded_ms("pve-b") == 0


@pytest.mark.parametrize("argv", [("/usr/bin/uname", "-n"), ("uname",), ("uname", "-n", ""), ("uname -n",)])
def test_a_command_that_differs_at_all_is_not_in_the_bundle(bundle, argv):
    with pytest.raises(NotRecorded, match="is not in the bundle") as caught:
        ReplayHosts(bundle).run("pve-a", argv, 5.0)
    assert caught.value.subject == "pve-a"


@pytest.mark.parametrize("node", ["pve-b", "", "..", "../nodes/pve-a", "pve-a/../pve-a"])
def test_a_node_without_a_folder_is_not_in_the_bundle(bundle, node):
    with pytest.raises(Unreachable, match="not in the bundle"):
        ReplayHosts(bundle).run(node, ("uname", "-n"), 5.0)


@pytest.mark.parametrize(("text", "why"), [("no route to host\n", "no route to host"), ("", "it did not answer")])
def test_a_node_that_did_not_answer_says_why_in_the_replay_too(bundle, text, why):
    (bundle / "nodes" / "pve-a" / "UNREACHABLE").write_text(text)
    with pytest.raises(Unreachable, match=why):
        ReplayHosts(bundle).run("pve-a", ("uname", "-n"), 5.0)


def test_an_lvm_command_that_hung_when_recorded_does_not_answer_in_the_replay():
    _, hosts = open_bundle(BUNDLES / "84-suspended-io")
    lines = (BUNDLES / "84-suspended-io/nodes/proxmox-105/commands.tsv").read_text().splitlines()
    lvs = next(tuple(line.split("\t")[3].split()) for line in lines if line.startswith("lvs\t"))
    with pytest.raises(Unreachable, match="not run: I/O suspended"):
        hosts.run("proxmox-105", lvs, 5.0)
    assert hosts.run("proxmox-106", lvs, 5.0).exit_code == 0


def test_a_recorded_hang_without_a_reason_still_does_not_answer(bundle):
    (bundle / "nodes/pve-a/commands.tsv").write_text("uname\t124\t3\tuname -n\n")
    with pytest.raises(Unreachable, match="uname did not end in time"):
        ReplayHosts(bundle).run("pve-a", ("uname", "-n"), 5.0)


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ("", 1, "cut off"),
        ("uname\t0\t3\tuname -n", 1, "cut off"),
        (LINES[:-3], 2, "cut off"),
        ("\n", 1, "1 columns"),
        ("uname\t0\tuname -n\n", 1, "3 columns"),
        (LINES + "\n", 3, "1 columns"),
        ("uname\tzero\t3\tuname -n\n", 1, "not an exit code"),
        ("uname\t-1\t3\tuname -n\n", 1, "not an exit code"),
        ("uname\t256\t3\tuname -n\n", 1, "not an exit code"),
        ("uname\t٣\t3\tuname -n\n", 1, "not an exit code"),
        ("uname\t0\t3.5\tuname -n\n", 1, "not a number of milliseconds"),
        ("uname\t0\t3\t\n", 1, "no command"),
        ("uname\t0\t3\tuname '-n\n", 1, "quote without end"),
        (LINES + "uname2\t0\t3\tuname -n\n", 3, "twice"),
        (LINES + "uname\t0\t3\tuname -r\n", 3, "twice"),
        ("../../../etc/passwd\t0\t3\tuname -n\n", 1, "not a plain name"),
        (".hidden\t0\t3\tuname -n\n", 1, "not a plain name"),
        ("a/b\t0\t3\tuname -n\n", 1, "not a plain name"),
        ("\t0\t3\tuname -n\n", 1, "not a plain name"),
    ],
)
def test_a_damaged_list_of_commands_is_unreadable_with_file_and_line(bundle, lines, line, why):
    (bundle / "nodes/pve-a/commands.tsv").write_text(lines)
    with pytest.raises(Unreadable, match=why) as caught:
        ReplayHosts(bundle).run("pve-a", ("uname", "-n"), 5.0)
    assert (caught.value.source, caught.value.line) == ("nodes/pve-a/commands.tsv", line)


def test_damage_of_one_node_leaves_the_other_readable(bundle):
    shutil.copytree(bundle / "nodes/pve-a", bundle / "nodes/pve-b")
    (bundle / "nodes/pve-a/commands.tsv").unlink()
    hosts = ReplayHosts(bundle)
    with pytest.raises(Unreadable, match=r"nodes/pve-a/commands.tsv is unreadable: it is missing"):
        hosts.run("pve-a", ("uname", "-n"), 5.0)
    assert hosts.run("pve-b", ("uname", "-n"), 5.0).out == "pve-a\n"


def test_an_answer_whose_file_is_missing_is_unreadable(bundle):
    (bundle / "nodes/pve-a/uname.out").unlink()
    with pytest.raises(Unreadable, match=r"uname.out is unreadable: it is missing"):
        ReplayHosts(bundle).run("pve-a", ("uname", "-n"), 5.0)


def _a_link(file):
    file.symlink_to("/etc/hostname")


def _a_folder(file):
    file.mkdir()


@pytest.mark.parametrize("make", [_a_link, os.mkfifo, _a_folder])
def test_a_bundle_cannot_make_us_read_anything_but_its_own_plain_files(bundle, make):
    file = bundle / "nodes/pve-a/uname.out"
    file.unlink()
    make(file)
    with pytest.raises(Unreadable, match=r"uname\.out"):
        ReplayHosts(bundle).run("pve-a", ("uname", "-n"), 5.0)


def test_a_linked_folder_is_no_node(bundle):
    (bundle / "nodes/pve-b").symlink_to("/etc")
    assert ReplayHosts(bundle).nodes() == ("pve-a",)


def test_a_directory_that_is_no_bundle_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ConfigInvalid, match="pve-drbd collect DIR"):
        open_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text(ABOUT)
    with pytest.raises(ConfigInvalid, match="no folder `nodes`"):
        open_bundle(tmp_path)


@pytest.mark.parametrize(
    ("found", "put", "error", "why"),
    [
        ('"format": 1', '"format": 2', ConfigInvalid, "format 2, this pve-drbd reads 1"),
        ('"format": 1', '"format": true', Unreadable, "not a number"),
        ('"format": 1, ', "", Unreadable, "`format` is None"),
        ('"taken_on": "pve-a"', '"taken_on": 7', Unreadable, "`taken_on` is 7"),
        ('"taken_on": "pve-a"', '"note": ""', Unreadable, "`taken_on`"),
        ("2026-11-22T10:38:53.703Z", "yesterday", Unreadable, "not a time"),
        ("}", "", Unreadable, r"bundle\.json"),
        (ABOUT, "[]", Unreadable, "not a JSON object"),
    ],
)
def test_a_bundle_of_another_format_or_damaged_is_refused(bundle, found, put, error, why):
    (bundle / "bundle.json").write_text(ABOUT.replace(found, put))
    with pytest.raises(error, match=why):
        open_bundle(bundle)


def test_unknown_keys_of_a_bundle_are_ignored(bundle):
    (bundle / "bundle.json").write_text(ABOUT.replace("{", '{"kernel": "6.1", "pve_drbd": "0.1.0", '))
    assert open_bundle(bundle)[0] == About("2026-11-22T10:38:53.703Z", "pve-a", "", "0.1.0")


@settings(deadline=None)
@given(st.data())
def test_no_damage_of_a_list_gives_anything_but_its_commands_or_unreadable(data):
    text = (HEALTHY / "nodes/proxmox-105/commands.tsv").read_text()
    whole = read_commands(text, "commands.tsv")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    found = {}
    with contextlib.suppress(Unreadable):
        found = read_commands(text[:start] + data.draw(st.text(max_size=3)) + text[end:], "commands.tsv")
    assert len(found) <= len(whole) + 3


def test_a_replay_imports_nothing_that_only_live_nodes_need():
    code = "import sys, pve_drbd.adapters.replay; print(*sys.modules)"
    # -S: an editable installation hooks a finder into every start, which imports half of these by itself.
    bare = [sys.executable, "-S", "-c", code]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    loaded = subprocess.run(bare, capture_output=True, text=True, check=True, env=environment).stdout.split()
    assert not {"subprocess", "selectors", "threading", "socket", "pathlib", "secrets"} & set(loaded)
