"""What PVE says comes through whole: its data, its refusals, and the request that it was asked."""

import importlib.metadata
import json
import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from contract_token import TOKEN
from hostile_pve import HostilePve, as_pve_sent, data, http, say

from pve_drbd.adapters.pve_recorded import RecordingPve, ReplayPve
from pve_drbd.errors import ApiRefused, ConfigInvalid

pytestmark = pytest.mark.contract

SAMPLES = Path(__file__).parents[1] / "samples" / "pve-http"
UPID = "UPID:pve1:000002C0:00043211:6B02B93C:imgdel:123@hd:root@pam!test:"


@pytest.fixture
def cluster(fakepve):
    fakepve.apitokens["{user}!{token_name}".format(**TOKEN)] = TOKEN["secret"]
    fakepve.add_node("pve2")
    fakepve.storages["drbdvg"] = {"type": "lvm", "vgname": "drbdvg", "content": "images", "shared": 1, "active": 1}
    return fakepve


@pytest.fixture
def pve(cluster, connect, fakepve_cafile):
    return connect(cluster.port, ca_file=fakepve_cafile)


def asked(cluster, method, path):
    return [request for request in cluster.requests if request[:2] == (method, f"/api2/json{path}")]


def sample(name):
    return json.loads((SAMPLES / f"9.2.11-{name}.json").read_text())


def test_the_proxmoxer_that_was_asked_for_is_the_one_under_test():
    wanted = os.environ.get("CONTRACT_PROXMOXER")
    assert wanted in (None, importlib.metadata.version("proxmoxer"))


def test_a_guest_is_found_in_the_cluster_resources(cluster, pve):
    cluster.add_vm(100, "web", node="pve2", status="running")

    guests = pve.get("/cluster/resources", type="vm")

    assert [(guest["vmid"], guest["node"], guest["status"]) for guest in guests] == [(100, "pve2", "running")]


def test_a_storage_entry_is_made_changed_and_removed(cluster, pve):
    made = pve.post("/storage", storage="d1", type="lvm", vgname="vg1", content="images", shared=True)
    changed = pve.put("/storage/d1", nodes="pve1,pve2", delete="shared")
    entry = pve.get("/storage/d1")
    removed = pve.delete("/storage/d1")

    assert made["storage"] == changed["storage"] == "d1"
    assert entry["nodes"] == "pve1,pve2"
    assert "shared" not in entry
    assert removed is None
    assert "d1" not in cluster.storages


def test_a_bad_parameter_is_named_in_the_refusal(pve):
    with pytest.raises(ApiRefused) as refusal:
        pve.post("/storage", storage="d1", type="lvm", vgname="vg1", shared="perhaps", nosuchthing="1")

    assert refusal.value.status == 400
    assert refusal.value.reason == "Parameter verification failed."
    assert set(refusal.value.fields) == {"shared", "nosuchthing"}
    assert "not defined in schema" in refusal.value.fields["nosuchthing"]


def test_a_stale_digest_is_refused_in_pves_own_words(pve):
    digest = pve.get("/storage/drbdvg")["digest"]
    pve.put("/storage/drbdvg", nodes="pve1", digest=digest)

    with pytest.raises(ApiRefused, match="detected modified configuration") as refusal:
        pve.put("/storage/drbdvg", nodes="pve2", digest=digest)

    assert refusal.value.status == 500


def test_a_missing_storage_is_a_500_with_the_reason(pve):
    with pytest.raises(ApiRefused) as refusal:
        pve.get("/storage/nope")

    assert (refusal.value.status, refusal.value.reason) == (500, "storage 'nope' does not exist")
    assert refusal.value.path == "/storage/nope"


def test_a_missing_privilege_is_a_403(cluster, pve):
    cluster.acl = {}
    cluster.apitokens["ro@pve!drbd"] = TOKEN["secret"]
    pve._api._store["session"].auth.username = "ro@pve"

    with pytest.raises(ApiRefused, match="Permission check failed") as refusal:
        pve.post("/storage", storage="d1", type="lvm", vgname="vg1")

    assert refusal.value.status == 403


