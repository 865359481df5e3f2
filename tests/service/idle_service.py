"""A service of its own process with everything that watches, on a stand-in of DRBD's events: `python -m … FOLDER`."""

import sys
import threading
from pathlib import Path

from pve_drbd.adapters.local import LocalCommands
from pve_drbd.adapters.state_dir import StateDir
from pve_drbd.adapters.stream import Stream
from pve_drbd.service.aftermath import Aftermath
from pve_drbd.service.guard import LiveGuard
from pve_drbd.service.inflight import InFlight
from pve_drbd.service.memory import Memory
from pve_drbd.service.refusals import Refusals
from pve_drbd.service.server import listen, serve, systemd_watchdog
from pve_drbd.service.watch import Watch, moment_now
from tests.service.parts import ROOT, A, gate_on, healthy

EVENTS = ROOT / "tests" / "samples" / "events2-stream" / "8.4.11-verify-peer-reboot-peer-crash-105.txt"

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    dump = "".join(EVENTS.read_text().splitlines(keepends=True)[:9])
    (folder / "dump").write_text(dump)
    local, state, hosts = LocalCommands(A), StateDir(str(folder / "state")), healthy()
    watch = Watch(
        A,
        local,
        Memory(A, state, moment_now),
        open_stream=lambda: Stream(("sh", "-c", 'cat "$1"; exec sleep 3600', "sh", str(folder / "dump"))),
        module=str(folder),
    )
    refusals = Refusals(state)
    guard = LiveGuard(A, watch, InFlight(local, watch, Aftermath(A, local, lambda: hosts, refusals), state), refusals)
    guard.start()
    serve(listen(str(folder / "gate.sock")), gate_on(hosts, guard=guard).answer, systemd_watchdog(), threading.Event())
