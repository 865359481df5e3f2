"""A storage entry beside the configuration, beside what was last known of it, and on the ground it stands on."""

from dataclasses import replace

import pytest

from pve_drbd.model.entry import Change, Daemon, KnownEntry, PluginAccount, WantedEntry
from pve_drbd.model.lvm import FilterRule, LvmFilters
from pve_drbd.model.pve import GuestKind, StorageEntry
from pve_drbd.model.survey import NoView
from pve_drbd.rules.enforcement import enforcements, judge_enforcement
from pve_drbd.rules.entry import creation, is_same_entry, judge_drift, judge_wanted, known_of, update, wanted_changes
from pve_drbd.rules.entry_ground import judge_ground, judge_plugins, judge_retype
from pve_drbd.rules.entry_plan import plan_ensure, plan_retype
from pve_drbd.rules.entry_show import show_entries
from tests.pairs import A, B, codes, connected, disk, entry, two_nodes

ENTRY = StorageEntry("drbdvg", "drbdlvm", "drbdvg", is_shared=True, content=("images", "rootdir"))
WANTED = WantedEntry("drbdvg", "drbdvg")
PLUGIN = PluginAccount(A, "a" * 64, 100.0)


def ground(survey, left_out=()):
    return codes(judge_ground(survey, "drbdvg", "drbdvg", left_out))


# Wanted and actual.


def test_a_field_that_the_configuration_does_not_name_is_left_alone():
    assert wanted_changes(WANTED, replace(ENTRY, nodes=(A,), content=("images",), is_disabled=True)) == ()


def test_named_fields_are_compared_whatever_their_order():
    wanted = replace(WANTED, content=("rootdir", "images"), nodes=(B, A))

    assert wanted_changes(wanted, replace(ENTRY, nodes=(A, B))) == ()
    assert wanted_changes(wanted, ENTRY) == (Change("nodes", "", f"{A},{B}"),)


def test_an_lvm_entry_is_made_shared():
    actual = replace(ENTRY, type="lvm", is_shared=False)

    assert wanted_changes(replace(WANTED, type="lvm"), actual) == (Change("shared", "0", "1"),)


def test_a_new_entry_is_confined_to_the_pair_where_there_are_other_nodes():
    pair, more = creation(WANTED, (A, B), (A, B)), creation(WANTED, (A, B), (A, B, "pveC"))

    assert dict(pair.fields) == {
        "storage": "drbdvg",
        "type": "drbdlvm",
        "vgname": "drbdvg",
        "content": "images,rootdir",
        "shared": 1,
    }
    assert dict(more.fields) == {**dict(pair.fields), "nodes": f"{A},{B}"}


def test_a_field_that_is_to_be_empty_is_taken_away():
    request = update("drbdvg", (Change("nodes", A, ""), Change("content", "images", "rootdir")))

    assert request.fields == (("content", "rootdir"), ("delete", "nodes"))


def test_fixed_fields_and_changeable_ones_are_told_apart():
    actual = replace(ENTRY, type="lvm", vgname="other", content=("images",))

    told = list(judge_wanted(replace(WANTED, content=("images", "rootdir")), actual))

    assert codes(told) == ["PVE-E404", "PVE-E405", "PVE-W403"]
    assert "pve-drbd storage adopt drbdvg" in told[0].remedy


def test_a_wanted_entry_that_is_missing_is_told():
    assert codes(judge_wanted(WANTED, None)) == ["PVE-W413"]


# Drift.

KNOWN = known_of(ENTRY, "uuid", "2026-11-20T08:00:00Z")


def test_an_entry_as_it_was_known_has_not_drifted():
    assert list(judge_drift((KNOWN,), (ENTRY, entry("other")))) == []


def test_an_entry_that_vanished_is_told():
    (told,) = judge_drift((KNOWN,), (entry("other"),))

    assert told.code == "PVE-E401"
    assert "drbdvg of type drbdlvm" in told.message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "lvm"}, "type"),
        ({"vgname": "other"}, "vgname"),
        ({"is_disabled": True}, "disable"),
        ({"nodes": (A,)}, "nodes"),
        ({"content": ("images",)}, "content"),
    ],
)
def test_each_field_that_changed_is_told(changes, field):
    (told,) = judge_drift((KNOWN,), (replace(ENTRY, **changes),))

    assert told.code == "PVE-W402"
    assert dict(told.details)["field"] == field


