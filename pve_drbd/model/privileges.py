"""The three jobs for which pve-drbd asks Proxmox VE's API, and the least privileges that each needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

USER = "pve-drbd@pve"


@dataclass(frozen=True, slots=True)
class Role:
    """One role of ours: `needs` are its privileges, each with the calls that want it."""

    name: str
    job: str
    needs: Mapping[str, str]

    @property
    def privileges(self) -> tuple[str, ...]:
        """In alphabetical order."""
        return tuple(sorted(self.needs))


# Proxmox VE keeps names that begin with PVE to itself. Sources: pve-access-control PVE/API2/Role.pm; the permissions
# of each call in its `permissions`, and what its code checks beyond them.
ROLES: Mapping[str, Role] = {
    "read": Role(
        "DrbdRead",
        "status, check, plan, collect: looks at everything, changes nothing",
        {
            "Sys.Audit": "GET /cluster/status, /cluster/ha/resources, /nodes/N/tasks",
            "VM.Audit": "GET /cluster/resources, /nodes/N/qemu/ID/config: without it a guest is not even listed",
            "Datastore.Audit": "GET /storage: without it an entry is not even listed",
            "Pool.Audit": "GET /cluster/resources: the pool of a guest",
        },
    ),
    "entry": Role(
        "DrbdEntry",
        "storage ensure, set, adopt, release: writes storage entries",
        {"Datastore.Allocate": "POST /storage, PUT /storage/ID"},
    ),
    "recover": Role(
        "DrbdRecover",
        "apply: evacuates guests before a side is discarded, and brings them back",
        {
            "VM.Migrate": "POST /nodes/N/qemu/ID/migrate",
            "VM.Config.Disk": "POST /nodes/N/qemu/ID/move_disk, migrate with local disks, removing unused volumes",
            "VM.PowerMgmt": "POST /nodes/N/qemu/ID/status/shutdown, stop, start",
            "VM.Backup": "POST /nodes/N/vzdump, reading and removing its archive",
            "VM.Allocate": "POST /nodes/N/qemu with an archive: the guest does not exist at that moment",
            "Datastore.AllocateSpace": "move_disk, vzdump and restore: the storage they write to",
            "SDN.Use": "restore: the bridges that the guest's configuration names",
            "Sys.Console": "PUT /cluster/ha/resources/SID: HA leaves the guest alone meanwhile",
            "Pool.Allocate": "PUT /pools: the restored guest goes back into its pool",
        },
    ),
}

_REFUSED = re.compile(r"Permission check failed \((/[^,]*), ([A-Za-z.|]+)\)")


def grant_for(reason: str) -> str:
    """The sentence that names the command which grants what PVE's refusal `reason` misses; '' if that says nothing."""
    refused = _REFUSED.search(reason)
    if refused is None:
        return ""
    wanted = refused[2].split("|")
    names = [name for name, role in ROLES.items() if set(wanted) & set(role.needs)]
    lacks = f"The token has not the privilege {wanted[0]} on {refused[1]}"
    if not names:
        return f"{lacks}. See what it has: pveum user token permissions {USER} TOKEN"
    return f"{lacks}. Grant it: pve-drbd token create --role {names[0]} --yes"
