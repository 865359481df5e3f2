"""What changed where: an LV is only called safe to lose on a side where there is proof of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.model.bitmap import BitmapSlot, DumpedBitmap
from pve_drbd.model.drbd import ConnectionState, DiskState, ReplicationState, Role
from pve_drbd.model.evacuation import Change, DirtyMap, Twin
from pve_drbd.model.lvm import BlockDevice, DiskCounters, DmTarget, LogicalVolume, Segment
from pve_drbd.model.survey import NoView
from pve_drbd.model.task import Upid
from pve_drbd.readers.act_log import dirty_map
from pve_drbd.rules.changes import vg_changes, volume_changes
from tests.metadata_text import bits_of, ranges_of
from tests.pair_parts import EXTENT_B, dm_device, layout_of, lvm_account, target, uuid_of
from tests.pairs import STANDALONE, A, B, connected, disk, ids, lost, two_nodes

UNCHANGED, NOT_RUN, CHANGED, UNKNOWN = Change.UNCHANGED, Change.NOT_RUN_HERE, Change.CHANGED, Change.UNKNOWN
OWN_KIB = (1024, 9216)
"""Where the LV of guest 100 lies: two extents of 4 MiB behind 1 MiB of metadata."""


def split(a_kib=8, b_kib=8, **resources):
    """Both sides went on by themselves, with so many KiB changed on each."""
    survey = two_nodes(**resources)
    for name in resources or ("r0",):
        survey = survey.with_view(A, name, **lost(STANDALONE), out_of_sync_kib=a_kib)
        survey = survey.with_view(B, name, **lost(STANDALONE), out_of_sync_kib=b_kib)
    return survey.with_ids(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0))


def told(survey, node, *extents, bits=None, resource="r0"):
    """`node` was asked what it changed: `extents` with the activity log, `bits` (all of them) by the bitmap alone."""
    sure = tuple(extents) if bits is None else tuple(bits)
    found = DirtyMap(tuple(extents), sum(end - first for first, end in sure), sure)
    view = survey.nodes[node]
    return survey.with_node(node, replace(view, dirty={**view.dirty, (resource, 0): found}))


def with_layout(survey, vgs, lvs, *nodes):
    for node in nodes or (A, B):
        survey = survey.with_node(node, replace(survey.nodes[node], lvm=lvm_account(node, layout_of(vgs, lvs))))
    return survey


def changes(survey, *resources, **more):
    return {f"{each.vg}/{each.lv}": each for each in volume_changes(survey, resources or ("r0",), **more)}


def only(survey, **more):
    (found,) = volume_changes(survey, ("r0",), **more)
    return found


def sides(change):
    return change.per_side[A], change.per_side[B]


def task(vmid, node=B, kind="qmstart"):
    return Upid(f"UPID:{node}:1:2:3:{kind}:{vmid}:root@pam:", node, 1, 2, 3, kind, str(vmid), "root@pam")


def test_a_side_whose_out_of_sync_is_0_has_changed_nothing():
    found = only(split(a_kib=8, b_kib=0))

    assert sides(found) == (UNKNOWN, UNCHANGED)
    assert found.evidence[B] == "out-of-sync of r0/0 is 0"
    assert (found.vg, found.lv, found.vmid, found.size_mib) == ("drbdvg", "vm-100-disk-0", 100, 8)
    assert (found.exists_on, found.resources, found.twins) == ((A, B), ("r0",), ())
    assert found.changed_mib == {A: 1, B: 0}


def test_without_a_look_at_the_blocks_a_side_that_changed_anything_is_unknown():
    found = only(split())

    assert sides(found) == (UNKNOWN, UNKNOWN)
    assert found.evidence[A] == "8 KiB of r0/0 changed, and nobody asked where"


def test_a_look_that_failed_says_why():
    survey = split()
    view = survey.nodes[A]
    refused = {("r0", 0): NoView(A, "act-log-r0-0", "Operation not permitted")}

    found = only(survey.with_node(A, replace(view, dirty=refused)))

    assert found.evidence[A] == "8 KiB of r0/0 changed, and where is not known: Operation not permitted"


@pytest.mark.parametrize(
    ("extents", "change"),
    [
        (((0, 8),), UNCHANGED),
        (((0, 1024),), UNCHANGED),
        (((0, 1028),), CHANGED),
        (((1024, 1032),), CHANGED),
        (((9212, 9220),), CHANGED),
        (((9216, 9224),), UNCHANGED),
        (((0, 1024), (9216, 20000)), UNCHANGED),
        (((0, 4), (100, 200), (5000, 5004), (9300, 9400)), CHANGED),
        (((0, 131032),), CHANGED),
    ],
)
def test_a_bit_on_its_extents_changes_an_lv_and_one_beside_them_does_not(extents, change):
    assert only(told(split(), A, *extents)).per_side[A] is change


def test_what_changed_is_told_in_kib_and_rounded_up_to_mib():
    found = only(told(split(2052), A, (0, 4), (1024, 3072), (12000, 12004)))

    assert found.evidence[A] == "its extents: 2048 KiB in the bitmap of r0/0"
    assert found.changed_mib[A] == 2


def test_a_hot_extent_alone_changes_an_lv_too():
    found = only(told(split(), A, (0, 4096), bits=[(0, 8)]))

    assert found.per_side[A] is CHANGED
    assert found.evidence[A] == "its extents: 0 KiB in the bitmap of r0/0, at most 3072 KiB with the activity log"
    assert found.changed_mib[A] == 3


def test_fewer_blocks_than_out_of_sync_counts_prove_nothing():
    found = only(told(split(a_kib=12), A, (0, 8)))

    assert found.per_side[A] is UNKNOWN
    assert found.evidence[A] == "12 KiB of r0/0 changed, and its bitmap and activity log show 8 KiB only"


def test_the_source_that_tells_more_counts():
    survey = split(0, 0).with_drbd(A, witness=split(8, 0).nodes[A].drbd.witness)

    assert sides(only(survey)) == (UNKNOWN, UNCHANGED)


def test_the_second_witness_of_8_counts_too():
    base = two_nodes("8.4").with_views(**lost(STANDALONE))
    more = base.with_view(A, out_of_sync_kib=8).nodes[A].drbd.loaded

    assert only(base.with_drbd(A, loaded=more)).per_side[A] is UNKNOWN


@pytest.mark.parametrize("state", [DiskState.INCONSISTENT, DiskState.DISKLESS, DiskState.FAILED])
def test_a_replica_that_is_not_whole_is_unknown(state):
    found = only(split(0, 0).with_view(A, disk=state))

    assert found.per_side[A] is UNKNOWN
    assert found.evidence[A] == f"the disk of r0/0 is {state.value}"


def test_a_resource_that_is_down_is_unknown():
    assert changes(split(0, 0).with_drbd(A, resources=()))["drbdvg/vm-100-disk-0"].per_side[A] is UNKNOWN


def test_a_link_without_a_word_of_the_volume_is_unknown():
    survey = split(0, 0)
    (own,) = survey.nodes[A].drbd.resources
    for links in ((), (replace(own.connections[0], volumes=()),)):
        assert only(survey.with_drbd(A, resources=(replace(own, connections=links),))).per_side[A] is UNKNOWN


def test_a_silent_node_is_unknown_and_so_is_whatever_else_it_may_have():
    found = changes(split(0, 0).with_node(B, NoView(B, "the account", "no route to host")))

    assert sides(found["drbdvg/vm-100-disk-0"]) == (UNCHANGED, UNKNOWN)
    assert found["drbdvg/vm-100-disk-0"].twins == (Twin.UNSEEN,)
    assert found["/r0/0"].per_side[B] is UNKNOWN
    assert found["/r0/0"].exists_on == (B,)


def test_a_pair_in_sync_has_changed_nothing():
    assert sides(only(two_nodes())) == (UNCHANGED, UNCHANGED)


@pytest.mark.parametrize(
    "change",
    [
        {"replication": ReplicationState.SYNC_TARGET},
        {"out_of_sync_kib": 4},
        {"peer_disk": DiskState.INCONSISTENT},
        lost(),
    ],
)
@pytest.mark.parametrize("node", [A, B])
def test_while_connected_out_of_sync_no_longer_tells_whose_change_it_is(node, change):
    survey = two_nodes().with_view(node, **change)

    connected_side = A if node == B or change != lost() else B
    assert only(survey).per_side[connected_side] is UNKNOWN


def test_a_silent_divergence_is_no_pair_in_sync():
    survey = two_nodes().with_ids(pveA=ids(0xC0), pveB=ids(0xD0))

    assert sides(only(survey)) == (UNKNOWN, UNKNOWN)


def test_a_secondary_side_hides_its_vg_and_whatever_else_it_has():
    survey = told(split().with_view(B, role=Role.SECONDARY).with_vg(B, is_gone=True), B, (20000, 20008))

    found = changes(survey)

    assert found["drbdvg/vm-100-disk-0"].per_side[B] is UNKNOWN
    assert found["drbdvg/vm-100-disk-0"].evidence[B] == "r0 is Secondary on pveB, which hides drbdvg"
    assert found["/r0/0"].per_side == {A: UNCHANGED, B: UNKNOWN}
    assert "hides what lies on it" in found["/r0/0"].evidence[B]


def test_a_secondary_side_that_wrote_nothing_since_the_split_hides_no_change():
    found = changes(split(8, 0).with_view(B, role=Role.SECONDARY).with_vg(B, is_gone=True))

    assert {each.per_side[B] for each in found.values()} == {UNCHANGED}


def test_a_vg_that_a_primary_side_does_not_show_is_unknown():
    found = changes(split().with_vg(B, is_gone=True))

    assert found["drbdvg/vm-100-disk-0"].evidence[B] == "LVM of pveB does not show drbdvg"


def test_a_side_whose_lvm_could_not_be_asked_is_unknown():
    found = changes(split().with_lvm(B, lvm=NoView(B, "LVM", "it would hang")))

    assert found["drbdvg/vm-100-disk-0"].evidence[B] == "LVM of pveB could not be looked at: it would hang"


def test_lvm_on_the_disk_below_drbd_makes_everything_there_unknown_even_with_out_of_sync_0():
    survey = split(0, 0)
    lvm = survey.nodes[B].lvm.lvm
    raw = [replace(lv, segments=tuple(replace(part, pv="/dev/sdb") for part in lv.segments)) for lv in lvm.lvs]
    past = replace(
        lvm,
        lvs=tuple(raw),
        vgs=(replace(lvm.vgs[0], pvs=("/dev/sdb",)),),
        pvs=(replace(lvm.pvs[0], name="/dev/sdb"),),
    )

    found = only(survey.with_lvm(B, lvm=past))

    assert sides(found) == (UNCHANGED, UNKNOWN)
    assert "/dev/sdb, below DRBD" in found.evidence[B]


# The task log and write counters.

HOT = told(told(split(), A, (1024, 1032)), B, (0, 4096), bits=[(0, 8)])
"""Guest 100 runs on pveA. On pveB only a hot extent touches its LV, as the VG's metadata does."""


