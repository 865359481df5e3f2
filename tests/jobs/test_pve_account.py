"""What PVE's API is asked, and what becomes of its refusals."""

import pytest

from pve_drbd.errors import ApiRefused, ConfigInvalid, Unreachable, Unreadable
from pve_drbd.findings import Verdict
from pve_drbd.jobs.survey import take_survey
from pve_drbd.model.pve import GuestState
from pve_drbd.model.survey import NoView
from pve_drbd.rules.migration import judge_migration
from tests.jobs.standins import Story
from tests.recorded import HERE, PEER

REFUSED = ApiRefused("/x", 403, "Permission check failed")


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/cluster/status", "cluster"),
        ("/storage", "storages"),
        ("/cluster/resources", "guests"),
        ("/cluster/ha/resources", "ha"),
    ],
)
def test_a_refusal_of_pve_is_one_missing_part(path, part):
    survey = Story(refusals={path: REFUSED}).survey()

    found = getattr(survey.pve, part)
    assert (found.node, found.subject, found.is_damaged) == ("PVE", path, False)
    assert "status 403: Permission check failed" in found.reason


def test_a_configuration_that_pve_refuses_is_a_missing_part():
    survey = Story(refusals={f"/nodes/{HERE}/qemu/100/config": REFUSED}).survey()

    assert survey.pve.configs[100].subject == "the configuration of guest 100"
    assert judge_migration(survey, 100, PEER).verdict is Verdict.UNKNOWN


def test_an_answer_of_pve_that_cannot_be_read_is_a_damaged_part():
    survey = Story(refusals={"/storage": Unreadable("/storage", 0, "not JSON")}).survey()

    assert survey.pve.storages.is_damaged


@pytest.mark.parametrize(
    ("error", "reason", "is_damaged"),
    [
        (Unreachable("localhost:8006", "connection refused"), "connection refused", False),
        (ApiRefused("/version", 401, "No ticket"), "PVE refused /version with status 401: No ticket", False),
        (Unreadable("/version", 0, "not JSON"), "/version is unreadable: not JSON", True),
        (ConfigInvalid("there is no API token for pve-drbd"), "there is no API token for pve-drbd", False),
    ],
)
def test_an_api_that_does_not_tell_its_version_is_asked_nothing_more(error, reason, is_damaged):
    story = Story(refusals={"/version": error})

    survey = story.survey()

    assert survey.pve == NoView("PVE", "the API", reason, is_damaged)
    assert story.api.asked == ["/version"]


def test_an_api_without_a_token_is_a_missing_view_and_no_end_of_the_survey():
    def no_token():
        raise ConfigInvalid("there is no API token for pve-drbd")

    survey = Story().survey(pve=no_token)

    assert survey.pve.reason == "there is no API token for pve-drbd"
    assert survey.nodes[HERE].drbd.resources


def configs_asked(story):
    return sorted(line for line in story.api.asked if "config" in line)


def test_of_a_guest_that_is_asked_about_the_pending_changes_are_read_too():
    story = Story()

    survey = story.survey(vmids=(100,))

    path = f"/nodes/{HERE}/qemu/100/config"
    assert configs_asked(story) == [path, f"{path}?current=1"]
    assert set(survey.pve.configs) == {100}


def test_every_guest_can_be_asked_about_with_its_pending_changes_or_without():
    whole, quick = Story(), Story()

    take_survey(whole.world, (HERE, PEER), None)
    take_survey(quick.world, (HERE, PEER), None, with_pending=False)

    assert len(configs_asked(whole)) == 8
    assert configs_asked(quick) == [line for line in configs_asked(whole) if line.endswith("?current=1")]


def test_no_guest_need_be_asked_about():
    story = Story()

    survey = take_survey(story.world, (HERE, PEER), ())

    assert configs_asked(story) == []
    assert [each.state for each in survey.pve.guests] == [GuestState.RUNNING] * 4
