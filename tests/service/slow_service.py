"""A service of its own process whose peer hangs, to be killed while it is asked: `python -m … SOCKET`."""

import sys
import threading
from functools import partial

from pve_drbd.service.server import Watchdog, listen, serve
from tests.service.parts import B, Spoiled, gate_on, hangs

if __name__ == "__main__":
    gate = gate_on(Spoiled(hangs(B, 30)))
    told = partial(print, flush=True)
    serve(listen(sys.argv[1]), gate.answer, Watchdog(told, None), threading.Event())
