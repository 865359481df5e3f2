"""Which settings are in force, and whether the versions fit: by what runs, else by what is configured."""

from dataclasses import replace

import pytest

from pve_drbd.model.drbd import ProcDrbd, RunningOptions, Version, Versions
from pve_drbd.model.survey import NoView
from pve_drbd.rules.options import configured_net, effective_net, judge_options, judge_versions
from tests.pairs import STANDALONE, A, B, codes, lost, two_nodes

NOWHERE = NoView(A, "dump-xml", "it does not answer")


def configured(survey, *, common=None, resource=None, connection=None):
    """pveA's configuration with these net sections."""
    config = survey.nodes[A].drbd.config
    own = replace(config.resources[0], options={"net": resource or {}}, connection_options=connection)
    return survey.with_drbd(A, config=replace(config, common={"net": common or {}}, resources=(own,)), running=())


def in_force(survey, peer=B):
    drbd = survey.nodes[A].drbd
    return effective_net(drbd, drbd.resources[0], peer)


def judged(survey):
    view = survey.nodes[A]
    return codes(judge_options(view, view.drbd.resources[0], B))


@pytest.mark.parametrize("series", ["8.3", "8.4", "9"])
def test_a_pair_for_two_primaries_is_nothing_to_tell(series):
    assert judged(two_nodes(series)) == []


LAYERS = [
    ("nothing set is the default", {}, "C"),
    ("common", {"common": "A"}, "A"),
    ("the resource beats common", {"common": "A", "resource": "B"}, "B"),
    ("the connection beats the resource", {"common": "A", "resource": "B", "connection": "C"}, "C"),
]


@pytest.mark.parametrize(("places", "protocol"), [pytest.param(*rest, id=name) for name, *rest in LAYERS])
def test_the_setting_nearest_to_the_connection_is_in_force(places, protocol):
    survey = configured(two_nodes(), **{place: {"protocol": value} for place, value in places.items()})

    assert in_force(survey)["protocol"] == protocol


def test_what_runs_beats_what_is_configured():
    survey = configured(two_nodes(), connection={"protocol": "C"}).with_net(A, protocol="A")

    assert in_force(survey)["protocol"] == "A"
    assert judged(survey) == ["DRBD-E111"]


def test_what_runs_towards_another_peer_does_not_count():
    survey = configured(two_nodes(), resource={"protocol": "B"})
    running = RunningOptions("r0", {"pveC": {"protocol": "A"}})

    assert in_force(survey.with_drbd(A, running=(running,)))["protocol"] == "B"


def test_what_runs_of_another_resource_does_not_count():
    survey = configured(two_nodes(), resource={"protocol": "B"})

    assert in_force(survey.with_net(A, "r9", protocol="A"))["protocol"] == "B"


def test_running_options_that_could_not_be_read_leave_the_configured_ones():
    """That they could not be read is told elsewhere."""
    survey = configured(two_nodes(), resource={"protocol": "B"})

    assert in_force(survey.with_drbd(A, running=NoView(A, "show-json", "garbled")))["protocol"] == "B"


@pytest.mark.parametrize("series", ["8.3", "8.4"])
def test_the_protocol_letter_of_proc_drbd_beats_the_configured_one(series):
    survey = configured(two_nodes(series), resource={"protocol": "A", "allow-two-primaries": "yes"})

    assert in_force(survey)["protocol"] == "C"
    assert judged(survey) == []


def test_without_a_net_configuration_in_the_kernel_the_configured_protocol_counts():
    """A StandAlone minor shows no letter."""
    survey = configured(two_nodes("8.4").with_view(A, **lost(STANDALONE)), resource={"protocol": "A"})

    assert in_force(survey)["protocol"] == "A"


def test_of_two_letters_of_one_resource_the_worse_counts():
    survey = two_nodes("8.4")
    (own,) = survey.nodes[A].drbd.resources
    (minor,) = survey.nodes[A].drbd.loaded.minors
    second = replace(own.volumes[0], number=1, minor=7)
    minors = (minor, replace(minor, minor=7, protocol="A"))
    loaded = ProcDrbd(Version(8, 4, 11), minors)

    told = in_force(survey.with_drbd(A, resources=(replace(own, volumes=(*own.volumes, second)),), loaded=loaded))

    assert told["protocol"] == "A"


