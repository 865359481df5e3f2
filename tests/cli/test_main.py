"""The command line: what it takes, what its exit code says, and what it never does to a terminal or a script."""

import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest

from pve_drbd.cli.main import build_parser
from pve_drbd.data import shipped_text
from pve_drbd.findings import catalogue
from tests.cli.commands import MIGRATE, bundle_with, command, replay
from tests.recorded import SCENARIOS
from tests.scenarios import ask, cases

REPORT = json.loads(shipped_text("report.schema.json"))
HEALTHY, SPLIT, CUT_OFF = "84-healthy-probed", "84-split-brain", "84-truncated-answer"


# Exit codes.


@pytest.mark.parametrize(
    ("scenario", "code", "word"),
    [(HEALTHY, 0, "ALLOWED"), (SPLIT, 1, "REFUSED"), (CUT_OFF, 3, "NOT KNOWN")],
)
def test_the_exit_code_and_the_first_line_are_the_verdict(capsys, scenario, code, word):
    ran = replay(capsys, scenario, *MIGRATE)

    assert ran.code == code
    assert ran.out.startswith(f"{word}: guest 100 ")
    assert ran.err == ""


@pytest.mark.parametrize(
    ("scenario", "code", "words"), [(HEALTHY, 0, "HEALTHY:"), (SPLIT, 1, "NOT HEALTHY:"), (CUT_OFF, 3, "NOT KNOWN:")]
)
def test_the_first_line_of_status_is_the_verdict_too(capsys, scenario, code, words):
    ran = replay(capsys, scenario, "status")

    assert ran.code == code
    assert ran.out.startswith(words)


@pytest.mark.parametrize(("scenario", "code"), [("84-older-copy", 1), (HEALTHY, 0)])
def test_a_start_is_answered_for_the_node_of_the_guest(capsys, scenario, code):
    ran = replay(capsys, scenario, "check", "start", "100" if code == 0 else "101")

    assert ran.code == code
    assert " start on proxmox-10" in ran.out.splitlines()[0]


@pytest.mark.parametrize("mode", ["live", "offline", "restart"])
def test_the_mode_can_be_asked_for(capsys, mode):
    ran = replay(capsys, SPLIT, *MIGRATE, f"--{mode}", "--output-format", "json")

    assert ran.code == 1
    assert json.loads(ran.out)["question"]["mode"] == mode


WRONG = [
    (),
    ("nonsense",),
    ("check",),
    ("check", "nonsense"),
    ("check", "migration"),
    ("check", "migration", "100"),
    ("check", "migration", "--to", "pveB"),
    ("check", "migration", "0", "--to", "pveB"),
    ("check", "migration", "-5", "--to", "pveB"),
    ("check", "migration", "1000000000", "--to", "pveB"),
    ("check", "migration", "\u0661\u0660\u0660", "--to", "pveB"),
    ("check", "migration", "100; reboot", "--to", "pveB"),
    ("check", "migration", "100", "--to", ""),
    ("check", "migration", "100", "--to", "../pveB"),
    ("check", "migration", "100", "--to", "pveB\n"),
    ("check", "migration", "100", "--to", "pv\u00e9B"),
    ("check", "migration", "100", "--to", "pveB", "--live", "--offline"),
    ("check", "start"),
    ("check", "start", "100", "200"),
    ("status", "--output-format", "xml"),
    ("status", "--interval", "soon"),
    ("status", "--interval", "0"),
    ("status", "--interval", "nan"),
    ("explain", "DRBD-E102", "DRBD-E103"),
    ("collect",),
    ("--replay",),
]


@pytest.mark.parametrize("words", WRONG, ids=repr)
def test_wrong_usage_is_told_on_stderr_and_answers_nothing(capsys, words):
    ran = command(capsys, *words)

    assert ran.code == 2
    assert ran.out == ""
    assert "usage: pve-drbd" in ran.err


@pytest.mark.parametrize("words", [("--help",), ("check", "migration", "--help"), ("--version",)])
def test_asking_for_help_is_no_error(capsys, words):
    ran = command(capsys, *words)

    assert ran.code == 0
    assert "pve-drbd" in ran.out


# Where the answer comes from.


def test_replay_may_stand_before_or_after_the_verb(capsys):
    bundle = str(SCENARIOS / SPLIT)

    before = command(capsys, "--replay", bundle, "--output-format", "json", *MIGRATE)
    after = command(capsys, *MIGRATE, "--output-format", "json", "--replay", bundle)

    assert before == after
    assert json.loads(before.out)["replay"] is True


def test_an_option_after_the_verb_beats_the_one_before(capsys):
    ran = command(capsys, "--replay", str(SCENARIOS / SPLIT), *MIGRATE, "--replay", str(SCENARIOS / HEALTHY))

    assert ran.code == 0


def test_a_directory_that_is_not_there_is_wrong_usage(capsys, tmp_path):
    ran = command(capsys, "--replay", str(tmp_path / "nowhere"), "status")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("pve-drbd: ")
    assert "is not a bundle" in ran.err


def test_a_directory_without_a_bundle_is_wrong_usage(capsys, tmp_path):
    assert command(capsys, "--replay", str(tmp_path), *MIGRATE).code == 2


def test_a_file_is_no_bundle(capsys):
    assert command(capsys, "--replay", str(SCENARIOS / HEALTHY / "bundle.json"), *MIGRATE).code == 2


