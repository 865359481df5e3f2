"""What is collected answers as the pair itself did, and holds no secret."""

import json
import shutil

import pytest

from tests.cli.commands import command, replay
from tests.recorded import HERE, PEER, SCENARIOS
from tests.scenarios import ask, directories, expectation, questions, told

SECRETS = (b"my-secret", b"PVEAPIToken=", b"PRIVATE KEY")


def collected(capsys, tmp_path, scenario):
    directory = tmp_path / "collected"
    replay(capsys, scenario, "collect", str(directory))
    return directory


@pytest.mark.parametrize("scenario", directories(), ids=lambda path: path.name)
def test_a_bundle_made_of_a_pair_gives_the_same_answers(capsys, tmp_path, scenario):
    """Two of each scenario's questions will do: all of them rest on the same answers of nodes and API."""
    directory = collected(capsys, tmp_path, scenario.name)

    asked = [(name, words) for name, words in questions(scenario) if words[0] in ("check", "status")]
    for name, words in asked[:2]:
        assert told(*ask(directory, words)) == json.loads(expectation(scenario, name).read_text()), name


def test_a_bundle_holds_no_secret(capsys, tmp_path):
    recorded = b"".join(path.read_bytes() for path in (SCENARIOS / "84-healthy").rglob("*.out"))
    directory = collected(capsys, tmp_path, "84-healthy")

    kept = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())

    assert b"my-secret" in recorded
    assert not any(secret in kept for secret in SECRETS)
    assert b'name="shared-secret" value="scrubbed"' in kept


def test_a_bundle_is_readable_for_its_owner_only(capsys, tmp_path):
    directory = collected(capsys, tmp_path, "84-healthy")

    assert directory.stat().st_mode & 0o077 == 0


def test_a_bundle_made_of_a_bundle_is_the_same(capsys, tmp_path):
    first = collected(capsys, tmp_path, "84-split-brain")
    second = tmp_path / "again"
    command(capsys, "--replay", str(first), "collect", str(second))

    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())

    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    assert [path for path in files if (first / path).read_bytes() != (second / path).read_bytes()] == []


def test_every_guest_can_be_asked_about_afterwards(capsys, tmp_path):
    directory = collected(capsys, tmp_path, "84-healthy")

    codes = [
        command(capsys, "--replay", str(directory), "check", "migration", vmid, "--to", target).code
        for vmid, target in (("100", PEER), ("101", HERE), ("102", PEER), ("103", HERE))
    ]

    assert codes == [0, 0, 0, 0]


def test_collecting_tells_where_the_bundle_is_and_how_to_use_it(capsys, tmp_path):
    directory = tmp_path / "bundle"

    ran = replay(capsys, "84-healthy", "collect", str(directory))

    assert (ran.code, ran.err) == (0, "")
    assert f"Recorded {HERE}, {PEER} and Proxmox VE in {directory}, without secrets." in ran.out
    assert f"pve-drbd --replay {directory} status" in ran.out


def test_collecting_tells_programs_the_same(capsys, tmp_path):
    directory = tmp_path / "bundle"

    ran = replay(capsys, "84-healthy", "collect", str(directory), "--output-format", "json")

    assert json.loads(ran.out) == {"format": 1, "directory": str(directory), "nodes": [HERE, PEER], "silent": []}


def test_a_silent_node_is_recorded_as_silent(capsys, tmp_path):
    directory = tmp_path / "bundle"

    ran = replay(capsys, "84-peer-unreachable", "collect", str(directory), "--output-format", "json")

    assert ran.code == 3
    assert json.loads(ran.out)["silent"] == [PEER]
    assert f"{PEER} did not answer; the bundle says why" in ran.err
    assert (directory / "nodes" / PEER / "UNREACHABLE").exists()


def test_nothing_that_is_there_already_is_overwritten(capsys, tmp_path):
    (tmp_path / "notes").write_text("mine\n")

    ran = replay(capsys, "84-healthy", "collect", str(tmp_path))

    assert ran.code == 2
    assert "is not empty, and nothing there is overwritten" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_a_directory_that_cannot_be_made_is_told(capsys, tmp_path):
    (tmp_path / "file").write_text("")

    ran = replay(capsys, "84-healthy", "collect", str(tmp_path / "file" / "bundle"))

    assert ran.code == 2
    assert "cannot hold a bundle" in ran.err


def test_a_bundle_without_pves_half_is_collected_as_it_is(capsys, tmp_path):
    bundle = shutil.copytree(SCENARIOS / "84-healthy", tmp_path / "half")
    shutil.rmtree(bundle / "pve")
    directory = tmp_path / "bundle"

    assert command(capsys, "--replay", str(bundle), "collect", str(directory)).code == 0
    assert command(capsys, "--replay", str(directory), "check", "migration", "100", "--to", PEER).code == 3


def test_a_bundle_of_a_split_pair_gives_the_same_plan(capsys, tmp_path):
    split = SCENARIOS / "84-split-brain"

    bundle = collected(capsys, tmp_path, split)

    assert ask(bundle, ["plan", "evacuation"]) == ask(split, ["plan", "evacuation"])