def test_without_the_task_log_nothing_is_not_run_here():
    assert only(HOT).per_side[B] is CHANGED
    assert only(split()).per_side[B] is UNKNOWN


@pytest.mark.parametrize("survey", [HOT, split()], ids=["hot extents only", "nobody asked"])
def test_a_guest_that_never_was_on_a_side_cannot_have_written_there(survey):
    found = only(survey, tasks={A: [task(100, A)], B: [task(101)]})

    assert found.per_side[B] is NOT_RUN
    assert found.evidence[B] == "guest 100 is on pveA, and since the loss the task log of pveB has nothing about it"
    assert found.changed_mib[B] == 0
    assert found.per_side[A] is not NOT_RUN


NOT_PROVEN = {
    "its own bits are set": (told(split(), B, (1024, 1032)), {B: []}),
    "a task about it there": (HOT, {B: [task(100)]}),
    "a disk task about it there": (HOT, {B: [task(100, kind="imgcopy")]}),
    "no log of that side": (HOT, {A: []}),
    "a log that cannot tell": (HOT, {B: NoView(B, "the task log", "its clock was stepped")}),
    "the guest is there": (HOT.with_guest(100, node=B), {B: []}),
    "PVE knows no such guest": (HOT.with_pve(guests=()), {B: []}),
    "PVE is silent": (HOT.without_pve(), {B: []}),
    "its LV is active there": (HOT.with_lv(B, is_active=True, device=(253, 0)), {B: []}),
    "an LV of no guest": (HOT.with_lv(A, name="data").with_lv(B, name="data").with_volumes(), {B: []}),
    "the other side is not seen": (HOT.with_vg(A, is_gone=True), {B: []}),
    "another guest names it as well": (
        HOT.with_pve(
            guests=(*HOT.pve.guests, replace(HOT.pve.guests[0], vmid=101, node=B)),
            configs={**HOT.pve.configs, 101: replace(HOT.pve.configs[100], volumes=(disk("drbdvg:vm-100-disk-0"),))},
        ),
        {B: []},
    ),
    "another guest has it as a raw disk": (
        HOT.with_pve(
            guests=(*HOT.pve.guests, replace(HOT.pve.guests[0], vmid=101, node=B)),
            configs={
                **HOT.pve.configs,
                101: replace(HOT.pve.configs[100], volumes=(), raw_paths=(("scsi1", "/dev/drbdvg/vm-100-disk-0"),)),
            },
        ),
        {B: []},
    ),
}


