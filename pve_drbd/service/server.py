"""The gate's socket: one loop that accepts, a thread for each asker, and a watchdog fed by the loop itself."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pve_drbd.service.protocol import MAX_BYTES, Answer, BadQuestion, Question, read_question

log = logging.getLogger(__name__)

MAX_ASKERS = 128
"""Threads at once. pvestatd, three pvedaemon workers and a bulk migration ask far fewer."""
QUESTION_TIMEOUT_S = 5.0
"""The shim writes its line at once; whoever connects and says nothing must not hold a thread for ever."""


NOTIFY_TIMEOUT_S = 0.2
"""systemd's queue is full only where systemd itself stands still."""


@dataclass(frozen=True, slots=True)
class Watchdog:
    """How often systemd wants to hear from us, and how to tell it; `interval_s` is None without a watchdog."""

    notify: Callable[[str], None]
    interval_s: float | None


def serve(
    listener: socket.socket, answer: Callable[[Question], Answer], watchdog: Watchdog, stop: threading.Event
) -> None:
    """Answer until `stop`: ready before any I/O, alive as long as this loop turns.

    `stop` is looked at after each wake-up; wake the loop by connecting, or through the watchdog's interval.
    """
    slots = threading.BoundedSemaphore(MAX_ASKERS)
    listener.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        watchdog.notify("READY=1")
        pause_s = watchdog.interval_s / 2 if watchdog.interval_s else None
        fed_s = time.monotonic()
        while not stop.is_set():
            selector.select(pause_s)
            _accept_all(listener, answer, slots)
            # Not at each question: thousands of them must not fill systemd's queue.
            if pause_s and time.monotonic() - fed_s >= pause_s / 2:
                fed_s = time.monotonic()
                watchdog.notify("WATCHDOG=1")
    watchdog.notify("STOPPING=1")


def _accept_all(
    listener: socket.socket, answer: Callable[[Question], Answer], slots: threading.BoundedSemaphore
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError as err:
            # Out of file descriptors, or the asker has gone already. The next one may be luckier; do not spin.
            log.error("event=accept-failed error=%s", err)
            time.sleep(0.1)
            return
        if slots.acquire(blocking=False):
            threading.Thread(target=_converse, args=(connection, answer, slots), name="asker", daemon=True).start()
        else:
            _tell(connection, Answer("unknown", f"the service is busy with {MAX_ASKERS} questions"))
            connection.close()


def _converse(
    connection: socket.socket, answer: Callable[[Question], Answer], slots: threading.BoundedSemaphore
) -> None:
    try:
        with connection:
            connection.settimeout(QUESTION_TIMEOUT_S)
            line = _read_line(connection)
            if line is not None:
                _tell(connection, _answer(line, answer))
    except OSError as err:
        log.info("event=asker-gone error=%s", err)
    finally:
        slots.release()


def _answer(line: bytes, answer: Callable[[Question], Answer]) -> Answer:
    try:
        question = read_question(line)
    except BadQuestion as err:
        return Answer("unknown", str(err))
    started = time.monotonic()
    try:
        told = answer(question)
    except Exception:
        # The outermost function for one question: whatever went wrong, the asker gets a line and no permission.
        log.exception("event=answer-failed ask=%s", question.ask)
        return Answer("unknown", "the service failed on this question; see: journalctl -u pve-drbd")
    took_ms = round((time.monotonic() - started) * 1000)
    level = logging.DEBUG if question.ask == "status" else logging.INFO
    words = (question.ask, question.gate, question.vmid, question.storage, told.answer, ",".join(told.codes), took_ms)
    log.log(level, "event=answered ask=%s gate=%s vmid=%s storage=%s answer=%s codes=%s ms=%s", *words)
    return told


def _read_line(connection: socket.socket) -> bytes | None:
    """The asker's line without its end; None if it went away or never ended one."""
    received = b""
    while b"\n" not in received:
        part = connection.recv(MAX_BYTES + 1 - len(received))
        received += part
        if not part or len(received) > MAX_BYTES:
            return None
    return received.partition(b"\n")[0]


def _tell(connection: socket.socket, answer: Answer) -> None:
    try:
        connection.sendall(answer.encode())
    except OSError as err:
        log.info("event=asker-gone error=%s", err)


def listen(path: str) -> socket.socket:
    """The socket that systemd hands over, or, started by hand, a new one at `path` for root only."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=3)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.exists(path):
        os.unlink(path)
    previous = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(previous)
    listener.listen(MAX_ASKERS)
    return listener


def systemd_watchdog() -> Watchdog:
    """The watchdog as systemd announces it in the environment; one that says nothing where it does not."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    usec = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    interval_s = int(usec) / 1e6 if usec.isdigit() and pid == str(os.getpid()) else None

    def notify(message: str) -> None:
        if not address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # A systemd that is busy reads later, or never: the askers do not wait for it.
            sender.settimeout(NOTIFY_TIMEOUT_S)
            try:
                sender.sendto(message.encode(), "\0" + address[1:] if address.startswith("@") else address)
            except OSError as err:
                log.warning("event=not-notified message=%s error=%s", message, err)

    return Watchdog(notify, interval_s)
