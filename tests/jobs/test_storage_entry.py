"""A storage entry is written once, only if it is still what was shown, and a run that was cut short is finished."""

import itertools
from dataclasses import replace

import pytest

from pve_drbd.errors import ApiRefused, StepStopped
from pve_drbd.jobs.entry_files import NAME
from pve_drbd.jobs.storage_entry import LOOKS, TRIES, carry_out, shown
from pve_drbd.model.entry import WantedEntry
from pve_drbd.readers.known_entries import read_known
from pve_drbd.rules.entry_plan import plan_ensure, plan_retype, plan_set
from tests.jobs.entry_cluster import CONFLICT, PLUGINS, EntryCluster, Killed, edited, lvm_cluster, no_answer
from tests.pairs import A, B, codes

WANTED = WantedEntry("drbdvg", "drbdvg", content=("images", "rootdir"))


def empty():
    return EntryCluster({"local": {"type": "dir", "path": "/var/lib/vz", "content": "iso"}})


def drbdlvm(**more):
    cluster = lvm_cluster(**more)
    cluster.cfg["drbdvg"]["type"] = "drbdlvm"
    return cluster


def ensure(cluster, directory, wanted=WANTED):
    survey = cluster.survey()
    return carry_out(cluster.desk(directory), plan_ensure(survey, wanted, PLUGINS), survey, PLUGINS)


def retype(cluster, directory, to="drbdlvm"):
    survey = cluster.survey()
    return carry_out(cluster.desk(directory), plan_retype(survey, cluster.entry(), to, PLUGINS), survey, PLUGINS)


# ensure


def test_a_missing_entry_is_made_as_the_configuration_wants_it(tmp_path):
    cluster = empty()

    run = ensure(cluster, tmp_path)

    assert run.is_done
    assert cluster.cfg["drbdvg"] == {"type": "drbdlvm", "vgname": "drbdvg", "content": "images,rootdir", "shared": "1"}


def test_a_second_run_changes_nothing(tmp_path):
    cluster = empty()
    ensure(cluster, tmp_path)

    run = ensure(cluster, tmp_path)

    assert not run.is_done
    assert cluster.effects == [("post", "/storage", "drbdvg")]


def test_what_differs_is_mended_and_what_the_configuration_does_not_name_stays(tmp_path):
    cluster = drbdlvm(content="images", nodes=A, saferemove="1")

    run = ensure(cluster, tmp_path, replace(WANTED, nodes=(A, B)))

    assert run.is_done
    assert cluster.cfg["drbdvg"]["content"] == "images,rootdir"
    assert cluster.cfg["drbdvg"]["nodes"] == f"{A},{B}"
    assert cluster.cfg["drbdvg"]["saferemove"] == "1"


def test_another_type_or_volume_group_is_a_finding_and_never_an_action(tmp_path):
    cluster = lvm_cluster(content="images")

    run = ensure(cluster, tmp_path)

    assert codes(run.plan.report) == ["PVE-E404"]
    assert not run.is_done
    assert cluster.effects == []


def test_nothing_is_written_while_anything_speaks_against_it(tmp_path):
    cluster = empty()
    survey = cluster.survey().with_vg(B, is_gone=True)

    run = carry_out(cluster.desk(tmp_path), plan_ensure(survey, WANTED, PLUGINS), survey, PLUGINS)

    assert codes(run.plan.report) == ["LVM-E205"]
    assert cluster.effects == []
    assert not (tmp_path / NAME).exists()


def test_an_entry_that_is_right_is_remembered(tmp_path):
    ensure(drbdlvm(), tmp_path)

    (known,) = read_known((tmp_path / NAME).read_text())

    assert (known.storeid, known.type, known.content) == ("drbdvg", "drbdlvm", ("images", "rootdir"))
    assert known.vg_uuid
    assert known.seen_at == "2026-11-22T12:00:00Z"


def test_what_was_remembered_of_other_entries_stays(tmp_path):
    ensure(drbdlvm(), tmp_path)
    other = EntryCluster({"other": {"type": "drbdlvm", "vgname": "drbdvg", "content": "images,rootdir", "shared": "1"}})
    ensure(other, tmp_path, replace(WANTED, storeid="other"))

    assert [each.storeid for each in read_known((tmp_path / NAME).read_text())] == ["drbdvg", "other"]


# The digest: somebody else writes storage.cfg at the same time.


def test_a_stale_digest_is_met_with_another_look_and_another_try(tmp_path):
    cluster = drbdlvm(content="images")
    cluster.rivals = [edited(cluster, "local", content="iso,backup"), edited(cluster, "local", content="backup")]

    assert ensure(cluster, tmp_path).is_done
    assert cluster.cfg["drbdvg"]["content"] == "images,rootdir"