@pytest.mark.parametrize("name", NOT_PROVEN)
def test_not_run_here_needs_every_proof(name):
    survey, tasks = NOT_PROVEN[name]

    found = changes(survey, tasks=tasks)

    (change,) = (each for key, each in found.items() if key.startswith("drbdvg/"))
    assert not change.per_side[B].has_nothing_to_lose


COUNTED = DiskCounters(7, 56)


@pytest.mark.parametrize(
    ("mark", "now", "change"),
    [
        (COUNTED, COUNTED, UNCHANGED),
        (COUNTED, DiskCounters(8, 64), CHANGED),
        (COUNTED, DiskCounters(7, 64), CHANGED),
        (COUNTED, None, CHANGED),
        (None, COUNTED, CHANGED),
        (DiskCounters(0, 0), DiskCounters(0, 0), CHANGED),
    ],
)
def test_a_device_that_counted_no_write_since_before_the_loss_is_unchanged(mark, now, change):
    survey = told(split(), A, (0, 4096), bits=[(0, 8)]).with_lvm(A, counters={(253, 0): now} if now else {})
    marks = {(A, uuid_of("vm-100-disk-0")): mark} if mark else {}

    assert only(survey, marks=marks).per_side[A] is change


def test_counters_prove_nothing_against_a_bit_of_its_own():
    survey = told(split(), A, (1024, 1032)).with_lvm(A, counters={(253, 0): COUNTED})

    assert only(survey, marks={(A, uuid_of("vm-100-disk-0")): COUNTED}).per_side[A] is CHANGED


