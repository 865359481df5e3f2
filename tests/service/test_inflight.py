"""The in-flight guard: a migration is ended when its link is lost, never too late, and never another process."""

import contextlib
import json
import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pve_drbd.adapters.hosts import CommandResult, HostsByNode
from pve_drbd.adapters.local import LocalCommands
from pve_drbd.adapters.qmp import GuestRun, ask_guest
from pve_drbd.adapters.state_dir import StateDir
from pve_drbd.adapters.worker import Worker
from pve_drbd.errors import Unreachable, Unreadable
from pve_drbd.model.task import Move
from pve_drbd.readers.moves import moves_text, read_moves
from pve_drbd.readers.upid import read_upid
from pve_drbd.service.aftermath import Aftermath
from pve_drbd.service.guard import LiveGuard, pings_of
from pve_drbd.service.inflight import FILE, InFlight, Step, Tempo, step_for
from pve_drbd.service.memory import Memory
from pve_drbd.service.protocol import Question, read_question
from pve_drbd.service.refusals import Refusals
from pve_drbd.service.watch import Pace, Watch
from tests.service.parts import (
    HEALTHY,
    MIGRATION,
    A,
    B,
    Fed,
    Piped,
    Qemu,
    Time,
    ask,
    gate_on,
    healthy,
    running,
    serving,
    title_of,
    wait_until,
    worker,
)
from tests.service.test_watch import CUT, DUMP, read_only

PING = ("eth1", "10.0.7.105", "10.0.7.106")
REPLY = (HEALTHY / "nodes" / A / "ping.out").read_text()
NO_REPLY = REPLY.replace("2 received, 0% packet loss", "0 received, 100% packet loss")
QUICK = Tempo(ping_s=0.05, look_s=0.02, end_s=2.0)


class OneNode(LocalCommands):
    """A node that runs commands here for real, below folders of its own, and pings what a test says."""

    def __init__(self, name, folders, state):
        super().__init__(name)
        self.moved, self.pinged, self.is_silent = {str(folders): str(state)}, REPLY, False

    def run(self, node, argv, timeout_s):
        if self.is_silent:
            raise Unreachable(node, "nobody answers")
        if argv[0] == "ping":
            return CommandResult(argv, 0 if self.pinged is REPLY else 1, self.pinged, "", 5)
        for old, new in self.moved.items():
            argv = tuple(new + each[len(old) :] if each.startswith(old) else each for each in argv)
        return super().run(node, argv, timeout_s)


class Pair:
    """Two nodes with a guest 100 on A that is to move to B: its QEMU, its links, and the guard of A."""

    def __init__(self, tmp_path, stream=None):
        self.here, self.there = tmp_path / "a", tmp_path / "b"
        for folder in (self.here, self.there):
            (folder / "run").mkdir(parents=True)
        (tmp_path / "module").mkdir()
        self.local = OneNode(A, self.here, self.here)
        self.peer = OneNode(B, self.here, self.there)
        self.stream, self.next_stream, self.told = stream or Fed(*DUMP), Fed(*DUMP), []
        self.state = StateDir(str(self.here / "state"))
        memory = Memory(A, self.state, Time())
        streams = [self.next_stream, self.stream]
        self.watch = Watch(
            A,
            healthy(),
            memory,
            open_stream=streams.pop,
            module=str(tmp_path / "module"),
            pace=Pace(first_s=0.01, last_s=0.02),
        )
        self.refusals = Refusals(self.state)
        self.tempo = QUICK
        self.lives = []

    def guard(self):
        pair = HostsByNode({A: self.local, B: self.peer})
        aftermath = Aftermath(
            A, self.local, lambda: pair, self.refusals, self.told.append, str(self.here / "run"), lambda _s: None
        )
        return InFlight(self.local, self.watch, aftermath, self.state, self.tempo)

    def qemu(self, *states, **more):
        self.lives.append(Qemu(self.here / "run" / "100.qmp", *states, **more))
        return self.lives[-1]

    def lose_link(self):
        self.stream.feed(CUT)

    def refused(self):
        return [(folder / "state" / "refuse-start" / "100").exists() for folder in (self.here, self.there)]

    def start(self):
        self.watch.start()
        assert wait_until(lambda: self.watch._links.is_told)

    def stop(self):
        self.watch.stop()
        for each in self.lives:
            each.close()


