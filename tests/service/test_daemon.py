"""The service as systemd runs it: a real process on a real socket, answering from a recording."""

import signal
import time

import pytest

from tests.service.parts import MIGRATION, ask, wait_until
from tests.service.process import Service, started

STATUS = {"v": 1, "ask": "status", "storage": "drbdvg", "vg": "drbdvg"}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with started(tmp_path_factory.mktemp("service"), watchdog_s=0.4) as made:
        yield made


def test_it_is_ready_and_answers(service):
    assert service.messages()[0] == "READY=1"
    assert ask(service.path, MIGRATION) == "yes"
    assert ask(service.path, STATUS) == "yes"


def test_the_watchdog_is_fed_also_while_nobody_asks(service):
    assert wait_until(lambda: service.messages().count("WATCHDOG=1") >= 4, 5)


def test_sighup_takes_a_good_configuration_and_keeps_the_last_good_one(service):
    service.config.write_text('[storage.drbdvg]\ngate = "warn"\n')
    service.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: "event=reloaded" in service.said())

    service.config.write_text('[storage.drbdvg]\ngate = "of"\n')
    service.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: "event=reload-refused" in service.said())

    assert "line 2" in service.said()
    assert ask(service.path, {**MIGRATION, "vmid": 999}) == "yes", "what would be unknown is only told"
    assert ask(service.path, MIGRATION) == "yes"


def test_a_signal_while_it_is_asked_loses_no_answer(service):
    for _ in range(20):
        service.process.send_signal(signal.SIGHUP)
        assert ask(service.path, MIGRATION) == "yes"


def test_sigterm_ends_it_at_once_and_in_order(service):
    began = time.monotonic()
    assert service.end() == 0
    assert time.monotonic() - began < 3
    assert "event=stopped" in service.said()
    assert "Traceback" not in service.said()


def test_a_bad_configuration_is_refused_at_start_with_its_line(tmp_path):
    service = Service(tmp_path, config='[storage.drbdvg]\ngate = "of"\n')

    assert service.process.wait(20) == 2
    assert "line 2" in service.said()
    assert "Traceback" not in service.said()
    service.end()


def test_a_restart_takes_the_place_of_a_service_that_was_killed(tmp_path):
    with started(tmp_path) as first:
        first.process.kill()
        first.process.wait()
        assert ask(first.path, MIGRATION) == "none"
    (tmp_path / "notify.sock").unlink()

    with started(tmp_path) as second:
        assert ask(second.path, MIGRATION) == "yes"
