"""Storage entries through the real client over HTTPS: what a refusal, a stale digest or a lost answer leads to."""

import json
from pathlib import Path

import pytest
from contract_token import TOKEN
from hostile_pve import HostilePve, as_pve_sent, say

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.errors import ApiRefused, StepStopped
from pve_drbd.jobs.entry_files import EntryMemory
from pve_drbd.jobs.storage_entry import LOOKS, TRIES, Desk, carry_out
from pve_drbd.jobs.survey import World
from pve_drbd.model.entry import PluginAccount, WantedEntry
from pve_drbd.readers.pve_lists import read_cluster, read_storages
from pve_drbd.rules.entry_plan import plan_ensure, plan_retype
from tests.jobs.standins import HandClock
from tests.pairs import A, B, codes, two_nodes

pytestmark = pytest.mark.contract

SAMPLES = Path(__file__).parents[1] / "samples" / "pve-http"
WANTED = WantedEntry("drbdvg", "drbdvg", content=("images", "rootdir"), nodes=("pve1", "pve2"))
PLUGINS = {node: PluginAccount(node, "a" * 64, 1.0) for node in (A, B)}
ENTRY = {"type": "drbdlvm", "vgname": "drbdvg", "content": "images", "shared": 1, "active": 1}


@pytest.fixture
def cluster(fakepve, monkeypatch):
    """A PVE that has our plugin: it knows the type drbdlvm as it knows lvm, but for `base`."""
    from fakepve import schema, storage

    options = {key: value for key, value in storage.TYPES["lvm"]["options"].items() if key != "base"}
    monkeypatch.setitem(storage.TYPES, "drbdlvm", {**storage.TYPES["lvm"], "name": "drbdlvm", "options": options})
    for spec in schema.load().match("/storage").methods.values():
        kinds = spec["parameters"]["properties"]["type"]
        monkeypatch.setitem(kinds, "enum", [*kinds["enum"], "drbdlvm"])
    fakepve.apitokens["{user}!{token_name}".format(**TOKEN)] = TOKEN["secret"]
    fakepve.add_node("pve2")
    return fakepve


@pytest.fixture
def pve(cluster, connect, fakepve_cafile):
    return connect(cluster.port, ca_file=fakepve_cafile)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def desk(cluster, pve, clock, tmp_path):
    nodes = Nodes(cluster)
    return Desk(World(nodes, lambda: pve, clock.as_clock(), A), pve, EntryMemory(nodes, A, str(tmp_path)))


class Nodes:
    """Stands for this node: pve-drbd-retype changes the type in the fake's storage.cfg, and nothing else."""

    def __init__(self, cluster):
        self._cluster = cluster

    def nodes(self):
        return (A, B)

    def run(self, node, argv, timeout_s):
        question = json.loads(argv[2])
        if question["digest"] != self._cluster._storage_digest():
            return CommandResult(argv, 3, "", "storage.cfg has changed since it was shown\n", 1)
        self._cluster.storages[question["storage"]]["type"] = question["to"]
        return CommandResult(argv, 0, json.dumps({"changed": 1, "digest": self._cluster._storage_digest()}), "", 1)

    def close(self):
        """Nothing is open."""


def survey_of(pve):
    """A healthy pair, with the entries that the API lists."""
    return two_nodes().with_pve(storages=read_storages(pve.get("/storage")))


def ensure(desk, pve, wanted=WANTED):
    survey = survey_of(pve)
    return carry_out(desk, plan_ensure(survey, wanted, PLUGINS), survey, PLUGINS)


def writes(cluster):
    return [request[:2] for request in cluster.requests if request[0] != "GET"]


def settings(cluster, name="drbdvg"):
    return {key: value for key, value in cluster.storages[name].items() if key not in ("active", "files", "volumes")}


def sample(name):
    return json.loads((SAMPLES / f"9.2.11-{name}.json").read_text())["response"]