@pytest.fixture
def pair(tmp_path):
    made = Pair(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def piped_pair(tmp_path):
    """A pair whose events come through the pipe of a real child."""
    made = Pair(tmp_path, Piped(tmp_path, *DUMP))
    made.start()
    yield made
    made.stop()


def move(upid, **changes):
    return replace(Move(upid, 100, B, ("r0",), (PING,), may_end=True), **changes)


def ended(process, patience_s=5.0):
    return wait_until(lambda: process.poll() is not None, patience_s)


def idle(guard):
    return wait_until(lambda: not guard.following(), 10)


def test_a_migration_is_ended_within_a_second_of_the_loss_in_the_stream(piped_pair, tmp_path, record_property):
    pair, path = piped_pair, tmp_path / "gate.sock"
    qemu = pair.qemu("running", "active")
    in_flight = pair.guard()
    gate = gate_on(healthy(), guard=LiveGuard(A, pair.watch, in_flight, pair.refusals))
    with worker() as (process, upid), serving(path, gate.answer):
        assert ask(path, {**MIGRATION, "upid": upid.text}) == "yes"
        assert not ended(process, 0.3)

        lost_at = time.monotonic()
        pair.lose_link()
        process.wait(5)
        took_s = time.monotonic() - lost_at

        assert process.returncode == -15
        assert idle(in_flight)
    print(f"from the event to the worker's end: {took_s * 1000:.0f} ms")
    record_property("event_to_end_s", round(took_s, 3))
    assert took_s < 1.0
    assert pair.refused() == [False, False]
    assert [each for each in pair.told if "runs on proxmox-105" in each and "r0" in each]
    assert set(qemu.asked) == {"qmp_capabilities", "query-migrate", "query-status"}


def test_a_migration_is_ended_when_the_peer_stops_answering_pings(pair):
    pair.qemu("running", "setup")
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        assert not ended(process, 0.2)

        pair.local.pinged = NO_REPLY

        assert ended(process)
        assert idle(guard)


@pytest.mark.parametrize("pinged", ["ping: bind: Cannot assign requested address\n", None])
def test_a_ping_that_cannot_even_be_sent_is_a_loss(pair, pinged):
    pair.qemu("running", "active")
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        if pinged is None:
            pair.local.is_silent = True
        pair.local.pinged = pinged

        assert ended(process)
        assert idle(guard)


def test_a_guard_that_fails_is_told_and_follows_the_next_one(pair, caplog):
    guard = pair.guard()
    guard._links = None
    with worker() as (process, upid):
        guard.follow(move(upid))

        assert idle(guard)
        assert process.poll() is None
    assert [each for each in caplog.records if "guard-failed" in each.getMessage()]


def test_a_loss_before_the_guard_looked_counts_as_well(pair):
    pair.qemu("running", "active")
    pair.lose_link()
    assert wait_until(lambda: pair.watch.lost("r0", B))
    with worker() as (process, upid):
        pair.guard().follow(move(upid))

        assert ended(process)


def test_a_loss_that_no_stream_saw_counts_once_the_next_stream_tells_it(pair):
    pair.qemu("running", "active")
    guard = pair.guard()
    with worker() as (process, upid):
        pair.next_stream.close()
        pair.next_stream.__init__(*(line.replace("Connected role:Primary", "Connecting role:Unknown") for line in DUMP))
        guard.follow(move(upid))
        assert not ended(process, 0.1)

        pair.stream.end()

        assert ended(process)
        assert idle(guard)


def test_the_loss_of_another_guest_s_link_changes_nothing(pair):
    pair.qemu("running", "active")
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid, resources=("r1",)))
        pair.lose_link()

        assert not ended(process, 0.3)
    assert idle(guard)
    assert pair.told == []


def test_a_migration_whose_link_holds_is_left_alone(pair):
    qemu = pair.qemu("running", "active")
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        assert not ended(process, 0.4)
    assert idle(guard)
    assert (pair.told, qemu.asked) == ([], [])


