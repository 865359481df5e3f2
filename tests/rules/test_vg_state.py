"""What a node alone can say of a VG: may new data go onto it, is its storage active, is its copy the older one."""

from dataclasses import replace

import pytest

from pve_drbd.model.drbd import DiskState, Role
from pve_drbd.model.survey import NoView
from pve_drbd.rules.vg_state import judge_copy, judge_local_state, judge_new_data
from tests.pairs import STANDALONE, A, B, codes, connected, ids, lost, two_nodes


def alone(survey, node=A):
    """Only this node was asked."""
    return replace(survey, nodes={node: survey.nodes[node]})


def test_a_healthy_vg_takes_new_data_and_is_active():
    assert codes(judge_new_data(alone(two_nodes()), A, "drbdvg")) == []
    assert codes(judge_local_state(alone(two_nodes()), A, "drbdvg")) == []


FORBIDS = [
    (lost(STANDALONE), "DRBD-E102"),
    ({"role": Role.SECONDARY}, "DRBD-E105"),
    ({"suspended": ("quorum",)}, "DRBD-E112"),
    ({"has_quorum": False}, "DRBD-E122"),
]


@pytest.mark.parametrize(("change", "code"), FORBIDS)
def test_a_vg_that_is_split_or_not_writable_takes_no_new_data_and_is_inactive(change, code):
    survey = alone(two_nodes().with_view(A, **change))

    assert codes(judge_new_data(survey, A, "drbdvg")) == [code]
    assert codes(judge_local_state(survey, A, "drbdvg")) == [code]


@pytest.mark.parametrize("change", [lost(), {"peer_disk": DiskState.INCONSISTENT}], ids=["peer off", "resync"])
def test_a_vg_that_is_merely_degraded_takes_new_data_and_is_active(change):
    survey = alone(two_nodes().with_view(A, **change))

    assert codes(judge_new_data(survey, A, "drbdvg")) == []
    assert codes(judge_local_state(survey, A, "drbdvg")) == []


def test_a_diskless_vg_is_inactive_and_takes_new_data():
    survey = alone(two_nodes().with_view(A, disk=DiskState.DISKLESS))

    assert codes(judge_new_data(survey, A, "drbdvg")) == []
    assert codes(judge_local_state(survey, A, "drbdvg")) == ["DRBD-E104"]


def test_a_vg_on_the_raw_disk_takes_no_new_data_and_is_inactive():
    survey = alone(two_nodes().with_vg(A, pvs=("/dev/sdb",)))

    assert codes(judge_new_data(survey, A, "drbdvg")) == ["LVM-E201"]
    assert codes(judge_local_state(survey, A, "drbdvg")) == ["LVM-E201"]


def test_a_vg_that_is_not_on_drbd_is_inactive():
    survey = alone(two_nodes().with_vg(A, pvs=("/dev/sdz",)))

    assert codes(judge_local_state(survey, A, "drbdvg")) == ["LVM-E219"]


def test_a_vg_of_which_nobody_knows_what_is_below_is_not_said_to_be_off_drbd():
    survey = two_nodes().with_vg(A, pvs=("/dev/sdz",)).with_drbd(A, config=NoView(A, "dump-xml", "it does not answer"))

    assert "LVM-E219" not in codes(judge_local_state(alone(survey), A, "drbdvg"))


def test_another_vgs_resource_does_not_matter():
    survey = alone(two_nodes(r0=connected(), r1=connected()).with_view(A, "r1", **lost(STANDALONE)))

    assert codes(judge_new_data(survey, A, "drbdvg")) == []
    assert codes(judge_new_data(survey, A, "drbdvg1")) == ["DRBD-E102"]


def test_a_hidden_vg_is_judged_by_the_resources_that_may_hide_it():
    survey = alone(two_nodes().with_view(A, role=Role.SECONDARY).with_vg(A, is_gone=True))

    assert codes(judge_new_data(survey, A, "drbdvg")) == ["DRBD-E105"]


def test_a_vg_that_nothing_can_hide_is_missing():
    survey = two_nodes().with_vg(A, is_gone=True)
    nothing = replace(survey.nodes[A].drbd.config, resources=())

    survey = alone(survey.with_drbd(A, config=nothing, resources=(), witness=()))

    assert codes(judge_new_data(survey, A, "drbdvg")) == ["LVM-E205"]
    assert codes(judge_local_state(survey, A, "drbdvg")) == ["LVM-E205"]


@pytest.mark.parametrize(
    "survey",
    [
        two_nodes().with_node(A, NoView(A, "the account", "it does not answer")),
        two_nodes().with_lvm(A, lvm=NoView(A, "LVM", "it would hang")),
        two_nodes().with_drbd(A, resources=NoView(A, "events2", "it does not answer")),
    ],
    ids=["no account", "no LVM", "no DRBD"],
)
def test_what_could_not_be_found_out_takes_no_new_data(survey):
    assert codes(judge_new_data(alone(survey), A, "drbdvg")) == ["VIEW-E001"]


def test_a_node_that_could_not_be_asked_is_not_called_inactive():
    survey = two_nodes().with_node(A, NoView(A, "the account", "it does not answer"))

    assert codes(judge_local_state(survey, A, "drbdvg")) == []


def apart(**told):
    return two_nodes().with_views(**lost()).with_ids(**told)


def test_only_the_older_copy_is_proven_older():
    older, newer = apart(pveA=ids(0xB0), pveB=ids(0xC0, 0xB0)), apart(pveA=ids(0xC0, 0xB0), pveB=ids(0xB0))

    assert [(each.code, each.node) for each in judge_copy(older, A, "drbdvg")] == [("DRBD-E124", A)]
    assert list(judge_copy(newer, A, "drbdvg")) == []
    assert list(judge_copy(apart(pveA=ids(0xC0, 0xB0), pveB=ids(0xD0, 0xB0)), A, "drbdvg")) == []


def test_the_copy_of_a_hidden_vg_is_judged_by_the_resources_that_may_hide_it():
    survey = apart(pveA=ids(0xB0), pveB=ids(0xC0, 0xB0)).with_vg(A, is_gone=True).with_vg(B, is_gone=True)

    assert codes(judge_copy(survey, A, "drbdvg")) == ["DRBD-E124"]
