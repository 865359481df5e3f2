"""After a migration whose link was lost: where does the guest run, and must nobody start it before somebody looked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pve_drbd.adapters.hosts import CommandResult, Hosts
from pve_drbd.adapters.qmp import RUN_DIR, ask_guest, socket_path
from pve_drbd.errors import PveDrbdError, Unreachable
from pve_drbd.model.task import Move
from pve_drbd.readers.fields import printable
from pve_drbd.service.refusals import Refusals

log = logging.getLogger(__name__)

_PROCESS_TIMEOUT_S = 5.0
"""pgrep takes milliseconds; what takes longer is a node that does not answer."""
_LOOKS = 3
_BETWEEN_LOOKS_S = 1.0
"""A QEMU that cancels its migration answers late, or for a moment not as running."""

_PROCESS = {0: "process-without-answer", 1: "no-process"}

Notify = Callable[[str], None]


def log_notice(sentence: str) -> None:
    """Tell the journal: what is done with a notification until somebody configures more."""
    log.warning("event=notification text=%s", sentence)


def tell(notify: Notify, event: str, sentence: str, facts: Mapping[str, object]) -> None:
    """One ERROR line with facts as name=value, and the same sentence to whoever is to be notified."""
    words = " ".join(f"{name}={value}" for name, value in facts.items())
    log.error("event=%s %s finding=%s", event, words, sentence)
    try:
        notify(sentence)
    except Exception:
        # Whatever a notifier does, the guest comes first.
        log.exception("event=notification-failed")


def qemu_argv(vmid: int, run_dir: str = RUN_DIR) -> tuple[str, ...]:
    """Exit code 0 if the QEMU of VM `vmid` lives, 1 if not: its pid file, checked against the process's own words.

    Source: qemu-server, src/PVE/QemuServer/Helpers.pm, instance_running_locally.
    """
    return ("pgrep", "--pidfile", f"{run_dir}/{vmid}.pid", "--full", "--", f"-id {vmid} ")


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Looks at both nodes, and refuses starts on both where the guest does not run on at its source."""

    here: str
    local: Hosts
    pair: Callable[[], Hosts]
    refusals: Refusals
    notify: Notify = log_notice
    run_dir: str = RUN_DIR
    sleep: Callable[[float], None] = time.sleep

    def look(self, move: Move, lost: str, was_ended: bool) -> None:
        """Look, tell, and refuse if need be. `lost` says which link was lost and how."""
        run = self._run_here(move.vmid)
        hosts = self._open_pair()
        try:
            there = self._process(hosts, move.target, move.vmid)
            facts = {"vmid": move.vmid, "upid": move.upid.text, "target": move.target, "here": run, "there": there}
            if run == "running":
                event = "migration-ended" if was_ended else "migration-failed"
                tell(self.notify, event, self._stays(move, lost, there), facts)
            else:
                self._refuse(hosts, move, lost, facts)
        finally:
            hosts.close()

    def _stays(self, move: Move, lost: str, there: str) -> str:
        left = f" A QEMU of it is left on {move.target}; see there: cat {self.run_dir}/{move.vmid}.pid"
        return (
            f"guest {move.vmid} runs on {self.here} and was not moved to {move.target}: {lost} while it migrated. "
            f"See: pve-drbd status.{left if there == _PROCESS[0] else ''}"
        )

    def _refuse(self, hosts: Hosts, move: Move, lost: str, facts: Mapping[str, object]) -> None:
        """Refuse starts on the peer, then here, where the memory of this process makes up for a disk that hangs."""
        reason = printable(
            f"guest {move.vmid} is not to be started: {lost} while it migrated from {self.here} to {move.target}, and "
            f"it does not run on {self.here} any more, so its disks may differ between the nodes. Look on both nodes: "
            f"qm status {move.vmid} --verbose; pve-drbd status. Once you know which copy is right, remove the refusal "
            f"on both nodes: rm {self.refusals.path(move.vmid)}"
        )
        problem = self.refusals.refuse_on(hosts, move.target, move.vmid, reason)
        is_kept = self.refusals.refuse(move.vmid, reason)
        done = {"refused_here": "yes" if is_kept else "until-restart", "refused_there": "no" if problem else "yes"}
        sentence = reason
        if problem:
            sentence += f". On {move.target} that could not be refused ({printable(problem)}): see to it there"
        tell(self.notify, "start-refused", sentence, {**facts, **done})

    def _run_here(self, vmid: int) -> str:
        """QEMU's own word for the guest's state on this node, or why there is none."""
        said = ""
        for turn in range(_LOOKS):
            if turn:
                self.sleep(_BETWEEN_LOOKS_S)
            try:
                said = ask_guest(socket_path(vmid, self.run_dir)).run
            except PveDrbdError:
                said = self._process(self.local, self.here, vmid)
            if said in ("running", _PROCESS[1]):
                break
        return said

    def _process(self, hosts: Hosts, node: str, vmid: int) -> str:
        """Whether the guest's QEMU is there as a process, in one word."""
        try:
            result = hosts.run(node, qemu_argv(vmid, self.run_dir), _PROCESS_TIMEOUT_S)
        except PveDrbdError as err:
            log.warning("event=not-looked node=%s vmid=%s reason=%s", node, vmid, err)
            return "unknown"
        return _PROCESS.get(result.exit_code, "unknown")

    def _open_pair(self) -> Hosts:
        try:
            return self.pair()
        except PveDrbdError as err:
            return _Silent(str(err))


class _Silent:
    """The nodes, where not even their list could be read."""

    def __init__(self, why: str) -> None:
        self._why = why

    def nodes(self) -> tuple[str, ...]:
        """None is known."""
        return ()

    def run(self, node: str, _argv: tuple[str, ...], _timeout_s: float) -> CommandResult:
        """Raises Unreachable."""
        raise Unreachable(node, self._why)

    def close(self) -> None:
        """Nothing is open."""
