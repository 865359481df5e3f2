"""The watcher: when a link was lost and what was so then, however the stream, the disk or the clock behave."""

import json
import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.adapters.state_dir import StateDir
from pve_drbd.adapters.stream import Stream
from pve_drbd.errors import Unreachable, Unreadable
from pve_drbd.model.survey import NoView
from pve_drbd.model.watch import Moment
from pve_drbd.readers.events2 import read_event
from pve_drbd.readers.watch_state import read_watch_state, watch_state_text
from pve_drbd.service.links import Links
from pve_drbd.service.memory import FILE, Memory
from pve_drbd.service.watch import Pace, Watch, active_lvs
from tests.pairs import two_nodes
from tests.service.parts import HEALTHY, ROOT, A, B, Fed, Time, healthy, wait_until

SAMPLES = ROOT / "tests" / "samples" / "events2-stream"
STREAM_84 = (SAMPLES / "8.4.11-verify-peer-reboot-peer-crash-105.txt").read_text().splitlines()
STREAM_9 = (SAMPLES / "9.2.18-split-brain-and-recovery-105.txt").read_text().splitlines()
DUMP = STREAM_84[:9]
CUT = "change connection name:r0 peer-node-id:0 conn-name:peer connection:NetworkFailure role:Unknown"
OFF = "change peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Off peer-disk:DUnknown"
BACK = (
    "change connection name:r0 peer-node-id:0 conn-name:peer connection:Connected role:Primary",
    "change peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Established peer-disk:UpToDate",
)
HANDSHAKE = (
    "change connection name:r0 peer-node-id:0 conn-name:peer connection:Connected",
    "change connection name:r0 peer-node-id:0 connection:StandAlone",
)
QUICK = Pace(module_s=0.02, first_s=0.01, last_s=0.04, settled_s=60)


class Node:
    """A watched node: its clock, its state directory, the streams that drbdsetup gives one after the other."""

    def __init__(self, tmp_path, *streams, local=None, module=True):
        self.time, self.state = Time(), tmp_path / "state"
        self.module = tmp_path / "module"
        if module:
            self.module.mkdir(exist_ok=True)
        self.streams = list(streams)
        self.opened = 0
        self.heard = []
        self.memory = Memory(A, StateDir(str(self.state)), self.time)
        self.watch = Watch(
            A, local or healthy(), self.memory, open_stream=self.open, module=str(self.module), pace=QUICK
        )
        self.watch.subscribe(self.heard.append)

    def open(self):
        self.opened += 1
        if not self.streams:
            raise Unreachable("drbdsetup", "it could not be started")
        return self.streams.pop(0)

    def losses(self):
        return self.memory.known().losses

    def written(self):
        path = self.state / FILE
        return read_watch_state(path.read_text(), FILE) if path.exists() else None


@pytest.fixture
def node(tmp_path):
    """Makes watched nodes, one life after the other on the same state directory; each is stopped at the end."""
    made = []

    def start(*streams, **parts):
        for each in made:
            each.watch.stop()
        made.append(Node(tmp_path, *streams, **parts))
        made[-1].watch.start()
        return made[-1]

    yield start
    for each in made:
        each.watch.stop()


def key(losses):
    return sorted(losses)


def test_a_lost_link_is_told_and_remembered_with_what_was_active_here(node):
    stream = Fed(*DUMP, CUT)
    here = node(stream)

    assert wait_until(lambda: here.written() and not isinstance(here.written().losses[("r0", "")].active, NoView))
    loss = here.written().losses["r0", ""]
    assert [(each.resource, each.state, each.saw) for each in here.heard if each.is_lost] == [
        ("r0", "NetworkFailure", True)
    ]
    assert loss.saw
    assert loss.lost == here.time()
    assert [each.name for each in loss.active] == [
        each.name for each in active_lvs(recorded("dmsetup"), recorded("diskstats"))
    ]
    assert loss.active


def recorded(name):
    return (HEALTHY / "nodes" / A / f"{name}.out").read_text()