# The same LV on both sides, or not.


def test_an_lv_that_only_one_side_has_would_be_removed_by_its_discard():
    survey = told(told(split().with_lv(B, is_gone=True), A, (0, 8)), B, (0, 8))

    found = only(survey, tasks={A: [], B: []})

    assert sides(found) == (CHANGED, UNCHANGED)
    assert found.evidence[A].startswith("only pveA has it, so the discard would remove it; ")
    assert found.evidence[B] == "no LV of this uuid there"
    assert (found.exists_on, found.twins) == ((A,), (Twin.ALONE,))


def test_an_lv_that_only_one_side_has_is_not_lost_quietly_even_with_out_of_sync_0():
    assert only(split(0, 8).with_lv(B, is_gone=True)).per_side[A] is CHANGED


def test_an_lv_of_one_name_and_two_uuids_is_two():
    survey = split().with_lv(B, uuid="another")

    found = volume_changes(survey, ("r0",))

    assert [(each.lv, each.exists_on, each.per_side[each.exists_on[0]]) for each in found] == [
        ("vm-100-disk-0", (B,), CHANGED),
        ("vm-100-disk-0", (A,), CHANGED),
    ]
    assert {each.twins for each in found} == {(Twin.ALONE, Twin.SAME_NAME, Twin.SAME_EXTENTS)}


def test_lvs_that_got_the_same_extents_on_either_side_are_told():
    survey = with_layout(split(), {"drbdvg": ("r0",)}, {"drbdvg/vm-104-disk-0": [("r0", 6, 2)]}, A)
    survey = with_layout(
        survey, {"drbdvg": ("r0",)}, {"drbdvg/vm-105-disk-0": [("r0", 6, 1)], "drbdvg/vm-107-disk-0": [("r0", 8, 1)]}, B
    )

    found = changes(survey)

    assert found["drbdvg/vm-104-disk-0"].twins == (Twin.ALONE, Twin.SAME_EXTENTS)
    assert found["drbdvg/vm-105-disk-0"].twins == (Twin.ALONE, Twin.SAME_EXTENTS)
    assert found["drbdvg/vm-107-disk-0"].twins == (Twin.ALONE,)


