"""One node asked, command after command: DRBD first, LVM only if it cannot hang, then the link itself."""

from __future__ import annotations

from collections.abc import Iterator

from pve_drbd.accounts import NO_MODULE, Answer, get_gi_name, read_drbd_account, read_interfaces, read_loaded
from pve_drbd.adapters.hosts import Hosts
from pve_drbd.dialects import (
    ADJUST_DRY_RUN,
    COMMON_COMMANDS,
    DRBD_COMMANDS,
    Command,
    dialect_for,
    get_gi_command,
    ping_command,
)
from pve_drbd.errors import NotRecorded, Unreachable, Unreadable
from pve_drbd.model.drbd import Address, ConnectionState, DrbdConfig, ProcDrbd
from pve_drbd.model.network import Interface
from pve_drbd.model.survey import DrbdAccount, NoView, Probe
from pve_drbd.readers.addresses import read_ping
from pve_drbd.readers.fields import printable
from pve_drbd.rules.views import value_or

_LVM = ("lvs", "vgs", "pvs")
_VERSION, _PROC_DRBD = DRBD_COMMANDS[:2]


class Asker:
    """One node being asked: each answer stands under its command's name.

    `began_s` is when its first command was sent, `took_ms` the sum of what its commands took.
    """

    def __init__(self, hosts: Hosts, node: str, began_s: float) -> None:
        self.hosts, self.node, self.began_s = hosts, node, began_s
        self.answers: dict[str, Answer | NoView] = {}
        self.took_ms = 0
        self.not_recorded: set[str] = set()

    def ask(self, command: Command) -> Answer | NoView:
        """The answer to `command`, kept under its name."""
        self.not_recorded.discard(command.name)
        try:
            result = self.hosts.run(self.node, command.argv, command.timeout_s)
        except NotRecorded as err:
            self.not_recorded.add(command.name)
            answer: Answer | NoView = NoView(self.node, command.name, err.why)
        except Unreachable as err:
            answer = NoView(self.node, command.name, printable(err.why))
        except Unreadable as err:
            answer = NoView(self.node, command.name, str(err), is_damaged=True)
        else:
            self.took_ms += result.took_ms
            answer = Answer(result.exit_code, result.out, result.err)
        self.answers[command.name] = answer
        return answer

    def look_at_drbd(self) -> DrbdAccount | NoView:
        """Ask DRBD everything there is to ask; a NoView where the node itself is silent."""
        silence = self._ask_drbd()
        if silence is not None:
            return silence
        drbd = read_drbd_account(self.node, self.answers)
        return read_drbd_account(self.node, self.answers) if self._ask_more_of_drbd(drbd) else drbd

    def _ask_drbd(self) -> NoView | None:
        """Ask everything of DRBD that its version can answer; a NoView where the node itself is silent.

        Where the module is not loaded nothing more is asked: several reading commands would load it.
        """
        first = self.ask(_VERSION)
        if isinstance(first, NoView) and not first.is_damaged and not self.not_recorded:
            return NoView(self.node, "the account", first.reason)
        self.ask(_PROC_DRBD)
        loaded = read_loaded(self.node, self.answers)
        if loaded != NO_MODULE:
            for command in _drbd_commands(loaded):
                if command not in (_VERSION, _PROC_DRBD):
                    self.ask(command)
        return None

    def _ask_more_of_drbd(self, drbd: DrbdAccount) -> bool:
        """Ask what only some answers make worth asking; True if there is more to read now."""
        more: list[Command] = []
        if isinstance(drbd.generation_ids, NoView) and drbd.generation_ids.is_damaged:
            resources = () if isinstance(drbd.config, NoView) else drbd.config.resources
            parts = ((each.name, each.host(self.node)) for each in resources)
            slots = [(name, volume.number) for name, host in parts if host for volume in host.volumes]
            more += [get_gi_command(get_gi_name(name, number), name, number) for name, number in slots]
        links = [link for each in value_or(drbd.resources, ()) for link in each.connections]
        if any(link.state is ConnectionState.STAND_ALONE for link in links):
            more.append(ADJUST_DRY_RUN)
        for command in more:
            self.ask(command)
        return bool(more)

    def ask_devices(self, drbd: DrbdAccount) -> None:
        """Ask LVM and the kernel about block devices; LVM not while I/O is suspended, it would hang unkillably."""
        suspended = suspended_resources(drbd)
        for command in COMMON_COMMANDS:
            if command.name in _LVM and suspended:
                why = f"I/O of {', '.join(suspended)} is suspended there, and LVM would hang"
                self.answers[command.name] = NoView(self.node, "LVM", why)
            else:
                self.ask(command)