def test_after_three_stale_digests_it_stops_and_says_so(tmp_path):
    cluster = drbdlvm(content="images")
    cluster.rivals = [edited(cluster, "local", content=word) for word in ("iso,backup", "iso", "backup", "snippets")]

    with pytest.raises(StepStopped, match=f"each of {TRIES} tries"):
        ensure(cluster, tmp_path)

    assert cluster.effects == []


def test_an_entry_that_changed_since_it_was_shown_is_not_written(tmp_path):
    cluster = drbdlvm(content="images")
    survey = cluster.survey()
    plan = plan_ensure(survey, WANTED, PLUGINS)
    edited(cluster, "drbdvg", nodes=A)()

    with pytest.raises(StepStopped, match="drbdvg changed since it was looked at"):
        carry_out(cluster.desk(tmp_path), plan, survey, PLUGINS)

    assert cluster.effects == []


def test_an_entry_that_somebody_else_just_made_in_the_same_way_is_taken(tmp_path):
    cluster = empty()
    survey = cluster.survey()
    plan = plan_ensure(survey, WANTED, PLUGINS)
    ensure(cluster, tmp_path)

    carry_out(cluster.desk(tmp_path), plan, survey, PLUGINS)

    assert len(cluster.effects) == 1


@pytest.mark.parametrize("content", ["images,rootdir", "images"])
def test_an_entry_that_appears_between_our_look_and_our_call_is_looked_at(content, tmp_path):
    cluster = empty()
    settings = {"type": "drbdlvm", "vgname": "drbdvg", "content": content, "shared": "1"}
    cluster.rivals = [lambda: cluster.cfg.update(drbdvg=settings)]
    survey = cluster.survey()
    plan = plan_ensure(survey, WANTED, PLUGINS)

    if content == "images":
        with pytest.raises(StepStopped, match="drbdvg appeared since it was looked at"):
            carry_out(cluster.desk(tmp_path), plan, survey, PLUGINS)
    else:
        assert carry_out(cluster.desk(tmp_path), plan, survey, PLUGINS).entry.content == ("images", "rootdir")
    assert cluster.effects == []


def test_a_digest_conflict_that_pve_itself_tells_is_retried(tmp_path):
    cluster = drbdlvm(content="images")
    cluster.answers = [ApiRefused("/storage/drbdvg", 500, CONFLICT)]

    assert ensure(cluster, tmp_path).is_done


# A write without an answer is looked for, never sent again.


def lost(cluster):
    """The next write happens, and its answer does not arrive."""
    cluster.answers = [no_answer]
    return cluster


@pytest.mark.parametrize("make", [empty, lambda: drbdlvm(content="images")])
def test_a_write_whose_answer_is_lost_is_found_by_looking(make, tmp_path):
    cluster = lost(make())

    assert ensure(cluster, tmp_path).is_done
    assert len(cluster.effects) == 1


@pytest.mark.parametrize("status", [595, 596, 599])
def test_a_write_to_which_the_proxy_says_59x_and_that_never_shows_is_told_as_unknown(status, tmp_path):
    cluster = empty()
    cluster.answers = [ApiRefused("/storage", status, "Connection timed out")]

    with pytest.raises(StepStopped, match="is not known"):
        ensure(cluster, tmp_path)

    assert len(cluster.clock.slept) == LOOKS - 1
    assert cluster.effects == []


def test_a_refusal_is_passed_on_as_it_is(tmp_path):
    cluster = empty()
    cluster.answers = [ApiRefused("/storage", 403, "Permission check failed (/storage, Datastore.Allocate)")]

    with pytest.raises(ApiRefused, match="pve-drbd token create --role entry --yes"):
        ensure(cluster, tmp_path)


def test_an_entry_that_the_token_may_not_see_is_told(tmp_path):
    cluster = empty()
    survey = cluster.survey()
    plan = plan_ensure(survey, WANTED, PLUGINS)
    cluster.post = lambda path, /, **fields: None

    with pytest.raises(StepStopped, match=r"Datastore\.Audit"):
        carry_out(cluster.desk(tmp_path), plan, survey, PLUGINS)


# set


def test_set_changes_what_it_names(tmp_path):
    cluster = drbdlvm(nodes=A)
    survey = cluster.survey()
    plan = plan_set(survey, cluster.entry(), {"nodes": "", "disable": "1"})

    carry_out(cluster.desk(tmp_path), plan, survey, {})

    assert "nodes" not in cluster.cfg["drbdvg"]
    assert cluster.cfg["drbdvg"]["disable"] == "1"
    assert shown(plan, {}) == "pvesh set /storage/drbdvg --disable 1 --delete nodes"


