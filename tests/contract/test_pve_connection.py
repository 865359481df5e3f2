"""What can go wrong between us and PVE: time, broken connections, certificates, garbage; it ends in our own words."""

import gzip
import json
import logging
import time

import pytest
from contract_token import TOKEN
from hostile_pve import (
    HostilePve,
    data,
    fall_silent,
    http,
    never_finish_the_handshake,
    reset,
    reset_after_request,
    say,
    say_slowly,
)
from throwaway_pki import make_pki

from pve_drbd.errors import ApiRefused, ConfigInvalid, Unreachable, Unreadable

pytestmark = pytest.mark.contract

# Far more than the limits asked for, far less than proxmoxer's or PVE's own.
PATIENCE_S = 4.0


@pytest.fixture
def within_patience():
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PATIENCE_S


@pytest.mark.usefixtures("within_patience")
def test_a_silent_pve_is_given_up_by_our_clock_and_a_read_is_tried_three_times(pki, connect):
    with (
        HostilePve(pki, [fall_silent]) as server,
        pytest.raises(Unreachable, match="no answer in time to GET /version"),
    ):
        connect(server.port, ca_file=pki.ca_file, read_timeout_s=0.3).get("/version")

    assert len(server.requests) == 3


@pytest.mark.usefixtures("within_patience")
def test_all_tries_together_end_at_the_deadline(pki, connect):
    with HostilePve(pki, [fall_silent]) as server, pytest.raises(Unreachable):
        connect(server.port, ca_file=pki.ca_file, total_timeout_s=0.5).get("/version")

    assert len(server.requests) == 1


@pytest.mark.usefixtures("within_patience")
def test_a_write_that_nobody_answers_is_sent_once(pki, connect):
    with (
        HostilePve(pki, [fall_silent]) as server,
        pytest.raises(Unreachable, match="no answer in time to POST /storage"),
    ):
        connect(server.port, ca_file=pki.ca_file, read_timeout_s=0.3).post("/storage", storage="d1")

    assert [request.body for request in server.requests] == ["storage=d1"]


@pytest.mark.parametrize(
    ("limits", "connections"),
    [({"connect_timeout_s": 0.3}, 3), ({"connect_timeout_s": 9.0, "total_timeout_s": 0.5}, 1)],
)
@pytest.mark.usefixtures("within_patience")
def test_a_handshake_that_never_ends_is_given_up(pki, connect, limits, connections):
    with HostilePve(pki, [never_finish_the_handshake]) as server, pytest.raises(Unreachable):
        connect(server.port, ca_file=pki.ca_file, **limits).get("/version")

    assert server.connections == connections


@pytest.mark.usefixtures("within_patience")
@pytest.mark.parametrize("answer", [http(b" " * 1000), b"HTTP/1.1 200 " + b"x" * 1000], ids=["body", "head"])
def test_an_answer_that_drips_is_given_up_at_the_deadline(pki, connect, answer):
    dripping = say_slowly(answer, pause_s=0.02)
    with HostilePve(pki, [dripping]) as server, pytest.raises(Unreachable):
        connect(server.port, ca_file=pki.ca_file, total_timeout_s=0.5).get("/version")


def test_nobody_listening_is_told_with_the_address(pki, connect):
    with HostilePve(pki, [reset]) as server:
        port = server.port

    with pytest.raises(Unreachable, match=rf"PVE at 127.0.0.1:{port} did not answer: .*[Cc]onnection refused"):
        connect(port, ca_file=pki.ca_file).get("/version")


@pytest.mark.parametrize("breaks", [reset, reset_after_request], ids=["at once", "after the request"])
def test_a_read_survives_two_broken_connections(pki, connect, breaks):
    with HostilePve(pki, [breaks, breaks, say(data({"release": "9.0"}))]) as server:
        assert connect(server.port, ca_file=pki.ca_file).get("/version") == {"release": "9.0"}

    assert server.connections == 3


@pytest.mark.parametrize("method", ["post", "put", "delete"])
@pytest.mark.parametrize("breaks", [reset, reset_after_request], ids=["at once", "after the request"])
def test_a_write_is_never_repeated_on_a_broken_connection(pki, connect, breaks, method):
    with HostilePve(pki, [breaks, say(data(None))]) as server, pytest.raises(Unreachable):
        getattr(connect(server.port, ca_file=pki.ca_file), method)("/storage/d1")

    assert server.connections == 1


