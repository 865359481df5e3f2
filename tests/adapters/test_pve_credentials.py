"""An API token is used only whole, for a place that can be named, and is not shown."""

import pytest

from pve_drbd.adapters.pve import Credentials, trust_on_node
from pve_drbd.errors import ConfigInvalid

GOOD = {"user": "drbd@pve", "token_name": "gate", "secret": "5eca7000-1111-2222-3333-444444444444"}


def test_a_token_is_for_this_node_and_the_clusters_authority_unless_told():
    credentials = Credentials(**GOOD)

    assert (credentials.host, credentials.port) == ("localhost", 8006)
    assert credentials.ca_file == "/etc/pve/pve-root-ca.pem"


def test_a_token_does_not_show_its_secret():
    assert GOOD["secret"] not in repr(Credentials(**GOOD))


@pytest.mark.parametrize("host", ["pve1", "pve1.example.org", "10.0.7.105", "::1", "fe80::1", "pve_1"])
def test_a_name_or_an_address_is_a_host(host):
    assert Credentials(**GOOD, host=host).host == host


@pytest.mark.parametrize("fingerprint", ["AB:" * 31 + "cd", "ab" * 32])
def test_a_fingerprint_is_taken_with_and_without_colons(fingerprint):
    assert Credentials(**GOOD, fingerprint=fingerprint).fingerprint == fingerprint


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "root"},
        {"user": "root@pam!x"},
        {"user": "root@pam\r\nX: y"},
        {"token_name": ""},
        {"token_name": "a=b"},
        {"secret": ""},
        {"secret": "5eca7000 1111"},
        {"secret": "5eca7000\r\nX: y"},
        {"secret": "5eca7000-é"},
        {"host": ""},
        {"host": "user@pve1"},
        {"host": "pve1/x"},
        {"host": "pve1:8006"},
        {"host": "[::1]"},
        {"port": 0},
        {"port": 65536},
        {"fingerprint": "AB:CD"},
        {"fingerprint": ""},
    ],
)
def test_what_would_break_out_of_a_header_or_an_address_is_refused_without_the_secret(wrong):
    with pytest.raises(ConfigInvalid, match="The API token cannot be used") as refusal:
        Credentials(**GOOD | wrong)

    assert "5eca7000" not in str(refusal.value)


def test_a_node_with_pves_own_certificate_is_trusted_by_the_clusters_authority(tmp_path):
    assert trust_on_node("pve1", tmp_path / "none.pem") == ("localhost", "/etc/pve/pve-root-ca.pem")


def test_a_node_with_a_certificate_of_the_administrators_is_trusted_by_its_name(tmp_path):
    (tmp_path / "pveproxy-ssl.pem").touch()

    host, ca_file = trust_on_node("pve1", tmp_path / "pveproxy-ssl.pem")

    assert (host, ca_file) == ("pve1", "/etc/ssl/certs/ca-certificates.crt")
