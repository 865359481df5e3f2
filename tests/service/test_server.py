"""The gate's socket and its protocol: whoever asks, and however badly, the others are answered."""

import contextlib
import json
import os
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pve_drbd.service import server
from pve_drbd.service.protocol import MAX_BYTES, VERSION, Answer, BadQuestion, read_question
from pve_drbd.service.server import MAX_ASKERS, Watchdog, listen, systemd_watchdog
from tests.service.parts import MIGRATION, ask, converse, serving, wait_until

STATUS = {"v": 1, "ask": "status", "storage": "drbdvg", "vg": "drbdvg"}


def says(word):
    return lambda _question: Answer(word, "because")


def line_of(question):
    return json.dumps(question).encode() + b"\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gate.sock"


def test_an_answer_is_one_line_of_the_protocol_s_version(path):
    with serving(path, says("yes")):
        told = converse(path, line_of(STATUS))

    assert told.endswith(b"\n")
    assert told.count(b"\n") == 1
    assert json.loads(told) == {
        "v": VERSION, "answer": "yes", "line": "because", "codes": [], "active": True, "read_lvm": True,
    }  # fmt: skip


def test_the_socket_is_for_root_only_and_takes_the_place_of_one_left_behind(path):
    listen(str(path)).close()
    with serving(path, says("yes")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ask(path, STATUS) == "yes"


@pytest.mark.parametrize("version", [0, 2, "1", 1.5, True, None, [1]])
def test_another_version_is_told_what_to_restart(path, version):
    with serving(path, says("yes")):
        told = json.loads(converse(path, line_of({**STATUS, "v": version})))

    assert told["answer"] == "unknown"
    assert "systemctl restart pve-drbd" in told["line"]
    assert "pvedaemon" in told["line"]


GARBAGE = [
    b"\n", b"hello\n", b"{\n", b"[]\n", b"null\n", b"1\n", b'"yes"\n', b"\xff\xfe\n", b"\x00\n", b'{"v": 1}\n',
    b'{"v": 1, "v": 1}\n', b"{" * 5000 + b"\n", b'{"v": 1, "ask": NaN}\n', b"GET / HTTP/1.0\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("line", GARBAGE)
def test_garbage_is_answered_with_unknown(path, line):
    with serving(path, says("yes")):
        assert json.loads(converse(path, line))["answer"] == "unknown"


@pytest.mark.parametrize(
    "changes",
    [
        {"ask": "anything"},
        {"ask": None},
        {"storage": "../etc"},
        {"storage": "-x"},
        {"vg": "a b"},
        {"vg": 5},
        {"vmid": 0},
        {"vmid": -1},
        {"vmid": "100"},
        {"vmid": True},
        {"vmid": 10**12},
        {"target": "pve b"},
        {"mode": "postcopy"},
        {"gate": "middle"},
        {"volume": "vm-100;rm"},
        {"upid": "PID:1"},
        {"upid": "UPID:a b"},
    ],
)
def test_a_field_that_is_not_usable_is_named(changes):
    (name,) = changes

    with pytest.raises(BadQuestion, match=f"question's {name}"):
        read_question(json.dumps({**MIGRATION, **changes}).encode())


def test_what_the_plugin_does_not_know_may_be_null_or_missing_and_new_fields_are_passed_over():
    asked = {**MIGRATION, "target": None, "volume": None, "size_kib": 5, "of_tomorrow": {"a": 1}}
    del asked["mode"]

    question = read_question(json.dumps(asked).encode())

    assert (question.target, question.volume, question.mode) == ("", "", "")


def test_a_question_without_end_is_not_waited_for_beyond_its_size(path):
    with serving(path, says("yes")):
        assert converse(path, b"x" * (MAX_BYTES + 10)) == b""
        assert ask(path, STATUS) == "yes"


def test_the_largest_question_is_still_one(path):
    big = {**STATUS, "filler": "x" * 65000}

    with serving(path, says("yes")):
        assert ask(path, big) == "yes"


def test_an_asker_that_says_nothing_is_sent_away(path, monkeypatch):
    monkeypatch.setattr(server, "QUESTION_TIMEOUT_S", 0.1)
    with serving(path, says("yes")):
        assert converse(path, b"", 5) == b""
        assert converse(path, b'{"v": 1', 5) == b""


def test_an_asker_that_goes_away_early_harms_nobody(path):
    with serving(path, says("yes")):
        for line in (b"", b'{"v"', line_of(STATUS)):
            for _ in range(20):
                with socket.socket(socket.AF_UNIX) as asker:
                    asker.connect(str(path))
                    asker.sendall(line)
        assert ask(path, STATUS) == "yes"


def test_an_answer_that_fails_is_unknown_and_the_next_one_works(path, caplog):
    def fails(question):
        if question.ask == "status":
            raise ZeroDivisionError("division by zero")
        return Answer("yes", "fine")

    with serving(path, fails):
        told = json.loads(converse(path, line_of(STATUS)))
        assert ask(path, MIGRATION) == "yes"

    assert told["answer"] == "unknown"
    assert "journalctl -u pve-drbd" in told["line"]
    assert [each for each in caplog.records if "answer-failed" in each.getMessage()]


def test_a_slow_answer_delays_none_of_63_others(path):
    go_on = threading.Event()

    def answer(question):
        if question.vmid == 1:
            go_on.wait(10)
        return Answer("yes", "fine")

    with serving(path, answer), ThreadPoolExecutor(64) as pool:
        slow = pool.submit(ask, path, {**MIGRATION, "vmid": 1})
        began = time.monotonic()
        others = list(pool.map(lambda number: ask(path, {**MIGRATION, "vmid": 100 + number}), range(63)))
        took_s = time.monotonic() - began
        assert not slow.done()
        go_on.set()
        assert slow.result(5) == "yes"

    assert others == ["yes"] * 63
    assert took_s < 5


def test_more_askers_than_there_is_room_for_are_told_so_at_once(path):
    go_on = threading.Event()

    def waits(_question):
        go_on.wait(10)
        return Answer("yes", "fine")

    with serving(path, waits), contextlib.ExitStack() as stack:
        asking = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(MAX_ASKERS)]
        for each in asking:
            each.connect(str(path))
            each.sendall(line_of(STATUS))
        assert wait_until(lambda: sum(thread.name == "asker" for thread in threading.enumerate()) == MAX_ASKERS)

        told = json.loads(converse(path, line_of(STATUS), 5))

        go_on.set()
        assert told["answer"] == "unknown"
        assert "busy" in told["line"]
        assert all(json.loads(each.makefile().readline())["answer"] == "yes" for each in asking)


def test_a_thousand_questions_leave_no_thread_and_no_descriptor(path):
    with serving(path, says("yes")):
        assert ask(path, STATUS) == "yes"
        threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(1000):
            assert ask(path, STATUS) == "yes"
        assert wait_until(lambda: threading.active_count() <= threads)
        assert wait_until(lambda: len(os.listdir("/proc/self/fd")) <= files)


def test_the_watchdog_is_fed_by_the_loop_that_answers(path):
    told = []

    with serving(path, says("yes"), Watchdog(told.append, 0.1)):
        assert wait_until(lambda: told.count("WATCHDOG=1") >= 3)

    assert told[0] == "READY=1"
    assert told[-1] == "STOPPING=1"


def test_a_systemd_that_does_not_read_holds_up_nobody(path, tmp_path, monkeypatch, caplog):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "notify.sock"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify.sock"))
        monkeypatch.setattr(server, "NOTIFY_TIMEOUT_S", 0.02)
        watchdog = replace(systemd_watchdog(), interval_s=0.0001)
        with serving(path, says("yes"), watchdog):
            assert wait_until(lambda: "event=not-notified" in caplog.text)
            assert {ask(path, STATUS) for _ in range(10)} == {"yes"}


def test_a_systemd_that_is_gone_holds_up_nobody(path, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none.sock"))
    with serving(path, says("yes"), systemd_watchdog()):
        assert ask(path, STATUS) == "yes"


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_s_interval_is_systemd_s(monkeypatch, environment, interval_s):
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID", "NOTIFY_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    watchdog = systemd_watchdog()
    watchdog.notify("READY=1")

    assert watchdog.interval_s == interval_s
