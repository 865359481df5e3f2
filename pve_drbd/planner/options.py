"""Every way to save one guest from the discard of its side, each with its price, or why it is not one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import product

from pve_drbd.model.evacuation import Method, Rates, RuledOut, StorageStatus, Twin
from pve_drbd.model.plan import Candidate
from pve_drbd.model.pve import GuestKind
from pve_drbd.planner.hindrances import not_in_archive, not_leaving, not_movable, not_online, not_stoppable
from pve_drbd.planner.setting import Setting, Subject

_IMAGES = {GuestKind.VM: "images", GuestKind.CONTAINER: "rootdir"}

Option = Candidate | RuledOut


def options_of(subject: Subject, setting: Setting) -> tuple[tuple[Candidate, ...], tuple[RuledOut, ...]]:
    """The candidates, cheapest method first in the order of the design's table, and what was ruled out."""
    found: list[Option] = []
    is_lost_by_wish = setting.wishes.sides.get(subject.guest.vmid) == setting.survivor
    for method, options in _METHODS.items():
        if is_lost_by_wish and method not in (Method.KEEP, Method.ABANDON):
            # Any other method would put the victim's copy in the place of the one that counts.
            found.append(
                RuledOut(method.value, setting.survivor, f"the copy on {setting.survivor} counts: you said so")
            )
        else:
            found += options(subject, setting)
    candidates = tuple(each for each in found if isinstance(each, Candidate))
    return candidates, tuple(each for each in found if isinstance(each, RuledOut))


def storage_pool(storage: StorageStatus, setting: Setting) -> str:
    """The pool of one storage: one for all nodes if it is shared, but a split VG is two, whatever its entry says."""
    is_one = storage.is_shared and storage.storeid not in setting.vg_storages
    return f"storage:{storage.storeid}" if is_one else f"storage:{storage.storeid}@{storage.node}"


def memory_pool(node: str) -> str:
    """The pool of one node's RAM."""
    return f"memory@{node}"


def _keep(subject: Subject, setting: Setting) -> Iterator[Option]:
    bad = [each for each in subject.changes if not each.per_side[setting.victim].has_nothing_to_lose]
    chosen = setting.wishes.sides.get(subject.guest.vmid)
    if bad and chosen != setting.survivor:
        worst = bad[0]
        state = worst.per_side[setting.victim].value
        yield RuledOut(Method.KEEP.value, setting.survivor, f"{worst.vg}/{worst.lv} is {state} on {setting.victim}")
        return
    is_here = subject.guest.node == setting.victim and subject.is_running
    if is_here and not_stoppable(subject):
        yield RuledOut(Method.KEEP.value, setting.survivor, f"it must stop for a moment, and {not_stoppable(subject)}")
        return
    # Its volumes must be closed before the victim can become Secondary, changed or not.
    rates = setting.rates
    downtime = rates.guest_stop_s + _PAUSE_S + setting.resync_s + rates.guest_start_s if is_here else 0
    yield Candidate(Method.KEEP.value, subject.guest.node, downtime, {}, {}, leaves_node=False)


_PAUSE_S = 30
"""From the first volume that is closed to the victim's promotion, without the resync itself."""

_NO_TARGET = "has no active storage off DRBD for its volumes"


def _move_disk(subject: Subject, setting: Setting) -> Iterator[Option]:
    method = Method.MOVE_DISK.value
    why = _not_on_victim(subject, setting)
    if why:
        yield RuledOut(method, setting.victim, why)
        return
    targets = list(_targets(subject, setting, setting.victim))
    if not targets:
        yield RuledOut(method, setting.victim, f"{setting.victim} {_NO_TARGET}")
    for storage in targets:
        why = not_online(subject, storage) if subject.is_running else not_movable(subject)
        if why:
            yield RuledOut(method, storage.storeid, why)
        else:
            yield _moved(method, subject, setting, storage, downtime_s=0)


