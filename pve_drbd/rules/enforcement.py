"""Which guests on DRBD does Proxmox VE refuse to migrate into a split, and which does nothing protect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pve_drbd.findings import Finding, find
from pve_drbd.model.pve import Guest, GuestConfig, GuestKind
from pve_drbd.model.survey import NoView, PveAccount, Survey
from pve_drbd.rules.placement import vg_resources

HOOKSCRIPT = "pve-drbd-hookscript"


@dataclass(frozen=True, slots=True)
class Enforcement:
    """One guest with volumes on DRBD: what refuses its unsafe migration (`by` is 'entry', 'hook' or '').

    `on` are its entries on DRBD, `storages` those of them that stay of type lvm; `why` says why nothing refuses it.
    """

    guest: Guest
    on: tuple[str, ...]
    storages: tuple[str, ...]
    hookscript: str
    by: str
    why: str = ""


def is_our_hook(hookscript: str) -> bool:
    """A hookscript volume such as local:snippets/pve-drbd-hookscript."""
    return hookscript.rpartition("/")[2] == HOOKSCRIPT


def enforcements(survey: Survey) -> tuple[Enforcement, ...]:
    """Every guest with an attached volume on a volume group on DRBD, by vmid."""
    pve = survey.pve
    if isinstance(pve, NoView) or isinstance(pve.guests, NoView):
        return ()
    found = (_enforcement(survey, pve, guest) for guest in sorted(pve.guests, key=lambda each: each.vmid))
    return tuple(each for each in found if each)


def judge_enforcement(survey: Survey) -> Iterator[Finding]:
    """The guests whose migration nothing refuses."""
    for each in enforcements(survey):
        if not each.by:
            words = {"vmid": str(each.guest.vmid), "storage": ", ".join(each.storages), "why": each.why}
            yield find("PVE-W412", node=each.guest.node, **words)


def _enforcement(survey: Survey, pve: PveAccount, guest: Guest) -> Enforcement | None:
    config = pve.configs.get(guest.vmid)
    if config is None or isinstance(config, NoView):
        return None
    names = sorted({volume.storage for volume in config.volumes if volume.is_attached})
    entries = [entry for name in names if (entry := pve.storage(name)) and entry.is_lvm]
    on_drbd = [entry for entry in entries if vg_resources(survey, entry.vgname)]
    if not on_drbd:
        return None
    storages = tuple(entry.storeid for entry in on_drbd if entry.type == "lvm")
    by, why = _protection(guest, config) if storages else ("entry", "")
    return Enforcement(guest, tuple(entry.storeid for entry in on_drbd), storages, config.hookscript, by, why)


def _protection(guest: Guest, config: GuestConfig) -> tuple[str, str]:
    if guest.kind is GuestKind.CONTAINER:
        return "", "a container's hookscript is not told of a migration"
    if is_our_hook(config.hookscript):
        return "hook", ""
    return "", f"its hookscript is {config.hookscript}" if config.hookscript else "it has no hookscript"
