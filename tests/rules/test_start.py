"""May a guest start where it is: its node's own copy decides, a missing peer does not."""

from dataclasses import replace

import pytest

from pve_drbd.findings import Verdict
from pve_drbd.model.drbd import DiskState, Role
from pve_drbd.model.pve import GuestState, StorageEntry, VolumeUse
from pve_drbd.model.survey import NoView
from pve_drbd.rules.start import judge_start
from tests.pairs import STANDALONE, A, B, codes, connected, disk, everything, ids, lost, two_nodes

NOWHERE = NoView("PVE", "it", "it does not answer")


def judged(survey, vmid=100, node=""):
    return judge_start(survey, vmid, node)


def told(report):
    return sorted({(each.code, each.node) for each in report.findings})


def stopped(survey):
    return survey.with_guest(100, state=GuestState.STOPPED).with_lv(A, is_active=False, is_open=None)


def test_a_guest_of_a_healthy_pair_may_start():
    report = judged(stopped(two_nodes()))

    assert report.verdict is Verdict.ALLOWED
    assert report.findings == ()
    assert report.question == {"ask": "start", "vmid": "100", "node": A, "mode": "start"}


def test_a_missing_peer_does_not_forbid_a_start():
    survey = stopped(two_nodes()).with_view(A, **lost()).with_node(B, NoView(B, "the account", "no route to host"))

    assert judged(survey).allowed


def test_a_standalone_side_does_not_forbid_a_start():
    assert judged(stopped(two_nodes()).with_views(**lost(STANDALONE))).allowed


def test_the_older_copy_does_not_start():
    survey = stopped(two_nodes()).with_views(**lost()).with_ids(pveA=ids(0xB0), pveB=ids(0xC0, 0xB0))

    assert codes(judged(survey)) == ["DRBD-E124"]


def test_the_newer_copy_starts():
    survey = stopped(two_nodes()).with_views(**lost()).with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xB0))

    assert judged(survey).allowed


def test_a_secondary_resource_does_not_start_a_guest():
    survey = stopped(two_nodes()).with_view(A, role=Role.SECONDARY).with_view(B, peer_role=Role.SECONDARY)

    assert told(judged(survey)) == [("DRBD-E105", A)]


def test_the_peers_own_troubles_are_not_told():
    survey = stopped(two_nodes()).with_view(B, role=Role.SECONDARY, disk=DiskState.DISKLESS)

    assert {each.node for each in judged(survey).findings} <= {A}


def test_a_volume_that_is_open_on_the_other_node_forbids_the_start():
    survey = stopped(two_nodes()).with_lv(B, is_active=True, is_open=True, device=(253, 0))

    assert told(judged(survey)) == [("LVM-E212", B)]


def test_a_guest_that_does_not_exist_is_not_judged_further():
    assert codes(judged(two_nodes().with_views(suspended=("user",)), vmid=999)) == ["PVE-E301"]


def test_a_locked_guest_does_not_start():
    assert codes(judged(stopped(two_nodes()).with_guest(100, lock="backup"))) == ["PVE-E306"]
    assert codes(judged(stopped(two_nodes()).with_config(100, lock="migrate"))) == ["PVE-E306"]


def test_a_cluster_without_quorum_starts_nothing():
    survey = stopped(two_nodes())
    report = judged(survey.with_pve(cluster=replace(survey.pve.cluster, is_quorate=False)))

    assert told(report) == [("PVE-E309", A)]


@pytest.mark.parametrize(("changes", "code"), [({"is_disabled": True}, "PVE-E304"), ({"nodes": (B,)}, "PVE-E305")])
def test_an_entry_that_cannot_be_used_here_is_told(changes, code):
    assert codes(judged(stopped(two_nodes()).with_entry(**changes))) == [code]


def test_an_entry_that_is_for_this_node_only_is_enough():
    assert judged(stopped(two_nodes()).with_entry(nodes=(A,))).findings == ()


def test_a_volume_of_an_entry_that_is_gone_is_told():
    assert everything(judged(stopped(two_nodes()).with_pve(storages=()))) == ["PVE-E302", "PVE-N319"]


def test_unused_and_snapshot_volumes_are_not_needed_for_a_start():
    survey = stopped(two_nodes())
    (volume,) = survey.pve.configs[100].volumes
    unused = disk("gone:vm-100-disk-8", "unused0", VolumeUse.UNUSED)
    snapshot = replace(disk("gone:vm-100-disk-9"), snapshot="before")

    assert judged(survey.with_volumes(volume, unused, snapshot)).findings == ()


def test_a_guest_without_a_volume_on_drbd_may_start_whatever_drbd_does():
    local = disk("local-lvm:vm-100-disk-0")
    survey = stopped(two_nodes()).with_views(suspended=("user",)).with_volumes(local)

    report = judged(survey.with_more_entries(StorageEntry("local-lvm", "lvmthin", "pve")))

    assert report.allowed
    assert everything(report) == ["PVE-N319"]


