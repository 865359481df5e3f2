"""A recording of PVE says again what PVE said, has no secrets in it, and never says more when it is damaged."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pve_drbd.adapters.pve_recorded import RecordingPve, ReplayPve
from pve_drbd.errors import ApiRefused, ConfigInvalid, PveDrbdError, Unreachable, Unreadable

SAMPLES = Path(__file__).parents[1] / "samples" / "pve-http"
RESOURCES = json.loads((SAMPLES / "9.2.11-050-cluster-resources.json").read_text())["response"]["body"]["data"]


class PveInMemory:
    """Stands for a PVE with one fixed answer, or error, for each path; it looks at no query."""

    def __init__(self, answers):
        self.answers = answers

    def get(self, path, /, **query):
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


def record(directory, answers):
    recording = RecordingPve(PveInMemory(answers), directory)
    for path in answers:
        with contextlib.suppress(PveDrbdError):
            recording.get(path)
    return ReplayPve(directory)


def written(directory):
    return "".join(file.read_text() for file in sorted((directory / "pve").iterdir()))


def bundle(directory, index, **files):
    (directory / "pve").mkdir()
    (directory / "pve" / "index.tsv").write_bytes(index)
    for name, content in files.items():
        (directory / "pve" / f"{name}.json").write_bytes(content)
    return ReplayPve(directory)


def test_a_bundle_as_the_design_shows_it_is_replayed(tmp_path):
    replay = bundle(tmp_path, b"/cluster/resources?type=vm\tcluster-resources-type-vm.json\n", **{
        "cluster-resources-type-vm": b'[{"vmid": 100}]\n'
    })  # fmt: skip

    assert replay.get("/cluster/resources", type="vm") == [{"vmid": 100}]


def test_a_recording_names_its_files_after_the_request(tmp_path):
    recording = RecordingPve(PveInMemory({"/cluster/resources": []}), tmp_path)
    recording.get("/cluster/resources", type="vm", all=True)

    assert (tmp_path / "pve/index.tsv").read_text() == (
        "/cluster/resources?all=1&type=vm\tcluster-resources-all-1-type-vm.json\n"
    )
    assert ReplayPve(tmp_path).get("/cluster/resources", all=1, type="vm") == []


def test_real_answers_are_replayed_as_they_were(tmp_path):
    replay = record(tmp_path, {"/cluster/resources": RESOURCES, "/version": {"release": "9.0"}, "/storage/x": None})

    assert replay.get("/cluster/resources") == RESOURCES
    assert replay.get("/version") == {"release": "9.0"}
    assert replay.get("/storage/x") is None


def test_a_path_asked_again_has_its_last_answer(tmp_path):
    pve = PveInMemory({"/version": 1})
    recording = RecordingPve(pve, tmp_path)
    recording.get("/version")
    pve.answers["/version"] = ApiRefused("/version", 500, "no")
    with pytest.raises(ApiRefused):
        recording.get("/version")

    with pytest.raises(ApiRefused):
        ReplayPve(tmp_path).get("/version")


def test_two_requests_never_share_a_file(tmp_path):
    paths = ["/a/b", "/a-b", "/a?b", "/a b", "/" + "long" * 100, "/" + "long" * 101]

    replay = record(tmp_path, {path: number for number, path in enumerate(paths)})

    assert [replay.get(path) for path in paths] == list(range(len(paths)))


def test_a_refusal_is_replayed_with_its_status_reason_and_fields(tmp_path):
    replay = record(
        tmp_path, {"/storage": ApiRefused("/storage", 400, "Parameter verification failed.", {"type": "bad"})}
    )

    with pytest.raises(ApiRefused) as refusal:
        replay.get("/storage")

    error = refusal.value
    assert (error.path, error.status, error.reason) == ("/storage", 400, "Parameter verification failed.")
    assert error.fields == {"type": "bad"}


def test_no_answer_is_replayed_as_no_answer(tmp_path):
    replay = record(tmp_path, {"/version": Unreachable("PVE at pve1:8006", "no answer in time")})

    with pytest.raises(Unreachable, match="no answer in time"):
        replay.get("/version")


def test_an_unreadable_answer_is_replayed_as_unreadable(tmp_path):
    replay = record(tmp_path, {"/version": Unreadable("PVE's answer to /version", 3, "cut off")})

    with pytest.raises(Unreadable, match=r"/version line 3 is unreadable: cut off"):
        replay.get("/version")


def test_an_answer_that_looks_like_an_error_stays_an_answer(tmp_path):
    lookalike = {"status": 500, "reason": "no", "fields": {}, "error": {"status": 500}}

    assert record(tmp_path, {"/version": lookalike}).get("/version") == lookalike


def test_what_was_not_recorded_is_not_in_the_bundle(tmp_path):
    with pytest.raises(Unreachable, match=r"/cluster/resources\?type=node, did not answer: not in the bundle"):
        record(tmp_path, {"/version": 1}).get("/cluster/resources", type="node")


def test_a_bundle_without_pve_is_a_pve_that_did_not_answer(tmp_path):
    with pytest.raises(Unreachable, match="PVE did not answer: not in the bundle"):
        ReplayPve(tmp_path).get("/version")


def test_a_second_recording_does_not_overwrite_the_first(tmp_path):
    record(tmp_path, {"/version": 1})

    with pytest.raises(ConfigInvalid, match="holds a recording already"):
        RecordingPve(PveInMemory({}), tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "pve").write_text("in the way")

    with pytest.raises(ConfigInvalid, match="cannot be written"):
        RecordingPve(PveInMemory({"/version": 1}), tmp_path).get("/version")


@pytest.mark.parametrize(
    "answer",
    [
        {"cipassword": "hunter2"},
        {"sshkeys": "hunter2", "description": "root password: hunter2"},
        [{"key": "cipassword", "value": "hunter2", "pending": "hunter2"}],
        {"lxc": [["lxc.environment", "hunter2"], ["lxc.cap.drop", ""]]},
        {"storage": "x", "password": "hunter2", "Encryption-Key": {"data": "hunter2"}},
        {"args": "-vnc 0.0.0.0:1,password=hunter2 -nodefaults"},
        [{"n": 1, "t": "PVEAPIToken=root@pam!test=hunter2"}, {"n": 2, "t": "secret=hunter2, ok"}],
    ],
)
def test_a_secret_is_handed_on_but_never_recorded(tmp_path, answer):
    live = RecordingPve(PveInMemory({"/config": answer}), tmp_path).get("/config")

    assert live == answer
    assert "hunter2" not in written(tmp_path)
    assert "(scrubbed)" in written(tmp_path)


def test_a_secret_in_a_refusal_is_never_recorded(tmp_path):
    record(tmp_path, {"/access": ApiRefused("/access", 500, "bad token=hunter2", {"password": "hunter2"})})

    assert "hunter2" not in written(tmp_path)


def test_what_decides_is_recorded_unchanged(tmp_path):
    config = {
        "digest": "a4afaf818715e928b20805c611f5c3bf2fbfc0bf",
        "scsi0": "drbdvg:vm-100-disk-0,cache=writeback,size=32G",
        "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
        "upid": "UPID:pve1:000002C0:00043211:6B02B93C:imgdel:123@hd:root@pam!token:",
        "tags": "secret;password",
    }

    assert record(tmp_path, {"/config": config}).get("/config") == config


def test_an_answer_nested_beyond_reason_is_unreadable(tmp_path):
    deep = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(Unreadable, match="nested too deeply"):
        RecordingPve(PveInMemory({"/version": deep}), tmp_path).get("/version")


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"\n",
        b"/version\tversion.json",
        b"/version version.json\n",
        b"/version\n",
        b"version\tversion.json\n",
        b"/version\t../../etc/version.json\n",
        b"/version\t.json\n",
        b"/version\tversion.json\t\n",
        b"/version\tversion.json\t500\n",
        b"/version\tversion.json\trefused\t\n",
        b"/version\tversion.json\n/version\tother.json\n",
        b"/version\tversion.json\n/storage\tversion.json\n",
        b"/version\tversion.json\n\n",
        b"/version\tversion.json\r\n",
        b"/version\tversion\xff.json\n",
    ],
)
def test_a_damaged_index_is_unreadable(tmp_path, index):
    with pytest.raises(Unreadable, match=r"pve/index\.tsv"):
        bundle(tmp_path, index, version=b"1\n", other=b"2\n").get("/version")


@pytest.mark.parametrize(
    "content", [b"", b"1", b"{\n", b"\xff\n", b"NaN\n", b'{"a":1,"a":2}\n', b"[" * 100_000 + b"\n"]
)
def test_a_damaged_answer_is_unreadable(tmp_path, content):
    with pytest.raises(Unreadable, match=r"pve/version\.json"):
        bundle(tmp_path, b"/version\tversion.json\n", version=content).get("/version")


@pytest.mark.parametrize("outcome", [b"refused", b"unreachable", b"unreadable"])
@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b"1", b'{"status": "x", "reason": "", "fields": {}, "why": 1, "line": 0}']
)
def test_the_record_of_an_error_without_its_parts_is_unreadable(tmp_path, outcome, content):
    replay = bundle(tmp_path, b"/version\tversion.json\t" + outcome + b"\n", version=content + b"\n")

    with pytest.raises(Unreadable, match=r"pve/version\.json is unreadable: not the record"):
        replay.get("/version")


def test_a_missing_file_is_unreadable(tmp_path):
    with pytest.raises(Unreadable, match=r"pve/version\.json is unreadable: missing"):
        bundle(tmp_path, b"/version\tversion.json\n").get("/version")


def test_a_file_larger_than_any_answer_is_unreadable(tmp_path):
    replay = bundle(tmp_path, b"/version\tversion.json\n", version=b"")
    os.truncate(tmp_path / "pve/version.json", 64 * 1024 * 1024 + 1)

    with pytest.raises(Unreadable, match="larger than"):
        replay.get("/version")


def test_an_answer_cut_off_at_any_byte_is_unreadable(tmp_path):
    record(tmp_path, {"/cluster/resources": RESOURCES})
    file = tmp_path / "pve/cluster-resources.json"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(Unreadable):
            ReplayPve(tmp_path).get("/cluster/resources")


@pytest.fixture(scope="module")
def two_guests(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bundle")
    configs = {f"/nodes/a/qemu/{vmid}/config": f"of {vmid}" for vmid in (100, 101)}
    record(directory, configs | {"/version": ApiRefused("/version", 500, "no")})
    return directory, (directory / "pve/index.tsv").read_bytes()


def replay_with(two_guests, index):
    directory, _ = two_guests
    (directory / "pve/index.tsv").write_bytes(index)
    return ReplayPve(directory)


def test_an_index_cut_off_at_any_byte_never_gives_another_answer(two_guests):
    _, whole = two_guests
    for length in range(len(whole)):
        try:
            answer = replay_with(two_guests, whole[:length]).get("/nodes/a/qemu/100/config")
        except (Unreadable, Unreachable):
            continue
        assert answer == "of 100"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_an_index_with_one_wrong_byte_never_gives_another_answer(two_guests, place, byte):
    damaged = bytearray(two_guests[1])
    damaged[place % len(damaged)] = byte
    for vmid in (100, 101):
        try:
            answer = replay_with(two_guests, bytes(damaged)).get(f"/nodes/a/qemu/{vmid}/config")
        except (Unreadable, Unreachable):
            continue
        assert answer == f"of {vmid}"


@settings(max_examples=200)
@given(noise=st.binary(max_size=60))
def test_any_bytes_for_an_answer_are_a_value_or_unreadable(tmp_path_factory, noise):
    replay = bundle(tmp_path_factory.mktemp("noise"), b"/version\tversion.json\n", version=noise)
    with contextlib.suppress(Unreadable):
        replay.get("/version")


def test_a_replay_loads_neither_proxmoxer_nor_requests_nor_tenacity():
    program = (
        "import sys, pve_drbd.adapters.pve_recorded\n"
        "print(*sorted({'proxmoxer', 'requests', 'urllib3', 'tenacity', 'jsonschema'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]

    loaded = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == ""
