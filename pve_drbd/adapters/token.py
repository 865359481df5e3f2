"""The API token of this node: a TOML file that only root may read."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

from pve_drbd.adapters.pve import PORT, Credentials, trust_on_node
from pve_drbd.errors import ConfigInvalid

_KEYS = {"user": str, "token_name": str, "secret": str, "host": str, "port": int, "ca_file": str, "fingerprint": str}


def read_token(path: Path, node: str) -> Credentials:
    """The credentials in `path`, for pveproxy on `node` unless the file names another host.

    Raises ConfigInvalid where the file is missing, readable for others, or not what it must be; never shows the secret.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        raise ConfigInvalid(f"there is no API token for pve-drbd: {path}: {err.strerror}. See docs/install.md") from err
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigInvalid(f"{path} holds a secret and others may read it. Correct it: chmod 600 {path}")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise ConfigInvalid(f"{path} is not TOML: {err}") from err
    for key, value in table.items():
        if key not in _KEYS or not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            raise ConfigInvalid(f"{path}: {key} is not known or not of the right kind; known: {', '.join(_KEYS)}")
    missing = [key for key in ("user", "token_name", "secret") if key not in table]
    if missing:
        raise ConfigInvalid(f"{path}: {', '.join(missing)} is missing")
    host, ca_file = trust_on_node(node)
    return Credentials(
        user=table["user"],
        token_name=table["token_name"],
        secret=table["secret"],
        host=table.get("host", host),
        port=table.get("port", PORT),
        ca_file=table.get("ca_file", ca_file),
        fingerprint=table.get("fingerprint"),
    )
