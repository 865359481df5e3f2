"""Guests that must not be started before somebody has looked: a file with the reason for each, on both nodes."""

from __future__ import annotations

import logging
import threading

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.adapters.state_dir import StateDir
from pve_drbd.errors import PveDrbdError

log = logging.getLogger(__name__)

FOLDER = "refuse-start"
_PEER_TIMEOUT_S = 5.0
"""Writing a line takes milliseconds; a full or dying disk there must not hold us."""

# $1 folder, $2 guest, $3 reason. Whole or not at all, as StateDir.write does it.
_WRITE = (
    'umask 077; mkdir -p -- "$1" && printf "%s\\n" "$3" >"$1/$2.part" && sync -- "$1/$2.part" '
    '&& mv -- "$1/$2.part" "$1/$2"'
)


class Refusals:
    """The files below `refuse-start`. An administrator removes one with rm, and that is all there is to it."""

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self._turn = threading.Lock()
        self._unwritten: dict[int, str] = {}

    def path(self, vmid: int) -> str:
        """The file that refuses guest `vmid`; the same on every node."""
        return f"{self._state.path}/{FOLDER}/{vmid}"

    def reason(self, vmid: int) -> str:
        """Why guest `vmid` is not to be started, in one line; '' if nothing is against it."""
        with self._turn:
            unwritten = self._unwritten.get(vmid, "")
        if unwritten or not self._state.has(f"{FOLDER}/{vmid}"):
            return unwritten
        said = self._state.read(f"{FOLDER}/{vmid}").strip().replace("\n", " ")
        return said or f"guest {vmid} is not started: {self.path(vmid)} exists. Read it, look, and remove it"

    def refuse(self, vmid: int, reason: str) -> bool:
        """Refuse guest `vmid` on this node; False if that holds only until the service is restarted."""
        with self._turn:
            self._unwritten[vmid] = f"{reason}. On this node it ends with: systemctl restart pve-drbd"
        is_written = self._state.write(f"{FOLDER}/{vmid}", f"{reason}\n")
        if is_written:
            with self._turn:
                self._unwritten.pop(vmid, None)
        return is_written

    def refuse_on(self, hosts: Hosts, node: str, vmid: int, reason: str) -> str:
        """Refuse it on `node` as well; '' if that is done, else why not."""
        argv = ("sh", "-c", _WRITE, "pve-drbd", f"{self._state.path}/{FOLDER}", str(vmid), reason)
        try:
            result = hosts.run(node, argv, _PEER_TIMEOUT_S)
        except PveDrbdError as err:
            return str(err)
        return "" if result.exit_code == 0 else result.err.strip() or f"sh ended with exit code {result.exit_code}"
