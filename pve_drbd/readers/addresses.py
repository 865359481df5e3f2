"""Interfaces with their addresses (`ip -json address show`) and the answer of one ping.

Formats: iproute2 ip/ipaddress.c (print_addrinfo, print_operstate); iputils ping/ping_common.c (finish).
"""

from __future__ import annotations

import re

from pve_drbd.errors import Unreadable
from pve_drbd.model.network import Interface
from pve_drbd.readers.fields import Entry, Odd, choice, entries, shown, text
from pve_drbd.readers.strict_json import read_json

_ADDRESSES, _PING = "ip address", "ping"

_NAME = re.compile(r"[!-~]{1,15}")
_ADDRESS = re.compile(r"[0-9a-fA-F:.]+")
_HAS_LINK = {
    "UP": True,
    # Loopback, tunnels and drivers that do not tell; LOWER_UP decides then.
    "UNKNOWN": True,
    "DORMANT": False,
    "TESTING": False,
    "LOWERLAYERDOWN": False,
    "DOWN": False,
    "NOTPRESENT": False,
}
_SUMMARY = re.compile(
    r"([0-9]{1,6}) packets transmitted, ([0-9]{1,6}) received(?:, \+[0-9]+ (?:duplicates|corrupted|errors))*"
    r", ([0-9]{1,3}(?:\.[0-9]+)?)% packet loss, time [0-9]+ms"
)
_NO_ANSWER = 1


def read_addresses(text: str) -> tuple[Interface, ...]:
    """The node's network interfaces in the kernel's order."""
    found: dict[str, Interface] = {}
    try:
        for entry in entries(read_json(text, _ADDRESSES), "the answer"):
            interface = _interface(entry)
            if found.setdefault(interface.name, interface) is not interface:
                raise Odd(f"{interface.name} stands twice")
    except Odd as err:
        raise Unreadable(_ADDRESSES, 0, str(err)) from err
    if not found:
        raise Unreadable(_ADDRESSES, 0, "it shows no interface, not even lo")
    return tuple(found.values())


def _interface(entry: Entry) -> Interface:
    flags = entry.get("flags")
    if not isinstance(flags, list):
        raise Odd(f"flags is {shown(flags)}")
    is_up = choice(entry, "operstate", _HAS_LINK) and "UP" in flags and "LOWER_UP" in flags
    addresses = tuple(text(each, "local", _ADDRESS) for each in entries(entry.get("addr_info"), "addr_info"))
    return Interface(text(entry, "ifname", _NAME), is_up, addresses)


def read_ping(out: str, exit_code: int) -> bool:
    """Whether the peer answered at all to `ping -n -q -c N`.

    Raises Unreadable without the closing summary (ping could not even send), or where it contradicts itself or the exit
    code: 0 with an answer, 1 without.
    """
    lines = out.split("\n")
    at = next((at for at, line in enumerate(lines, 1) if "packets transmitted" in line), 0)
    match = _SUMMARY.fullmatch(lines[at - 1]) if at else None
    if match is None or not lines[0].startswith("PING ") or at == len(lines):
        raise Unreadable(_PING, at, f"it has no summary (exit code {exit_code})")
    sent, received, loss_percent = int(match[1]), int(match[2]), float(match[3])
    is_consistent = received <= sent and sent > 0 and abs(100 * (sent - received) / sent - loss_percent) < 0.01
    if not is_consistent or exit_code != (0 if received else _NO_ANSWER):
        raise Unreadable(_PING, at, f"{match[0]!r} with exit code {exit_code} is contradictory")
    return received > 0