def suspended_resources(drbd: DrbdAccount) -> tuple[str, ...]:
    """Resources (or minors, by /proc/drbd) whose I/O is suspended by any source of the node."""
    told = (*value_or(drbd.resources, ()), *value_or(drbd.witness, ()))
    names = {each.name for each in told if each.suspended}
    minors = () if isinstance(drbd.loaded, NoView) else drbd.loaded.minors
    return tuple(sorted(names or {f"/dev/drbd{each.minor}" for each in minors if each.is_io_suspended}))


def _drbd_commands(loaded: ProcDrbd | NoView) -> tuple[Command, ...]:
    """What the loaded version answers; with an unreadable version, the configuration: that loads no module."""
    try:
        if isinstance(loaded, ProcDrbd):
            return dialect_for(loaded.version).answered
    except Unreadable:
        pass
    return tuple(each for each in DRBD_COMMANDS if each.name == "dump-xml")


def probe_links(
    asker: Asker, config: DrbdConfig | NoView, unprobed: frozenset[str] = frozenset()
) -> tuple[Probe, ...] | NoView:
    """A ping from each of this node's replication addresses, bound to its interface, to each peer's.

    The links of `unprobed` resources are left alone, and said to be.
    """
    if isinstance(config, NoView):
        return ()
    answer = asker.answers.get("ip-address", NoView(asker.node, "ip-address", "it was not asked"))
    if "ip-address" in asker.not_recorded and isinstance(answer, NoView):
        unknown = answer.reason
        return tuple(Probe(each, "", own.ip, peer.ip, False, unknown) for each, own, peer in _links(config, asker.node))
    interfaces = read_interfaces(asker.node, asker.answers)
    if isinstance(interfaces, NoView):
        return interfaces
    done: dict[tuple[str, str], Probe] = {}
    probes = []
    for resource, own, peer in _links(config, asker.node):
        if resource in unprobed:
            probes.append(Probe(resource, "", own.ip, peer.ip, is_done=False, problem='probe = "off" is configured'))
            continue
        if (own.ip, peer.ip) not in done:
            done[own.ip, peer.ip] = _probe(asker, interfaces, own.ip, peer.ip)
        found = done[own.ip, peer.ip]
        probes.append(Probe(resource, found.interface, own.ip, peer.ip, found.is_done, found.problem))
    return tuple(probes)


def _links(config: DrbdConfig, node: str) -> Iterator[tuple[str, Address, Address]]:
    """(resource, own address, peer's address) of every link of `node`."""
    for resource in config.resources:
        own, found = resource.host(node), False
        for path in resource.paths:
            for name, address in path.items():
                if node in path and name != node:
                    found = True
                    yield resource.name, path[node], address
        for host in resource.hosts if own and own.address and not found else ():
            if host.name != node and host.address and own and own.address:
                yield resource.name, own.address, host.address


def _probe(asker: Asker, interfaces: tuple[Interface, ...], own: str, peer: str) -> Probe:
    holder = next((each for each in interfaces if own in each.addresses), None)
    if holder is None:
        return Probe("", "", own, peer, is_done=True, problem="no interface has it")
    if not holder.is_up:
        return Probe("", "", own, peer, is_done=True, problem=f"its interface {holder.name} is not up")
    answer = asker.ask(ping_command(holder.name, own, peer))
    if isinstance(answer, NoView):
        is_done = "ping" not in asker.not_recorded
        return Probe("", holder.name, own, peer, is_done=is_done, problem=answer.reason)
    try:
        has_reply = read_ping(answer.out, answer.exit_code)
    except Unreadable as err:
        return Probe("", holder.name, own, peer, is_done=True, problem=str(err))
    return Probe("", holder.name, own, peer, is_done=True, problem="" if has_reply else "no reply within 1 s")
