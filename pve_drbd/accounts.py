"""From the texts that one node's commands printed to that node's account, checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import (
    Connection,
    DrbdConfig,
    GenerationIds,
    PeerVolume,
    ProcDrbd,
    ProcMinor,
    Resource,
    Version,
    Volume,
)
from pve_drbd.model.lvm import Lvm
from pve_drbd.model.network import Interface
from pve_drbd.model.survey import DrbdAccount, LvmAccount, NoView
from pve_drbd.readers.addresses import read_addresses
from pve_drbd.readers.devices import read_diskstats, read_dmsetup, read_lsblk
from pve_drbd.readers.dm_table import read_dm_table
from pve_drbd.readers.drbdsetup_json import read_show_json, read_status_json
from pve_drbd.readers.dump_xml import read_dump_xml
from pve_drbd.readers.events2 import read_events2
from pve_drbd.readers.fields import printable
from pve_drbd.readers.generation_ids import read_get_gi
from pve_drbd.readers.lvm import read_lvm
from pve_drbd.readers.lvm_filters import read_filters
from pve_drbd.readers.proc_drbd import read_proc_drbd
from pve_drbd.readers.versions import read_drbdadm_version
from pve_drbd.whole_answer import check_disks, check_dm, check_lvs, check_minors, check_tables

T = TypeVar("T")
NO_MODULE = ProcDrbd(Version(0, 0, 0), ())
"""What /proc/drbd stands for where it does not exist: no module, so no resource."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command printed, and how it ended."""

    exit_code: int
    out: str
    err: str = ""


Answers = Mapping[str, Answer | NoView]
"""By the command's name in the reading set; a command that was not asked is not in it."""


def read_loaded(node: str, answers: Answers) -> ProcDrbd | NoView:
    """The loaded module, by /proc/drbd: NO_MODULE where the file does not exist."""
    answer = answers.get("proc-drbd")
    if isinstance(answer, Answer) and answer.exit_code and "No such file" in answer.err:
        return NO_MODULE
    return _read(node, answers, "proc-drbd", read_proc_drbd)


def read_resources(
    node: str, answers: Answers, loaded: ProcDrbd | NoView, config: DrbdConfig | NoView
) -> tuple[Resource, ...] | NoView:
    """The kernel's resources: by events2, or, for 8.3 which has none, by /proc/drbd with the configuration's names."""
    if "events2" in answers or not isinstance(loaded, ProcDrbd):
        return _read(node, answers, "events2", read_events2)
    if isinstance(config, NoView):
        return config
    minors = {each.minor: each for each in loaded.minors}
    volumes = {
        each.name: [(part.number, minors[part.minor]) for part in host.volumes if part.minor in minors]
        for each in config.resources
        if (host := each.host(node))
    }
    return tuple(_from_minors(name, found) for name, found in sorted(volumes.items()) if found)


def _from_minors(name: str, found: Sequence[tuple[int, ProcMinor]]) -> Resource:
    first = found[0][1]
    peers = tuple(
        PeerVolume(number, each.replication, each.peer_disk, each.out_of_sync_kib, each.resync_suspended, each.progress)
        for number, each in found
    )
    return Resource(
        name=name,
        role=first.role,
        suspended=("user",) if any(each.is_io_suspended for _, each in found) else (),
        volumes=tuple(Volume(number, each.minor, each.disk) for number, each in found),
        connections=(Connection("", first.connection, first.peer_role, peers),),
    )


def _with_progress(resource: Resource, loaded: ProcDrbd) -> Resource:
    """8.4's events2 has no progress; /proc/drbd of the same node has it."""
    numbers = {volume.number: volume.minor for volume in resource.volumes}
    told = {each.minor: each.progress for each in loaded.minors if each.progress}
    links = tuple(
        replace(
            link,
            volumes=tuple(replace(v, progress=v.progress or told.get(numbers.get(v.number, -1))) for v in link.volumes),
        )
        for link in resource.connections
    )
    return replace(resource, connections=links) if told else resource


def read_config(node: str, answers: Answers) -> DrbdConfig | NoView:
    """The configuration, by dump-xml."""
    return _read(node, answers, "dump-xml", read_dump_xml)


def read_interfaces(node: str, answers: Answers) -> tuple[Interface, ...] | NoView:
    """The node's network interfaces, by `ip address`."""
    return _read(node, answers, "ip-address", read_addresses)


def read_drbd_account(node: str, answers: Answers) -> DrbdAccount:
    """Everything DRBD on `node` says; a part that contradicts another part of it is damaged."""
    loaded = read_loaded(node, answers)
    if loaded == NO_MODULE:
        absent = NoView(node, "DRBD", "its module is not loaded")
        return DrbdAccount(absent, loaded, absent, absent, absent, absent, absent)
    config = read_config(node, answers)
    witness = _read(node, answers, "status-json", read_status_json) if "status-json" in answers else ()
    resources = read_resources(node, answers, loaded, config)
    resources = _if_whole(node, "events2", resources, lambda them: check_minors(node, them, loaded, witness, config))
    if not isinstance(resources, NoView) and not isinstance(config, NoView):
        resources = tuple(_with_peer(each, node, config) for each in resources)
    if not isinstance(resources, NoView) and not isinstance(loaded, NoView):
        resources = tuple(_with_progress(each, loaded) for each in resources)
    return DrbdAccount(
        versions=_read(node, answers, "drbdadm-version", read_drbdadm_version),
        loaded=loaded,
        config=config,
        resources=resources,
        witness=witness,
        generation_ids=_generation_ids(node, answers, config),
        running=_read(node, answers, "show-json", read_show_json) if "show-json" in answers else (),
        adjust_would_connect=_read(node, answers, "adjust-dry-run", _connects) if "adjust-dry-run" in answers else (),
    )


