"""What a running QEMU says of itself and of its migration: two reading commands over its QMP socket.

QEMU serves one client at a time, and Proxmox VE is the other one: connect, ask, leave. Nothing here can change a guest.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pve_drbd.errors import Unreachable, Unreadable
from pve_drbd.readers.fields import shown
from pve_drbd.readers.strict_json import read_json

RUN_DIR = "/var/run/qemu-server"
TIMEOUT_S = 1.0
"""For the whole conversation. A QEMU that takes longer holds its big lock: it is switching over, or its I/O hangs."""

_LONGEST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class GuestRun:
    """QEMU's own words: `run` of query-status, `migration` of query-migrate ('' where none was ever begun).

    `run` is asked last: QEMU stops the guest before it leaves the migration status `active`.
    """

    run: str
    migration: str


def socket_path(vmid: int, run_dir: str = RUN_DIR) -> str:
    """The QMP socket of VM `vmid`. Source: qemu-server, src/PVE/QemuServer/Helpers.pm, qmp_socket."""
    return f"{run_dir}/{vmid}.qmp"


def ask_guest(path: str, timeout_s: float = TIMEOUT_S) -> GuestRun:
    """What the QEMU behind `path` says. Raises Unreachable, or Unreadable for an answer that is none of QMP's."""
    deadline = time.monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout_s)
            link.connect(path)
            monitor = _Monitor(link, path, deadline)
            if "QMP" not in monitor.line():
                raise Unreadable(path, 1, "it does not greet like QMP")
            monitor.execute("qmp_capabilities")
            migration = monitor.execute("query-migrate").get("status", "")
            run = monitor.execute("query-status").get("status")
    except TimeoutError as err:
        raise Unreachable(path, f"QEMU did not answer within {timeout_s:g} s") from err
    except OSError as err:
        raise Unreachable(path, err.strerror or str(err)) from err
    if not isinstance(migration, str) or not isinstance(run, str):
        raise Unreadable(path, 0, f"its states are {shown(run)} and {shown(migration)}")
    return GuestRun(run, migration)


class _Monitor:
    """One conversation; every read ends by the deadline."""

    def __init__(self, link: socket.socket, path: str, deadline: float) -> None:
        self._link, self._path, self._deadline = link, path, deadline
        self._received = b""

    def execute(self, command: str) -> Mapping[str, object]:
        """What `command` returns; events that come in between are passed over."""
        self._link.sendall(json.dumps({"execute": command}).encode() + b"\r\n")
        while True:
            reply = self.line()
            if "error" in reply:
                raise Unreadable(self._path, 0, f"{command} was refused: {shown(reply['error'])}")
            if "return" in reply:
                returned = reply["return"]
                if not isinstance(returned, dict):
                    raise Unreadable(self._path, 0, f"{command} returned {shown(returned)}")
                return returned

    def line(self) -> Mapping[str, object]:
        """The next JSON object."""
        while b"\n" not in self._received:
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._link.settimeout(left_s)
            part = self._link.recv(65536)
            if not part:
                raise Unreachable(self._path, "QEMU ended the conversation")
            self._received += part
            if len(self._received) > _LONGEST_BYTES:
                raise Unreadable(self._path, 0, "it prints without end")
        line, _, self._received = self._received.partition(b"\n")
        value = read_json(line.decode("utf-8", "replace"), self._path)
        if not isinstance(value, dict):
            raise Unreadable(self._path, 0, f"{shown(value)} is not an object")
        return value
