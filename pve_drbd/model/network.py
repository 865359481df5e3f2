"""The network's words: interfaces of one node and the addresses they hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface; `is_up` means switched on and with a link below it."""

    name: str
    is_up: bool
    addresses: tuple[str, ...]