def test_the_counters_are_those_of_the_lv_s_own_device():
    dmsetup = "drbdvg-vm--100--disk--0:253:3:1:LVM-" + "v" * 32 + "l" * 32 + "\nother:253:4:0:\n"
    diskstats = " 253 3 dm-3 1 2 3 4 50 6 700 8 0 9 10\n 253 4 dm-4 0 0 0 0 0 0 0 0 0 0 0\n"

    (found,) = active_lvs(dmsetup, diskstats)

    assert (found.name, found.writes, found.sectors_written) == ("drbdvg/vm-100-disk-0", 50, 700)
    with pytest.raises(Unreadable):
        active_lvs(dmsetup, " 253 4 dm-4 0 0 0 0 0 0 0 0 0 0 0\n")


def test_the_first_moment_counts_until_the_link_is_whole_again(node):
    stream = Fed(*DUMP, CUT, OFF)
    here = node(stream)
    assert wait_until(here.losses)
    first = here.losses()["r0", ""].lost

    here.time.pass_s(60)
    stream.feed(*HANDSHAKE)
    assert wait_until(lambda: sum(each.is_lost for each in here.heard) == 2)

    # 8.4 says Connected during the handshake that finds the split brain: the loss began before it.
    assert here.losses()["r0", ""].lost == first
    stream.feed(*BACK)
    assert wait_until(lambda: not here.losses())


@pytest.mark.parametrize(
    ("lines", "peer", "told"),
    [
        (STREAM_84, "", ["r0 TearDown", "r0 whole", "r1 NetworkFailure", "r0 NetworkFailure", "r0 whole"]),
        (STREAM_9, B, ["r1 NetworkFailure", "r0 NetworkFailure"]),
    ],
)
def test_real_streams_give_each_loss_once_and_its_end(lines, peer, told):
    links = Links()
    changes = [change for line in lines for change in links.apply(read_event(line + "\n"))]

    first = next(number for number, each in enumerate(changes) if each.is_lost)
    found = [f"{each.resource} {each.state if each.is_lost else 'whole'}" for each in changes[first:]]
    assert found == told
    assert {each.peer for each in changes} == {peer}


def folded(*lines):
    """The changes that follow from `lines` after a healthy dump."""
    links = Links()
    changes = [change for line in (*DUMP, *lines) for change in links.apply(read_event(line + "\n"))]
    return [f"{each.resource} {each.state}" for each in changes if each.is_lost]


def test_a_resource_that_is_taken_down_has_lost_its_link():
    down = (
        "destroy peer-device name:r0 peer-node-id:0 conn-name:peer volume:0",
        "destroy connection name:r0 peer-node-id:0 conn-name:peer",
        "destroy device name:r0 volume:0 minor:0",
        "destroy resource name:r0",
    )
    up = (
        "create resource name:r0 role:Secondary suspended:no",
        "create connection name:r0 peer-node-id:0 conn-name:peer connection:StandAlone role:Unknown",
        "create peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Off peer-disk:DUnknown",
        "change connection name:r0 peer-node-id:0 conn-name:peer connection:Connecting",
    )

    assert folded(*down) == ["r0 gone"]
    assert folded(*down, *up) == ["r0 gone"]
    assert folded(*down[:1], down[0]) == []


def test_a_volume_of_a_connection_that_nobody_told_of_does_not_fit():
    with pytest.raises(Unreadable, match="without its connection"):
        folded("change peer-device name:r0 peer-node-id:7 conn-name:c volume:0 replication:Off")


def test_a_third_node_s_link_is_not_the_target_s():
    links = Links()
    lines = [line.replace("proxmox-106", "third").replace("node-id:1", "node-id:2") for line in STREAM_9[1:4]]
    for line in (*STREAM_9[:4], *lines, STREAM_9[10]):
        list(links.apply(read_event(line + "\n")))
    list(links.apply(read_event(lines[0].replace("exists", "change").replace("Connected", "Connecting") + "\n")))

    assert links.lost("r0", "third") == "Connecting"
    assert links.lost("r0", B) == ""


def test_a_link_found_lost_has_no_time_and_no_counters(node):
    here = node(Fed(*(line.replace("Connected role:Primary", "StandAlone role:Unknown") for line in DUMP)))

    assert wait_until(lambda: len(here.losses()) == 2)
    loss = here.losses()["r0", ""]
    assert not loss.saw
    assert isinstance(loss.active, NoView)


