"""Everything at one glance: what `status` shows, and what it finds wrong without anybody asking for a guest."""

from dataclasses import replace

import pytest

from pve_drbd.findings import Verdict
from pve_drbd.model.drbd import DiskState, Progress, ReplicationState
from pve_drbd.model.lvm import LvmFilters
from pve_drbd.model.pve import StorageEntry, VolumeUse
from pve_drbd.model.survey import NoView
from pve_drbd.rules.overview import Side, overview
from tests.pair_parts import dm_device, target
from tests.pairs import STANDALONE, A, B, codes, connected, disk, entry, lost, two_nodes

NOWHERE = NoView("PVE", "it", "it does not answer")


def found(survey):
    return sorted({(each.code, each.node) for each in overview(survey).report.findings})


def test_a_healthy_pair_is_shown_whole_and_nothing_is_told():
    seen = overview(two_nodes(r0=connected(), r1=connected()))

    assert seen.report.verdict is Verdict.ALLOWED
    assert seen.report.findings == ()
    assert [(each.name, each.volume, each.is_healthy) for each in seen.resources] == [("r0", 0, True), ("r1", 0, True)]
    assert [(each.name, each.resources, each.shown_by, each.is_healthy) for each in seen.vgs] == [
        ("drbdvg", ("r0",), (A, B), True),
        ("drbdvg1", ("r1",), (A, B), True),
    ]
    assert [(each.storeid, each.vg, each.is_shared) for each in seen.entries] == [
        ("drbdvg", "drbdvg", True),
        ("drbdvg1", "drbdvg1", True),
    ]
    assert [(each.vmid, each.node, each.volumes, each.resources, each.is_mirrored) for each in seen.guests] == [
        (100, A, ("drbdvg/vm-100-disk-0",), ("r0",), True),
        (102, A, ("drbdvg1/vm-102-disk-0",), ("r1",), True),
    ]


def test_each_side_is_shown_as_it_tells_itself():
    progress = Progress(1024, 4096)
    source = {"replication": ReplicationState.SYNC_SOURCE, "peer_disk": DiskState.INCONSISTENT, "out_of_sync_kib": 1024}
    survey = two_nodes().with_view(A, **source, progress=progress, suspended=("user",))
    survey = survey.with_view(B, replication=ReplicationState.SYNC_TARGET, disk=DiskState.INCONSISTENT)

    (resource,) = overview(survey).resources

    assert not resource.is_healthy
    assert resource.sides == (
        Side(A, "", "Primary", "UpToDate", "Connected", "SyncSource", 1024, ("user",), progress),
        Side(B, "", "Primary", "Inconsistent", "Connected", "SyncTarget", 0, (), None),
    )


def test_what_lies_on_a_sick_resource_is_not_mirrored_and_the_rest_is():
    seen = overview(two_nodes(r0=connected(), r1=connected()).with_views("r1", **lost(STANDALONE)))

    assert codes(seen.report) == ["DRBD-E102"]
    assert [each.is_healthy for each in seen.resources] == [True, False]
    assert [each.is_healthy for each in seen.vgs] == [True, False]
    assert [(each.vmid, each.is_mirrored) for each in seen.guests] == [(100, True), (102, False)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resources": (), "witness": ()}, "down"),
        ({"resources": NoView(B, "events2", "it does not answer")}, "it does not answer"),
    ],
)
def test_a_side_without_the_resource_says_why(change, words):
    (resource,) = overview(two_nodes().with_drbd(B, **change)).resources

    assert resource.sides[1] == Side(B, missing=words)


def test_a_silent_node_says_why():
    seen = overview(two_nodes().with_node(B, NoView(B, "the account", "no route to host")))

    assert seen.resources[0].sides[1] == Side(B, missing="no route to host")
    assert seen.report.verdict is Verdict.UNKNOWN


def test_a_resource_that_is_up_nowhere_is_shown_as_down():
    survey = two_nodes()
    for node in (A, B):
        survey = survey.with_drbd(node, resources=(), witness=())

    (resource,) = overview(survey).resources

    assert [side.missing for side in resource.sides] == ["down", "down"]


def test_a_resource_without_a_connection_shows_none():
    survey = two_nodes()
    cut = replace(survey.nodes[A].drbd.resources[0], connections=())

    (resource,) = overview(survey.with_drbd(A, resources=(cut,), witness=(cut,))).resources

    assert (resource.sides[0].connection, resource.sides[0].replication) == ("none", "")


def test_a_resource_that_only_the_kernels_know_is_judged_between_the_nodes_that_were_asked():
    survey = two_nodes()
    for node in (A, B):
        survey = survey.with_drbd(node, config=replace(survey.nodes[node].drbd.config, resources=()))

    assert [side.node for side in overview(survey).resources[0].sides] == [A, B]


def test_a_resource_of_one_host_is_judged_by_itself():
    survey = two_nodes()
    for node in (A, B):
        config = survey.nodes[node].drbd.config
        alone = replace(config.resources[0], hosts=config.resources[0].hosts[:1])
        survey = survey.with_drbd(node, config=replace(config, resources=(alone,)))
    survey = survey.with_view(A, disk=DiskState.DISKLESS)

    assert ("DRBD-E104", A) in found(survey)


def test_an_old_view_is_told():
    assert found(two_nodes().with_age(B, 10.1)) == [("VIEW-E003", B)]


