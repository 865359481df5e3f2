"""From what one node's commands printed to its account: each part is read, and no part contradicts another."""

import pytest

from pve_drbd.accounts import (
    NO_MODULE,
    Answer,
    get_gi_name,
    read_config,
    read_drbd_account,
    read_interfaces,
    read_loaded,
)
from pve_drbd.model.drbd import ConnectionState, DiskState, ReplicationState, Role
from pve_drbd.model.survey import NoView
from tests.readers.drbd_samples import sample
from tests.recorded import HERE, NEW, OLD, PEER, answers_of, changed, without_line


def drbd(answers, node=HERE):
    return read_drbd_account(node, answers)


@pytest.mark.parametrize("scenario", [OLD, NEW])
@pytest.mark.parametrize("node", [HERE, PEER])
def test_a_healthy_node_gives_a_whole_account(scenario, node):
    account = drbd(answers_of(scenario, node), node)

    assert [name for name in account.__slots__ if isinstance(getattr(account, name), NoView)] == []


def test_8_4_names_no_peer_and_the_configuration_does():
    (r0, r1) = drbd(answers_of(OLD)).resources

    assert [link.peer for each in (r0, r1) for link in each.connections] == [PEER, PEER]


THIRD_HOST = """        <host name="pveC">
            <volume vnr="0">
                <device minor="0">/dev/drbd0</device>
                <disk>/dev/vdb</disk>
                <meta-disk>internal</meta-disk>
            </volume>
            <address family="ipv4" port="7788">10.0.7.107</address>
        </host>
"""


def test_with_a_third_host_the_peer_that_8_4_does_not_name_is_not_guessed():
    answers = changed(OLD, "dump-xml", "        <host name=", THIRD_HOST + "        <host name=")

    assert [link.peer for each in drbd(answers).resources for link in each.connections] == ["", PEER]


def test_the_progress_that_8_4_tells_in_proc_drbd_only_is_added():
    account = drbd(answers_of("84-resync-after-discard", HERE))

    told = {each.name: each.connections[0].volumes[0] for each in account.resources}
    assert told["r1"].replication.is_resync
    assert told["r1"].progress.left_kib > 0
    assert told["r0"].progress is None


# What contradicts what.


CONTRADICTIONS = [
    pytest.param(without_line(OLD, "proc-drbd", " 1: "), "proc-drbd", id="a minor without its header"),
    pytest.param(changed(OLD, "events2", " minor:1 ", " minor:7 "), "events2", id="another minor in events2"),
    pytest.param(changed(NEW, "status-json", '"minor": 1,', '"minor": 7,'), "events2", id="another minor in status"),
    pytest.param(
        changed(OLD, "dump-xml", 'minor="1">/dev/drbd1', 'minor="7">/dev/drbd7'),
        "dump-xml",
        id="another minor configured",
    ),
]


@pytest.mark.parametrize(("answers", "source"), CONTRADICTIONS)
def test_two_sources_of_drbd_that_contradict_each_other_make_a_damaged_view(answers, source):
    account = drbd(answers)

    damaged = [part for part in (account.loaded, account.resources) if isinstance(part, NoView)]

    assert damaged
    assert all(part.is_damaged for part in damaged)
    assert any(source.replace("proc-drbd", "/proc/drbd") in part.reason for part in damaged)


def test_a_minor_that_only_proc_drbd_shows_makes_events2_damaged():
    lines = answers_of(OLD)["events2"].out.splitlines(keepends=True)
    without_r1 = "".join(line for line in lines if "name:r1" not in line)
    answers = {**answers_of(OLD), "events2": Answer(0, without_r1)}

    resources = drbd(answers).resources

    assert (resources.subject, resources.is_damaged) == ("events2", True)
    assert "minor 1 is up by one source of this node and missing in another" in resources.reason


