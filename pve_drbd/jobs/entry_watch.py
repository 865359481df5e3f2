"""Looks at storage.cfg again and again, remembers our entries, and tells once what vanished or changed."""

from __future__ import annotations

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.findings import Finding
from pve_drbd.jobs.entry_files import EntryMemory, known_entries
from pve_drbd.jobs.guest_files import read_storages
from pve_drbd.model.survey import NoView
from pve_drbd.rules.entry import judge_drift


class EntryWatch:
    """For the service: `look` once a minute or so. It reads a file of pmxcfs, and asks neither DRBD, LVM nor the API.

    An entry of our type is remembered as it is first seen. What became of it since is told once; it is the operator who
    puts it right, or takes it for right as it is (`storage ensure`, `storage set --as-it-is`).
    """

    def __init__(self, hosts: Hosts, here: str, memory: EntryMemory, etc_pve: str = "/etc/pve") -> None:
        self._hosts, self._here, self._memory, self._etc_pve = hosts, here, memory, etc_pve
        self._told: frozenset[Finding] = frozenset()

    def look(self, utc: str) -> tuple[Finding, ...]:
        """What is wrong now and was not at the last look; `utc` is the time, in ISO 8601."""
        present = read_storages(self._hosts, self._here, self._etc_pve)
        known = known_entries(self._hosts, self._here)
        if isinstance(present, NoView) or isinstance(known, NoView):
            return ()
        found = frozenset(judge_drift(known, present))
        remembered = {each.storeid for each in known}
        for entry in present:
            if entry.type == "drbdlvm" and entry.storeid not in remembered:
                self._memory.keep(entry, "", utc)
        fresh, self._told = found - self._told, found
        return tuple(sorted(fresh, key=lambda each: (each.code, each.details)))
