"""How much one second of a guest's downtime weighs."""

from __future__ import annotations

from pve_drbd.model.evacuation import Wishes
from pve_drbd.model.pve import Guest, GuestConfig, GuestState

CRITICAL_TAG, DISPOSABLE_TAG = "drbd-critical", "drbd-disposable"
CRITICAL, MANAGED, USUAL, STOPPED, DISPOSABLE = 100, 50, 20, 5, 1


def priority_of(guest: Guest, config: GuestConfig, wishes: Wishes) -> int:
    """The operator's word, else the guest's tag, else what HA and the start at boot say of it."""
    tags = {*guest.tags, *config.tags}
    if guest.vmid in wishes.priorities:
        return wishes.priorities[guest.vmid]
    if CRITICAL_TAG in tags:
        return CRITICAL
    if DISPOSABLE_TAG in tags:
        return DISPOSABLE
    if guest.state is GuestState.STOPPED:
        return STOPPED
    return MANAGED if guest.ha_state or config.starts_at_boot else USUAL