def _move_and_migrate(subject: Subject, setting: Setting) -> Iterator[Option]:
    method = Method.MOVE_AND_MIGRATE.value
    why = ""
    if subject.guest.node != setting.victim or not subject.is_running:
        why = "only a guest that runs on the victim is migrated"
    elif subject.guest.kind is GuestKind.CONTAINER:
        why = "a container cannot migrate live"
    why = why or not_leaving(subject, setting)
    if why:
        yield RuledOut(method, setting.survivor, why)
        return
    there = {each.storeid: each for each in _targets(subject, setting, setting.survivor)}
    targets = list(_targets(subject, setting, setting.victim))
    if not targets:
        yield RuledOut(method, setting.survivor, f"{setting.victim} {_NO_TARGET}")
    for storage in targets:
        why = not_online(subject, storage)
        if why or storage.storeid not in there:
            yield RuledOut(method, storage.storeid, why or f"{setting.survivor} has no active storage of that name")
        else:
            yield _migrated(subject, setting, storage, there[storage.storeid])


def _migrated(subject: Subject, setting: Setting, storage: StorageStatus, there: StorageStatus) -> Candidate:
    moved = _moved(Method.MOVE_AND_MIGRATE.value, subject, setting, storage, downtime_s=0)
    ram = subject.config.memory_mib
    copied = 0 if storage.is_shared else subject.size_mib
    uses = {**moved.uses, memory_pool(setting.survivor): ram}
    if not storage.is_shared:
        uses[storage_pool(there, setting)] = subject.size_mib
    work = {**moved.work, "link": _seconds(copied + ram, setting.rates.link_mib_s)}
    return Candidate(moved.method, storage.storeid, 0, work, uses, leaves_node=True)


def _shutdown_move(subject: Subject, setting: Setting) -> Iterator[Option]:
    method = Method.SHUTDOWN_MOVE.value
    if subject.guest.node != setting.victim or not subject.is_running:
        yield RuledOut(method, setting.victim, "only a guest that runs on the victim is shut down for it")
        return
    targets = list(_targets(subject, setting, setting.victim))
    why = not_movable(subject) or ("" if targets else f"{setting.victim} {_NO_TARGET}")
    if why:
        yield RuledOut(method, setting.victim, why)
        return
    rates = setting.rates
    once = rates.guest_stop_s + _copy_s(subject.size_mib, rates) + rates.guest_start_s
    # What cannot leave online cannot come home online: the guest is stopped twice.
    yield from (_moved(method, subject, setting, storage, 2 * once) for storage in targets)


def _merge(subject: Subject, setting: Setting) -> Iterator[Option]:
    method, rates = Method.MERGE.value, setting.rates
    why = _not_on_victim(subject, setting) or not_stoppable(subject) or not_leaving(subject, setting)
    why = why or _not_mergeable(subject, setting)
    if why:
        yield RuledOut(method, setting.survivor, why)
        return
    changed = sum(each.changed_mib.get(setting.victim, each.size_mib) for each in subject.changes)
    read_s = _seconds(subject.size_mib, rates.disk_read_mib_s)
    last_pass = read_s + _seconds(changed, rates.link_mib_s)
    # The last pass and the checksums each read both ends in full while the guest is down.
    downtime = rates.guest_stop_s + last_pass + read_s + rates.guest_start_s if subject.is_running else 0
    work = {
        f"disk@{setting.victim}": 3 * read_s,
        f"disk@{setting.survivor}": 3 * read_s,
        "link": _seconds(changed, rates.link_mib_s),
    }
    uses = {memory_pool(setting.survivor): subject.config.memory_mib} if subject.is_running else {}
    yield Candidate(method, setting.survivor, downtime, work, uses, leaves_node=True)


def _not_mergeable(subject: Subject, setting: Setting) -> str:
    """Why the survivor's own copy of a volume cannot be overwritten with the victim's."""
    is_decided = setting.wishes.sides.get(subject.guest.vmid) == setting.victim
    for each in subject.changes:
        name = f"{each.vg}/{each.lv}"
        if setting.survivor not in each.exists_on or setting.victim not in each.exists_on:
            return f"{name} does not exist on both sides under one uuid"
        if Twin.RESIZED in each.twins:
            return f"{name} has another size on each side"
        if not (each.per_side[setting.survivor].has_nothing_to_lose or is_decided):
            return f"{name} is {each.per_side[setting.survivor].value} on {setting.survivor}: decide with --side"
    return ""