MIGRATIONS = [
    "", "none", "setup", "cancelling", "cancelled", "active", "postcopy-active", "postcopy-paused",
    "postcopy-recover-setup", "postcopy-recover", "completed", "failed", "colo", "pre-switchover", "device",
    "wait-unplug", "one-of-tomorrow",
]  # fmt: skip
RUNS = ["running", "paused", "postmigrate", "finish-migrate", "inmigrate", "io-error", "shutdown", "internal-error"]


@pytest.mark.parametrize("migration", MIGRATIONS)
@pytest.mark.parametrize("run", RUNS)
def test_only_setup_and_active_of_a_running_guest_may_be_ended(run, migration):
    may_end = run == "running" and migration in ("setup", "active")

    assert (step_for(GuestRun(run, migration)) is Step.END) is may_end


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_the_worker_gets_the_signal_only_where_it_may(pair, migration):
    pair.tempo = replace(QUICK, end_s=0.08)
    pair.qemu("running", migration)
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        pair.lose_link()

        assert idle(guard)
        assert (process.poll() is not None) is (migration in ("setup", "active"))


@pytest.mark.parametrize("run", ["postmigrate", "finish-migrate", "paused"])
def test_a_guest_that_does_not_run_is_not_signalled_and_told(pair, run):
    pair.qemu(run, "active")
    pair.tempo = replace(QUICK, end_s=0.15)
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        pair.lose_link()

        assert idle(guard)
        assert process.poll() is None
    assert [each for each in pair.told if "was not ended" in each and run in each]


def test_a_migration_that_has_not_begun_is_ended_once_it_has(pair):
    qemu = pair.qemu("running", "none")
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        pair.lose_link()
        assert not ended(process, 0.2)

        qemu.migration = "setup"

        assert ended(process)
        assert idle(guard)
    assert not [each for each in pair.told if "was not ended" in each]


@pytest.mark.parametrize(
    "states", [None, (None, "active"), ("running", None)], ids=["no socket", "no run", "no status"]
)
def test_no_answer_of_qemu_is_no_permission(pair, states):
    if states:
        pair.qemu(*states)
    pair.tempo = replace(QUICK, end_s=0.2)
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        pair.lose_link()

        assert idle(guard)
        assert process.poll() is None
    assert [each for each in pair.told if "was not ended" in each]
    assert pair.refused() == [True, True]


def test_a_qemu_that_answers_late_is_asked_again(pair):
    qemu = pair.qemu(None, "active")
    pair.tempo = replace(QUICK, end_s=5)
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        pair.lose_link()
        assert wait_until(lambda: pair.told)

        qemu.run = "running"

        assert ended(process)
        assert idle(guard)


@pytest.mark.parametrize(
    "changes", [{"may_end": False}, {"may_end": False, "resources": ("r0", "r1")}], ids=["container or offline", "both"]
)
def test_what_is_only_followed_is_never_signalled(pair, changes, caplog):
    pair.tempo = replace(QUICK, end_s=0.1)
    qemu = pair.qemu("running", "active")
    guard = pair.guard()
    with worker(kind="vzmigrate") as (process, upid):
        guard.follow(move(upid, **changes))
        pair.lose_link()

        assert idle(guard)
        assert process.poll() is None
    assert [each for each in caplog.records if "link-lost-meanwhile" in each.getMessage()]
    assert (qemu.asked, pair.refused()) == ([], [False, False])


def test_a_worker_that_does_not_end_is_told_and_the_guest_looked_for(pair):
    pair.qemu("running", "device")
    pair.tempo = replace(QUICK, end_s=0.1)
    guard = pair.guard()
    with worker() as (_, upid):
        guard.follow(move(upid))
        pair.lose_link()
        assert idle(guard)
    assert [each for each in pair.told if "has not ended" in each and "pvenode task log" in each]
    assert [each for each in pair.told if "runs on proxmox-105" in each]


def test_a_notifier_that_fails_does_not_stop_the_guard(pair):
    pair.qemu("postmigrate", "completed")
    pair.told = type("Broken", (), {"append": lambda _self, _text: 1 / 0})()
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        pair.lose_link()
        time.sleep(0.1)
        process.kill()
        assert idle(guard)
    assert pair.refused() == [True, True]


# Never another process