def test_a_bundle_of_a_later_format_is_not_guessed_at(capsys, tmp_path):
    ran = command(capsys, "--replay", str(bundle_with(tmp_path, format=2)), *MIGRATE)

    assert ran.code == 2
    assert "is a bundle of format 2, this pve-drbd reads 1. Update pve-drbd" in ran.err


def test_a_bundle_that_says_nonsense_of_itself_could_not_be_read(capsys, tmp_path):
    assert command(capsys, "--replay", str(bundle_with(tmp_path, format="1")), *MIGRATE).code == 3


@pytest.mark.skipif(os.path.exists("/etc/pve"), reason="this is a Proxmox VE node")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as the live pair does")
def test_a_machine_without_proxmox_ve_could_not_find_out(capsys):
    ran = command(capsys, *MIGRATE)

    assert (ran.code, ran.out) == (3, "")
    assert "/etc/pve/.members" in ran.err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to stop being root")
def test_the_live_pair_is_for_root_only(capsys):
    os.seteuid(65534)
    try:
        ran = command(capsys, "status")
    finally:
        os.seteuid(0)

    assert ran.code == 2
    assert "can be asked by root only" in ran.err


def test_watching_a_recording_is_refused(capsys):
    ran = replay(capsys, HEALTHY, "status", "--watch")

    assert (ran.code, ran.out) == (2, "")
    assert "--watch shows the live pair as text" in ran.err


def test_watching_is_for_people(capsys):
    assert command(capsys, "status", "--watch", "--output-format", "json").code == 2


# The forms of an answer.


def test_json_on_one_line_and_pretty_json_are_the_same(capsys):
    short = replay(capsys, SPLIT, *MIGRATE, "--output-format", "json")
    long = replay(capsys, SPLIT, *MIGRATE, "--output-format", "json-pretty")

    assert short.out.count("\n") == 1
    assert long.out.count("\n") > 10
    assert json.loads(short.out) == json.loads(long.out)
    jsonschema.validate(json.loads(short.out), REPORT)


def test_the_chief_reason_comes_first_and_reasons_with_one_remedy_together(capsys):
    lines = replay(capsys, SPLIT, *MIGRATE).out.splitlines()

    why = lines.index("Why:")
    assert lines[why + 1].startswith("  DRBD-E113  r0/0: proxmox-105 and proxmox-106 have each gone their own way")
    assert [line[2:11] for line in lines if line.startswith("  DRBD-E102")] == ["DRBD-E102"] * 2
    assert lines[-1] == "More on a code: pve-drbd explain DRBD-E113"


@pytest.mark.parametrize("scenario", [SPLIT, CUT_OFF, "84-suspended-io", "pve-drive-options"])
def test_no_line_below_the_verdict_is_wider_than_a_screen(capsys, scenario):
    _, *lines = replay(capsys, scenario, *MIGRATE).out.splitlines()

    assert max(len(line) for line in lines) <= 100


# Explain.


def test_a_code_is_explained_in_whatever_case_it_is_typed(capsys):
    upper, lower = command(capsys, "explain", "DRBD-E102"), command(capsys, "explain", "drbd-e102")

    assert upper.code == 0
    assert upper.out == lower.out
    assert upper.out.startswith("DRBD-E102  StandAlone (blocker for live, offline, restart)\n")


@pytest.mark.parametrize(
    ("code", "weight"),
    [
        ("VIEW-E001", "(blocker for everything; it means that something could not be found out)"),
        ("LVM-W211", "(warning)"),
        ("VIEW-N006", "(notice)"),
    ],
)
def test_the_weight_of_a_code_is_told(capsys, code, weight):
    assert weight in command(capsys, "explain", code).out.splitlines()[0]


@pytest.mark.parametrize("code", catalogue())
def test_every_code_can_be_explained_both_ways(capsys, code):
    entry = catalogue()[code]

    assert entry.title in command(capsys, "explain", code).out
    (told,) = json.loads(command(capsys, "explain", code, "--output-format", "json").out)["codes"]
    assert (told["code"], told["severity"], told["remedy"]) == (code, entry.severity.value, entry.remedy)


def test_without_a_code_all_are_listed(capsys):
    listed = command(capsys, "explain")

    assert [line.split()[0] for line in listed.out.splitlines()] == list(catalogue())
    as_json = json.loads(command(capsys, "explain", "--output-format", "json").out)
    assert [each["code"] for each in as_json["codes"]] == list(catalogue())


def test_a_code_that_does_not_exist_is_wrong_usage(capsys):
    ran = command(capsys, "explain", "DRBD-E999")

    assert (ran.code, ran.out) == (2, "")
    assert "there is no code DRBD-E999; the list of all: pve-drbd explain" in ran.err


def test_the_grammar_knows_every_verb_of_the_scenarios():
    parser = build_parser()
    for scenario, _, words in cases():
        assert parser.parse_args(["--replay", str(scenario), *words]).replay == str(scenario)


def test_the_answers_of_a_scenario_do_not_depend_on_the_place_of_its_directory(tmp_path):
    moved = Path(shutil.copytree(SCENARIOS / SPLIT, tmp_path / "elsewhere"))

    assert ask(moved, MIGRATE) == ask(SCENARIOS / SPLIT, MIGRATE)
