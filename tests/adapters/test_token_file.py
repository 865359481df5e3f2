"""The file that holds the API token: for root only, and never quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pve_drbd.adapters.pve import PORT
from pve_drbd.adapters.token import read_token
from pve_drbd.errors import ConfigInvalid

SECRET = "11111111-2222-3333-4444-555555555555"
WHOLE = f'user = "pve-drbd@pve"\ntoken_name = "guard"\nsecret = "{SECRET}"\n'


def written(tmp_path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "token.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def test_a_token_leads_to_this_nodes_own_api_unless_the_file_says_more(tmp_path: Path):
    token = read_token(written(tmp_path, WHOLE), "pveA")

    assert (token.user, token.token_name, token.secret) == ("pve-drbd@pve", "guard", SECRET)
    assert (token.host, token.port, token.fingerprint) == ("localhost", PORT, None)


def test_the_file_may_name_another_place(tmp_path: Path):
    more = 'host = "pveB"\nport = 8443\nca_file = "/etc/ssl/own.pem"\n'

    token = read_token(written(tmp_path, WHOLE + more), "pveA")

    assert (token.host, token.port, token.ca_file) == ("pveB", 8443, "/etc/ssl/own.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int):
    with pytest.raises(ConfigInvalid, match=r"holds a secret and others may read it. Correct it: chmod 600"):
        read_token(written(tmp_path, WHOLE, mode), "pveA")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match=r"there is no API token for pve-drbd: .*No such file or directory"):
        read_token(tmp_path / "token.toml", "pveA")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (WHOLE[:-2], "is not TOML"),
        (WHOLE.encode() + b"# \xff\n", "is not TOML: byte .* is not UTF-8"),
        (WHOLE + 'colour = "red"\n', "colour is not known"),
        (WHOLE + 'port = "8006"\n', "port is not known or not of the right kind"),
        (WHOLE + "port = true\n", "port is not known or not of the right kind"),
        (WHOLE + "port = 0\n", "0 is not a port"),
        (WHOLE.replace("pve-drbd@pve", "nobody"), "user 'nobody' is not of the form"),
        (WHOLE.split("\n", 1)[1], "user is missing"),
        ("", "user, token_name, secret is missing"),
        (WHOLE.replace(SECRET, f"{SECRET} x"), "has blanks in it"),
    ],
)
def test_a_file_that_is_not_what_it_must_be_is_refused_without_showing_the_secret(
    tmp_path: Path, content: str | bytes, words: str
):
    with pytest.raises(ConfigInvalid, match=words) as refused:
        read_token(written(tmp_path, content), "pveA")
    assert SECRET not in str(refused.value)
