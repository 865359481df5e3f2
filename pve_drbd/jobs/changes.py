"""What a node changed since it lost its peer: the activity log and the bitmap of each of its lost volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pve_drbd.accounts import Answer
from pve_drbd.dialects import EVENTS_AGAIN, dialect_for
from pve_drbd.errors import ConfigInvalid, Unreadable
from pve_drbd.jobs.asker import Asker, suspended_resources
from pve_drbd.model.drbd import ConnectionState, DiskState, HostVolume, Resource, ResourceConfig, Volume
from pve_drbd.model.evacuation import DirtyMap
from pve_drbd.model.survey import DrbdAccount, NoView
from pve_drbd.readers.act_log import dirty_map, read_act_log_extents
from pve_drbd.readers.events2 import read_events2
from pve_drbd.readers.fields import printable
from pve_drbd.readers.metadata_dump import read_metadata_dump

_ATTACHED = (DiskState.UP_TO_DATE, DiskState.CONSISTENT, DiskState.OUTDATED, DiskState.INCONSISTENT)
_MOST_KIB_PER_BIT = 1024
"""Source: drbd-utils drbdmeta.c, BM_BLOCK_SIZE_MAX."""

_DUMP = "drbdmeta dump-md"
_LOG_OFF = "its activity log is off (al-updates no), so any part of its bitmap may be old"


@dataclass(frozen=True, slots=True, eq=False)
class _Lost:
    """One volume of a resource that has lost all its peers: as the kernel has it, and as configured."""

    resource: Resource
    config: ResourceConfig
    configured: HostVolume

    @property
    def slot(self) -> tuple[str, int]:
        """Resource and number."""
        return self.resource.name, self.configured.number

    @property
    def running(self) -> Volume | None:
        """The volume in the kernel."""
        return next((each for each in self.resource.volumes if each.number == self.configured.number), None)


@dataclass(frozen=True, slots=True)
class _Texts:
    """What was printed about one volume: activity log, bitmap, activity log again."""

    log: str
    dump: str
    log_again: str


def ask_changes(asker: Asker, drbd: DrbdAccount) -> Mapping[tuple[str, int], DirtyMap | NoView]:
    """By (resource, volume): what this node has changed, for each resource that has lost all its peers.

    A connected resource is left alone: what was changed is on its way to the peer, or being discarded. Nothing is asked
    while I/O is suspended: such a node is no case for a plan, and where a disk hangs, whoever reads it does too.
    """
    suspended = suspended_resources(drbd)
    told: dict[_Lost, _Texts | NoView] = {}
    for lost in _lost_volumes(asker.node, drbd):
        why = f"I/O of {', '.join(suspended)} is suspended there" if suspended else _why_not(drbd, lost)
        told[lost] = _none(asker.node, lost, why) if why else _ask_volume(asker, drbd, lost)
    if not any(isinstance(each, _Texts) for each in told.values()):
        return {lost.slot: each for lost, each in told.items() if isinstance(each, NoView)}
    after = asker.ask(EVENTS_AGAIN)
    return {
        lost.slot: each if isinstance(each, NoView) else _read(asker.node, drbd, lost, each, after)
        for lost, each in told.items()
    }


def _lost_volumes(node: str, drbd: DrbdAccount) -> Iterator[_Lost]:
    if isinstance(drbd.resources, NoView) or isinstance(drbd.config, NoView):
        return
    for resource in drbd.resources:
        config = drbd.config.resource(resource.name)
        host = config.host(node) if config else None
        is_lost = all(link.state is not ConnectionState.CONNECTED for link in resource.connections)
        if config and host and resource.connections and is_lost:
            yield from (_Lost(resource, config, each) for each in host.volumes)


def _why_not(drbd: DrbdAccount, lost: _Lost) -> str:
    """Why this volume's metadata cannot tell anything; '' where it can."""
    disk = lost.running.disk if lost.running else None
    if disk not in _ATTACHED:
        return f"its disk is {disk.value if disk else 'not there'}"
    # By the configuration: drbd-utils before 9.33 do not show it in a dump of 8.4's metadata.
    common = {} if isinstance(drbd.config, NoView) else drbd.config.common.get("disk", {})
    own = {**common, **lost.config.options.get("disk", {}), **(lost.configured.disk_options or {})}
    return _LOG_OFF if own.get("al-updates", "yes") == "no" else ""


def _ask_volume(asker: Asker, drbd: DrbdAccount, lost: _Lost) -> _Texts | NoView:
    if isinstance(drbd.loaded, NoView):
        return drbd.loaded
    try:
        commands = dialect_for(drbd.loaded.version).changes_commands(lost.slot[0], lost.configured)
    except (ConfigInvalid, Unreadable) as err:
        return _none(asker.node, lost, str(err))
    texts = []
    for command in commands:
        answer = asker.ask(command)
        if isinstance(answer, NoView):
            return answer
        if answer.exit_code:
            words = printable((answer.err.strip() or answer.out.strip() or "no message").splitlines()[0])
            return _none(asker.node, lost, f"{command.name} ended with exit code {answer.exit_code}: {words}")
        texts.append(answer.out)
    return _Texts(*texts)


def _read(node: str, drbd: DrbdAccount, lost: _Lost, texts: _Texts, after: Answer | NoView) -> DirtyMap | NoView:
    """The map, if the bitmap is that of the volume which the kernel has, and the log was kept."""
    try:
        bitmap = read_metadata_dump(texts.dump)
        ids = {} if isinstance(drbd.generation_ids, NoView) else drbd.generation_ids
        if lost.slot in ids and ids[lost.slot].current != bitmap.current:
            raise Unreadable(_DUMP, 0, f"{lost.configured.disk} holds another data set than the one that is attached")
        own_kib = lost.running.size_kib if lost.running else None
        if own_kib is not None and not 0 <= bitmap.size_kib - own_kib < _MOST_KIB_PER_BIT:
            raise Unreadable(_DUMP, 0, f"it is of a volume of {bitmap.size_kib} KiB, and {own_kib} KiB are attached")
        if bitmap.is_log_off:
            return _none(node, lost, _LOG_OFF)
        hot = read_act_log_extents(texts.log) | read_act_log_extents(texts.log_again)
        return dirty_map(bitmap, hot, _later_kib(lost, after))
    except Unreadable as err:
        return _none(node, lost, str(err), is_damaged=True)


def _later_kib(lost: _Lost, after: Answer | NoView) -> int | None:
    """Out-of-sync after the bitmap was read; None if it is not told, or of several links."""
    if isinstance(after, NoView) or after.exit_code:
        return None
    own = next((each for each in read_events2(after.out) if each.name == lost.slot[0]), None)
    links = own.connections if own else ()
    told = [volume.out_of_sync_kib for link in links for volume in link.volumes if volume.number == lost.slot[1]]
    return told[0] if len(told) == 1 else None


def _none(node: str, lost: _Lost, why: str, is_damaged: bool = False) -> NoView:
    return NoView(node, f"what it changed on {lost.slot[0]}/{lost.slot[1]}", why, is_damaged)
