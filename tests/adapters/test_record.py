"""What is recorded replays as what was seen, and holds no secret."""

import json
import shlex
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pve_drbd.adapters.bundle import About, start_bundle
from pve_drbd.adapters.hosts import CommandResult, HostsByNode
from pve_drbd.adapters.record import RecordingHosts
from pve_drbd.adapters.replay import ReplayHosts, open_bundle, read_commands
from pve_drbd.errors import ConfigInvalid, NotRecorded, Unreachable, Unreadable

BUNDLES = Path(__file__).parents[1] / "samples" / "bundles"
UNAME = ("uname", "-n")
LVS = ("lvs", "-o", "lv name")


class Scripted:
    """Stands for live nodes: gives, or raises, what it was told, in that order."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.is_closed = False

    def nodes(self):
        return ("pve-a",)

    def run(self, node, argv, timeout_s):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.is_closed = True


def result(argv=UNAME, out="pve-a\n", exit_code=0, err="", took_ms=3):
    return CommandResult(argv, exit_code, out, err, took_ms)


def clock(*readings):
    return iter(readings).__next__


def ask(hosts, argv=UNAME):
    return hosts.run("pve-a", argv, 5.0)


@pytest.mark.parametrize("bundle", ["9-healthy", "84-suspended-io"])
def test_a_real_bundle_recorded_from_its_own_replay_replays_the_same(bundle, tmp_path):
    replay = ReplayHosts(BUNDLES / bundle)
    recording = RecordingHosts(replay, tmp_path)
    told = {}
    for node in replay.nodes():
        lines = (BUNDLES / bundle / "nodes" / node / "commands.tsv").read_text().splitlines()
        for argv in [tuple(shlex.split(line.split("\t")[3])) for line in lines]:
            told[node, argv] = outcome(recording, node, argv)
    again = ReplayHosts(tmp_path)
    for (node, argv), before in told.items():
        after = outcome(again, node, argv)
        assert after == (before if isinstance(before, tuple) else without_secret(before))


def outcome(hosts, node, argv):
    try:
        return hosts.run(node, argv, 5.0)
    except Unreachable as err:
        return (err.subject, err.why)


def without_secret(seen):
    out = seen.out.replace("my-secret", "scrubbed")
    return CommandResult(seen.argv, seen.exit_code, out, seen.err, seen.took_ms)


def test_the_bundle_has_the_layout_of_the_captured_ones(tmp_path):
    names = {UNAME: "uname", LVS: "lvs"}
    answers = (result(), result(LVS, "", 5, "no such device\n", 40), result(("cat", "/proc/mdstat"), "none"))
    recording = RecordingHosts(Scripted(*answers), tmp_path, names)
    for argv in (UNAME, LVS, ("cat", "/proc/mdstat")):
        ask(recording, argv)
    folder = tmp_path / "nodes" / "pve-a"
    assert (folder / "commands.tsv").read_text() == (
        "uname\t0\t3\tuname -n\nlvs\t5\t40\tlvs -o 'lv name'\ncat-proc-mdstat\t0\t3\tcat /proc/mdstat\n"
    )
    assert {file.name: file.read_text() for file in folder.iterdir() if file.suffix != ".tsv"} == {
        "uname.out": "pve-a\n",
        "lvs.out": "",
        "lvs.err": "no such device\n",
        "cat-proc-mdstat.out": "none",
    }


def test_the_caller_gets_the_answer_itself_and_the_bundle_gets_it_without_secrets(tmp_path):
    secret = '<option name="shared-secret" value="hunter2"/>\n'
    told = ask(RecordingHosts(Scripted(result(out=secret, err=secret)), tmp_path))
    assert told.out == secret
    kept = ask(ReplayHosts(tmp_path))
    assert "hunter2" not in kept.out + kept.err
    assert 'value="scrubbed"' in kept.out


def test_a_command_that_did_not_end_replays_as_the_same_unreachable(tmp_path):
    hung = Unreachable("pve-a", "lvs did not end within 5 s and was stopped")
    recording = RecordingHosts(Scripted(result(), hung), tmp_path, {LVS: "lvs"}, clock(0.0, 10.0, 16.5))
    ask(recording)
    with pytest.raises(Unreachable) as live:
        ask(recording, LVS)
    with pytest.raises(Unreachable) as replayed:
        ask(ReplayHosts(tmp_path), LVS)
    assert str(replayed.value) == str(live.value)
    assert "lvs\t124\t6500\t" in (tmp_path / "nodes/pve-a/commands.tsv").read_text()
    assert not (tmp_path / "nodes/pve-a/UNREACHABLE").exists()


def test_an_answer_that_could_not_be_taken_apart_does_not_answer_in_the_replay(tmp_path):
    recording = RecordingHosts(Scripted(result(), Unreadable("lvs on pve-a", 0, "it is damaged")), tmp_path)
    ask(recording)
    with pytest.raises(Unreadable):
        ask(recording, LVS)
    with pytest.raises(Unreachable, match="lvs on pve-a is unreadable: it is damaged"):
        ask(ReplayHosts(tmp_path), LVS)


def test_what_nobody_asked_in_a_bundle_stays_unasked_in_a_bundle_made_from_it(tmp_path):
    recording = RecordingHosts(Scripted(result(), NotRecorded("pve-a", "`ping` is not in the bundle")), tmp_path)
    ask(recording)
    for hosts in (recording, ReplayHosts(tmp_path)):
        with pytest.raises(NotRecorded):
            ask(hosts, ("ping",))


def test_a_node_that_never_answered_is_recorded_as_unreachable(tmp_path):
    recording = RecordingHosts(Scripted(*[Unreachable("pve-a", "no route to it")] * 2), tmp_path)
    for argv in (UNAME, LVS):
        with pytest.raises(Unreachable):
            ask(recording, argv)
    assert (tmp_path / "nodes/pve-a/UNREACHABLE").read_text() == "no route to it\n"
    with pytest.raises(Unreachable, match="no route to it"):
        ask(ReplayHosts(tmp_path), ("anything",))


def test_a_node_that_answers_after_a_first_hang_is_not_recorded_as_unreachable(tmp_path):
    recording = RecordingHosts(Scripted(Unreachable("pve-a", "it hangs"), result(LVS)), tmp_path)
    with pytest.raises(Unreachable):
        ask(recording)
    ask(recording, LVS)
    replay = ReplayHosts(tmp_path)
    assert ask(replay, LVS).out == "pve-a\n"
    with pytest.raises(Unreachable, match="it hangs"):
        ask(replay)


def test_a_command_asked_twice_keeps_its_last_answer(tmp_path):
    recording = RecordingHosts(Scripted(result(out="old", err="e"), result(LVS, "x"), result(out="new")), tmp_path)
    for argv in (UNAME, LVS, UNAME):
        ask(recording, argv)
    assert ask(ReplayHosts(tmp_path)) == result(out="new")
    files = {file.name for file in (tmp_path / "nodes/pve-a").iterdir()}
    assert files == {"commands.tsv", "uname-n.out", "lvs-o-lv-name.out"}


def test_the_bundle_is_whole_after_each_command(tmp_path):
    recording = RecordingHosts(Scripted(*[result((f"c{n}",)) for n in range(5)]), tmp_path)
    for number in range(5):
        ask(recording, (f"c{number}",))
        assert len(read_commands((tmp_path / "nodes/pve-a/commands.tsv").read_text(), "")) == number + 1


def test_commands_that_would_get_the_same_name_get_different_files(tmp_path):
    alike = [("cat", "/a/b"), ("cat", "/a-b"), ("cat", "a b"), ("é",), ("ü",)]
    recording = RecordingHosts(Scripted(*[result(argv, argv[-1]) for argv in alike]), tmp_path, {alike[2]: "cat-a-b"})
    for argv in alike:
        ask(recording, argv)
    replay = ReplayHosts(tmp_path)
    assert [ask(replay, argv).out for argv in alike] == [argv[-1] for argv in alike]


ARGUMENTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0"), max_size=20)


@settings(deadline=None)
@given(
    argv=st.tuples(ARGUMENTS.filter(bool), ARGUMENTS, ARGUMENTS),
    out=st.binary(max_size=60),
    err=st.binary(max_size=60),
    exit_code=st.integers(0, 255).filter(lambda code: code != 124),
)
def test_whatever_a_command_printed_comes_back(argv, out, err, exit_code, tmp_path_factory):
    directory = tmp_path_factory.mktemp("bundle")
    seen = CommandResult(
        argv, exit_code, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape"), 7
    )
    ask(RecordingHosts(Scripted(seen), directory), argv)
    assert ask(ReplayHosts(directory), argv) == seen


@pytest.mark.parametrize("node", ["../../etc", "", ".", "..", "a/b"])
def test_a_node_whose_name_is_no_folder_is_refused(node, tmp_path):
    with pytest.raises(ConfigInvalid, match="not the name of a node"):
        RecordingHosts(Scripted(), tmp_path).run(node, UNAME, 5.0)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_plain_file_is_refused(tmp_path):
    with pytest.raises(ConfigInvalid, match="cannot be the name of a file"):
        RecordingHosts(Scripted(), tmp_path, {UNAME: "../uname"})


def test_a_recording_closes_what_it_records(tmp_path):
    inner = Scripted()
    recording = RecordingHosts(inner, tmp_path)
    recording.close()
    assert inner.is_closed
    assert recording.nodes() == ("pve-a",)


def test_a_bundle_is_started_for_its_owner_only_and_read_back(tmp_path):
    about = About("2026-11-22T10:38:53Z", "pve-a", "before the repair", "0.1.0")
    start_bundle(tmp_path / "new", about)
    ask(RecordingHosts(Scripted(result()), tmp_path / "new"))
    assert open_bundle(tmp_path / "new")[0] == about
    assert json.loads((tmp_path / "new/bundle.json").read_text())["format"] == 1
    for file in [tmp_path / "new", *(file for file in (tmp_path / "new").rglob("*") if file.is_file())]:
        assert not stat.S_IMODE(file.stat().st_mode) & 0o077


def test_a_bundle_is_never_written_over_something_else(tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(ConfigInvalid, match="is not empty"):
        start_bundle(tmp_path, About("2026-11-22T10:38:53Z", "pve-a"))


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigInvalid, match="cannot hold a bundle"):
        start_bundle(tmp_path / "file" / "new", About("2026-11-22T10:38:53Z", "pve-a"))
    with pytest.raises(ConfigInvalid, match="cannot be written"):
        ask(RecordingHosts(Scripted(result()), tmp_path / "file"))


def test_several_nodes_are_asked_each_by_its_own_hosts():
    one, other = Scripted(result(out="one")), Scripted(result(out="other"))
    hosts = HostsByNode({"pve-b": other, "pve-a": one})
    assert hosts.nodes() == ("pve-a", "pve-b")
    assert hosts.run("pve-b", UNAME, 5.0).out == "other"
    with pytest.raises(Unreachable, match="has no node of this name"):
        hosts.run("pve-c", UNAME, 5.0)
    hosts.close()
    assert one.is_closed
    assert other.is_closed