def test_a_resource_that_is_configured_and_down_by_both_sources_is_no_contradiction():
    account = drbd(answers_of("84-resource-down", "proxmox-106"), "proxmox-106")

    assert not isinstance(account.resources, NoView)


@pytest.mark.parametrize("scenario", [NEW, "9-split-brain"])
def test_without_a_second_source_events2_stands_alone(scenario):
    """That the second source is missing is told; a split brain that events2 shows is told too."""
    answers = {**answers_of(scenario), "status-json": NoView(HERE, "status-json", "it does not answer")}

    account = drbd(answers)

    assert [each.name for each in account.resources] == ["r0", "r1"]
    assert account.witness.reason == "it does not answer"


# Where a command did not give what it should.


def test_a_command_that_failed_is_a_missing_view_with_its_first_line():
    answers = {**answers_of(OLD), "dump-xml": Answer(10, "", "drbd.d/r0.res:3: Parse error\nmore\n")}

    assert read_config(HERE, answers).reason == "it ended with exit code 10: drbd.d/r0.res:3: Parse error"


@pytest.mark.parametrize(("out", "words"), [("said on stdout\n", "said on stdout"), ("", "no message")])
def test_a_command_that_failed_silently_tells_what_there_is(out, words):
    answers = {**answers_of(OLD), "dump-xml": Answer(10, out)}

    assert read_config(HERE, answers).reason == f"it ended with exit code 10: {words}"


def test_a_message_with_control_characters_is_told_without_them():
    answers = {**answers_of(OLD), "dump-xml": Answer(10, "", "\x1b[31mred\x07 alert\n")}

    assert read_config(HERE, answers).reason.isprintable()


def test_an_answer_that_cannot_be_read_is_damaged():
    config = read_config(HERE, {"dump-xml": Answer(0, "<config>")})

    assert config.is_damaged
    assert config.reason.startswith("drbdadm dump-xml")


def test_the_interfaces_are_those_of_ip_address():
    assert "eth1" in [each.name for each in read_interfaces(HERE, answers_of(OLD))]
    assert read_interfaces(HERE, {}).reason == "it was not asked"


# The module.


def test_without_proc_drbd_there_is_no_module_and_nothing_else_is_said():
    answers = {"proc-drbd": Answer(1, "", "cat: /proc/drbd: No such file or directory\n")}

    account = drbd(answers)

    assert account.loaded == NO_MODULE
    absent = NoView(HERE, "DRBD", "its module is not loaded")
    assert (account.config, account.resources, account.generation_ids) == (absent, absent, absent)


def test_a_proc_drbd_that_may_not_be_read_is_not_taken_for_a_missing_module():
    loaded = read_loaded(HERE, {"proc-drbd": Answer(1, "", "cat: /proc/drbd: Permission denied\n")})

    assert isinstance(loaded, NoView)


# Generation identifiers.


def test_identifiers_are_assigned_in_the_order_of_the_configuration():
    assert list(drbd(answers_of(OLD)).generation_ids) == [("r0", 0), ("r1", 0)]


def test_identifiers_whose_lines_do_not_fit_the_configuration_are_damaged():
    ids = drbd(without_line(OLD, "get-gi", "01FA")).generation_ids

    assert ids.is_damaged
    assert "1 lines for 2 configured volumes" in ids.reason


def one_by_one(**answers):
    lines = answers_of(OLD)["get-gi"].out.splitlines(keepends=True)
    single = {get_gi_name("r0", 0): Answer(0, lines[0]), get_gi_name("r1", 0): Answer(0, lines[1])}
    return {**without_line(OLD, "get-gi", "01FA"), **single, **answers}


def test_identifiers_asked_one_by_one_need_no_assignment():
    assert drbd(one_by_one()).generation_ids == drbd(answers_of(OLD)).generation_ids