def test_without_a_list_of_entries_nothing_has_drifted():
    assert list(judge_drift((KNOWN,), NoView("PVE", "/storage", "it does not answer"))) == []


def test_two_entries_are_the_same_but_for_the_digest_only():
    assert is_same_entry(ENTRY, replace(ENTRY, digest="x", options={}))
    assert not is_same_entry(ENTRY, replace(ENTRY, options={"saferemove": "1"}))
    assert not is_same_entry(ENTRY, None)
    assert is_same_entry(None, None)


# The ground.


def test_a_healthy_pair_is_sound_ground():
    assert ground(two_nodes()) == []


def test_a_vg_that_one_node_does_not_show_is_no_ground():
    assert ground(two_nodes().with_vg(B, is_gone=True)) == ["LVM-E205"]


def test_a_vg_of_the_same_name_and_another_uuid_is_no_ground():
    assert ground(two_nodes().with_vg(B, uuid="other")) == ["LVM-E206"]


def test_a_vg_beside_drbd_is_no_ground_and_one_partly_beside_it_neither():
    beside = two_nodes().with_vg(A, pvs=("/dev/sdz",)).with_vg(B, pvs=("/dev/sdz",))
    partly = two_nodes().with_vg(A, pvs=("/dev/drbd0", "/dev/sdz"))

    assert ground(beside) == ["LVM-E219"]
    assert ground(partly) == ["PVE-E407"]


def test_a_backing_disk_that_the_filter_lets_in_is_no_ground_even_while_lvm_uses_drbd():
    filters = LvmFilters((), (FilterRule(True, ".*"),), has_devices_file=False)

    assert ground(two_nodes().with_lvm(B, filters=filters)) == ["PVE-E408"]


def test_another_entry_on_the_vg_is_no_ground():
    other = entry("again", vgname="drbdvg", type="lvm")

    assert ground(two_nodes().with_more_entries(other)) == ["PVE-E406"]


def test_a_node_that_does_not_answer_leaves_it_unknown_unless_it_is_left_out():
    survey = two_nodes().with_node(B, NoView(B, "the account", "no route to host"))

    assert ground(survey) == ["VIEW-E001"]
    assert ground(survey, (B,)) == []


def test_without_pve_nobody_knows_the_neighbours():
    assert ground(two_nodes().without_pve()) == ["VIEW-E001"]


# The plugin.


def plugins(**accounts):
    own = {A: PLUGIN, B: replace(PLUGIN, node=B)}
    return codes(judge_plugins(two_nodes().pve, {**own, **accounts}, A))


def test_the_same_plugin_everywhere_in_every_daemon_is_enough():
    late = Daemon("pvedaemon.service", is_active=True, loaded_at=100.5)
    off = Daemon("spiceproxy.service", is_active=False, loaded_at=0.0)

    assert plugins(**{B: replace(PLUGIN, node=B, daemons=(late, off))}) == []


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (PluginAccount(B, problem="a new process does not find the plugin"), "PVE-E410"),
        (PluginAccount(B, "b" * 64, 100.0), "PVE-E410"),
        (PluginAccount(B, "a" * 64, 100.0, daemons=(Daemon("pveproxy.service", True, 100.0),)), "PVE-E411"),
        (NoView(B, "the storage plugin", "no route to host"), "VIEW-E001"),
    ],
)
def test_a_node_without_it_or_with_old_daemons_forbids(account, code):
    assert plugins(**{B: account}) == [code]


def test_a_member_that_was_not_asked_or_is_offline_forbids():
    pve = two_nodes().pve
    offline = replace(pve.cluster, nodes=tuple(replace(n, is_online=n.name == A) for n in pve.cluster.nodes))

    assert codes(judge_plugins(pve, {A: PLUGIN}, A)) == ["VIEW-E001"]
    assert codes(judge_plugins(replace(pve, cluster=offline), {A: PLUGIN}, A)) == ["PVE-E308"]
    assert codes(judge_plugins(replace(pve, cluster=offline), {A: PLUGIN}, A, (B,))) == []


