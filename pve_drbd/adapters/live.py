"""The real nodes: this one directly, every other member of the PVE cluster through ssh."""

from __future__ import annotations

from pve_drbd.adapters.hosts import Hosts, HostsByNode
from pve_drbd.adapters.local import LocalCommands
from pve_drbd.adapters.ssh import SshCommands
from pve_drbd.adapters.ssh_client import ssh_argv
from pve_drbd.errors import ConfigInvalid, Unreachable
from pve_drbd.model.pve import ClusterNode
from pve_drbd.readers.members import read_members

_PMXCFS_TIMEOUT_S = 2.0
"""Reading /etc/pve takes 1 ms; where corosync or pmxcfs hangs it takes for ever, in state D."""


def live_hosts(local: LocalCommands, *, etc_pve: str = "/etc/pve", ssh_options: tuple[str, ...] = ()) -> HostsByNode:
    """Every member of the cluster, by the member list of this node's pmxcfs; no ssh is started before it is asked.

    /etc/pve is read by children too, because it can hang like a disk. Raises Unreachable, Unreadable, ConfigInvalid.
    """
    (here,) = local.nodes()
    listed = local.run(here, ("cat", f"{etc_pve}/.members"), _PMXCFS_TIMEOUT_S)
    if listed.exit_code != 0:
        raise Unreachable(
            f"{etc_pve}/.members", f"{listed.err.strip()}. Is pmxcfs running? See: systemctl status pve-cluster"
        )
    members = read_members(listed.out)
    hosts: dict[str, Hosts] = {here: local}
    for member in members:
        if member.is_local and member.name != here:
            raise ConfigInvalid(
                f"this node calls itself {here}, but PVE knows it as {member.name}. "
                "Correct /etc/hostname, or restart pve-cluster if the name was changed on purpose"
            )
        if not member.is_local:
            hosts[member.name] = _peer(local, member, etc_pve, ssh_options)
    return HostsByNode(hosts)


def _peer(local: LocalCommands, member: ClusterNode, etc_pve: str, ssh_options: tuple[str, ...]) -> SshCommands:
    (here,) = local.nodes()
    known_hosts = f"{etc_pve}/nodes/{member.name}/ssh_known_hosts"
    has_own = local.run(here, ("test", "-f", known_hosts), _PMXCFS_TIMEOUT_S).exit_code == 0
    # Without an address PVE falls back to the name, and so does ssh. That a name can lead to 127.0.1.1, which is this
    # node, does no harm: a session only counts if the other end calls itself by the member's name.
    # Source: pve-cluster, src/PVE/Cluster.pm, remote_node_ip.
    address = member.ip or member.name
    command = ssh_argv(member.name, address, known_hosts if has_own else "", ssh_options)
    return SshCommands(member.name, command)
