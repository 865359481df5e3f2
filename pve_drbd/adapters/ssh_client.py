"""How Proxmox VE calls ssh, and what its client's complaints mean in words that help."""

from __future__ import annotations

import shlex

# Most telling first. `{node}` and `{address}` are filled in; each says what is so and what to do.
_COMPLAINTS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key at {address} is not the one that PVE keeps for {node}. If {node} was reinstalled, "
        "run there: pvecm updatecerts. If it was not, find out who answers at {address} before anything else",
    ),
    (
        "Host key verification failed",
        "the host key of {node} at {address} is not known here. Run on {node}: pvecm updatecerts",
    ),
    (
        "Permission denied",
        "{address} does not accept root's ssh key of this node. Run on both nodes: pvecm updatecerts, "
        "and check that sshd there has PermitRootLogin yes or prohibit-password",
    ),
    ("Connection refused", "nothing listens on the ssh port of {address}. On {node}: systemctl status ssh"),
    ("Could not resolve hostname", "no address is known for {node}. Look at: cat /etc/pve/.members, pvecm status"),
    ("timed out", "nobody answers at {address}. Is {node} switched on, and its cluster network up? See: pvecm status"),
    ("No route to host", "there is no route to {address}. Is {node} switched on? See: pvecm status, ip route"),
    ("Network is unreachable", "there is no route to {address}. Is this node's own network up? See: ip route"),
    ("Connection reset", "{address} reset the connection. On {node}: journalctl -u ssh"),
    ("Connection closed", "{address} closed the connection. On {node}: journalctl -u ssh"),
)
_NO_SSH_ERROR = 255


def ssh_argv(node: str, address: str, known_hosts: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The call of ssh that PVE itself makes for `node`, up to where a command may follow.

    `known_hosts` is the node's own file under /etc/pve/nodes, '' where there is none: then, as before pve-cluster
    8.0.6, the system's files decide. `options` are more options. Nothing is added of ours, so that what works for PVE
    works here. Source: pve-cluster, src/PVE/SSHInfo.pm, ssh_info_to_ssh_opts and ssh_info_to_command.
    """
    pinned = ("-o", f"UserKnownHostsFile={known_hosts}", "-o", "GlobalKnownHostsFile=none") if known_hosts else ()
    return (
        *("/usr/bin/ssh", "-e", "none", "-o", "BatchMode=yes", "-o", f"HostKeyAlias={node}"),
        *(*pinned, *options, f"root@{address}"),
    )


def complaint(node: str, command: tuple[str, ...], exit_code: int | None, said: str) -> str:
    """Why the ssh call `command` gave no session, from its exit code (None: it did not end) and its last words."""
    address = command[-1].rpartition("@")[2]
    if exit_code == _NO_SSH_ERROR:
        for words, meaning in _COMPLAINTS:
            if words in said:
                return meaning.format(node=node, address=address)
    try_it = f"Try it by hand: {shlex.join((*command, 'true'))}"
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    quoted = f", its last words: {last[:200]}" if last else ", without a word"
    if exit_code is None:
        return f"ssh to {address} gave no session in time{quoted}. {try_it}"
    if exit_code == _NO_SSH_ERROR:
        return f"ssh to {address} failed{quoted}. {try_it}"
    return f"root's login at {address} ended at once with exit code {exit_code}{quoted}. {try_it}"
