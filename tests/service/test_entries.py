"""The service tells once that an entry of ours vanished, and goes on when a look fails."""

import logging
import threading

from pve_drbd.findings import find
from pve_drbd.service.entries import EntryLooker

GONE = find("PVE-E401", storage="drbdvg", type="drbdlvm", vg="drbdvg", what="x", seen_at="x")


class Looks:
    """Stands for an EntryWatch that gives prepared findings, one look after the other; it reads no file."""

    def __init__(self, *looks):
        self.looks, self.done = list(looks), threading.Event()

    def look(self, utc):
        found = self.looks.pop(0) if self.looks else self.done.set()
        if isinstance(found, Exception):
            raise found
        return found or ()


def test_what_became_of_an_entry_is_one_line_in_the_log(caplog):
    EntryLooker(Looks((GONE,)), lambda: "2026-01-01T00:00:00Z").look()

    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "code=PVE-E401" in caplog.text


def test_a_look_that_fails_does_not_end_the_watch(caplog):
    watch = Looks(OSError("gone"), ())
    looker = EntryLooker(watch, lambda: "2026-01-01T00:00:00Z", interval_s=0.01)

    looker.start()

    assert watch.done.wait(5)
    looker.stop()
    assert "entry-look-failed" in caplog.text
