"""The world that a command asks: the live pair, a recorded one, or the live one being recorded."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.adapters.pve import Pve
from pve_drbd.dialects import READING_NAMES
from pve_drbd.errors import ConfigInvalid
from pve_drbd.jobs.survey import Clock, World

if TYPE_CHECKING:
    from pve_drbd.adapters.local import LocalCommands

TOKEN_FILE = Path("/etc/pve-drbd/token.toml")
Opener = Callable[[str | None], AbstractContextManager[World]]
"""Opens the world that a command asks: the recorded one in a directory, or the live one."""
CLOCK = Clock(
    monotonic=time.monotonic,
    sleep=time.sleep,
    utc=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
)


@contextmanager
def open_world(replay: str | None) -> Iterator[World]:
    """The recorded pair in directory `replay`, or the live one; closed afterwards."""
    world = _replayed(replay) if replay else _live()
    try:
        yield world
    finally:
        world.hosts.close()


@contextmanager
def recording_world(replay: str | None, directory: str) -> Iterator[World]:
    """As `open_world`, with every answer kept in the new bundle `directory`."""
    from pve_drbd.adapters.bundle import About, start_bundle  # noqa: PLC0415
    from pve_drbd.adapters.pve_recorded import RecordingPve  # noqa: PLC0415
    from pve_drbd.adapters.record import RecordingHosts  # noqa: PLC0415

    with open_world(replay) as inner:
        about = About(inner.taken_at or CLOCK.utc(), inner.taken_on, pve_drbd=_version())
        start_bundle(directory, about)
        hosts = RecordingHosts(inner.hosts, directory, READING_NAMES)
        yield World(
            hosts=hosts,
            # One recording for the whole bundle, begun when the API is first asked.
            pve=cache(lambda: RecordingPve(inner.pve(), Path(directory))),
            clock=inner.clock,
            taken_on=inner.taken_on,
            taken_at=inner.taken_at,
            is_replay=inner.is_replay,
        )


def _replayed(directory: str) -> World:
    from pve_drbd.adapters.pve_recorded import ReplayPve  # noqa: PLC0415
    from pve_drbd.adapters.replay import open_bundle  # noqa: PLC0415

    about, hosts = open_bundle(directory)
    return World(
        hosts=hosts,
        pve=lambda: ReplayPve(Path(directory)),
        clock=CLOCK,
        taken_on=about.taken_on,
        taken_at=about.taken_at,
        is_replay=True,
    )


def local_commands() -> tuple[LocalCommands, str]:
    """Commands on this node alone, and its name."""
    from pve_drbd.adapters.local import LocalCommands, local_node  # noqa: PLC0415

    if os.geteuid() != 0:
        raise ConfigInvalid("the live pair can be asked by root only; anyone may use --replay DIR")
    return LocalCommands(local_node()), local_node()


def _live() -> World:
    from pve_drbd.adapters.live import live_hosts  # noqa: PLC0415

    local, here = local_commands()
    hosts: Hosts = live_hosts(local)
    return World(hosts=hosts, pve=lambda: _live_pve(here), clock=CLOCK, taken_on=here)


def _live_pve(here: str) -> Pve:
    from pve_drbd.adapters.pve_https import LivePve  # noqa: PLC0415
    from pve_drbd.adapters.token import read_token  # noqa: PLC0415

    return LivePve(read_token(TOKEN_FILE, here))


def _version() -> str:
    from pve_drbd import __version__  # noqa: PLC0415

    return __version__