def test_a_process_with_the_worker_s_number_but_another_start_is_never_signalled(pair):
    pair.qemu("running", "active")
    guard = pair.guard()
    with worker() as (process, upid):
        reused = read_upid(upid.text.replace(f":{upid.started_ticks:08X}:", f":{upid.started_ticks - 1:08X}:"))
        guard.follow(move(reused))
        pair.lose_link()

        assert idle(guard)
        assert process.poll() is None
    with pytest.raises(Unreachable):
        Worker(upid)


def test_a_process_that_is_no_worker_is_never_signalled():
    with running("sleep", "60") as process:
        ticks = int(Path(f"/proc/{process.pid}/stat").read_text().split()[21])
        upid = read_upid(f"UPID:{A}:{process.pid:08X}:{ticks:08X}:6B02BF51:qmigrate:100:root@pam:")

        with pytest.raises(Unreachable, match="not the worker"):
            Worker(upid)


def test_a_worker_whose_start_changed_since_is_not_signalled(tmp_path):
    with worker() as (process, upid):
        folder = tmp_path / str(upid.pid)
        folder.mkdir()
        stat = Path(f"/proc/{upid.pid}/stat").read_text()
        (folder / "stat").write_text(stat)
        (folder / "cmdline").write_bytes(Path(f"/proc/{upid.pid}/cmdline").read_bytes())
        held = Worker(upid, str(tmp_path))

        fields = stat.rpartition(")")[2].split()
        fields[19] = str(upid.started_ticks + 1)
        (folder / "stat").write_text(f"{upid.pid} (sleep) {' '.join(fields)}")

        assert not held.end()
        assert process.poll() is None
        held.close()


def test_a_number_given_to_a_new_process_is_never_signalled():
    with worker() as (process, upid):
        held = Worker(upid)
        process.kill()
        process.wait()
        with same_number(upid.pid) as other:
            assert not held.end()
            time.sleep(0.05)
            assert other.poll() is None
        held.close()


@contextlib.contextmanager
def same_number(pid):
    """A process that the kernel gave the number `pid`; skips where it cannot be asked for one."""
    for _ in range(50):
        try:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        except OSError:
            pytest.skip("only root of a pid namespace may ask the kernel for a number")
        with running("sleep", "60") as process:
            if process.pid == pid:
                yield process
                return
    pytest.skip("others take the number each time")


# Afterwards


@pytest.mark.parametrize("run", ["postmigrate", "paused", "shutdown"])
def test_a_guest_that_does_not_run_on_is_refused_on_both_nodes(pair, run):
    pair.qemu(run, "completed")
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        pair.lose_link()
        assert wait_until(lambda: pair.told)
        process.kill()
        assert idle(guard)

    assert pair.refused() == [True, True]
    reason = (pair.there / "state" / "refuse-start" / "100").read_text()
    for words in (
        "guest 100 is not to be started",
        "r0",
        "qm status 100 --verbose",
        "pve-drbd status",
        f"rm {pair.here}",
    ):
        assert words in reason
    assert reason == (pair.here / "state" / "refuse-start" / "100").read_text()
    assert pair.told[-1] == reason.strip()


def test_a_peer_that_does_not_answer_is_named_and_starts_are_refused_here(pair):
    pair.peer.is_silent = True
    guard = pair.guard()
    with worker() as (process, upid):
        guard.follow(move(upid))
        pair.lose_link()
        assert wait_until(lambda: pair.told)
        process.kill()
        assert idle(guard)

    assert pair.refused() == [True, False]
    assert f"On {B} that could not be refused" in pair.told[-1]


def test_a_state_directory_that_takes_nothing_still_refuses_until_the_restart(pair):
    refusals = Refusals(read_only(pair.here))

    assert not refusals.refuse(100, "guest 100 is not to be started: x")
    assert "guest 100" in refusals.reason(100)
    assert "systemctl restart" in refusals.reason(100)
    assert refusals.reason(101) == ""


def test_a_qemu_left_on_the_target_is_pointed_at(pair):
    pair.qemu("running", "active")
    guard = pair.guard()
    with worker() as (_, upid), running("bash", "-c", 'exec -a "kvm -id 100 -name x" sleep 60') as left:
        assert wait_until(lambda: title_of(left.pid).startswith("kvm"))
        (pair.there / "run" / "100.pid").write_text(f"{left.pid}\n")
        guard.follow(move(upid))
        pair.lose_link()
        assert idle(guard)
    assert "left on proxmox-106" in pair.told[-1]