def test_a_wrong_token_is_a_401_and_asked_once(cluster, pve):
    cluster.apitokens.clear()

    with pytest.raises(ApiRefused) as refusal:
        pve.get("/storage")

    assert refusal.value.status == 401
    assert len(asked(cluster, "GET", "/storage")) == 1


def test_an_offline_node_is_asked_three_times_and_stays_a_595(cluster, pve):
    cluster.set_node_offline("pve2")

    with pytest.raises(ApiRefused, match="No route to host") as refusal:
        pve.get("/nodes/pve2/storage")

    assert refusal.value.status == 595
    assert len(asked(cluster, "GET", "/nodes/pve2/storage")) == 3


def test_a_596_that_passes_is_not_seen_by_the_caller(cluster, pve):
    cluster.fail("GET", "/nodes/pve2/storage", 596, "Connection timed out", times=1)

    assert pve.get("/nodes/pve2/storage")
    assert len(asked(cluster, "GET", "/nodes/pve2/storage")) == 2


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_write_is_sent_once_even_if_pve_says_596(cluster, pve, method):
    cluster.fail(method.upper(), "/storage/drbdvg", 596, "Connection timed out")

    with pytest.raises(ApiRefused):
        getattr(pve, method)("/storage/drbdvg")

    assert len(asked(cluster, method.upper(), "/storage/drbdvg")) == 1


def test_an_html_error_page_is_refused_with_its_reason_phrase(cluster, pve):
    cluster.fail("GET", "/storage", 502, "<html>Bad Gateway</html>", html=True)

    with pytest.raises(ApiRefused) as refusal:
        pve.get("/storage")

    assert (refusal.value.status, refusal.value.reason, refusal.value.fields) == (502, "Bad Gateway", {})


@pytest.mark.parametrize(
    ("name", "status", "reason", "fields"),
    [
        ("007-storage-create-duplicate", 500, "create storage failed: storage ID 'hd' already defined", set()),
        ("010-storage-create-unknown-property", 400, "Parameter verification failed.", {"nosuchprop"}),
        ("083-unknown-path", 501, "Method 'GET /nodes/pve1/nosuch' not implemented", set()),
        (
            "141-checkfail-node-storage-content",
            500,
            "connection check for storage 'd0' failed - drbdlvm: daemon not reachable",
            set(),
        ),
        ("179-ro-storage-create", 403, "Permission check failed (/storage, Datastore.Allocate)", set()),
        ("184-auth-bad-token", 401, "Authentication failed!", set()),
    ],
)
def test_a_recorded_refusal_of_a_real_pve_is_told_as_it_was(pki, connect, name, status, reason, fields):
    with HostilePve(pki, [say(as_pve_sent(sample(name)["response"]))]) as server, pytest.raises(ApiRefused) as refusal:
        connect(server.port, ca_file=pki.ca_file).post("/storage")

    assert (refusal.value.status, refusal.value.reason) == (status, reason)
    assert set(refusal.value.fields) == fields


def test_a_refusal_of_several_lines_is_told_whole_on_one_line(pki, connect):
    body = json.dumps({"data": None, "message": "can't lock file\n  - got timeout\n"}).encode()
    with HostilePve(pki, [say(http(body, "500 can't lock file"))]) as server, pytest.raises(ApiRefused) as refusal:
        connect(server.port, ca_file=pki.ca_file).get("/storage")

    assert refusal.value.reason == "can't lock file; - got timeout"


def test_a_reason_phrase_in_utf_8_is_read_as_utf_8(pki, connect):
    with (
        HostilePve(pki, [say("HTTP/1.1 401 Schlüssel ungültig\r\nContent-Length: 0\r\n\r\n".encode())]) as server,
        pytest.raises(ApiRefused, match="Schlüssel ungültig"),
    ):
        connect(server.port, ca_file=pki.ca_file).get("/storage")


