"""What the command never does to a terminal, a pipe or a script, whoever chose the names it shows."""

import io
import json
import sys

import pytest

from pve_drbd.cli.main import main
from tests.cli.commands import MIGRATE, bundle_with, command, on_terminal, program
from tests.recorded import SCENARIOS

HEALTHY, SPLIT = "84-healthy-probed", "84-split-brain"


class Breaking(io.StringIO):
    """Stands for a stdout on which writing fails in a way of its own; it holds what was written before."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    def write(self, text):
        raise self._error


def test_ctrl_c_ends_with_could_not_find_out(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Breaking(KeyboardInterrupt()))

    assert main(["explain"]) == 3
    assert capsys.readouterr().err == "pve-drbd: interrupted\n"


def test_an_error_of_our_own_is_no_answer(monkeypatch, capsys):
    monkeypatch.delenv("PVE_DRBD_TRACE", raising=False)
    monkeypatch.setattr(sys, "stdout", Breaking(ValueError("a bug")))

    assert main(["explain"]) == 3
    assert "this is an error in pve-drbd itself, and no answer: ValueError: a bug" in capsys.readouterr().err


def test_an_error_of_our_own_can_be_traced(monkeypatch):
    monkeypatch.setenv("PVE_DRBD_TRACE", "1")
    monkeypatch.setattr(sys, "stdout", Breaking(ValueError("a bug")))

    with pytest.raises(ValueError, match="a bug"):
        main(["explain"])


@pytest.mark.parametrize(("scenario", "code"), [(HEALTHY, 0), (SPLIT, 1)])
def test_a_reader_that_has_gone_does_not_turn_a_no_into_a_yes(scenario, code):
    with program("--replay", str(SCENARIOS / scenario), *MIGRATE) as ran:
        ran.stdout.close()
        assert ran.stderr.read() == ""
    assert ran.returncode == code


def test_a_reader_that_goes_in_the_middle_of_a_long_answer_has_no_answer():
    with program("explain", "--output-format", "json-pretty", PYTHONUNBUFFERED="1") as ran:
        ran.stdout.close()
        assert ran.stderr.read() == ""
    assert ran.returncode == 3


ESCAPE = "\x1b"


def test_a_pipe_gets_plain_text():
    with program("--replay", str(SCENARIOS / SPLIT), "status") as ran:
        printed, _ = ran.communicate()
    assert ESCAPE not in printed
    assert "StandAlone" in printed


def test_a_terminal_gets_colours_unless_they_are_unwanted():
    words = ("--replay", str(SCENARIOS / SPLIT), "status")

    assert ESCAPE in on_terminal(*words)
    assert ESCAPE not in on_terminal(*words, NO_COLOR="1")


def test_a_terminal_without_unicode_gets_an_answer_all_the_same(tmp_path):
    bundle = renamed(tmp_path, {"name": "Z\u00fcrich \U0001f4a5"})
    with program("--replay", str(bundle), "status", PYTHONIOENCODING="ascii") as ran:
        printed, err = ran.communicate()
    assert (ran.returncode, err) == (0, "")
    assert "Z\\xfcrich" in printed


# Names and texts that somebody else chose.

HOSTILE = ("[red]markup[/red]", "[/]", "\x9b31mcolour", "\u202egnirts", "a\u2028b", "{braces}", "%s", "\ud800")


def renamed(tmp_path, changes):
    """A copy of the healthy pair in which guest 100 is listed with these changes."""
    bundle = bundle_with(tmp_path)
    file = bundle / "pve" / "cluster-resources-type-vm.json"
    guests = [{**each, **changes} if each.get("vmid") == 100 else each for each in json.loads(file.read_text())]
    file.write_text(json.dumps(guests) + "\n")
    return bundle


def assert_harmless(printed):
    assert all(line.isprintable() for line in printed.splitlines())
    assert printed.isascii() or printed.encode()


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_the_name_of_a_guest_is_shown_and_not_obeyed(capsys, tmp_path, name):
    bundle = renamed(tmp_path, {"name": name})

    for words in (("status",), MIGRATE):
        for output_format in ("text", "json"):
            ran = command(capsys, "--replay", str(bundle), *words, "--output-format", output_format)
            assert ran.code in (0, 3)
            assert_harmless(ran.out + ran.err)
    if name.isprintable():
        assert name in command(capsys, "--replay", str(bundle), "status").out


@pytest.mark.parametrize("reason", [b"\x1b[2J\x1b[31mred", b"\xff\xfe no text", b"[/] markup", b"\x07"], ids=repr)
def test_the_reason_of_a_silent_node_is_shown_and_not_obeyed(capsys, tmp_path, reason):
    bundle = bundle_with(tmp_path)
    (bundle / "nodes" / "proxmox-106" / "UNREACHABLE").write_bytes(reason + b"\n")

    for words in (("status",), MIGRATE):
        for output_format in ("text", "json"):
            ran = command(capsys, "--replay", str(bundle), *words, "--output-format", output_format)
            assert ran.code == 3
            assert_harmless(ran.out + ran.err)


@pytest.mark.parametrize("printed", [b"\x1b[2Jgone\n", b"\xff\xfe\n", b"[/]\n"], ids=repr)
def test_the_message_of_a_command_that_failed_is_shown_and_not_obeyed(capsys, tmp_path, printed):
    bundle = bundle_with(tmp_path)
    rows = bundle / "nodes" / "proxmox-106" / "commands.tsv"
    rows.write_text(rows.read_text().replace("lsblk\t0\t", "lsblk\t1\t"))
    (rows.parent / "lsblk.err").write_bytes(printed)

    for output_format in ("text", "json"):
        ran = command(capsys, "--replay", str(bundle), *MIGRATE, "--output-format", output_format)
        assert ran.code == 3
        assert_harmless(ran.out)


@pytest.mark.parametrize("taken_on", ["\x1b[2J", "px\n106", "[/]", "../px", "-px"], ids=repr)
def test_a_bundle_that_was_taken_on_no_node_is_not_read(capsys, tmp_path, taken_on):
    ran = command(capsys, "--replay", str(bundle_with(tmp_path, taken_on=taken_on)), "status")

    assert ran.code == 3
    assert_harmless(ran.out + ran.err)


def test_a_directory_with_a_hostile_name_is_told_and_not_obeyed(capsys, tmp_path):
    ran = command(capsys, "--replay", str(tmp_path / "\x1b[2Jnowhere\udcff"), "status")

    assert ran.code == 2
    assert_harmless(ran.err)