GROWN = {"size_b": 3 * EXTENT_B, "segments": (Segment(0, "/dev/drbd0", 0, 2), Segment(2, "/dev/drbd0", 9, 1))}


def test_an_lv_that_was_resized_is_changed_on_the_side_that_wrote_its_vgs_metadata():
    survey = told(told(split(), A, (20000, 20008)), B, (0, 8)).with_lv(B, **GROWN)

    found = only(survey)

    assert sides(found) == (UNCHANGED, CHANGED)
    assert found.twins == (Twin.RESIZED,)
    assert found.size_mib == 12
    assert "may have changed it: the VG's metadata: 8 KiB in the bitmap of r0/0" in found.evidence[B]


def test_an_lv_that_was_resized_somewhere_is_changed_wherever_nobody_could_look():
    assert sides(only(split().with_lv(B, **GROWN))) == (CHANGED, CHANGED)
    assert sides(only(split(0, 8).with_lv(B, **GROWN))) == (UNCHANGED, CHANGED)


def test_an_lv_that_was_moved_is_changed_where_it_was_moved():
    moved = {"segments": (Segment(0, "/dev/drbd0", 20, 2),)}
    survey = told(told(split(), A, (20000, 20008)), B, (0, 8)).with_lv(B, **moved)

    found = only(survey)

    assert (sides(found), found.twins) == ((UNCHANGED, CHANGED), (Twin.MOVED,))


# LVs that do not lie on one device.

SPANNING = {"drbdvg": ("r0", "r1")}
TWO = {"drbdvg/vm-100-disk-0": [("r0", 0, 2)], "drbdvg/vm-110-disk-0": [("r0", 10, 2), ("r1", 10, 3)]}


def spanning(**changed):
    survey = with_layout(split(r0=connected(), r1=connected()), SPANNING, TWO)
    for name, extents in changed.items():
        survey = told(survey, A, *extents, resource=name)
    return survey


def test_an_lv_over_two_resources_is_unchanged_only_if_both_parts_are():
    beside = ((0, 8),)
    on_r1 = ((1024 + 10 * 4096, 1032 + 10 * 4096),)

    def change(**changed):
        return changes(spanning(**changed), "r0", "r1")["drbdvg/vm-110-disk-0"].per_side[A]

    assert change(r0=beside, r1=beside) is UNCHANGED
    assert change(r0=beside, r1=on_r1) is CHANGED
    assert change(r0=beside) is UNKNOWN
    assert change(r1=on_r1) is CHANGED


def test_a_vg_is_answered_for_in_whole_even_if_only_one_of_its_resources_is_asked_about():
    found = changes(spanning(r0=((0, 8),)), "r1")

    assert set(found) == {"drbdvg/vm-100-disk-0", "drbdvg/vm-110-disk-0"}
    assert found["drbdvg/vm-100-disk-0"].resources == ("r0",)
    assert found["drbdvg/vm-110-disk-0"].resources == ("r0", "r1")


def lv(name, *segments, kind="linear", attributes="-wi-------"):
    return LogicalVolume(
        uuid_of(name), "drbdvg", name, EXTENT_B, attributes, False, None, "", A, "", (), kind, segments, None
    )


def with_more_lvs(survey, *lvs):
    for node in (A, B):
        lvm = survey.nodes[node].lvm.lvm
        survey = survey.with_lvm(node, lvm=replace(lvm, lvs=(*lvm.lvs, *lvs)))
    return survey


def test_an_lv_on_hidden_lvs_lies_where_they_do_and_they_are_answered_for_too():
    survey = with_more_lvs(
        told(split(), A, (1024 + 6 * 4096, 1032 + 6 * 4096)),
        lv("data", Segment(0, "data_rimage_0", 0, 1), kind="raid1"),
        lv("[data_rimage_0]", Segment(0, "/dev/drbd0", 6, 1)),
    )

    found = changes(survey)

    assert found["drbdvg/data"].per_side[A] is CHANGED
    assert found["drbdvg/[data_rimage_0]"].per_side[A] is CHANGED
    assert found["drbdvg/data"].vmid is None