@pytest.mark.parametrize(
    "broken",
    [
        "- skipped 3",
        "change connection name:r9 peer-node-id:0 connection:StandAlone",
        "change connection name:r0 connection:StandAlone",
        "change connection name:r0 peer-node-id:0 connection:StandAlon",
        "exists nonsense",
        "rename resource name:r0 new_name:r9",
    ],
)
def test_a_line_that_does_not_fit_begins_a_new_stream(node, broken):
    here = node(Fed(*DUMP, broken), Fed(*DUMP, CUT))

    assert wait_until(lambda: here.losses() and here.opened == 2)


def test_a_stream_that_ends_is_started_again_with_longer_and_longer_pauses(node):
    stream = Fed(*DUMP)
    stream.end()
    here = node(stream)

    assert wait_until(lambda: here.opened >= 5)


def test_a_loss_between_two_streams_is_found_but_was_not_seen(node):
    first = Fed(*DUMP)
    first.end()
    here = node(first, Fed(*(line.replace("Connected role:Primary", "Connecting role:Unknown") for line in DUMP)))

    assert wait_until(lambda: len(here.losses()) == 2)
    assert not here.losses()["r1", ""].saw
    assert [each.saw for each in here.heard if each.is_lost] == [False, False]


def test_without_the_module_nothing_is_asked_until_it_is_there(node):
    here = node(Fed(*DUMP, CUT), module=False)
    assert not wait_until(lambda: here.opened, 0.1)

    here.module.mkdir()

    assert wait_until(here.losses)


def test_a_loss_survives_a_restart_of_the_service(node):
    first = node(Fed(*DUMP, CUT))
    assert wait_until(lambda: first.written() and not isinstance(first.written().losses[("r0", "")].active, NoView))

    second = node(
        Fed(*(line.replace("Connected role:Primary", "Connecting role:Unknown") for line in DUMP[:4]), DUMP[8])
    )
    second.time.pass_s(600)
    assert wait_until(lambda: second.heard)

    assert second.losses()["r0", ""] == first.losses()["r0", ""]


def test_a_damaged_state_is_told_and_begun_anew(node, tmp_path, caplog):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).write_text('{"format": 1, "losses": [{"resource": 5}], "peers": []}')

    here = node(Fed(*DUMP, CUT))

    assert wait_until(lambda: "r0" in (here.state / FILE).read_text())
    assert [each for each in caplog.records if "state-damaged" in each.getMessage()]


def test_every_state_reads_back_as_it_was_written(node):
    here = node(Fed(*DUMP, CUT))
    here.watch.note(pair())
    assert wait_until(lambda: here.written() and here.written().peers and here.losses())

    known = here.memory.known()
    assert read_watch_state(watch_state_text(known), "x") == known


def test_a_torn_state_is_never_half_believed():
    text = watch_state_text(read_watch_state('{"format": 1, "losses": [], "peers": []}', "x"))
    for end in range(len(text) - 2):
        with pytest.raises(Unreadable):
            read_watch_state(text[:end], "x")


def pair():
    """A survey of this node and pveB."""
    survey = two_nodes()
    return replace(survey, nodes={A: survey.nodes["pveA"], "pveB": survey.nodes["pveB"]})


def test_the_peer_s_active_lvs_are_those_of_the_last_survey_before_the_loss(node):
    stream = Fed(*DUMP)
    here = node(stream)
    here.watch.note(pair().with_lv("pveB", is_active=True, device=(253, 0)))
    seen = here.memory.known().peers["pveB"]
    stream.feed(CUT)
    assert wait_until(here.losses)

    here.watch.note(pair())

    assert [name for _, _, name in seen.lvs] == ["drbdvg/vm-100-disk-0"]
    assert here.losses()["r0", ""].peer_active.lvs == seen.lvs


def test_without_a_survey_the_peer_is_unknown_and_not_empty(node):
    here = node(Fed(*DUMP, CUT))

    assert wait_until(here.losses)
    assert isinstance(here.losses()["r0", ""].peer_active, NoView)