def test_an_entry_is_made_and_a_second_run_sends_nothing(cluster, pve, desk):
    assert ensure(desk, pve).is_done
    assert not ensure(desk, pve).is_done

    made = settings(cluster)
    assert (made["type"], made["vgname"], made["nodes"]) == ("drbdlvm", "drbdvg", "pve1,pve2")
    assert writes(cluster) == [("POST", "/api2/json/storage")]


def test_an_entry_is_mended_in_one_write_with_its_digest(cluster, pve, desk):
    cluster.storages["drbdvg"] = {**ENTRY, "saferemove": 1}

    assert ensure(desk, pve).is_done

    mended = settings(cluster)
    assert sorted(mended["content"].split(",")) == ["images", "rootdir"]
    assert (mended["nodes"], str(mended["saferemove"])) == ("pve1,pve2", "1")
    assert writes(cluster) == [("PUT", "/api2/json/storage/drbdvg")]


def rival(cluster, times):
    """Another entry is changed in the moment before each of our first writes arrives."""
    seen = []

    def record(request, body):
        cluster.requests.append((request.method, request.path, None))
        if request.method == "PUT" and len(seen) < times:
            seen.append(request.path)
            cluster.storages["local"]["prune-backups"] = f"keep-last={len(seen)}"

    cluster._record = record


def test_a_stale_digest_is_met_with_another_look_and_another_try(cluster, pve, desk):
    cluster.storages["drbdvg"] = dict(ENTRY)
    rival(cluster, TRIES - 1)

    assert ensure(desk, pve).is_done
    assert len(writes(cluster)) == TRIES


def test_after_three_stale_digests_it_stops(cluster, pve, desk):
    cluster.storages["drbdvg"] = dict(ENTRY)
    rival(cluster, TRIES)

    with pytest.raises(StepStopped, match="changed under each of"):
        ensure(desk, pve)

    assert len(writes(cluster)) == TRIES
    assert settings(cluster)["content"] == "images"


def test_an_entry_that_somebody_else_made_meanwhile_is_looked_at_and_not_made_again(cluster, pve, desk):
    survey = survey_of(pve)
    plan = plan_ensure(survey, WANTED, PLUGINS)
    ensure(desk, pve)

    assert carry_out(desk, plan, survey, PLUGINS).entry.storeid == "drbdvg"
    assert len(writes(cluster)) == 1


def test_a_lost_quorum_is_a_finding_before_anything_is_sent(cluster, pve, desk):
    cluster.lose_quorum()
    survey = survey_of(pve)
    survey = survey.with_pve(cluster=read_cluster(pve.get("/cluster/status")))

    plan = plan_ensure(survey, WANTED, PLUGINS, (A, B, "pve1", "pve2"))
    carry_out(desk, plan, survey, PLUGINS)

    assert "PVE-E309" in codes(plan.report)
    assert writes(cluster) == []


def test_a_quorum_that_is_lost_in_that_moment_is_told_in_pves_words(cluster, pve, desk):
    words = "create storage failed: cfs-lock 'file-storage_cfg' error: no quorum!"
    cluster.fail("POST", "/storage", 500, words)

    with pytest.raises(ApiRefused, match="no quorum") as refusal:
        ensure(desk, pve)

    assert refusal.value.reason == words
    assert len(writes(cluster)) == 1


def test_a_missing_privilege_is_named_with_the_command_that_grants_it(cluster, pve, desk):
    cluster.grant("ro@pve", "/", "Datastore.Audit", "Sys.Audit", "VM.Audit")
    cluster.apitokens["ro@pve!drbd"] = TOKEN["secret"]
    pve._api._store["session"].auth.username = "ro@pve"

    with pytest.raises(ApiRefused) as refusal:
        ensure(desk, pve)

    assert refusal.value.status == 403
    assert "has not the privilege Datastore.Allocate on /storage" in str(refusal.value)
    assert str(refusal.value).endswith("Grant it: pve-drbd token create --role entry --yes")