def test_an_entry_of_our_type_whose_vg_is_not_on_drbd_is_refused():
    survey = stopped(two_nodes()).with_vg(A, pvs=("/dev/sdz",)).with_vg(B, pvs=("/dev/sdz",))

    assert codes(judged(survey)) == ["LVM-E219"]


def test_a_guest_on_a_node_without_a_replica_does_not_start():
    survey = stopped(two_nodes()).with_guest(100, node="pveC")
    third = replace(survey.nodes[A], node="pveC")
    lvm, drbd = replace(third.lvm.lvm, lvs=(), vgs=(), pvs=()), replace(third.drbd, resources=(), witness=())
    third = replace(third, drbd=drbd, lvm=replace(third.lvm, lvm=lvm, dm=()))

    assert ("DRBD-E125", "pveC") in told(judged(survey.with_node("pveC", third)))
    assert not judged(survey.with_node("pveC", third)).allowed


def with_third_host(survey, name):
    """r0 has a third host `name`, which is not asked."""
    for node in (A, B):
        config = survey.nodes[node].drbd.config
        third = replace(config.resources[0].hosts[0], name=name)
        resource = replace(config.resources[0], hosts=(*config.resources[0].hosts, third))
        survey = survey.with_drbd(node, config=replace(config, resources=(resource,)))
    return survey


@pytest.mark.parametrize("third", ["backup", "pveC"])
def test_a_copy_older_than_any_other_hosts_does_not_start(third):
    survey = stopped(two_nodes()).with_views(**lost()).with_ids(pveA=ids(0xB0), pveB=ids(0xC0, 0xB0))

    report = judged(with_third_host(survey, third))

    assert codes(report) == ["DRBD-E124"]
    assert "DRBD-N127" not in everything(report)


def test_each_resource_is_held_against_its_own_hosts():
    """r0 has the hosts pveA and pveB, r1 pveA and pveC: what is wrong with r1 here counts too."""
    survey = stopped(two_nodes(r0=connected(), r1=connected()))
    survey = survey.with_volumes(disk("drbdvg:vm-100-disk-0"), disk("drbdvg1:vm-102-disk-0", "scsi1"))
    for node in (A, B):
        config = survey.nodes[node].drbd.config
        hosts = (config.resources[1].hosts[0], replace(config.resources[1].hosts[1], name="pveC"))
        survey = survey.with_drbd(
            node, config=replace(config, resources=(config.resources[0], replace(config.resources[1], hosts=hosts)))
        )
    survey = survey.with_lv(A, "drbdvg1/vm-102-disk-0", is_active=False, is_open=None)

    assert codes(judged(survey.with_view(A, "r1", suspended=("user",)))) == ["DRBD-E112"]


def test_an_old_view_of_this_node_is_refused_and_of_the_other_does_not_matter():
    survey = stopped(two_nodes())

    assert codes(judged(survey.with_age(A, 10.1))) == ["VIEW-E003"]
    assert judged(survey.with_age(B, 99.0)).allowed


# Where PVE is silent.


def test_without_pve_the_node_that_is_asked_and_the_volumes_names_must_do():
    healthy = stopped(two_nodes()).without_pve()
    degraded = healthy.with_view(A, suspended=("user",))

    assert judged(healthy, node=A).verdict is Verdict.UNKNOWN
    assert judged(healthy, node=A).question["node"] == A
    assert codes(judged(degraded, node=A)) == ["DRBD-E112", "VIEW-E001"]


def test_without_pve_nothing_is_said_of_a_guest_that_has_no_volume_by_name():
    assert everything(judged(two_nodes().without_pve(), vmid=555, node=A)) == ["VIEW-E001"]


@pytest.mark.parametrize("part", ["cluster", "storages", "guests"])
def test_a_part_of_pves_account_that_is_missing_makes_the_answer_unknown(part):
    report = judged(stopped(two_nodes()).with_pve(**{part: NOWHERE}), node=A)

    assert report.verdict is Verdict.UNKNOWN
    assert codes(report) == ["VIEW-E001"]


@pytest.mark.parametrize("config", [None, NoView("PVE", "the configuration of guest 100", "refused")])
def test_a_configuration_that_is_not_known_is_replaced_by_the_volumes_names(config):
    survey = stopped(two_nodes()).with_view(A, suspended=("user",)).with_pve(configs={100: config} if config else {})

    assert codes(judged(survey)) == ["DRBD-E112", "VIEW-E001"]


def test_resources_without_a_configured_host_are_judged_by_this_node_alone():
    survey = stopped(two_nodes())
    for node in (A, B):
        survey = survey.with_drbd(node, config=replace(survey.nodes[node].drbd.config, resources=()))

    assert codes(judged(survey.with_view(A, suspended=("user",)))) == ["DRBD-E112"]