@pytest.mark.parametrize(
    ("step_s", "boot_id", "is_known"),
    [(0, "boot-1", True), (1, "boot-1", True), (3600, "boot-1", False), (-3600, "boot-1", False), (0, "boot-2", False)],
)
def test_a_stepped_clock_makes_the_time_of_the_loss_unknown(step_s, boot_id, is_known):
    then = Moment(1_800_000_000.0, 50.0, "boot-1")
    now = Moment(then.seen_at + 600 + step_s, then.monotonic_s + 600, boot_id)

    assert (then.seen_at_by(now) == then.seen_at) is is_known
    assert isinstance(then.seen_at_by(now), NoView) is not is_known


def read_only(tmp_path):
    """A state directory below a plain file: no user, not even root, can write there."""
    (tmp_path / "plain").write_text("")
    return StateDir(str(tmp_path / "plain" / "state"))


def test_a_state_directory_that_takes_nothing_is_told_once(tmp_path, caplog):
    state = read_only(tmp_path)

    assert [state.write("watch.json", "x") for _ in range(5)] == [False] * 5
    assert state.read("watch.json") == ""
    assert len([each for each in caplog.records if each.levelno == logging.ERROR]) == 1


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch):
    state = StateDir(str(tmp_path))
    assert state.write("a", "old")

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert not state.write("a", "new")
    assert state.read("a") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_the_watcher_goes_on_without_its_disk(tmp_path):
    here = Node(tmp_path, stream := Fed(*DUMP, CUT))
    here.memory._state = read_only(tmp_path)
    here.watch.start()

    assert wait_until(here.losses)
    stream.feed(*BACK)
    assert wait_until(lambda: not here.losses())
    here.watch.stop()


def test_a_device_that_cannot_be_read_is_said_so(node):
    class Broken:
        def run(self, name, argv, timeout_s):
            if argv[0] == "dmsetup":
                return CommandResult(argv, 1, "", "no", 1)
            raise Unreachable(name, "hangs")

    here = node(Fed(*DUMP, CUT), local=Broken())

    assert wait_until(lambda: here.written() and "exit code" in here.written().losses["r0", ""].active.reason)


def test_stopping_ends_the_child_and_both_threads(tmp_path):
    (tmp_path / "module").mkdir()
    script = tmp_path / "events2"
    script.write_text("#!/bin/sh\ncat <<'EOF'\n" + "\n".join(DUMP) + "\nEOF\nexec sleep 60\n")
    script.chmod(0o755)
    memory = Memory(A, StateDir(str(tmp_path / "state")), Time())
    streams = []

    def open_stream():
        streams.append(Stream((str(script),)))
        return streams[-1]

    watch = Watch(A, healthy(), memory, open_stream=open_stream, module=str(tmp_path / "module"), pace=QUICK)
    before = set(threading.enumerate())
    watch.start()
    assert wait_until(lambda: watch.lost("r0", B) == "" and watch._links.is_told)

    watch.stop()

    assert wait_until(lambda: set(threading.enumerate()) <= before)
    assert streams[0]._child.poll() is not None


def test_a_real_child_tells_how_it_ended():
    stream = Stream(("sh", "-c", "echo one; printf torn; echo why >&2; exit 20"))

    with pytest.raises(Unreachable, match="exit code 20: why"):
        list(stream.lines())


def test_a_real_child_gives_whole_lines_only():
    stream = Stream(("sh", "-c", "echo one; printf torn"))
    lines = stream.lines()

    assert next(lines) == "one\n"
    with pytest.raises(Unreachable):
        next(lines)


def test_a_program_that_is_not_there_is_no_stream():
    with pytest.raises(Unreachable, match="could not be started"):
        Stream(("/no/such/drbdsetup",))


def test_the_state_file_is_one_line_of_json_for_root_only(node):
    here = node(Fed(*DUMP, CUT))
    assert wait_until((here.state / FILE).exists)

    assert (here.state / FILE).stat().st_mode & 0o777 == 0o600
    assert json.loads(Path(here.state / FILE).read_text())["format"] == 1