def test_a_redirect_is_refused_and_not_followed(pki, connect):
    with (
        HostilePve(pki, [say(http(b"", "302 Found", ("Location: https://127.0.0.1:1/",)))]) as server,
        pytest.raises(ApiRefused) as refusal,
    ):
        connect(server.port, ca_file=pki.ca_file).get("/storage")

    assert refusal.value.status == 302
    assert server.connections == 1


def test_gzip_and_a_doubled_connection_header_are_read(pki, connect):
    response = sample("050-cluster-resources")["response"]
    doubled = response | {"headers": response["headers"] | {"Connection": ["close", "Keep-Alive"]}}
    with HostilePve(pki, [say(as_pve_sent(doubled))]) as server:
        resources = connect(server.port, ca_file=pki.ca_file).get("/cluster/resources")

    assert response["headers"]["Content-Encoding"] == "gzip"
    assert resources == response["body"]["data"]


@pytest.mark.parametrize(
    "path",
    [
        f"/nodes/pve1/tasks/{UPID}/status",
        "/nodes/pve1/storage/local/content/local:iso/a b+c%2Fd?e#f;g&h=é.iso",
        "/nodes/pve1/storage/drbdvg/content/drbdvg:vm-100-disk-0",
    ],
)
def test_a_path_arrives_as_it_was_written(pki, connect, path):
    with HostilePve(pki, [say(data(None))]) as server:
        connect(server.port, ca_file=pki.ca_file).get(path)

    target = urlsplit(server.requests[0].target)
    assert unquote(target.path) == f"/api2/json{path}"
    assert (target.query, target.fragment) == ("", "")


@pytest.mark.parametrize("path", ["storage", "/", "", "/storage/", "//storage", "/storage/../access", "/./storage"])
def test_a_path_that_could_mean_another_one_is_never_sent(pki, connect, path):
    with HostilePve(pki, [say(data(None))]) as server, pytest.raises(ConfigInvalid):
        connect(server.port, ca_file=pki.ca_file).get(path)

    assert server.connections == 0


def test_fields_travel_in_the_query_of_a_read_and_a_delete_and_in_the_body_of_a_write(pki, connect):
    fields = {"vm-name": "a b&c=d;é", "online": True, "delete": "shared"}
    with HostilePve(pki, [say(data(None))]) as server:
        pve = connect(server.port, ca_file=pki.ca_file)
        for call in (pve.get, pve.delete, pve.post, pve.put):
            call("/storage", **fields)

    sent = [(request.method, urlsplit(request.target).query, request.body) for request in server.requests]
    assert [(method, bool(query), bool(body)) for method, query, body in sent] == [
        ("GET", True, False),
        ("DELETE", True, False),
        ("POST", False, True),
        ("PUT", False, True),
    ]
    for _, query, body in sent:
        assert parse_qs(query or body) == {"vm-name": ["a b&c=d;é"], "online": ["1"], "delete": ["shared"]}


def test_a_write_takes_a_new_connection_and_reads_share_one(cluster, pve):
    seen = []
    cluster._record = lambda request, body: seen.append(request.transport.get_extra_info("peername")[1])

    for call in (pve.get, pve.get, pve.put, pve.get):
        call("/storage/drbdvg")

    first, second, write, after = seen
    assert first == second != write == after


def test_a_recording_of_a_live_pve_replays_the_same(cluster, pve, tmp_path):
    cluster.add_vm(100, "web", config={"scsi0": "drbdvg:vm-100-disk-0"})
    paths = ["/cluster/resources", "/storage", "/nodes/pve1/qemu/100/config"]
    recording, replay = RecordingPve(pve, tmp_path), ReplayPve(tmp_path)

    live = [recording.get(path) for path in paths]
    with pytest.raises(ApiRefused) as refusal:
        recording.get("/storage/nope")

    assert [replay.get(path) for path in paths] == live
    with pytest.raises(ApiRefused) as again:
        replay.get("/storage/nope")
    assert str(again.value) == str(refusal.value)