@pytest.mark.parametrize(
    "answer", [Answer(10, "", "no disk\n"), Answer(0, ""), NoView(HERE, "get-gi-r1-0", "it does not answer")]
)
def test_a_replica_that_gave_none_has_none(answer):
    assert list(drbd(one_by_one(**{get_gi_name("r1", 0): answer})).generation_ids) == [("r0", 0)]


def test_identifiers_asked_one_by_one_that_cannot_be_read_are_damaged():
    assert drbd(one_by_one(**{get_gi_name("r1", 0): Answer(0, "garbled\n")})).generation_ids.is_damaged


def test_identifiers_cannot_be_assigned_without_the_configuration():
    ids = drbd({**answers_of(OLD), "dump-xml": NoView(HERE, "dump-xml", "it does not answer")}).generation_ids

    assert ids.reason == "its lines cannot be assigned: it does not answer"


def test_a_node_without_any_configured_volume_needs_no_identifiers():
    answers = {**answers_of(OLD), "dump-xml": Answer(0, '<config file="/etc/drbd.conf">\n</config>\n')}

    assert drbd(answers).generation_ids == {}


# The dry run of adjust.


def test_the_dry_run_of_adjust_names_what_it_would_connect():
    dry_run = "drbdsetup-84 connect r1 ipv4:10.0.7.105:7789 ipv4:10.0.7.106:7789\ndrbdsetup-84 disk-options 0\n\n"

    account = drbd({**answers_of(OLD), "adjust-dry-run": Answer(0, dry_run)})

    assert account.adjust_would_connect == ("r1",)
    assert drbd(answers_of(OLD)).adjust_would_connect == ()


# DRBD 8.3 has no events2: its resources are the configuration's names and the kernel's minors.


def of_8_3(**changes):
    return {
        "proc-drbd": Answer(0, sample("proc-drbd", "8.3.2-howto-healthy")),
        "dump-xml": Answer(0, sample("dump-xml", "8.3-from-source")),
        **changes,
    }


def test_8_3_is_read_from_proc_drbd_and_the_configuration():
    (resource,) = drbd(of_8_3()).resources

    assert (resource.name, resource.role, resource.suspended) == ("r0", Role.PRIMARY, ())
    assert [(each.number, each.minor, each.disk) for each in resource.volumes] == [(0, 0, DiskState.UP_TO_DATE)]
    (link,) = resource.connections
    assert (link.peer, link.state, link.peer_role) == (PEER, ConnectionState.CONNECTED, Role.PRIMARY)
    assert [each.replication for each in link.volumes] == [ReplicationState.ESTABLISHED]


def test_8_3_tells_of_suspended_io_by_a_flag():
    suspended = sample("proc-drbd", "8.3.2-howto-healthy").replace(" C r", " C s")

    (resource,) = drbd(of_8_3(**{"proc-drbd": Answer(0, suspended)})).resources

    assert resource.suspended == ("user",)


def test_8_3_without_its_configuration_has_no_names():
    account = drbd(of_8_3(**{"dump-xml": NoView(HERE, "dump-xml", "it does not answer")}))

    assert account.resources == account.config


def test_8_3_with_a_minor_that_nobody_configured_is_damaged():
    empty = Answer(0, '<config file="/etc/drbd.conf">\n</config>\n')

    resources = drbd(of_8_3(**{"dump-xml": empty})).resources

    assert resources.is_damaged
    assert "minor 0 is up by one source" in resources.reason


def test_8_3_configured_for_other_hosts_has_nothing_here():
    none_up = "".join(sample("proc-drbd", "8.3.2-howto-healthy").splitlines(keepends=True)[:2])

    assert drbd(of_8_3(**{"proc-drbd": Answer(0, none_up)}), "pveX").resources == ()


def test_without_a_readable_version_nothing_was_asked_of_events2():
    account = drbd({"proc-drbd": Answer(0, "garbled\n"), "dump-xml": answers_of(OLD)["dump-xml"]})

    assert account.loaded.is_damaged
    assert account.resources == NoView(HERE, "events2", "it was not asked")
