"""What changed where on the recorded pairs: 105 and 106 are the two sides, in this order."""

import pytest

from pve_drbd.cli.worlds import open_world
from pve_drbd.jobs.survey import nodes_of_pair, take_survey
from pve_drbd.model.evacuation import Twin
from pve_drbd.rules.changes import vg_changes, volume_changes
from pve_drbd.rules.views import resource_names
from tests.recorded import HERE, PEER, SCENARIOS

UNKNOWN = ("unknown", "unknown")
ONLY_105, ONLY_106 = ("changed", "unchanged"), ("unchanged", "changed")
R0 = {"drbdvg/vm-100-disk-0": UNKNOWN, "drbdvg/vm-101-disk-0": UNKNOWN}
R1 = {"drbdvg1/vm-102-disk-0": UNKNOWN, "drbdvg1/vm-103-disk-0": UNKNOWN}
NEW = {
    "drbdvg1/vm-104-disk-0": ONLY_105,
    "drbdvg1/vm-105-disk-0": ONLY_106,
    "drbdvg1/vm-107-disk-0": ONLY_106,
}
HIDDEN = {**R0, **R1, "drbdvg1/vm-104-disk-0": UNKNOWN, "/r1/0": ("unchanged", "unknown")}


def survey_of(name):
    with open_world(str(SCENARIOS / name)) as world:
        return take_survey(world, nodes_of_pair(world), None, with_changes=True)


def changes_of(name):
    survey = survey_of(name)
    return {f"{each.vg}/{each.lv}": each for each in volume_changes(survey, resource_names(survey))}


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("84-split-brain", {**R0, **R1, **NEW}),
        ("84-diverged", {**R0, **R1, **NEW}),
        ("9-split-brain", {**R0, **R1, **NEW}),
        ("84-victim-secondary", HIDDEN),
        ("84-resync-after-discard", HIDDEN),
        (
            "84-split-brain-mapped",
            {
                "drbdvg/vm-100-disk-0": ONLY_105,
                "drbdvg/vm-101-disk-0": ONLY_106,
                "drbdvg1/vm-102-disk-0": ONLY_105,
                "drbdvg1/vm-103-disk-0": ONLY_106,
                **NEW,
            },
        ),
    ],
)
def test_a_recorded_pair_changed_this(scenario, expected):
    found = changes_of(scenario)

    assert {name: (each.per_side[HERE].value, each.per_side[PEER].value) for name, each in found.items()} == expected
    assert all(each.evidence[node] for each in found.values() for node in (HERE, PEER))


def test_without_dumps_the_evidence_says_what_is_missing_and_the_amount_that_changed():
    found = changes_of("84-split-brain")["drbdvg/vm-100-disk-0"]

    assert found.evidence[PEER].startswith("5120 KiB of r0/0 changed, and where is not known: `cat ")
    assert found.changed_mib == {HERE: 12, PEER: 5}


def test_with_dumps_each_volume_has_what_was_written_to_it():
    found = changes_of("84-split-brain-mapped")

    assert {name: (each.changed_mib[HERE], each.changed_mib[PEER]) for name, each in found.items()} == {
        "drbdvg/vm-100-disk-0": (12, 0),
        "drbdvg/vm-101-disk-0": (0, 5),
        "drbdvg1/vm-102-disk-0": (2, 0),
        "drbdvg1/vm-103-disk-0": (0, 3),
        "drbdvg1/vm-104-disk-0": (1, 0),
        "drbdvg1/vm-105-disk-0": (0, 1),
        "drbdvg1/vm-107-disk-0": (0, 1),
    }
    assert found["drbdvg1/vm-104-disk-0"].twins == (Twin.ALONE, Twin.SAME_EXTENTS)


def test_the_volume_group_in_which_both_sides_made_volumes_has_grown_apart():
    found = vg_changes(survey_of("84-split-brain-mapped"), ("r0", "r1"))

    assert {each.vg: {change.value for change in each.per_side.values()} for each in found} == {
        "drbdvg": {"unchanged"},
        "drbdvg1": {"changed"},
    }


def test_a_healthy_pair_changed_nothing_on_either_side():
    for name in ("84-healthy", "84-recovered", "84-vg-over-two-resources", "9-healthy"):
        assert {change.value for each in changes_of(name).values() for change in each.per_side.values()} == {
            "unchanged"
        }