def test_switching_an_entry_off_asks_for_no_sound_ground():
    cluster = drbdlvm()
    survey = cluster.survey().with_vg(B, is_gone=True)

    assert plan_set(survey, cluster.entry(), {"disable": "1"}).report.allowed
    assert codes(plan_set(survey, cluster.entry(), {"content": "images"}).report) == ["LVM-E205"]


# adopt and release


def test_adopt_changes_the_type_and_nothing_else(tmp_path):
    cluster = lvm_cluster(saferemove="1")
    before = {name: dict(settings) for name, settings in cluster.cfg.items()}

    run = retype(cluster, tmp_path)

    assert run.is_done
    assert cluster.cfg == {**before, "drbdvg": {**before["drbdvg"], "type": "drbdlvm"}}
    assert cluster.effects == [("retype", "drbdvg", "drbdlvm")]


def test_release_is_the_way_back(tmp_path):
    cluster = lvm_cluster()
    before = {name: dict(settings) for name, settings in cluster.cfg.items()}
    retype(cluster, tmp_path)

    retype(cluster, tmp_path, "lvm")

    assert cluster.cfg == before


def test_release_is_not_barred_by_the_state_of_the_mirror(tmp_path):
    cluster = drbdlvm()
    survey = cluster.survey().with_vg(B, is_gone=True).with_node(A, cluster.survey().nodes[A])

    plan = plan_retype(survey, cluster.entry(), "lvm", {})

    assert plan.report.allowed
    assert carry_out(cluster.desk(tmp_path), plan, survey, {}).is_done


def test_an_adopted_entry_needs_nothing(tmp_path):
    cluster = drbdlvm()

    run = retype(cluster, tmp_path)

    assert not run.is_done
    assert run.plan.report.findings == ()
    assert cluster.effects == []


def test_a_changed_storage_cfg_is_met_with_another_look(tmp_path):
    cluster = lvm_cluster()
    cluster.rivals = [edited(cluster, "local", content="iso,backup")]

    assert retype(cluster, tmp_path).is_done


def test_a_program_that_refuses_is_told_in_its_own_words(tmp_path):
    cluster = lvm_cluster()
    survey = cluster.survey()
    plan = plan_retype(survey, cluster.entry(), "drbdlvm", PLUGINS)

    with pytest.raises(StepStopped, match=r"drbdvg was not changed: .*nobody looked for the plugin there"):
        carry_out(cluster.desk(tmp_path), plan, survey, {A: PLUGINS[A]})


def test_a_program_whose_answer_is_lost_is_looked_after(tmp_path):
    cluster = lost(lvm_cluster())

    assert retype(cluster, tmp_path).is_done
    assert cluster.effects == [("retype", "drbdvg", "drbdlvm")]


def test_another_entry_that_reads_differently_afterwards_stops_the_run(tmp_path):
    cluster = lvm_cluster()
    change = cluster._retype

    def careless(question):
        change(question)
        cluster.cfg["local"].pop("content")

    cluster._retype = careless

    with pytest.raises(StepStopped, match="the entry local does not read as before"):
        retype(cluster, tmp_path)


def steps_of(make, act, directory):
    """How many contacts with the outside a whole run has."""
    cluster = make()
    act(cluster, directory / "whole")
    return cluster.touches


def cut_short(make, act, directory):
    """Every way in which a run can be cut short: before or after each contact with the outside."""
    for die_at, dies_before in itertools.product(range(1, steps_of(make, act, directory) + 1), (True, False)):
        cluster = make()
        cluster.die_at, cluster.dies_before = die_at, dies_before
        with pytest.raises(Killed):
            act(cluster, directory / f"{die_at}-{dies_before}")
        cluster.die_at = -1
        yield cluster, directory / f"{die_at}-{dies_before}"


@pytest.mark.parametrize(("make", "to"), [(lvm_cluster, "drbdlvm"), (drbdlvm, "lvm")])
def test_a_run_killed_anywhere_leaves_the_entry_old_or_new_and_the_next_one_finishes(make, to, tmp_path):
    old = make().cfg["drbdvg"]
    stories = 0

    for cluster, directory in cut_short(make, lambda c, d: retype(c, d, to), tmp_path):
        assert cluster.cfg["drbdvg"] in (old, {**old, "type": to})
        retype(cluster, directory, to)
        assert cluster.cfg["drbdvg"] == {**old, "type": to}
        assert cluster.effects == [("retype", "drbdvg", to)]
        stories += 1

    assert stories >= 8


@pytest.mark.parametrize("make", [empty, lambda: drbdlvm(content="images")])
def test_an_ensure_killed_anywhere_is_finished_by_the_next_with_one_write_in_all(make, tmp_path):
    for cluster, directory in cut_short(make, ensure, tmp_path):
        ensure(cluster, directory)
        assert cluster.entry().content == ("images", "rootdir")
        assert len(cluster.effects) == 1
        assert read_known((directory / NAME).read_text())
