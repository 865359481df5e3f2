"""The gate's answers to each question, on recorded pairs, and what the configuration makes of them."""

import json
from dataclasses import replace

import pytest

from pve_drbd.adapters.replay import ReplayHosts
from pve_drbd.service.policy import Policy, StoragePolicy
from pve_drbd.service.protocol import read_question
from tests.service.parts import HEALTHY, MIGRATION, PVE_FILES, ROOT, A, B, WithPve, gate_on, healthy

SCENARIOS = ROOT / "tests" / "scenarios"
QUESTION = read_question(json.dumps(MIGRATION).encode())
SPLIT = "84-split-brain"


def asked(what, scenario="84-healthy-probed", policy=None, **changes):
    hosts = WithPve(ReplayHosts(SCENARIOS / scenario))
    return gate_on(hosts, policy=policy or Policy()).answer(replace(QUESTION, ask=what, **changes))


def policy_of(**settings):
    return Policy(storages={"drbdvg": StoragePolicy(**settings)})


@pytest.mark.parametrize(
    ("scenario", "answer"), [("84-healthy-probed", "yes"), (SPLIT, "no"), ("84-peer-unreachable", "unknown")]
)
def test_a_migration_is_answered_from_both_nodes_accounts(scenario, answer):
    assert asked("migration", scenario).answer == answer


def test_the_hook_asks_without_knowing_a_storage():
    assert asked("migration", gate="hook", storage="", vg="").answer == "yes"
    assert asked("migration", SPLIT, gate="hook", storage="", vg="").answer == "no"


def test_a_guest_without_a_configuration_anywhere_is_unknown():
    assert asked("migration", vmid=999).answer == "unknown"
    assert asked("migration", vmid=None).answer == "unknown"


def test_a_volume_on_a_vg_that_is_not_on_drbd_is_a_no():
    told = asked("migration", gate="target", volume="vm-100-disk-0", vg="othervg", vmid=999)

    assert told.answer != "yes"


class Noting:
    """A guard that only notes what the gate tells it."""

    def __init__(self):
        self.surveys, self.permissions = [], []

    def saw(self, survey):
        self.surveys.append(survey)

    def permitted(self, question, survey, target, resources, may_end):
        self.permissions.append((question.vmid, target, tuple(resources), may_end))

    def refusal(self, vmid):
        return ""


@pytest.mark.parametrize(
    ("scenario", "gate", "answer", "permissions"),
    [
        ("84-healthy-probed", "enforce", "yes", [(100, B, ("r0",), True)]),
        ("84-healthy-probed", "warn", "yes", [(100, B, ("r0",), False)]),
        ("84-healthy-probed", "off", "yes", []),
        (SPLIT, "enforce", "no", []),
        (SPLIT, "warn", "yes", [(100, B, ("r0",), False)]),
        (SPLIT, "off", "yes", []),
    ],
)
def test_the_configuration_says_how_far_a_refusal_and_the_guard_go(scenario, gate, answer, permissions):
    guard = Noting()

    told = gate_on(WithPve(ReplayHosts(SCENARIOS / scenario)), policy=policy_of(gate=gate), guard=guard).answer(
        QUESTION
    )

    assert (told.answer, guard.permissions) == (answer, permissions)
    if gate == "warn" and scenario == SPLIT:
        assert told.line.startswith("not enforced: ")
        assert told.codes


def test_every_survey_of_the_pair_is_shown_to_the_guard():
    guard = Noting()
    gate = gate_on(healthy(), guard=guard)

    gate.answer(QUESTION)
    gate.answer(replace(QUESTION, ask="status"))

    assert [sorted(each.nodes) for each in guard.surveys] == [[A, B]]


@pytest.mark.parametrize(("scenario", "answer"), [("84-healthy-probed", "yes"), (SPLIT, "no"), ("84-peer-off", "yes")])
def test_new_data_goes_onto_anything_that_is_not_split(scenario, answer):
    assert asked("new-data", scenario).answer == answer


@pytest.mark.parametrize(
    ("scenario", "active", "read_lvm"),
    [
        ("84-healthy-probed", True, True),
        (SPLIT, False, True),
        ("84-suspended-io", False, False),
        ("84-peer-off", True, True),
    ],
)
def test_the_status_is_what_the_web_interface_is_to_show(scenario, active, read_lvm):
    told = asked("status", scenario)

    assert (told.answer, told.active, told.read_lvm) == ("yes", active, read_lvm)


def test_a_start_on_the_older_copy_is_refused_only_where_that_is_configured():
    hosts = WithPve(ReplayHosts(SCENARIOS / "84-older-copy"))
    question = replace(QUESTION, ask="start")
    told = {}
    for word in ("warn", "enforce"):
        for node in (A, B):
            gate = gate_on(hosts, policy=policy_of(start=word))
            gate._evidence = replace(gate._evidence, here=node)
            told[word, node] = gate.answer(question).answer

    assert told["warn", A] == told["warn", B] == "yes"
    assert sorted((told["enforce", A], told["enforce", B])) == ["no", "yes"]


def test_a_volume_group_gets_one_entry():
    second = PVE_FILES["/etc/pve/storage.cfg"] + "lvm: other\n\tvgname drbdvg\n\tcontent images\n\n"
    hosts = WithPve(ReplayHosts(HEALTHY), {**PVE_FILES, "/etc/pve/storage.cfg": second})

    told = gate_on(hosts).answer(replace(QUESTION, ask="entry"))

    assert told.answer == "no"
    assert "other" in told.line
    assert asked("entry").answer == "yes"
