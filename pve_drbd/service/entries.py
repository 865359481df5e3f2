"""Between two questions: are our storage entries still there, and still as they were."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pve_drbd.jobs.entry_watch import EntryWatch

log = logging.getLogger(__name__)

INTERVAL_S = 60.0
"""A node without the plugin deletes our entries at one write; pvestatd shows the loss 10 s later, and says nothing."""


class EntryLooker:
    """A thread that looks once a minute, and tells each thing once."""

    def __init__(self, watch: EntryWatch, utc: Callable[[], str], interval_s: float = INTERVAL_S) -> None:
        self._watch, self._utc, self._interval_s = watch, utc, interval_s
        self._stop = threading.Event()

    def start(self) -> None:
        """Look for the first time, and from then on."""
        threading.Thread(target=self._run, name="entries", daemon=True).start()

    def stop(self) -> None:
        """No further look."""
        self._stop.set()

    def look(self) -> None:
        """One look; what is new goes to the log, one line each."""
        for finding in self._watch.look(self._utc()):
            log.warning("event=entry code=%s line=%s", finding.code, finding.line)

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception:
                # The gate answers with or without this thread, and the next look may be luckier.
                log.exception("event=entry-look-failed")
            if self._stop.wait(self._interval_s):
                return
