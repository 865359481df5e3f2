"""What Proxmox VE itself says against a move: the guest, the cluster, the storage entries, the drives."""

from dataclasses import replace

import pytest

from pve_drbd.findings import Mode
from pve_drbd.model.pve import ClusterNode, GuestKind, GuestState, StorageEntry, VolumeUse
from pve_drbd.rules.migration import judge_migration
from tests.pairs import STANDALONE, A, B, codes, connected, disk, everything, lost, two_nodes


def judged(survey, vmid=100, target=B, mode=None):
    return judge_migration(survey, vmid, target, mode)


# What PVE says of the guest.

OF_THE_GUEST = [
    ({"state": GuestState.UNKNOWN}, None, "VIEW-E001"),
    ({"lock": "backup"}, None, "PVE-E306"),
    ({"ha_state": "started"}, None, "PVE-W316"),
    ({"state": GuestState.RUNNING}, Mode.OFFLINE, "PVE-E321"),
    ({"state": GuestState.PAUSED}, Mode.OFFLINE, "PVE-E321"),
    ({"kind": GuestKind.CONTAINER}, Mode.LIVE, "PVE-E315"),
]


@pytest.mark.parametrize(("changes", "mode", "code"), OF_THE_GUEST)
def test_what_the_guest_itself_is_can_stand_in_the_way(changes, mode, code):
    assert everything(judged(two_nodes().with_guest(100, **changes), mode=mode)) == [code]


IN_THE_CONFIGURATION = [
    ({"lock": "migrate"}, "PVE-E306"),
    ({"local_devices": ("hostpci0", "usb0")}, "PVE-E311"),
    ({"host_paths": ("scsi5",)}, "PVE-E310"),
    ({"has_pending": True}, "PVE-N320"),
]


@pytest.mark.parametrize(("changes", "code"), IN_THE_CONFIGURATION)
def test_what_the_configuration_says_can_stand_in_the_way(changes, code):
    assert everything(judged(two_nodes().with_config(100, **changes))) == [code]


def test_a_guest_that_ha_was_told_to_leave_alone_is_nothing_to_tell():
    assert judged(two_nodes().with_guest(100, ha_state="ignored")).findings == ()


def test_ha_is_told_how_it_names_a_container():
    survey = two_nodes().with_guest(100, ha_state="started", kind=GuestKind.CONTAINER, state=GuestState.STOPPED)

    assert "ha-manager set ct:100" in judged(survey).findings[0].remedy


def test_a_running_container_may_move_by_restart():
    survey = two_nodes().with_guest(100, kind=GuestKind.CONTAINER)

    assert judged(survey).allowed
    assert everything(judged(survey)) == []


def test_a_guest_that_is_there_already_is_not_judged_further():
    assert codes(judged(two_nodes().with_views(**lost()), target=A)) == ["PVE-E317"]


def test_a_guest_that_does_not_exist_is_not_judged_further():
    assert codes(judged(two_nodes().with_views(**lost()), vmid=999)) == ["PVE-E301"]


# What PVE says of the cluster.


def with_cluster(survey, **changes):
    return survey.with_pve(cluster=replace(survey.pve.cluster, **changes))


def test_a_cluster_without_quorum_moves_nothing():
    report = judged(with_cluster(two_nodes(), is_quorate=False))

    assert [(each.code, each.node) for each in report.findings] == [("PVE-E309", A)]


@pytest.mark.parametrize("offline", [A, B])
def test_an_offline_node_is_told(offline):
    nodes = tuple(ClusterNode(node, node != offline, node == A, "") for node in (A, B))

    report = judged(with_cluster(two_nodes(), nodes=nodes))

    assert [(each.code, each.node) for each in report.findings] == [("PVE-E308", offline)]


def test_a_target_that_is_no_member_is_not_judged_further():
    report = judged(two_nodes().with_views(**lost()), target="pveX")

    assert codes(report) == ["PVE-E307"]
    assert "its nodes are pveA, pveB" in report.findings[0].message


def test_a_member_without_a_replica_is_no_target():
    third = ClusterNode("pveC", True, False, "")
    survey = with_cluster(two_nodes(), nodes=(*two_nodes().pve.cluster.nodes, third))

    assert "DRBD-E125" in codes(judged(survey, target="pveC"))


