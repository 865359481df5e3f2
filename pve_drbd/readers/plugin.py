"""What a node has of the storage plugin: the answer of pve-drbd-retype, and of systemd about PVE's daemons."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pve_drbd.errors import Unreadable
from pve_drbd.model.entry import Daemon, PluginAccount
from pve_drbd.readers.strict_json import read_json

_SOURCE = "pve-drbd-retype check"
_SYSTEMCTL = "systemctl show"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[A-Z][a-z]{2} (\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{6}) UTC")


def read_plugin(text: str, node: str) -> PluginAccount:
    """What a fresh process on `node` made of the plugin; raises Unreadable."""
    document = read_json(text, _SOURCE)
    if not isinstance(document, dict):
        raise Unreadable(_SOURCE, 0, "it is not a JSON object")
    problem, sha256, changed_at = (document.get(key) for key in ("problem", "sha256", "changed_at"))
    if isinstance(problem, str) and problem:
        return PluginAccount(node, problem=problem)
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise Unreadable(_SOURCE, 0, f"sha256 is {sha256!r}")
    if isinstance(changed_at, bool) or not isinstance(changed_at, int | float):
        raise Unreadable(_SOURCE, 0, f"changed_at is {changed_at!r}")
    return PluginAccount(node, sha256, float(changed_at))


def read_daemons(text: str) -> tuple[Daemon, ...]:
    """The units of `systemctl show --timestamp=us+utc -p Id -p LoadState -p ActiveState -p StateChangeTimestamp`.

    A reload executes the daemon anew in the same process, so no process tells when it read its plugins; systemd's last
    change of state does, for it goes through `reloading`. Units that are not installed are left out.
    Source: pve-common PVE/Daemon.pm (HUP); systemd src/core/unit.c, unit_notify.
    """
    found = []
    for block in filter(str.strip, text.split("\n\n")):
        settings = dict(line.partition("=")[::2] for line in block.splitlines() if line.strip())
        if settings.get("LoadState") == "not-found":
            continue
        unit, state, at = (settings.get(key, "") for key in ("Id", "ActiveState", "StateChangeTimestamp"))
        if not unit or not state:
            raise Unreadable(_SYSTEMCTL, 0, f"a unit without its name or state: {block[:60]!r}")
        is_active = state not in ("inactive", "failed")
        found.append(Daemon(unit, is_active, _epoch(at, unit) if is_active else 0.0))
    return tuple(sorted(found, key=lambda each: each.unit))


def _epoch(at: str, unit: str) -> float:
    match = _TIME.fullmatch(at)
    if match is None:
        raise Unreadable(_SYSTEMCTL, 0, f"the time of {unit} is {at!r}")
    return datetime.strptime(f"{match[1]}+0000", "%Y-%m-%d %H:%M:%S.%f%z").astimezone(UTC).timestamp()
