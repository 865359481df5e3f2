"""What every node has of the storage plugin, asked side by side: a fresh process there, and the daemons that run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pve_drbd.adapters.hosts import NOT_FOUND, CommandResult, Hosts
from pve_drbd.errors import Unreachable, Unreadable
from pve_drbd.model.entry import PluginAccount
from pve_drbd.model.survey import NoView
from pve_drbd.readers.plugin import read_daemons, read_plugin

RETYPE = "/usr/libexec/pve-drbd/pve-drbd-retype"
CHECK: tuple[str, ...] = (RETYPE, "check")
# Perl with PVE::Storage takes 0.3 s on an idle node.
_CHECK_TIMEOUT_S = 20.0

# Every program of Proxmox VE that loads storage plugins once and then runs on.
# Sources: pve-manager debian/postinst (triggered), pve-ha-manager debian/postinst.
_DAEMONS = ("pvedaemon", "pveproxy", "pvestatd", "pvescheduler", "spiceproxy", "pve-ha-lrm", "pve-ha-crm")
_SYSTEMCTL = "systemctl show --timestamp=us+utc -p Id -p LoadState -p ActiveState -p StateChangeTimestamp"
DAEMONS: tuple[str, ...] = (*_SYSTEMCTL.split(" "), *(f"{name}.service" for name in _DAEMONS))
_DAEMONS_TIMEOUT_S = 5.0


def gather_plugins(hosts: Hosts, nodes: Sequence[str]) -> Mapping[str, PluginAccount | NoView]:
    """The account of each of `nodes`."""
    if not nodes:
        return {}
    with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
        return dict(zip(nodes, pool.map(lambda node: _gather(hosts, node), nodes), strict=True))


def _gather(hosts: Hosts, node: str) -> PluginAccount | NoView:
    try:
        checked = hosts.run(node, CHECK, _CHECK_TIMEOUT_S)
        if checked.exit_code == NOT_FOUND:
            return PluginAccount(node, problem="the package pve-drbd is not installed there")
        seen = read_plugin(_out(checked), node)
        if seen.problem:
            return seen
        return replace(seen, daemons=read_daemons(_out(hosts.run(node, DAEMONS, _DAEMONS_TIMEOUT_S))))
    except Unreachable as err:
        return NoView(node, "the storage plugin", err.why)
    except Unreadable as err:
        return NoView(node, "the storage plugin", str(err), is_damaged=True)


def _out(result: CommandResult) -> str:
    if result.exit_code:
        words = (result.err.strip() or result.out.strip() or "no message").splitlines()[-1]
        raise Unreadable(result.argv[0], 0, f"it ended with exit code {result.exit_code}: {words}")
    return result.out