# What PVE says of the guest's volumes.

OF_THE_ENTRY = [
    ({"type": "lvm", "is_shared": False}, "PVE-E303"),
    ({"is_disabled": True}, "PVE-E304"),
    ({"nodes": (A,)}, "PVE-E305"),
    ({"nodes": (B,)}, "PVE-E305"),
]


@pytest.mark.parametrize(("changes", "code"), OF_THE_ENTRY)
def test_an_entry_that_cannot_be_used_on_both_nodes_is_told(changes, code):
    assert codes(judged(two_nodes().with_entry(**changes))) == [code]


def test_an_entry_for_both_nodes_is_nothing_to_tell():
    assert judged(two_nodes().with_entry(nodes=(A, B))).findings == ()


def test_a_volume_of_an_entry_that_is_gone_is_told():
    report = judged(two_nodes().with_pve(storages=()))

    assert everything(report) == ["PVE-E302", "PVE-N319"]


DRIVES = [
    ({"cache": "none"}, []),
    ({"cache": "unsafe"}, ["PVE-E312"]),
    ({"cache": "writeback"}, ["PVE-W313"]),
    ({"cache": "writethrough"}, ["PVE-W313"]),
]


@pytest.mark.parametrize(("options", "told"), DRIVES)
def test_the_cache_of_a_drive_is_judged(options, told):
    survey = two_nodes().with_volumes(disk("drbdvg:vm-100-disk-0", **options))

    assert everything(judged(survey)) == told


def without_aio(survey, **changes):
    volume = replace(disk("drbdvg:vm-100-disk-0", cache="none", size="32G"), **changes)
    options = {key: value for key, value in volume.options.items() if key != "aio"}
    return survey.with_volumes(replace(volume, options=options))


def test_a_drive_without_aio_on_our_type_is_told_with_the_command_that_sets_it():
    (found,) = judged(without_aio(two_nodes())).findings

    assert found.code == "PVE-W314"
    assert found.remedy == "qm set 100 --scsi0 drbdvg:vm-100-disk-0,cache=none,size=32G,aio=native"


@pytest.mark.parametrize(
    "survey",
    [
        without_aio(two_nodes()).with_entry(type="lvm"),
        without_aio(two_nodes(), use=VolumeUse.EFI),
        without_aio(two_nodes(), snapshot="before"),
        without_aio(two_nodes()).with_guest(100, kind=GuestKind.CONTAINER),
    ],
    ids=["PVE's own type", "no drive", "a snapshot's drive", "a container"],
)
def test_aio_is_told_only_of_a_vms_drive_where_it_matters(survey):
    assert everything(judged(survey)) == []


def test_an_unused_volume_is_told_and_not_judged():
    unused = disk("drbdvg1:vm-100-disk-9", "unused0", VolumeUse.UNUSED)
    survey = two_nodes(r0=connected(), r1=connected()).with_views("r1", **lost(STANDALONE))
    volumes = survey.pve.configs[100].volumes

    assert everything(judged(survey.with_volumes(*volumes, unused))) == ["PVE-N318"]


def test_a_local_disk_stands_in_the_way_of_a_live_migration_only():
    local = disk("local-lvm:vm-100-disk-1", "scsi1")
    survey = two_nodes().with_more_entries(StorageEntry("local-lvm", "lvmthin", "pve"))
    survey = survey.with_volumes(*survey.pve.configs[100].volumes, local)

    assert codes(judged(survey)) == ["PVE-E310"]
    assert everything(judged(survey.with_guest(100, state=GuestState.STOPPED))) == []


def test_a_disk_on_other_shared_storage_is_nothing_to_us():
    shared = disk("nfs:100/vm-100-disk-1.raw", "scsi1")
    survey = two_nodes().with_more_entries(StorageEntry("nfs", "nfs", is_shared=True))

    assert judged(survey.with_volumes(*survey.pve.configs[100].volumes, shared)).findings == ()


def test_a_guest_without_a_volume_on_drbd_may_move_whatever_drbd_does():
    survey = two_nodes().with_views(**lost(STANDALONE)).with_volumes()

    assert judged(survey).allowed
    assert everything(judged(survey)) == ["PVE-N319"]
