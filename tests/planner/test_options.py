"""Some thirty guests on the victim, written by hand: which methods can save each, and why the others cannot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from pve_drbd.model.evacuation import Change, Method, NodeStatus, Rates, StorageStatus, Twin, VolumeChange, Wishes
from pve_drbd.model.pve import Guest, GuestConfig, GuestKind, GuestState, GuestVolume, VolumeUse
from pve_drbd.planner.options import memory_pool, options_of, storage_pool
from pve_drbd.planner.setting import Setting, Subject

VICTIM, SURVIVOR = "pveA", "pveB"
KEEP, MOVE, MIGRATE = "keep", "move-disk", "move-and-migrate"
SHUTDOWN, MERGE, BACKUP, ABANDON = "shutdown-move", "merge", "backup-restore", "abandon"
RATES = Rates()
GIB = 1024


def store(storeid, node, kind="dir", content=("images", "rootdir"), **changes):
    return replace(StorageStatus(storeid, node, kind, True, False, 500 * GIB, content), **changes)


LOCAL = tuple(store("local", node) for node in (VICTIM, SURVIVOR))
THIN = tuple(store("thin", node, "lvmthin") for node in (VICTIM, SURVIVOR))
PLAIN = tuple(store("plain", node, "lvm") for node in (VICTIM, SURVIVOR))
NFS = tuple(store("nfs", node, "nfs", ("images", "backup", "rootdir"), is_shared=True) for node in (VICTIM, SURVIVOR))
ON_DRBD = tuple(store("drbdvg", node, "drbdlvm", is_shared=True) for node in (VICTIM, SURVIVOR))
EVERY = (*LOCAL, *NFS, *ON_DRBD)


def volume(key="scsi0", use=VolumeUse.DISK, name="vm-100-disk-0", /, **options):
    return GuestVolume(key, use, "drbdvg", name, {"aio": "native", **options})


def change(lv="vm-100-disk-0", here=Change.CHANGED, there=Change.NOT_RUN_HERE, /, **more):
    words = {VICTIM: "seen", SURVIVOR: "seen"}
    plain = VolumeChange(
        "drbdvg",
        lv,
        f"u-{lv}",
        100,
        32 * GIB,
        (VICTIM, SURVIVOR),
        {VICTIM: here, SURVIVOR: there},
        words,
        {VICTIM: GIB},
    )
    return replace(plain, **more)


@dataclass(frozen=True)
class Case:
    """One guest, and what an expert says of it: the methods that save it, and a reason for each of some others."""

    name: str
    can: set[str]
    cannot: dict[str, str] = field(default_factory=dict)
    kind: GuestKind = GuestKind.VM
    state: GuestState = GuestState.RUNNING
    node: str = VICTIM
    lock: str = ""
    ha: str = ""
    is_template: bool = False
    volumes: tuple[GuestVolume, ...] = (volume(),)
    config: dict[str, object] = field(default_factory=dict)
    changes: tuple[VolumeChange, ...] = (change(),)
    storages: tuple[StorageStatus, ...] = EVERY
    wishes: Wishes = field(default_factory=Wishes)


ALL = {MOVE, MIGRATE, SHUTDOWN, MERGE, BACKUP}
OFFLINE = {MOVE, MERGE, BACKUP}
STOPPED, CT = GuestState.STOPPED, GuestKind.CONTAINER
ROOT = volume("rootfs", VolumeUse.ROOTFS)
BOTH = (change("vm-100-disk-0", Change.CHANGED, Change.CHANGED),)

CASES = [
    Case("a running VM", ALL, {KEEP: "drbdvg/vm-100-disk-0 is changed on pveA"}),
    Case(
        "a running VM of unknown change",
        ALL,
        {KEEP: "is unknown on pveA"},
        changes=(change("vm-100-disk-0", Change.UNKNOWN),),
    ),
    Case("a running VM that changed nothing", {KEEP, *ALL}, changes=(change("vm-100-disk-0", Change.UNCHANGED),)),
    Case(
        "a stopped VM", OFFLINE, {MIGRATE: "only a guest that runs", SHUTDOWN: "only a guest that runs"}, state=STOPPED
    ),
    Case("a paused VM counts as running", ALL, state=GuestState.PAUSED),
    Case("a VM of unknown state counts as running", ALL, state=GuestState.UNKNOWN),
    Case(
        "a running VM with TPM state",
        {SHUTDOWN, MERGE, BACKUP},
        {MOVE: "tpmstate0 (tpm) cannot be moved while the guest runs", MIGRATE: "tpmstate0 (tpm)"},
        volumes=(volume(), volume("tpmstate0", VolumeUse.TPM, "vm-100-disk-1")),
        changes=(change(), change("vm-100-disk-1", size_mib=4)),
    ),
    Case(
        "a stopped VM with TPM state",
        OFFLINE,
        state=STOPPED,
        volumes=(volume(), volume("tpmstate0", VolumeUse.TPM, "vm-100-disk-1")),
        changes=(change(), change("vm-100-disk-1", size_mib=4)),
    ),
    Case(
        "a running VM with an EFI disk",
        ALL,
        volumes=(volume(), volume("efidisk0", VolumeUse.EFI, "vm-100-disk-1")),
        changes=(change(), change("vm-100-disk-1", size_mib=4)),
    ),
    Case(
        "a running VM with a cloud-init drive",
        {SHUTDOWN, MERGE, BACKUP},
        {MOVE: "ide2 (cloud-init) cannot be moved while the guest runs"},
        volumes=(volume(), volume("ide2", VolumeUse.CLOUD_INIT, "vm-100-cloudinit")),
        changes=(change(), change("vm-100-cloudinit", size_mib=4)),
    ),
    Case("a VM with backup=0", ALL - {BACKUP}, {BACKUP: "scsi0 has backup=0"}, volumes=(volume(backup="0"),)),
    Case("a VM with backup=1", ALL, volumes=(volume(backup="1"),)),
    Case(
        "a VM with snapshots",
        {MERGE},
        {MOVE: "it has snapshots (before)", SHUTDOWN: "snapshots", BACKUP: "its snapshots would not be in the archive"},
        config={"snapshots": ("before",)},
    ),
    Case("a VM with pending changes", ALL - {BACKUP}, {BACKUP: "pending changes"}, config={"has_pending": True}),
    Case(
        "a VM whose pending change names a volume",
        {MERGE},
        {MOVE: "a pending change names a volume (scsi0)", SHUTDOWN: "a pending change", BACKUP: "pending changes"},
        volumes=(replace(volume(), is_pending=True),),
        config={"has_pending": True},
    ),
    Case(
        "a VM in mid-migration",
        set(),
        {MOVE: "it is locked (migrate)", MERGE: "it is locked", BACKUP: "it is locked", SHUTDOWN: "it is locked"},
        lock="migrate",
    ),
    Case(
        "an unchanged running VM in mid-migration",
        set(),
        {KEEP: "it must stop for a moment, and it is locked (migrate)"},
        lock="migrate",
        changes=(change("vm-100-disk-0", Change.UNCHANGED),),
    ),
    Case("a VM locked by its configuration", set(), {MOVE: "it is locked (backup)"}, config={"lock": "backup"}),
    Case(
        "a VM with a device of its node",
        {MOVE, SHUTDOWN},
        {MIGRATE: "it uses devices of its node (hostpci0)", MERGE: "hostpci0", BACKUP: "hostpci0"},
        config={"local_devices": ("hostpci0",)},
    ),
    Case("a VM with a raw path of its node", {MOVE, SHUTDOWN}, {MIGRATE: "(scsi3)"}, config={"host_paths": ("scsi3",)}),
    Case(
        "a VM with a second disk that only its node has",
        {MOVE, SHUTDOWN},
        {MIGRATE: "it has volumes that only its node has (scsi1 on local)", BACKUP: "scsi1 on local", MERGE: "scsi1"},
        config={"volumes": (volume(), GuestVolume("scsi1", VolumeUse.DISK, "local", "100/vm-100-disk-9.raw", {}))},
    ),
    Case(
        "a VM on three storages",
        {MOVE, SHUTDOWN},
        {MIGRATE: "scsi1 on local"},
        config={
            "volumes": (
                volume(),
                GuestVolume("scsi1", VolumeUse.DISK, "local", "100/vm-100-disk-9.raw", {}),
                GuestVolume("scsi2", VolumeUse.DISK, "nfs", "100/vm-100-disk-8.raw", {}),
            )
        },
    ),
    Case("a VM that HA manages", ALL, ha="started"),
    Case(
        "a running container",
        {SHUTDOWN, MERGE, BACKUP},
        {MOVE: "only while it is stopped", MIGRATE: "cannot migrate live"},
        kind=CT,
        volumes=(ROOT,),
    ),
    Case("a stopped container", OFFLINE, kind=CT, state=STOPPED, volumes=(ROOT,)),
    Case(
        "a container with a mount point outside its backup",
        {SHUTDOWN, MERGE},
        {BACKUP: "mp0 has no backup=1"},
        kind=CT,
        volumes=(ROOT, volume("mp0", VolumeUse.MOUNT_POINT, "vm-100-disk-1")),
        changes=(change(), change("vm-100-disk-1")),
    ),
    Case(
        "a container with a mount point in its backup",
        {SHUTDOWN, MERGE, BACKUP},
        kind=CT,
        volumes=(ROOT, volume("mp0", VolumeUse.MOUNT_POINT, "vm-100-disk-1", backup="1")),
        changes=(change(), change("vm-100-disk-1")),
    ),
    Case(
        "an old machine with io_uring and only plain LVM to go to",
        {SHUTDOWN, MERGE},
        {MOVE: "scsi0 runs with aio=io_uring, which cannot move online to type lvm", BACKUP: "no storage for backups"},
        volumes=(volume(aio="io_uring"),),
        config={"machine": "pc-q35-9.2+pve1"},
        storages=(*PLAIN, *ON_DRBD),
    ),
    Case(
        "a new machine with io_uring and only plain LVM to go to",
        {MOVE, MIGRATE, SHUTDOWN, MERGE},
        volumes=(volume(aio="io_uring"),),
        config={"machine": "pc-q35-10.0"},
        storages=(*PLAIN, *ON_DRBD),
    ),
    Case(
        "an old machine with io_uring and thin LVM",
        {MOVE, MIGRATE, SHUTDOWN, MERGE},
        volumes=(volume(aio="io_uring"),),
        config={"machine": "pc-i440fx-8.1"},
        storages=(*THIN, *ON_DRBD),
    ),
    Case(
        "an old machine with aio=native",
        {MOVE, MIGRATE, SHUTDOWN, MERGE},
        config={"machine": "pc-q35-9.2"},
        storages=(*PLAIN, *ON_DRBD),
    ),
    Case(
        "no storage off DRBD on the victim",
        {MERGE},
        {MOVE: "pveA has no active storage off DRBD", SHUTDOWN: "no active storage", BACKUP: "no storage for backups"},
        storages=ON_DRBD,
    ),
    Case(
        "a storage of that name only on the victim",
        {MOVE, SHUTDOWN, MERGE},
        {MIGRATE: "pveB has no active storage of that name"},
        storages=(LOCAL[0], *ON_DRBD),
    ),
    Case(
        "a storage without disk images",
        {MERGE},
        {MOVE: "no active storage off DRBD"},
        storages=(store("local", VICTIM, content=("iso",)), *ON_DRBD),
    ),
    Case(
        "a storage that is not available",
        {MERGE},
        {MOVE: "no active storage off DRBD"},
        storages=(replace(LOCAL[0], is_active=False), *ON_DRBD),
    ),
    Case(
        "an archive that the survivor cannot reach",
        ALL - {BACKUP},
        {BACKUP: "no storage for backups is active on both nodes"},
        storages=(*LOCAL, *ON_DRBD, NFS[0], replace(NFS[1], is_active=False)),
    ),
    Case(
        "a volume that only the victim has",
        ALL - {MERGE},
        {MERGE: "does not exist on both sides under one uuid"},
        changes=(change(exists_on=(VICTIM,)),),
    ),
    Case(
        "a volume that was resized",
        ALL - {MERGE},
        {MERGE: "has another size on each side"},
        changes=(change(twins=(Twin.RESIZED,)),),
    ),
    Case(
        "a volume changed on both sides", ALL - {MERGE}, {MERGE: "is changed on pveB: decide with --side"}, changes=BOTH
    ),
    Case(
        "changed on both sides, the victim's counts",
        ALL,
        {KEEP: "changed on pveA"},
        changes=BOTH,
        wishes=Wishes(sides={100: VICTIM}),
    ),
    Case(
        "changed on both sides, the survivor's counts",
        {KEEP},
        {MOVE: "the copy on pveB counts", MIGRATE: "counts", BACKUP: "counts"},
        changes=BOTH,
        wishes=Wishes(sides={100: SURVIVOR}),
    ),
    Case(
        "a guest on the survivor that the victim did not change",
        {KEEP},
        {MOVE: "the guest is not on pveA"},
        node=SURVIVOR,
        changes=(change("vm-100-disk-0", Change.NOT_RUN_HERE, Change.CHANGED),),
    ),
    Case(
        "a guest on the survivor whose data changed on the victim",
        set(),
        {KEEP: "is changed on pveA", BACKUP: "the guest is not on pveA", MERGE: "not on pveA"},
        node=SURVIVOR,
    ),
    Case("a template made on the victim", {MERGE, BACKUP}, {MOVE: "it is a template"}, state=STOPPED, is_template=True),
    Case("a guest that is given up", {*ALL, ABANDON}, wishes=Wishes(abandoned=frozenset({100}))),
]


def subject_of(case):
    guest = Guest(100, case.kind, case.node, "mail", case.state, case.lock, case.is_template, case.ha)
    config = GuestConfig(**{"volumes": case.volumes, "memory_mib": 4096, **case.config})
    return Subject(guest, config, case.volumes, case.changes)


def setting_of(case):
    memory = {node: NodeStatus(node, 8192, 16384) for node in (VICTIM, SURVIVOR)}
    on_drbd = frozenset({"drbdvg"})
    return Setting(VICTIM, SURVIVOR, case.storages, memory, on_drbd, on_drbd, RATES, case.wishes, resync_s=40)


def options(name):
    case = next(each for each in CASES if each.name == name)
    return options_of(subject_of(case), setting_of(case))


def candidate(name, method):
    return next(each for each in options(name)[0] if each.method == method)


@pytest.mark.parametrize("case", [pytest.param(each, id=each.name) for each in CASES])
def test_the_methods_that_save_a_guest_are_those_an_expert_names(case):
    candidates, ruled_out = options_of(subject_of(case), setting_of(case))

    assert {each.method for each in candidates} == case.can
    for method, why in case.cannot.items():
        assert any(why in each.why for each in ruled_out if each.method == method), (method, ruled_out)


@pytest.mark.parametrize("case", [pytest.param(each, id=each.name) for each in CASES])
def test_every_method_is_possible_or_has_a_reason_against_it(case):
    candidates, ruled_out = options_of(subject_of(case), setting_of(case))

    told = {each.method for each in (*candidates, *ruled_out)}
    assert told >= {each.value for each in Method if each is not Method.ABANDON}
    assert all(each.why for each in ruled_out)
    assert all(amount >= 0 for each in candidates for amount in (*each.work.values(), *each.uses.values()))


def test_nobody_is_given_up_unless_named():
    for case in CASES:
        is_named = 100 in case.wishes.abandoned
        assert (ABANDON in {each.method for each in options_of(subject_of(case), setting_of(case))[0]}) == is_named


def test_what_keeps_running_costs_no_downtime():
    for method in (MOVE, MIGRATE):
        assert candidate("a running VM", method).downtime_s == 0


def test_a_guest_that_stays_is_down_while_its_volumes_are_closed_and_resynced():
    assert candidate("a running VM that changed nothing", KEEP).downtime_s == 60 + 30 + 40 + 30


def test_what_cannot_leave_online_is_stopped_again_on_its_way_home():
    copy_s = -(-32 * GIB // RATES.disk_write_mib_s)

    assert candidate("a running container", SHUTDOWN).downtime_s == 2 * (60 + copy_s + 30)


def test_a_live_migration_takes_memory_and_space_on_the_survivor():
    uses = candidate("a running VM", MIGRATE).uses

    assert uses == {"storage:local@pveA": 32 * GIB, "storage:local@pveB": 32 * GIB, "memory@pveB": 4096}


def test_a_restore_takes_the_archive_and_the_copy_from_one_storage_if_both_lie_there():
    found = options("a running VM")[0]
    same = next(each for each in found if each.target == "nfs>nfs")

    assert same.uses["storage:nfs"] == 64 * GIB


def test_a_stopped_guest_takes_no_memory_and_has_no_downtime():
    for each in options("a stopped VM")[0]:
        assert each.downtime_s == 0
        assert memory_pool(SURVIVOR) not in each.uses


def test_a_split_vg_is_one_pool_per_node_although_its_entry_is_shared():
    setting = setting_of(CASES[0])

    assert [storage_pool(each, setting) for each in ON_DRBD] == ["storage:drbdvg@pveA", "storage:drbdvg@pveB"]
    assert {storage_pool(each, setting) for each in NFS} == {"storage:nfs"}


def test_nothing_is_moved_to_a_storage_on_drbd():
    for method in (MOVE, MIGRATE, SHUTDOWN):
        assert "drbdvg" not in {each.target for each in options("a running VM")[0] if each.method == method}