@pytest.mark.parametrize("status", [595, 596, 597, 598, 599])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_59x_on_a_write_is_looked_after_and_never_sent_again(cluster, pve, desk, clock, status, is_there):
    if is_there:
        cluster.storages["drbdvg"] = dict(ENTRY)
    cluster.fail("PUT" if is_there else "POST", "/drbdvg" if is_there else "/storage", status, "Connection timed out")

    with pytest.raises(StepStopped, match="is not known"):
        ensure(desk, pve)

    assert len(writes(cluster)) == 1
    assert len(clock.slept) == LOOKS - 1


def test_a_write_that_was_carried_out_although_the_answer_was_lost_is_found(cluster, pve, desk, clock):
    cluster.fail("POST", "/storage", 596, "Connection timed out")
    clock.when_slept = lambda: cluster.storages.update(
        drbdvg={**ENTRY, "content": "rootdir,images", "nodes": "pve2,pve1"}
    )

    assert ensure(desk, pve).is_done
    assert len(writes(cluster)) == 1


def test_a_read_that_breaks_once_is_not_noticed(cluster, pve, desk):
    cluster.fail("GET", "/storage", 596, "Connection timed out", times=1)

    assert ensure(desk, pve).is_done


def test_an_entry_is_adopted_and_given_back_in_place(cluster, pve, desk):
    cluster.storages["drbdvg"] = {**ENTRY, "type": "lvm"}
    cluster.grant("ops@pve", "/storage/drbdvg", "Datastore.AllocateSpace")
    cluster.pool_info["ops"] = {"comment": "", "storage": {"drbdvg"}}
    before = settings(cluster)
    for to in ("drbdlvm", "lvm"):
        survey = survey_of(pve)
        plan = plan_retype(survey, survey.pve.storage("drbdvg"), to, PLUGINS)
        assert carry_out(desk, plan, survey, PLUGINS).entry.type == to
        assert settings(cluster) == {**before, "type": to}

    assert writes(cluster) == []
    assert cluster.allowed("ops@pve", "/storage/drbdvg", "Datastore.AllocateSpace")
    assert cluster.pool_info["ops"]["storage"] == {"drbdvg"}


@pytest.mark.parametrize(
    ("name", "status", "reason", "fields"),
    [
        ("009-storage-create-unknown-type", 400, "Parameter verification failed.", {"type"}),
        ("011-storage-create-foreign-property", 500, "unexpected property 'drbd-resource'", set()),
        ("013-storage-create-bad-content", 500, "storage does not support content type 'none'", set()),
        ("017-storage-read-nonexistent", 500, "storage 'nope' does not exist", set()),
        (
            "024-storage-update-delete-required",
            500,
            "update storage failed: unable to delete required option 'vgname'",
            set(),
        ),
        ("025-storage-update-fixed-vgname", 400, "Parameter verification failed.", {"vgname"}),
        ("026-storage-update-type", 400, "Parameter verification failed.", {"type"}),
    ],
)
def test_a_recorded_refusal_of_an_entry_is_told_as_it_was(pki, connect, name, status, reason, fields):
    with HostilePve(pki, [say(as_pve_sent(sample(name)))]) as server, pytest.raises(ApiRefused) as refusal:
        connect(server.port, ca_file=pki.ca_file).put("/storage/hd")

    assert (refusal.value.status, refusal.value.reason) == (status, reason)
    assert set(refusal.value.fields) == fields


def test_the_recorded_list_of_a_real_pve_is_read(pki, connect):
    with HostilePve(pki, [say(as_pve_sent(sample("003-storage-list")))]) as server:
        listed = read_storages(connect(server.port, ca_file=pki.ca_file).get("/storage"))

    assert [(each.storeid, each.type, each.is_shared) for each in listed] == [
        ("d0", "drbdlvm", True),
        ("l0", "lvm", True),
        ("local", "dir", False),
    ]


def test_the_recorded_update_of_a_real_pve_is_taken(pki, connect):
    with HostilePve(pki, [say(as_pve_sent(sample("018-storage-update-content-digest")))]) as server:
        answer = connect(server.port, ca_file=pki.ca_file).put("/storage/hd", content="images", digest="a" * 40)

    assert answer == {"storage": "hd", "type": "drbdlvm"}