# The gate and the guard


def test_a_refused_guest_is_not_started_until_the_file_is_removed(pair):
    guard = LiveGuard(A, pair.watch, pair.guard(), pair.refusals)
    gate = gate_on(healthy(), guard=guard)
    start = read_question(json.dumps({**MIGRATION, "ask": "start", "gate": "source"}).encode())
    assert gate.answer(start).answer == "yes"

    pair.refusals.refuse(100, "guest 100 is not to be started: look")
    assert (gate.answer(start).answer, gate.answer(start).line) == ("no", "guest 100 is not to be started: look")
    assert gate.answer(replace(start, vmid=101)).answer == "yes"

    os.unlink(pair.refusals.path(100))
    assert gate.answer(start).answer == "yes"


def test_an_empty_refusal_refuses_too(pair):
    pair.state.write("refuse-start/100", "")

    assert "100" in pair.refusals.reason(100)


class Followed:
    """Stands for the in-flight guard: notes what it is to follow."""

    def __init__(self):
        self.moves = []

    def follow(self, move):
        self.moves.append(move)


def permitted(pair, **changes):
    """The moves that follow from a question that the gate answers with yes."""
    followed = Followed()
    gate = gate_on(healthy(), guard=LiveGuard(A, pair.watch, followed, pair.refusals))
    upid = f"UPID:{A}:00003199:00069250:6B02BF51:qmigrate:100:root@pam:"
    question = replace(read_question(json.dumps(MIGRATION).encode()), upid=upid)
    assert gate.answer(replace(question, **changes)).answer == "yes"
    return followed.moves


def test_a_yes_of_the_source_gate_is_followed_with_the_guest_s_own_links(pair):
    (found,) = permitted(pair)

    assert (found.vmid, found.target, found.resources, found.pings, found.may_end) == (100, B, ("r0",), (PING,), True)


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": "target"},
        {"gate": "hook"},
        {"upid": ""},
        {"upid": "UPID:garbage"},
        {"upid": f"UPID:{B}:00003199:00069250:6B02BF51:qmigrate:100:root@pam:"},
        {"upid": f"UPID:{A}:00003199:00069250:6B02BF51:qmstart:100:root@pam:"},
        {"upid": f"UPID:{A}:00003199:00069250:6B02BF51:qmigrate:101:root@pam:"},
    ],
)
def test_only_a_migration_worker_of_this_node_is_followed(pair, changes):
    assert permitted(pair, **changes) == []


@pytest.mark.parametrize(
    ("changes", "may_end"),
    [
        ({"mode": ""}, True),
        ({"mode": "offline"}, False),
        ({"mode": "restart"}, False),
        ({"upid": f"UPID:{A}:00003199:00069250:6B02BF51:vzmigrate:100:root@pam:"}, False),
    ],
)
def test_containers_and_offline_moves_are_followed_for_the_log_only(pair, changes, may_end):
    (found,) = permitted(pair, **changes)

    assert found.may_end is may_end


def test_without_a_look_at_the_node_there_is_nothing_to_ping():
    from tests.pairs import two_nodes

    survey = two_nodes()
    assert pings_of(survey, "pveA", ["r0"]) == (("eth1", "10.0.7.1", "10.0.7.2"),)
    assert pings_of(survey, "pveA", ["r9"]) == ()
    assert pings_of(survey, "nobody", ["r0"]) == ()


def test_what_is_followed_is_written_down_for_the_next_life(pair):
    guard = pair.guard()
    with worker() as (_, upid):
        guard.follow(move(upid))
        guard.follow(move(upid))

        assert wait_until(lambda: pair.state.read(FILE) and read_moves(pair.state.read(FILE), FILE) == (move(upid),))
    assert idle(guard)


def test_a_guard_that_was_restarted_takes_up_what_still_runs(pair):
    pair.qemu("running", "active")
    with worker() as (process, upid):
        pair.state.write(FILE, moves_text([move(upid)]))
        guard = pair.guard()
        guard.take_up()
        assert not ended(process, 0.1)

        pair.lose_link()

        assert ended(process)
        assert idle(guard)