@pytest.mark.parametrize(("series", "default"), [("8.4", "C"), ("9", "C"), ("8.3", "")])
def test_the_default_is_that_of_the_loaded_series(series, default):
    survey = configured(two_nodes(series))
    loaded = replace(survey.nodes[A].drbd.loaded, minors=())

    assert in_force(survey.with_drbd(A, loaded=loaded))["protocol"] == default


def test_8_3_without_any_protocol_is_refused():
    survey = configured(two_nodes("8.3"), resource={"allow-two-primaries": "yes"})
    loaded = replace(survey.nodes[A].drbd.loaded, minors=())

    assert judged(survey.with_drbd(A, loaded=loaded)) == ["DRBD-E111"]


@pytest.mark.parametrize("loaded", [NoView(A, "proc-drbd", "garbled"), ProcDrbd(Version(8, 0, 16), ())])
def test_without_a_known_series_nothing_is_taken_for_a_default(loaded):
    survey = configured(two_nodes()).with_drbd(A, loaded=loaded)

    assert judged(survey) == ["DRBD-E110", "DRBD-E111"]


def test_two_primaries_must_be_allowed_by_name():
    assert judged(configured(two_nodes(), resource={"protocol": "C"})) == ["DRBD-E110"]
    assert judged(configured(two_nodes(), resource={"allow-two-primaries": "no"})) == ["DRBD-E110"]
    assert judged(two_nodes().with_net(A, allow_two_primaries="no")) == ["DRBD-E110"]


def test_a_configuration_that_could_not_be_read_decides_nothing():
    """It is told as a missing view."""
    assert judged(two_nodes().with_drbd(A, config=NOWHERE)) == []


def test_a_resource_that_is_not_configured_has_the_common_settings():
    config = two_nodes().nodes[A].drbd.config

    assert configured_net(config, "r9") == (config.common["net"],)


def versions(survey):
    return [(each.code, each.node) for each in judge_versions(survey, A, B)]


def with_version(survey, node, module, tools=None, believed=None):
    told = Versions(Version(*(tools or module)), Version(*(believed or module)))
    return survey.with_drbd(node, loaded=ProcDrbd(Version(*module), ()), versions=told)


def test_equal_versions_are_nothing_to_tell():
    assert versions(two_nodes()) == []


@pytest.mark.parametrize("change", [{"module": (9, 2, 17)}, {"module": (9, 2, 18), "tools": (9, 30, 0)}])
def test_versions_of_one_series_that_differ_are_a_notice(change):
    assert versions(with_version(with_version(two_nodes(), A, (9, 2, 18)), B, **change)) == [("DRBD-N116", A)]


@pytest.mark.parametrize(("here", "there"), [((8, 4, 11), (9, 2, 18)), ((8, 3, 16), (8, 4, 11))])
def test_modules_of_different_series_are_a_blocker(here, there):
    assert versions(with_version(with_version(two_nodes(), A, here), B, there)) == [("DRBD-E117", A)]


def test_tools_that_take_the_module_for_another_one_are_a_blocker():
    survey = with_version(two_nodes(), A, (9, 2, 18), believed=(8, 4, 11))

    assert ("DRBD-E118", A) in versions(survey)


@pytest.mark.parametrize("part", ["loaded", "versions"])
def test_versions_that_could_not_be_read_are_not_compared(part):
    survey = with_version(two_nodes(), B, (8, 4, 11))

    assert versions(survey.with_drbd(A, **{part: NOWHERE})) == []


def test_a_silent_node_and_one_without_a_module_have_no_version_to_compare():
    assert versions(two_nodes().with_node(B, NoView(B, "the account", "no route to host"))) == []
    assert versions(with_version(two_nodes(), B, (0, 0, 0))) == []