def test_an_lv_of_which_lvm_does_not_tell_the_place_is_unknown_unless_nothing_changed_at_all():
    thin = lv("thin", Segment(0, "", 0, 0), kind="thin", attributes="Vwi-------")

    assert changes(with_more_lvs(told(split(), A, (0, 8)), thin))["drbdvg/thin"].per_side[A] is UNKNOWN
    assert changes(with_more_lvs(split(0, 8), thin))["drbdvg/thin"].per_side[A] is UNCHANGED


def test_a_part_that_is_not_on_drbd_is_not_discarded():
    survey = with_more_lvs(told(split(), A, (0, 8)), lv("local", Segment(0, "/dev/sdz", 0, 1)))

    assert "drbdvg/local" not in changes(survey)


def test_lvs_that_lie_on_each_other_end_as_unknown():
    loop = lv("one", Segment(0, "two", 0, 1)), lv("two", Segment(0, "one", 0, 1))

    assert changes(with_more_lvs(told(split(), A, (0, 8)), *loop))["drbdvg/one"].per_side[A] is UNKNOWN


# What is no LV.


def with_orphan(survey, *targets):
    account = survey.nodes[B].lvm
    orphan = dm_device("drbdvg", "vm-109-disk-0")
    tables = {**account.tables, orphan.name: targets}
    return survey.with_lvm(B, dm=(*account.dm, orphan), tables=tables)


def test_an_orphan_is_answered_for_by_its_table():
    survey = with_orphan(told(split(), B, (1024 + 6 * 4096, 1032 + 6 * 4096)), target("r0", 6, 2))

    found = changes(survey)["drbdvg/vm-109-disk-0"]

    assert sides(found) == (UNCHANGED, CHANGED)
    assert (found.vmid, found.exists_on, found.lv_uuid) == (109, (), "")
    assert (
        changes(with_orphan(told(split(), B, (0, 8)), target("r0", 6, 2)))["drbdvg/vm-109-disk-0"].per_side[B]
        is UNCHANGED
    )


@pytest.mark.parametrize("targets", [(), (DmTarget(0, 8, None, 0),), (DmTarget(0, 8, (253, 4), 0),)])
def test_an_orphan_without_a_table_that_leads_to_drbd_is_unknown(targets):
    survey = with_orphan(told(split(), B, (0, 8)), *targets)

    assert changes(survey)["drbdvg/vm-109-disk-0"].per_side[B] is UNKNOWN


def test_an_orphan_of_an_lv_that_the_other_side_still_has_is_that_lv():
    survey = told(split(), B, (1024, 1032)).with_lv(B, is_gone=True)
    account, here = survey.nodes[B].lvm, survey.nodes[A].lvm
    survey = survey.with_lvm(B, dm=(*account.dm, *here.dm), tables=here.tables)

    found = only(survey)

    assert (sides(found), found.exists_on, found.twins) == ((CHANGED, CHANGED), (A,), (Twin.ALONE,))


def with_block(survey, node, name, kernel_name, kind="part", mounts=()):
    account = survey.nodes[node].lvm
    block = BlockDevice(name, kernel_name, ("drbd0",), 259, 0, kind, 2 * 1024 * 1024, "ext4", mounts)
    return survey.with_lvm(node, devices=(*account.devices, block))


def test_whatever_else_stands_on_the_device_is_answered_for_as_a_whole():
    survey = with_block(told(split(), B, (20000, 20008)), B, "drbd0p1", "drbd0p1")

    found = changes(survey)["/r0/0: drbd0p1"]

    assert (sides(found), found.exists_on, found.resources) == ((UNCHANGED, CHANGED), (B,), ("r0",))
    assert (found.vg, found.lv_uuid, found.vmid) == ("", "", None)


def test_the_lvs_of_a_vg_that_is_shown_are_no_other_use():
    survey = with_block(split(), A, "drbdvg-vm--100--disk--0", "dm-0", kind="lvm")

    assert set(changes(survey)) == {"drbdvg/vm-100-disk-0"}


def test_a_mounted_device_is_a_use_of_its_own():
    survey = split()
    account = survey.nodes[A].lvm
    mounted = tuple(
        replace(each, mounts=("/mnt",)) if each.kernel_name == "drbd0" else each for each in account.devices
    )

    assert changes(survey.with_lvm(A, devices=mounted))["/r0/0"].per_side == {A: UNKNOWN, B: UNCHANGED}