def test_a_certificate_of_another_authority_never_sees_the_token(pki, strangers_pki, connect):
    with (
        HostilePve(strangers_pki, [say(data(None))]) as server,
        pytest.raises(Unreachable, match=r"no trusted TLS connection: .*certificate verify failed"),
    ):
        connect(server.port, ca_file=pki.ca_file).get("/version")

    assert (server.connections, server.requests) == (1, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_for_another_name_never_sees_the_token(tmp_path, connect, host):
    elsewhere = make_pki(tmp_path / "elsewhere", names=("pve9", "10.9.9.9"))
    with (
        HostilePve(elsewhere, [say(data(None))]) as server,
        pytest.raises(Unreachable, match=r"no trusted TLS connection: .*match"),
    ):
        connect(server.port, host=host, ca_file=elsewhere.ca_file).get("/version")

    assert server.requests == []


def test_a_certificate_that_has_ended_never_sees_the_token(tmp_path, connect):
    ended = make_pki(tmp_path / "ended", valid_days=-1)
    with HostilePve(ended, [say(data(None))]) as server, pytest.raises(Unreachable, match="certificate has expired"):
        connect(server.port, ca_file=ended.ca_file).get("/version")

    assert server.requests == []


@pytest.mark.parametrize("spelling", [str, str.lower, lambda pin: pin.replace(":", "")])
def test_the_right_fingerprint_is_enough(strangers_pki, connect, spelling):
    with HostilePve(strangers_pki, [say(data("yes"))]) as server:
        pve = connect(server.port, ca_file="/nowhere", fingerprint=spelling(strangers_pki.fingerprint))

        assert pve.get("/version") == "yes"


def test_a_wrong_fingerprint_never_sees_the_token(pki, strangers_pki, connect):
    with (
        HostilePve(strangers_pki, [say(data(None))]) as server,
        pytest.raises(Unreachable, match=r"no trusted TLS connection: .*[Ff]ingerprint"),
    ):
        connect(server.port, fingerprint=pki.fingerprint).get("/version")

    assert (server.connections, server.requests) == (1, [])


def test_an_ipv6_address_is_a_host_like_any_other(pki, connect):
    try:
        server = HostilePve(pki, [say(data("yes"))], host="::1").__enter__()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        assert connect(server.port, host="::1", ca_file=pki.ca_file).get("/version") == "yes"


@pytest.mark.parametrize("content", [None, "no certificate in here\n"])
def test_a_ca_file_that_is_none_is_named(tmp_path, connect, content):
    ca_file = tmp_path / "ca.pem"
    if content:
        ca_file.write_text(content)

    with pytest.raises(ConfigInvalid, match=r"ca\.pem cannot be used"):
        connect(8006, ca_file=str(ca_file))


def test_proxies_and_authorities_of_the_environment_are_not_used(pki, strangers_pki, connect, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", strangers_pki.ca_file)
    with HostilePve(pki, [say(data("yes"))]) as server:
        assert connect(server.port, ca_file=pki.ca_file).get("/version") == "yes"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b'{"data": [1, 2',
        b'{"data": 1, "data": 2}',
        b'{"data": NaN}',
        b'{"data": "\xff"}',
        b'["data"]',
        b'{"success": 1}',
        b"[" * 200_000,
    ],
)
def test_a_success_that_is_no_answer_is_unreadable_and_asked_once(pki, connect, body):
    with HostilePve(pki, [say(http(body))]) as server, pytest.raises(Unreadable, match="PVE's answer to /storage"):
        connect(server.port, ca_file=pki.ca_file).get("/storage")

    assert len(server.requests) == 1


def test_an_answer_beyond_64_mib_is_refused_also_when_packed(pki, connect):
    bomb = gzip.compress(b" " * (65 * 1024 * 1024), 1)
    with (
        HostilePve(pki, [say(http(bomb, headers=("Content-Encoding: gzip",)))]) as server,
        pytest.raises(Unreadable, match="larger than 67108864 bytes"),
    ):
        connect(server.port, ca_file=pki.ca_file).get("/storage")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 \r\n\r\n",
        b"HTTP/1.1 99999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: \xff\xfe://[\r\n\r\n",
    ],
)
def test_what_is_no_http_answer_ends_in_one_of_our_words(pki, connect, answer):
    with HostilePve(pki, [say(answer)]) as server, pytest.raises((Unreachable, Unreadable, ApiRefused)):
        connect(server.port, ca_file=pki.ca_file).get("/storage")


def test_neither_the_token_nor_a_password_is_ever_logged_or_told(pki, connect, caplog):
    caplog.set_level(logging.DEBUG)
    secrets = (TOKEN["secret"], "hunter2-password")
    body = json.dumps({"errors": {"password": "too short"}, "message": "Parameter verification failed.\n"}).encode()
    with HostilePve(pki, [say(http(body, "400 Parameter verification failed."))]) as server:
        pve = connect(server.port, ca_file=pki.ca_file)
        with pytest.raises(ApiRefused) as refusal:
            pve.post("/access/users", userid="x@pve", password="hunter2-password")

    told = "".join((caplog.text, str(refusal.value), repr(refusal.value), repr(pve)))
    assert not [secret for secret in secrets if secret in told]
    assert server.requests[0].headers["authorization"].endswith(TOKEN["secret"])


def test_the_error_that_is_told_is_this_calls_and_not_one_that_the_caller_was_handling(pki, connect):
    with HostilePve(pki, [reset]) as server:
        port = server.port
    try:
        raise ValueError("another story")
    except ValueError:
        with pytest.raises(Unreachable, match=r"[Cc]onnection refused"):
            connect(port, ca_file=pki.ca_file).get("/version")
