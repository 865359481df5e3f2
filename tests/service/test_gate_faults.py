"""Whatever breaks while the gate is asked: no yes without a whole, fresh account of both nodes, and no long wait.

The asker reads as the Perl shim does (parts.as_the_shim_reads); perl-shim/t/faults.t is the same for the shim itself.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.adapters.replay import ReplayHosts
from pve_drbd.adapters.state_dir import StateDir
from pve_drbd.dialects import COMMON_COMMANDS, DRBD_COMMANDS
from pve_drbd.errors import Unreachable, Unreadable
from pve_drbd.jobs.survey import Clock
from pve_drbd.readers.watch_state import watch_state_text
from pve_drbd.service.guard import LiveGuard
from pve_drbd.service.memory import FILE, Memory
from pve_drbd.service.policy import Policy
from pve_drbd.service.protocol import read_question
from pve_drbd.service.refusals import Refusals
from pve_drbd.service.watch import Watch
from tests.service.parts import (
    HEALTHY,
    MIGRATION,
    ROOT,
    A,
    B,
    Fed,
    Spoiled,
    Time,
    WithPve,
    as_the_shim_reads,
    ask,
    gate_on,
    hangs,
    healthy,
    serving,
    wait_until,
)
from tests.service.test_watch import CUT, DUMP, QUICK

SPLIT = ROOT / "tests" / "scenarios" / "84-split-brain"
ASKED = (*DRBD_COMMANDS[:3], *COMMON_COMMANDS)
# dmsetup table only says where an orphan lies, and a healthy pair has none.
DECIDES_NOTHING = ("uname", "diskstats", "dmsetup-table")
QUESTION = read_question(json.dumps(MIGRATION).encode())


def answer(hosts, **parts):
    return gate_on(hosts, **parts).answer(QUESTION)


def test_a_healthy_pair_is_a_yes():
    assert answer(healthy()).answer == "yes"


def test_a_split_brain_is_a_no_in_one_line():
    told = answer(WithPve(ReplayHosts(SPLIT)))

    assert told.answer == "no"
    assert "DRBD-E102" in told.codes
    assert "\n" not in told.line


# The service itself


def test_without_a_socket_there_is_no_yes(tmp_path):
    assert ask(tmp_path / "none.sock", MIGRATION) == "none"


def test_a_socket_that_nobody_listens_on_is_no_yes(tmp_path):
    path = tmp_path / "gate.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))

    assert ask(path, MIGRATION) == "none"


@pytest.fixture
def slow_service(tmp_path):
    """(process, socket) of a service whose peer hangs, ready to be asked."""
    path = tmp_path / "gate.sock"
    command = [sys.executable, "-m", "tests.service.slow_service", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout.readline() == "READY=1\n"
            yield service, path
        finally:
            service.kill()


def test_a_service_killed_while_it_is_asked_gives_no_yes(slow_service):
    service, path = slow_service
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, path, MIGRATION)
        time.sleep(0.3)
        assert not asked.done()

        service.kill()

        assert asked.result(5) == "none"


def test_an_answer_cut_at_any_byte_is_no_yes():
    whole = answer(healthy()).encode()

    assert as_the_shim_reads(whole) == "yes"
    assert {as_the_shim_reads(whole[:length]) for length in range(len(whole))} == {"none"}


def test_an_answer_damaged_in_any_byte_is_a_yes_only_if_it_still_says_so():
    whole = answer(healthy()).encode()
    for at in range(len(whole)):
        damaged = whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :]
        if as_the_shim_reads(damaged) == "yes":
            assert json.loads(damaged)["answer"] == "yes"
            assert json.loads(damaged)["v"] == 1


# The peer


@pytest.mark.parametrize("node", [A, B])
def test_a_node_that_hangs_is_unknown_by_the_bound(node):
    limits = Policy(answer_limit_s=1.0)
    give_up = threading.Event()
    began = time.monotonic()

    told = answer(Spoiled(hangs(node, 30, give_up)), policy=limits)

    took_s = time.monotonic() - began
    give_up.set()
    assert told.answer == "unknown"
    assert took_s < 2


def test_a_peer_that_is_slow_but_answers_is_too_old_to_rest_a_yes_on():
    def slow(node, argv, _timeout_s):
        if node == B and argv[0] == "lvs":
            time.sleep(0.7)

    told = answer(Spoiled(slow), policy=Policy(view_limit_s=0.5))

    assert told.answer != "yes"
    assert "VIEW-E003" in told.codes


@pytest.mark.parametrize("node", [A, B])
@pytest.mark.parametrize("command", ASKED, ids=lambda each: each.name)
def test_garbage_from_any_command_of_a_node_is_no_yes(node, command):
    def garbage(asked, argv, _timeout_s):
        return CommandResult(argv, 0, "\x00garbage\n{", "", 1) if asked == node and argv == command.argv else None

    told = answer(Spoiled(garbage))

    assert told.answer != "yes" or command.name in DECIDES_NOTHING


@pytest.mark.parametrize("node", [A, B])
@pytest.mark.parametrize("spoiled", ["empty", "half", "error", "unreadable"])
def test_a_node_whose_every_answer_is_spoiled_is_no_yes(node, spoiled):
    recorded = ReplayHosts(HEALTHY)

    def spoil(asked, argv, timeout_s):
        if asked != node or argv[1].startswith("/etc"):
            return None
        if spoiled == "unreadable":
            raise Unreadable(f"ssh to {asked}", 0, "its answer is not in our frames")
        out = recorded.run(asked, argv, timeout_s).out if spoiled == "half" else ""
        return CommandResult(argv, 1 if spoiled == "error" else 0, out[: len(out) // 2], "", 1)

    assert answer(Spoiled(spoil)).answer != "yes"


def test_every_truncation_of_the_peer_s_events_is_no_yes():
    recorded = (HEALTHY / "nodes" / B / "events2.out").read_text()

    for end in range(0, len(recorded), 97):

        def cut(node, argv, _timeout_s, end=end):
            is_it = node == B and argv[:2] == ("drbdsetup", "events2")
            return CommandResult(argv, 0, recorded[:end], "", 1) if is_it else None

        assert answer(Spoiled(cut)).answer != "yes"


@pytest.mark.parametrize("missing", ["storage.cfg", "100.conf"])
def test_without_the_files_of_pve_there_is_no_yes(missing):
    files = {name: text for name, text in healthy().files.items() if missing not in name}

    assert answer(WithPve(ReplayHosts(HEALTHY), files)).answer != "yes"


def test_an_etc_pve_that_hangs_is_no_yes():
    def hanging(_node, argv, timeout_s):
        if argv[0] == "cat" and argv[1].startswith("/etc/pve"):
            raise Unreachable(A, f"cat did not end within {timeout_s:g} s")

    assert answer(Spoiled(hanging)).answer == "unknown"


def test_a_peer_nobody_can_reach_is_unknown_and_not_a_failure():
    def no_pair():
        raise Unreachable("/etc/pve/.members", "nobody home")

    gate = gate_on(healthy())
    gate._evidence = replace(gate._evidence, pair=no_pair)

    assert gate.answer(QUESTION).answer == "unknown"


# The clock


def test_a_wall_clock_that_jumps_changes_no_answer():
    jumps = iter(range(10**6))

    def utc():
        return "1970-01-01T00:00:00Z" if next(jumps) % 2 else "2106-02-07T06:28:15Z"

    clock = Clock(time.monotonic, time.sleep, utc)

    assert answer(healthy(), clock=clock).answer == "yes"
    assert answer(WithPve(ReplayHosts(SPLIT)), clock=clock).answer == "no"


def test_a_node_that_slept_in_between_is_too_old():
    began = time.monotonic()
    times = iter([began] * 4)

    def monotonic():
        return next(times, began + 3600)

    assert answer(healthy(), clock=Clock(monotonic, time.sleep, lambda: "x")).answer != "yes"


# The state directory


def full_disk(tmp_path):
    """A state directory on a disk without room: a tmpfs of one page as root, else a file system that says so."""
    mount = tmp_path / "full"
    mount.mkdir()
    if os.geteuid() == 0:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(mount)], check=False)
        if made.returncode == 0:
            with contextlib.suppress(OSError):
                (mount / "filler").write_bytes(b"x" * 100_000)
            return mount, "a real tmpfs"
    return None, "a stand-in"


@pytest.fixture(params=["full", "read-only", "empty"])
def state(request, tmp_path, monkeypatch):
    """A state directory: full, not writable, or simply empty."""
    mount = None
    if request.param == "full":
        mount, what = full_disk(tmp_path)
        print(f"the full disk is {what}")
        if mount is None:
            real = os.fsync
            monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left")) or real(fd))
        yield StateDir(str(mount or tmp_path))
    elif request.param == "read-only":
        (tmp_path / "plain").write_text("")
        yield StateDir(str(tmp_path / "plain" / "state"))
    else:
        yield StateDir(str(tmp_path / "state"))
    if mount:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def guarded(state, tmp_path, *lines):
    """A live guard on `state` whose stream told `lines`; nothing of it is asked for an answer."""
    (tmp_path / "module").mkdir(exist_ok=True)
    memory = Memory(A, state, Time())
    streams = [Fed(*lines)]
    watch = Watch(A, healthy(), memory, open_stream=streams.pop, module=str(tmp_path / "module"), pace=QUICK)
    watch.start()

    class Nobody:
        def follow(self, move):
            """No worker is there to follow."""

    return watch, LiveGuard(A, watch, Nobody(), Refusals(state))


@pytest.mark.parametrize(("hosts", "word"), [(HEALTHY, "yes"), (SPLIT, "no")])
def test_the_verdict_is_the_same_whatever_the_state_directory_holds(state, tmp_path, hosts, word):
    watch, guard = guarded(state, tmp_path, *DUMP, CUT)
    assert wait_until(lambda: watch.memory.known().losses)

    told = [answer(WithPve(ReplayHosts(hosts)), guard=each) for each in (None, guard, guard)]

    watch.stop()
    assert [each.answer for each in told] == [word] * 3
    assert told[0] == told[1] == told[2]


def test_the_verdict_is_the_same_with_the_memory_of_another_life(tmp_path):
    state = StateDir(str(tmp_path / "state"))
    first, guard = guarded(state, tmp_path, *DUMP, CUT)
    assert answer(healthy(), guard=guard).answer == "yes"
    assert wait_until(lambda: "r0" in state.read(FILE))
    first.stop()
    second, guard = guarded(state, tmp_path, *DUMP)

    assert answer(healthy(), guard=guard).answer == "yes"
    second.stop()


# events2


def test_events_that_die_change_no_answer(tmp_path):
    stream = Fed(*DUMP)
    stream.end()
    (tmp_path / "module").mkdir()
    memory = Memory(A, StateDir(str(tmp_path / "state")), Time())
    opened = []

    def dies():
        opened.append(1)
        raise Unreachable("drbdsetup", "it ended with exit code 20")

    watch = Watch(A, healthy(), memory, open_stream=dies, module=str(tmp_path / "module"), pace=QUICK)
    watch.start()
    guard = LiveGuard(A, watch, None, Refusals(StateDir(str(tmp_path / "state"))))
    assert wait_until(lambda: len(opened) > 2)

    assert answer(healthy(), guard=guard).answer == "yes"
    assert answer(WithPve(ReplayHosts(SPLIT)), guard=guard).answer == "no"
    watch.stop()
    assert watch_state_text(memory.known())


# Many at once


def test_64_askers_with_one_hanging_node_all_get_an_answer_by_the_bound_and_none_a_yes(tmp_path):
    path, give_up = tmp_path / "gate.sock", threading.Event()
    gate = gate_on(Spoiled(hangs(B, 30, give_up)), policy=Policy(answer_limit_s=2.0))

    def timed(_number):
        began = time.monotonic()
        return ask(path, MIGRATION), time.monotonic() - began

    with serving(path, gate.answer), ThreadPoolExecutor(64) as pool:
        told = list(pool.map(timed, range(64)))
    give_up.set()

    assert {word for word, _ in told} == {"unknown"}
    print(f"slowest of 64 answers: {max(took for _, took in told):.2f} s, bound 2 s")
    assert max(took for _, took in told) < 4


def test_a_hanging_peer_delays_no_question_about_this_node_alone(tmp_path):
    path, give_up = tmp_path / "gate.sock", threading.Event()
    gate = gate_on(Spoiled(hangs(B, 30, give_up)), policy=Policy(answer_limit_s=3.0))
    status = {"v": 1, "ask": "status", "storage": "drbdvg", "vg": "drbdvg"}

    with serving(path, gate.answer), ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(ask, path, MIGRATION) for _ in range(4)]
        began = time.monotonic()
        quick = [ask(path, status) for _ in range(4)]
        took_s = time.monotonic() - began
        assert not any(each.done() for each in slow)
        give_up.set()

    assert quick == ["yes"] * 4
    assert took_s < 2