def test_a_raw_disk_of_a_guest_is_the_guests():
    config = replace(split().pve.configs[100], volumes=(), raw_paths=(("scsi0", "/dev/drbd0"),))
    survey = split(0, 8).with_pve(configs={100: config})

    found = changes(survey)["/r0/0"]

    assert (found.vmid, sides(found)) == (100, (UNCHANGED, UNKNOWN))


def test_a_device_without_a_vg_is_one_use_by_its_whole_map():
    survey = told(told(split(), A, (0, 8)), B, (500, 508))
    for node in (A, B):
        survey = survey.with_vg(node, is_gone=True)

    found = only(survey)

    assert (found.lv, sides(found), found.exists_on) == ("r0/0", (CHANGED, CHANGED), (A, B))


@pytest.mark.parametrize("part", ["devices", "dm"])
def test_where_nobody_could_see_what_stands_on_the_device_something_may(part):
    survey = told(split(), A, (20000, 20008)).with_lvm(A, **{part: NoView(A, part, "garbled")})

    assert changes(survey)["/r0/0"].per_side[A] is UNKNOWN


# The VG's own metadata.


def test_the_metadata_of_a_vg_is_told_apart_from_its_lvs():
    (found,) = vg_changes(told(told(split(), A, (0, 128)), B, (1024, 1032)), ("r0",))

    assert found.vg == "drbdvg"
    assert found.per_side == {A: CHANGED, B: UNCHANGED}
    assert found.evidence[A] == "sequence number 3: the VG's metadata: 128 KiB in the bitmap of r0/0"


def test_the_metadata_of_a_hidden_vg_is_unknown():
    (found,) = vg_changes(split().with_view(B, role=Role.SECONDARY).with_vg(B, is_gone=True), ("r0",))

    assert found.per_side == {A: UNKNOWN, B: UNKNOWN}
    assert found.evidence[B] == "r0 is Secondary on pveB, which hides drbdvg"


def test_only_the_vgs_and_devices_of_the_resources_asked_about_are_told():
    survey = split(r0=connected(), r1=connected())

    assert set(changes(survey, "r1")) == {"drbdvg1/vm-102-disk-0"}
    assert [each.vg for each in vg_changes(survey, ("r1",))] == ["drbdvg1"]
    assert volume_changes(survey, ()) == ()


def test_the_same_survey_gives_the_same_answer():
    survey = spanning(r0=((0, 8),))

    assert volume_changes(survey, ("r0", "r1")) == volume_changes(survey, ("r1", "r0"))


PV_KIB = 32 * 4096 + 1024
WRITES = st.lists(st.tuples(st.integers(0, PV_KIB - 300), st.integers(1, 300)), min_size=1, max_size=12)


@given(WRITES, st.data())
def test_an_lv_that_was_written_is_never_safe_to_lose(writes, data):
    """Whatever part of the bits is on the disk, as long as the rest lies in hot extents: DRBD's own rule."""
    memory = bits_of((first, first + length) for first, length in writes)
    touched = sorted({each // 4096 for first, length in writes for each in (first, first + length - 1)})
    hot = data.draw(st.sets(st.sampled_from(touched)))
    on_disk = memory & ~bits_of((each * 4096, (each + 1) * 4096) for each in hot)
    runs = ranges_of(on_disk)
    slot = BitmapSlot(runs, 4 * on_disk.bit_count())
    found = dirty_map(DumpedBitmap(PV_KIB, 4, False, {1: slot}), hot, 4 * memory.bit_count())
    lvs = {f"drbdvg/vm-{100 + at}-disk-0": [("r0", at * 4, 4)] for at in range(8)}
    survey = with_layout(split(4 * memory.bit_count(), 0), {"drbdvg": ("r0",)}, lvs)
    survey = survey.with_node(A, replace(survey.nodes[A], dirty={("r0", 0): found}))

    for name, change in changes(survey).items():
        first = 1024 + lvs[name][0][1] * 4096
        is_written = bool(memory & bits_of([(first, first + 4 * 4096)]))
        assert not (is_written and change.per_side[A].has_nothing_to_lose), name
        assert is_written or hot or change.per_side[A] is UNCHANGED
        assert change.per_side[B] is UNCHANGED


def test_a_connection_that_is_just_going_down_counts_as_lost():
    assert sides(only(split(0, 0).with_view(A, connection=ConnectionState.TEAR_DOWN))) == (UNCHANGED, UNCHANGED)