# Volume groups.


def test_the_lvm_of_a_node_that_could_not_be_asked_is_a_missing_view():
    survey = two_nodes().with_lvm(B, lvm=NoView(B, "LVM", "it would hang"))

    assert found(survey) == [("VIEW-E001", B)]
    assert overview(survey).vgs[0].shown_by == (A,)


def test_filters_backing_disks_and_orphans_of_each_node_are_judged():
    open_to_all = LvmFilters((), (), has_devices_file=False)
    survey = two_nodes()
    lvm = survey.nodes[A].lvm

    assert found(survey.with_lvm(A, filters=open_to_all)) == [("LVM-W202", A)]
    assert ("LVM-E201", A) in found(survey.with_vg(A, pvs=("/dev/sdb",)))
    orphan = {
        "dm": (*lvm.dm, dm_device("drbdvg", "vm-9-disk-0")),
        "tables": {"drbdvg-vm--9--disk--0": (target("r0", 1, 1),)},
    }
    assert found(survey.with_lvm(A, **orphan)) == [("LVM-E209", A)]


def test_volumes_that_only_one_node_shows_are_listed():
    (finding,) = overview(two_nodes().with_lv(B, is_gone=True)).report.findings

    assert (finding.code, finding.node) == ("LVM-W218", A)
    assert "vm-100-disk-0 exist on pveA and not on pveB" in finding.message


def test_a_vg_that_only_one_node_shows_is_not_compared():
    seen = overview(two_nodes().with_vg(B, is_gone=True))

    assert seen.vgs[0].shown_by == (A,)
    assert "LVM-W218" not in codes(seen.report.findings)


def test_a_vg_that_is_not_on_drbd_is_not_shown():
    survey = two_nodes().with_vg(A, pvs=("/dev/sdz",)).with_vg(B, pvs=("/dev/sdz",)).with_entry(type="lvm")

    assert overview(survey).vgs == ()
    assert found(survey) == []


# Proxmox VE.


def test_without_pve_the_pair_is_shown_and_nothing_of_guests():
    seen = overview(two_nodes().without_pve())

    assert len(seen.resources) == 1
    assert (seen.entries, seen.guests) == ((), ())
    assert codes(seen.report) == ["VIEW-E001"]


@pytest.mark.parametrize("part", ["cluster", "storages", "guests", "ha"])
def test_each_part_of_pves_account_that_is_missing_is_told(part):
    assert found(two_nodes().with_pve(**{part: NOWHERE})) == [("VIEW-E001", "PVE")]


def test_a_cluster_without_quorum_is_told():
    survey = two_nodes()

    assert found(survey.with_pve(cluster=replace(survey.pve.cluster, is_quorate=False))) == [("PVE-E309", A)]


def test_a_vg_without_an_entry_is_told():
    survey = two_nodes().with_pve(storages=(), guests=(), configs={})

    assert found(survey) == [("PVE-W322", "")]
    assert overview(survey).entries == ()


def test_an_entry_that_is_not_shared_is_told():
    told = found(two_nodes().with_entry(type="lvm", is_shared=False))

    assert told == [("PVE-E303", ""), ("PVE-W412", A)]


def test_an_entry_of_our_type_off_drbd_is_told_on_each_node_that_shows_its_vg():
    survey = two_nodes().with_vg(A, pvs=("/dev/sdz",)).with_vg(B, is_gone=True)

    assert found(survey) == [("LVM-E219", A)]
    assert [each.storeid for each in overview(survey).entries] == ["drbdvg"]


def test_entries_of_other_vgs_are_not_shown():
    survey = two_nodes().with_more_entries(entry("san", type="lvm"), StorageEntry("local", "dir"))

    assert [each.storeid for each in overview(survey).entries] == ["drbdvg"]


def test_a_guest_whose_configuration_could_not_be_read_is_told_and_not_shown():
    seen = overview(two_nodes().with_pve(configs={100: NOWHERE}))

    assert codes(seen.report) == ["VIEW-E001"]
    assert seen.guests == ()


def test_a_guest_that_names_a_storage_without_an_entry_is_told():
    survey = two_nodes()
    (volume,) = survey.pve.configs[100].volumes
    unused = disk("gone:vm-100-disk-8", "unused0", VolumeUse.UNUSED)

    assert found(survey.with_volumes(volume, disk("gone:vm-100-disk-9", "scsi1"))) == [("PVE-E302", "")]
    assert found(survey.with_volumes(volume, unused)) == []


def test_a_guest_without_a_volume_on_drbd_is_not_shown():
    survey = two_nodes().with_more_entries(StorageEntry("local", "dir")).with_volumes(disk("local:100/x.raw"))

    assert overview(survey).guests == ()


def test_a_guest_without_any_configuration_is_not_shown():
    assert overview(two_nodes().with_pve(configs={})).guests == ()


def test_a_guest_on_a_hidden_vg_without_resources_is_not_called_mirrored():
    survey = two_nodes()
    for node in (A, B):
        drbd = survey.nodes[node].drbd
        empty = replace(drbd.config, resources=())
        survey = survey.with_vg(node, is_gone=True).with_drbd(node, resources=(), witness=(), config=empty)

    (guest,) = overview(survey).guests

    assert not guest.is_mirrored