def read_lvm_account(node: str, answers: Answers, config: DrbdConfig | NoView) -> LvmAccount:
    """Everything LVM and the device mapper on `node` say, checked to be whole together."""
    devices = _read(node, answers, "lsblk", read_lsblk)
    dm = _read(node, answers, "dmsetup", read_dmsetup)
    lvm = _read_lvm(node, answers)
    dm = _if_whole(node, "dmsetup info", dm, lambda it: check_dm(it, devices))
    lvm = _if_whole(node, "lvs", lvm, lambda it: check_lvs(it, dm))
    tables = _read(node, answers, "dmsetup-table", read_dm_table)
    tables = _if_whole(node, "dmsetup table", tables, lambda it: check_tables(it, dm, devices))
    devices = _if_whole(node, "lsblk", devices, lambda it: check_disks(node, it, config))
    return LvmAccount(
        lvm=lvm,
        filters=_read(node, answers, "lvmconfig", read_filters),
        devices=devices,
        dm=dm,
        tables=tables,
        counters=_read(node, answers, "diskstats", read_diskstats),
    )


def _read(node: str, answers: Answers, name: str, reader: Callable[[str], T]) -> T | NoView:
    answer = answers.get(name, NoView(node, name, "it was not asked"))
    if isinstance(answer, NoView):
        return answer
    if answer.exit_code:
        words = (answer.err.strip() or answer.out.strip() or "no message").splitlines()[0]
        return NoView(node, name, f"it ended with exit code {answer.exit_code}: {printable(words)}")
    return _checked(node, name, lambda: reader(answer.out))


def _checked(node: str, subject: str, reading: Callable[[], T]) -> T | NoView:
    try:
        return reading()
    except Unreadable as err:
        return NoView(node, subject, str(err), is_damaged=True)


def _if_whole(node: str, subject: str, view: T | NoView, check: Callable[[T], None]) -> T | NoView:
    """`view` again, or a damaged one where `check` finds that it contradicts another part of the account."""
    if isinstance(view, NoView):
        return view
    try:
        check(view)
    except Unreadable as err:
        return NoView(node, subject, str(err), is_damaged=True)
    return view


def _read_lvm(node: str, answers: Answers) -> Lvm | NoView:
    texts: list[str] = []
    for name in ("lvs", "vgs", "pvs"):
        text = _read(node, answers, name, str)
        if isinstance(text, NoView):
            return text
        texts.append(text)
    return _checked(node, "LVM", lambda: read_lvm(*texts))


def _generation_ids(
    node: str, answers: Answers, config: DrbdConfig | NoView
) -> Mapping[tuple[str, int], GenerationIds] | NoView:
    if isinstance(config, NoView):
        return NoView(node, "get-gi", f"its lines cannot be assigned: {config.reason}", config.is_damaged)
    slots = [
        (resource.name, volume.number)
        for resource in config.resources
        if (host := resource.host(node))
        for volume in host.volumes
    ]
    each = {slot: answers.get(get_gi_name(*slot)) for slot in slots}
    if slots and all(each.values()):
        # Asked one by one because "all" could not be assigned: a replica without a disk has no identifiers.
        single = {slot: answer for slot, answer in each.items() if isinstance(answer, Answer) and not answer.exit_code}
        texts = {slot: answer.out for slot, answer in single.items() if answer.out}
        return _checked(node, "get-gi", lambda: {s: read_get_gi(text, [s])[s] for s, text in texts.items()})
    return _read(node, answers, "get-gi", lambda text: read_get_gi(text, slots)) if slots else {}


def get_gi_name(resource: str, number: int) -> str:
    """The name in the reading set of the get-gi of one volume, asked where that of all cannot be assigned."""
    return f"get-gi-{resource}-{number}"


def _connects(text: str) -> tuple[str, ...]:
    """The resources that the commands of `drbdadm -d adjust all` would connect."""
    words = (line.split() for line in text.splitlines())
    return tuple(sorted({line[2] for line in words if len(line) > 2 and line[1] == "connect"}))


def _with_peer(resource: Resource, node: str, config: DrbdConfig) -> Resource:
    """8.x calls every peer 'peer': with two hosts configured it can only be the other one."""
    known = config.resource(resource.name)
    others = [host.name for host in known.hosts if host.name != node] if known else []
    if len(others) != 1:
        return resource
    links = tuple(replace(link, peer=link.peer or others[0]) for link in resource.connections)
    return replace(resource, connections=links)
