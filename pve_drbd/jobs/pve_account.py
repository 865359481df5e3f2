"""What Proxmox VE's API says of the cluster, its storage entries and its guests; each refusal becomes a NoView."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pve_drbd.adapters.pve import Pve
from pve_drbd.errors import ApiRefused, PveDrbdError, Unreadable
from pve_drbd.model.pve import Guest, GuestConfig
from pve_drbd.model.survey import PVE, NoView, PveAccount
from pve_drbd.readers.guests import read_guest_config
from pve_drbd.readers.pve_lists import read_cluster, read_guests, read_ha, read_storages, read_version

T = TypeVar("T")
PveSource = Callable[[], Pve]
"""Gives the API when it is first needed: importing its client costs more than a whole replay."""


def gather_pve(source: PveSource, vmids: tuple[int, ...] | None, *, with_pending: bool = True) -> PveAccount | NoView:
    """PVE's account with the configurations of guests `vmids` (None: of every guest); NoView if it is silent.

    Without pending changes it takes half the calls, which matters where there are many guests.
    """
    try:
        pve = source()
        version = read_version(pve.get("/version"))
    except ApiRefused as err:
        return NoView(PVE, "the API", str(err))
    except Unreadable as err:
        return NoView(PVE, "the API", str(err), is_damaged=True)
    except PveDrbdError as err:
        return NoView(PVE, "the API", getattr(err, "why", str(err)))
    ha = _ask(lambda: read_ha(pve.get("/cluster/ha/resources")), "/cluster/ha/resources")
    known = () if isinstance(ha, NoView) else ha
    guests = _ask(lambda: read_guests(pve.get("/cluster/resources", type="vm"), known), "/cluster/resources")
    listed = () if isinstance(guests, NoView) else guests
    wanted = [each for each in listed if vmids is None or each.vmid in vmids]
    return PveAccount(
        version=version,
        cluster=_ask(lambda: read_cluster(pve.get("/cluster/status")), "/cluster/status"),
        storages=_ask(lambda: read_storages(pve.get("/storage")), "/storage"),
        guests=guests,
        ha=ha,
        configs={each.vmid: _config(pve, each, with_pending) for each in wanted},
    )


def _config(pve: Pve, guest: Guest, with_pending: bool) -> GuestConfig | NoView:
    """The running configuration and, if asked for, the one with pending changes merged: the next start uses that."""
    path = f"/nodes/{guest.node}/{guest.kind.value}/{guest.vmid}/config"

    def read() -> GuestConfig:
        merged = pve.get(path) if with_pending else None
        return read_guest_config(guest.kind, pve.get(path, current=1), merged, path)

    return _ask(read, f"the configuration of guest {guest.vmid}")


def _ask(question: Callable[[], T], subject: str) -> T | NoView:
    try:
        return question()
    except Unreadable as err:
        return NoView(PVE, subject, str(err), is_damaged=True)
    except PveDrbdError as err:
        return NoView(PVE, subject, str(err))
