"""Stands for a pveproxy on a bad day, over real TLS on loopback; it knows no API, no token, no permission and no state.

The n-th connection gets the n-th behaviour of the script (the last one repeats); what was asked is remembered.
"""

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from throwaway_pki import Pki

# A hanging connection is given up after this, so that a failing test ends.
LONGEST_HOLD_S = 20.0


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


Behaviour = Callable[["HostilePve", socket.socket], None]


@dataclass
class HostilePve:
    """A listening server; use it in a `with`."""

    pki: Pki
    script: list[Behaviour]
    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> "HostilePve":
        """Listen on a free port."""
        self._over = threading.Event()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.pki.cert_file, self.pki.key_file)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening and let go of every connection."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(LONGEST_HOLD_S)

    def hold(self, seconds: float = LONGEST_HOLD_S) -> bool:
        """Wait until the test is over or `seconds` are; true if it is over."""
        return self._over.wait(seconds)

    def read_request(self, raw: socket.socket) -> ssl.SSLSocket:
        """Finish the handshake and read one request."""
        connection = self._context.wrap_socket(raw, server_side=True)
        head, _, body = _until_blank_line(connection).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += connection.recv(65536)
        method, target, _ = first.split(" ")
        self.requests.append(Request(method, target, headers, body.decode()))
        return connection

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            behave = self.script[min(self.connections, len(self.script) - 1)]
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(behave, raw), daemon=True))
            self._threads[-1].start()

    def _serve(self, behave: Behaviour, raw: socket.socket) -> None:
        raw.settimeout(LONGEST_HOLD_S)
        with raw, contextlib.suppress(OSError, ValueError):
            behave(self, raw)


def say(answer: bytes) -> Behaviour:
    """Read one request, send these bytes, close."""

    def behave(server: HostilePve, raw: socket.socket) -> None:
        with server.read_request(raw) as connection:
            connection.sendall(answer)

    return behave


def say_slowly(answer: bytes, pause_s: float) -> Behaviour:
    """Read one request, then send byte after byte with pauses."""

    def behave(server: HostilePve, raw: socket.socket) -> None:
        with server.read_request(raw) as connection:
            for place in range(len(answer)):
                connection.sendall(answer[place : place + 1])
                if server.hold(pause_s):
                    return

    return behave


def fall_silent(server: HostilePve, raw: socket.socket) -> None:
    """Read one request and never answer."""
    with server.read_request(raw):
        server.hold()


def never_finish_the_handshake(server: HostilePve, raw: socket.socket) -> None:
    """Accept the connection and say nothing, not even TLS."""
    server.hold()


def reset(server: HostilePve, raw: socket.socket) -> None:
    """Drop the connection at once with a TCP reset."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_after_request(server: HostilePve, raw: socket.socket) -> None:
    """Read one request, then drop the connection with a TCP reset."""
    connection = server.read_request(raw)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def http(body: bytes, status: str = "200 OK", headers: tuple[str, ...] = ("Connection: close",)) -> bytes:
    """An answer as bytes, with its length."""
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


def data(value: object) -> bytes:
    """A good answer: `value` in the envelope of api2/json."""
    return http(json.dumps({"data": value}).encode())


def as_pve_sent(response: dict[str, object]) -> bytes:
    """A response of tests/samples/pve-http on the wire again: reason, doubled headers and packing as PVE has them."""
    body = b"" if response["body"] is None else json.dumps(response["body"]).encode()
    kept = dict(response["headers"])
    kept.pop("Content-Length", None)
    if kept.get("Content-Encoding") == "gzip":
        body = gzip.compress(body)
    lines = [
        (name, value) for name, values in kept.items() for value in ([values] if isinstance(values, str) else values)
    ]
    status = f"{response['status']} {response['reason']}"
    return http(body, status, tuple(f"{name}: {value}" for name, value in lines))


def _until_blank_line(connection: ssl.SSLSocket) -> bytes:
    read = b""
    until = time.monotonic() + LONGEST_HOLD_S
    while b"\r\n\r\n" not in read and time.monotonic() < until:
        chunk = connection.recv(65536)
        if not chunk:
            raise OSError("the client went away")
        read += chunk
    return read