def _backup_restore(subject: Subject, setting: Setting) -> Iterator[Option]:
    method, rates = Method.BACKUP_RESTORE.value, setting.rates
    # An archive made on the survivor would hold the survivor's copy.
    why = _not_on_victim(subject, setting) or not_stoppable(subject) or not_leaving(subject, setting)
    why = why or not_in_archive(subject)
    archives, targets = list(_archives(setting)), list(_targets(subject, setting, setting.survivor, may_be_vg=True))
    why = why or ("" if archives else "no storage for backups is active on both nodes")
    why = why or ("" if targets else f"{setting.survivor} has no active storage for its volumes")
    if why:
        yield RuledOut(method, setting.survivor, why)
        return
    size = subject.size_mib
    backup_s, restore_s = _seconds(size, rates.backup_mib_s), _seconds(size, rates.restore_mib_s)
    downtime = rates.guest_stop_s + backup_s + restore_s + rates.guest_start_s if subject.is_running else 0
    ram = {memory_pool(setting.survivor): subject.config.memory_mib} if subject.is_running else {}
    for archive, storage in product(archives, targets):
        work = {
            f"disk@{setting.victim}": backup_s,
            f"backup:{archive.storeid}": backup_s + restore_s,
            f"disk@{setting.survivor}": restore_s,
        }
        uses = Counter({storage_pool(archive, setting): size})
        uses.update({storage_pool(storage, setting): size, **ram})
        target = f"{archive.storeid}>{storage.storeid}"
        yield Candidate(method, target, downtime, work, dict(uses), leaves_node=True)


def _abandon(subject: Subject, setting: Setting) -> Iterator[Option]:
    if subject.guest.vmid in setting.wishes.abandoned:
        yield Candidate(Method.ABANDON.value, setting.survivor, 0, {}, {}, leaves_node=False)


_METHODS: Mapping[Method, Callable[[Subject, Setting], Iterator[Option]]] = {
    Method.KEEP: _keep,
    Method.MOVE_DISK: _move_disk,
    Method.MOVE_AND_MIGRATE: _move_and_migrate,
    Method.SHUTDOWN_MOVE: _shutdown_move,
    Method.MERGE: _merge,
    Method.BACKUP_RESTORE: _backup_restore,
    Method.ABANDON: _abandon,
}


def _not_on_victim(subject: Subject, setting: Setting) -> str:
    return "" if subject.guest.node == setting.victim else f"the guest is not on {setting.victim}"


def _targets(subject: Subject, setting: Setting, node: str, *, may_be_vg: bool = False) -> Iterator[StorageStatus]:
    """Storages of `node` that may hold the guest's volumes, off DRBD; a restore may go onto the survivor's own VG."""
    for each in setting.storages:
        is_usable = each.storeid not in setting.drbd_storages or (may_be_vg and each.storeid in setting.vg_storages)
        if is_usable and each.node == node and each.is_active and _IMAGES[subject.guest.kind] in each.content:
            yield each


def _archives(setting: Setting) -> Iterator[StorageStatus]:
    """Storages for backups that both nodes reach; of a shared one the survivor's view of it."""
    active = {(each.storeid, each.node) for each in setting.storages if each.is_active}
    for each in setting.storages:
        is_reached = (each.storeid, setting.victim) in active and (each.storeid, setting.survivor) in active
        if each.node == setting.survivor and each.is_shared and is_reached and "backup" in each.content:
            yield each


def _moved(method: str, subject: Subject, setting: Setting, storage: StorageStatus, downtime_s: int) -> Candidate:
    pool = storage_pool(storage, setting)
    work = {
        f"disk@{setting.victim}": _seconds(subject.size_mib, setting.rates.disk_read_mib_s),
        f"storage:{storage.storeid}": _copy_s(subject.size_mib, setting.rates),
    }
    return Candidate(method, storage.storeid, downtime_s, work, {pool: subject.size_mib}, leaves_node=False)


def _seconds(mib: int, rate_mib_s: int) -> int:
    """Time for `mib`, rounded up."""
    return -(-mib // max(rate_mib_s, 1))


def _copy_s(mib: int, rates: Rates) -> int:
    return _seconds(mib, min(rates.disk_read_mib_s, rates.disk_write_mib_s))