def test_a_guard_that_was_restarted_forgets_what_has_ended(pair):
    with worker() as (_, upid):
        pair.state.write(FILE, moves_text([move(upid)]))
    guard = pair.guard()
    guard.take_up()

    assert idle(guard)
    assert wait_until(lambda: read_moves(pair.state.read(FILE), FILE) == ())


@pytest.mark.parametrize(
    "damage", ["", "{", '{"format": 2}', "UPID", '"may_end": 7', '["eth1", "-f", "10.0.7.106"]', '["eth1", "x"]']
)
def test_a_damaged_list_of_moves_is_told_and_nothing_followed(pair, damage, caplog):
    upid = read_upid(f"UPID:{A}:00003199:00069250:6B02BF51:qmigrate:100:root@pam:")
    whole = moves_text([move(upid)])
    assert read_moves(whole, FILE) == (move(upid),)
    broken = {
        "UPID": whole.replace("UPID:", "UPIX:"),
        '"may_end": 7': whole.replace('"may_end": 1', damage),
        '["eth1", "-f", "10.0.7.106"]': whole.replace('["eth1", "10.0.7.105", "10.0.7.106"]', damage),
        '["eth1", "x"]': whole.replace('["eth1", "10.0.7.105", "10.0.7.106"]', damage),
    }.get(damage, damage)
    pair.state.write(FILE, broken)
    guard = pair.guard()

    guard.take_up()

    assert guard.following() == ()
    assert bool([each for each in caplog.records if "state-damaged" in each.getMessage()]) is bool(damage)


def test_the_guard_leaves_no_thread_and_no_descriptor(pair):
    pair.qemu("running", "active")
    guard = pair.guard()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with worker() as (_, upid):
            guard.follow(move(upid))
            time.sleep(0.02)
        assert idle(guard)

    assert wait_until(lambda: threading.active_count() <= threads)
    assert wait_until(lambda: len(os.listdir("/proc/self/fd")) <= files)


# QEMU's own words


def test_events_between_the_answers_are_passed_over(pair):
    pair.qemu("running", "active")

    assert ask_guest(str(pair.here / "run" / "100.qmp")) == GuestRun("running", "active")


def test_a_guest_that_was_never_migrated_has_no_status(pair):
    pair.qemu("running", "")

    assert ask_guest(str(pair.here / "run" / "100.qmp")).migration == ""


@pytest.mark.parametrize("greeting", ["{}", "hello", '["QMP"]', '{"QMP": 1, "QMP": 2}', "x" * 300_000])
def test_what_is_not_qmp_is_unreadable(pair, greeting):
    pair.qemu(greeting=greeting)

    with pytest.raises(Unreadable):
        ask_guest(str(pair.here / "run" / "100.qmp"))


@pytest.mark.parametrize(
    "reply", ['{"error": {"class": "CommandNotFound"}}', '{"return": []}', '{"return": {"status": 5}}']
)
def test_an_answer_of_the_wrong_shape_is_unreadable(tmp_path, reply):
    path = tmp_path / "100.qmp"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)

        def answer():
            link, _ = listener.accept()
            with link:
                link.sendall(b'{"QMP": {}}\n')
                with contextlib.suppress(OSError):
                    while link.recv(4096):
                        link.sendall(reply.encode() + b"\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Unreadable):
            ask_guest(str(path))


def test_a_qemu_that_drips_is_bounded(tmp_path):
    path = tmp_path / "100.qmp"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)

        def drip():
            link, _ = listener.accept()
            with link, contextlib.suppress(OSError):
                for byte in b'{"QMP": ' * 50:
                    link.sendall(bytes([byte]))
                    time.sleep(0.02)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(Unreachable):
            ask_guest(str(path), 0.2)
        assert time.monotonic() - began < 2


def test_a_question_of_the_shim_names_its_task():
    text = json.dumps({**MIGRATION, "upid": "UPID:proxmox-105:00003199:00069250:6B02BF51:qmigrate:100:root@pam:"})

    assert isinstance(read_question(text.encode()), Question)