# Adopt and release.


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"is_shared": False}, ["PVE-E303"]),
        ({"options": {"base": "iscsi:lun"}}, ["PVE-E409"]),
        ({"type": "lvmthin"}, ["PVE-E409"]),
    ],
)
def test_what_would_not_stay_as_it_is_forbids_another_type(changes, found):
    assert codes(judge_retype(replace(ENTRY, **{"type": "lvm", **changes}), "drbdlvm")) == found


def test_adopting_tells_which_drives_would_run_with_io_uring():
    survey = two_nodes().with_entry(type="lvm").with_volumes(replace(disk("drbdvg:vm-100-disk-0"), options={}))
    both = {A: PLUGIN, B: replace(PLUGIN, node=B)}

    told = plan_retype(survey, survey.pve.storage("drbdvg"), "drbdlvm", both).report

    assert [each.code for each in told.findings] == ["PVE-W314"]
    assert told.allowed


def test_no_entry_is_written_without_a_quorum():
    survey = two_nodes()
    alone = survey.with_pve(cluster=replace(survey.pve.cluster, is_quorate=False))

    assert codes(plan_ensure(alone, WANTED, {}).report) == ["PVE-E309"]


# What refuses an unsafe migration.


def protection(survey):
    return [(each.guest.vmid, each.by) for each in enforcements(survey)], codes(judge_enforcement(survey))


def test_an_entry_of_our_type_protects_its_guests():
    assert protection(two_nodes(r0=connected(), r1=connected())) == ([(100, "entry"), (102, "entry")], [])


def test_a_guest_on_an_lvm_entry_is_protected_by_our_hookscript_only():
    survey = two_nodes().with_entry(type="lvm")

    assert protection(survey) == ([(100, "")], ["PVE-W412"])
    ours = survey.with_config(100, hookscript="local:snippets/pve-drbd-hookscript")
    assert protection(ours) == ([(100, "hook")], [])
    other = survey.with_config(100, hookscript="local:snippets/notify.pl")
    assert protection(other) == ([(100, "")], ["PVE-W412"])


def test_a_container_is_not_protected_by_a_hookscript():
    survey = two_nodes().with_entry(type="lvm").with_guest(100, kind=GuestKind.CONTAINER)

    told = protection(survey.with_config(100, hookscript="local:snippets/pve-drbd-hookscript"))

    assert told == ([(100, "")], ["PVE-W412"])


def test_a_guest_elsewhere_is_none_of_ours():
    survey = two_nodes().with_entry(type="lvm").with_volumes(disk("local-lvm:vm-100-disk-0"))

    assert protection(survey) == ([], [])


# Everything at a glance.


def test_wanted_and_remembered_entries_are_shown_beside_those_that_are_there():
    wanted = (WantedEntry("spare", "drbdvg9"),)
    known = (KnownEntry("gone", "drbdlvm", "drbdvg"), KNOWN)

    shown = show_entries(two_nodes(), wanted, known)

    rows = [(row.storeid, row.entry is not None, row.is_wanted, row.is_known) for row in shown.rows]
    assert rows == [("drbdvg", True, False, True), ("gone", False, False, True), ("spare", False, True, False)]
    assert {"PVE-E401", "PVE-W413"} <= {each.code for each in shown.report.findings}
    assert shown.rows[0].guests == (100,)


def test_entries_that_do_not_concern_drbd_are_not_shown():
    local = StorageEntry("local-lvm", "lvm", "pve")

    shown = show_entries(two_nodes().with_more_entries(local), (), ())

    assert [row.storeid for row in shown.rows] == ["drbdvg"]


def test_a_memory_that_cannot_be_read_is_told():
    damaged = NoView(A, "/var/lib/pve-drbd/entries.json", "cut off", is_damaged=True)

    assert "VIEW-E002" in codes(show_entries(two_nodes(), (), damaged).report)
