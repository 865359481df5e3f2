"""What this node keeps of storage entries: those that the configuration wants, and those it last knew to be right."""

from __future__ import annotations

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.adapters.state_dir import DEFAULT, StateDir
from pve_drbd.errors import ConfigInvalid, NotRecorded, Unreachable, Unreadable
from pve_drbd.model.entry import KnownEntry, WantedEntry
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NoView
from pve_drbd.readers.config import SOURCE as CONFIG_FILE
from pve_drbd.readers.config import read_entries
from pve_drbd.readers.known_entries import known_text, read_known
from pve_drbd.rules.entry import known_of

NAME = "entries.json"
KNOWN: tuple[str, ...] = ("cat", f"{DEFAULT}/{NAME}")
CONFIG: tuple[str, ...] = ("cat", CONFIG_FILE)
_TIMEOUT_S = 2.0


def known_entries(hosts: Hosts, here: str) -> tuple[KnownEntry, ...] | NoView:
    """The entries last known to be right; none where nobody has kept any yet."""
    try:
        result = hosts.run(here, KNOWN, _TIMEOUT_S)
        return () if result.exit_code else read_known(result.out, KNOWN[1])
    except NotRecorded:
        return ()
    except Unreachable as err:
        return NoView(here, KNOWN[1], err.why)
    except Unreadable as err:
        return NoView(here, KNOWN[1], str(err), is_damaged=True)


def wanted_entries(hosts: Hosts, here: str) -> tuple[WantedEntry, ...]:
    """The entries of the configuration; none without one. Raises ConfigInvalid, with line and key."""
    try:
        result = hosts.run(here, CONFIG, _TIMEOUT_S)
    except NotRecorded:
        return ()
    except (Unreachable, Unreadable) as err:
        raise ConfigInvalid(f"{CONFIG_FILE} could not be read: {err}") from err
    if result.exit_code and "No such file" not in result.err:
        raise ConfigInvalid(f"{CONFIG_FILE} could not be read: {result.err.strip()}")
    return read_entries("" if result.exit_code else result.out)


class EntryMemory:
    """The file of known entries in the state directory `directory`."""

    def __init__(self, hosts: Hosts, here: str, directory: str = DEFAULT) -> None:
        self._hosts, self._here = hosts, here
        self._state = StateDir(directory)

    def keep(self, entry: StorageEntry, vg_uuid: str, seen_at: str) -> bool:
        """From now on `entry` is right as it stands; False if that could not be written."""
        return self._write(entry.storeid, known_of(entry, vg_uuid, seen_at))

    def forget(self, storeid: str) -> bool:
        """From now on it is right that there is no entry `storeid`."""
        return self._write(storeid, None)

    def _write(self, storeid: str, known: KnownEntry | None) -> bool:
        text = self._state.read(NAME)
        try:
            listed = read_known(text) if text else ()
        except Unreadable:
            listed = ()  # a damaged memory is no reason to keep it damaged
        others = [each for each in listed if each.storeid != storeid]
        return self._state.write(NAME, known_text([*others, known] if known else others))
