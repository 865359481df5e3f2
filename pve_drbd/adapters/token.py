"""The API token of this node: a TOML file that only root may read."""

from __future__ import annotations

import contextlib
import json
import os
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
        raw = path.read_bytes()
    except OSError as err:
        raise ConfigInvalid(
            f"there is no API token for pve-drbd: {path}: {err.strerror}. Make one: pve-drbd token create --yes"
        ) from err
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigInvalid(f"{path} holds a secret and others may read it. Correct it: chmod 600 {path}")
    try:
        table = tomllib.loads(raw.decode())
    except UnicodeDecodeError as err:
        raise ConfigInvalid(f"{path} is not TOML: byte {err.start} is not UTF-8") from err
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


def token_in(path: Path) -> tuple[str, str] | None:
    """(user, token name) of the file; None where there is none, or none that can be used as it stands."""
    try:
        found = read_token(path, "localhost")
    except ConfigInvalid:
        return None
    return found.user, found.token_name


def write_token(path: Path, user: str, token_name: str, secret: str) -> None:
    """Put the token into `path`, for root only, whole or not at all; where to find the API stays as the file had it.

    Raises ConfigInvalid; no error shows the secret.
    """
    settings = _places(path) | {"user": user, "token_name": token_name, "secret": secret}
    lines = [f"{key} = {json.dumps(settings[key])}" for key in _KEYS if key in settings]
    text = "# Made by pve-drbd token create; for root only.\n" + "\n".join(lines) + "\n"
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as err:
        with contextlib.suppress(OSError):
            part.unlink()
        why = f"{path} cannot be written: {err.strerror}"
        raise ConfigInvalid(f"{why}. The token is lost with that: put it right, then run this again") from err


def _places(path: Path) -> dict[str, object]:
    """What an earlier file says of host, port and certificate."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: table[key] for key in ("host", "port", "ca_file", "fingerprint") if key in table}
