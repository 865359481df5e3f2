"""What `pveum ... --output-format json` prints: users, roles, tokens, permissions, and a new token's secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pve_drbd.errors import Unreadable
from pve_drbd.readers.fields import Entry, Odd, entries, flag, text
from pve_drbd.readers.strict_json import read_json

_WORD = re.compile(r"[!-~]+")
_FREE = re.compile(r"[^\x00-\x1f\x7f]*")
_LIST = re.compile(r"[,;\s]+")


def read_users(answer: str) -> frozenset[str]:
    """The names of `pveum user list`."""
    return frozenset(_texts(answer, "pveum user list", "userid"))


def read_roles(answer: str) -> Mapping[str, frozenset[str]]:
    """The privileges of each role of `pveum role list`."""
    found = _listed(answer, "pveum role list")
    try:
        privileges = {text(each, "roleid", _WORD): text(each, "privs", _FREE, "") for each in found}
    except Odd as err:
        raise Unreadable("pveum role list", 0, str(err)) from err
    return {role: frozenset(filter(None, _LIST.split(words))) for role, words in privileges.items()}


def read_tokens(answer: str) -> frozenset[str]:
    """The names of `pveum user token list USER`, without the user."""
    return frozenset(_texts(answer, "pveum user token list", "tokenid"))


def read_acl(answer: str) -> frozenset[tuple[str, str, str]]:
    """(user, token or group, role) of every line of `pveum acl list` for / that is handed down: (kind, name, role)."""
    found = set()
    try:
        for each in _listed(answer, "pveum acl list"):
            if text(each, "path", _WORD) == "/" and flag(each, "propagate", None):
                found.add((text(each, "type", _WORD), text(each, "ugid", _WORD), text(each, "roleid", _WORD)))
    except Odd as err:
        raise Unreadable("pveum acl list", 0, str(err)) from err
    return frozenset(found)


def read_new_token(answer: str) -> str:
    """The secret of `pveum user token add`, which is told this once; no error repeats any of the answer."""
    source = "pveum user token add"
    document = read_json(answer, source)
    secret = document.get("value") if isinstance(document, dict) else None
    if not isinstance(secret, str) or not _WORD.fullmatch(secret):
        raise Unreadable(source, 0, "it holds no secret")
    return secret


def read_permissions(answer: str) -> frozenset[str]:
    """The privileges on / of `pveum user token permissions`."""
    source = "pveum user token permissions"
    document = read_json(answer, source)
    root = document.get("/", {}) if isinstance(document, dict) else None
    if not isinstance(root, dict):
        raise Unreadable(source, 0, "it holds no privileges of the path /")
    return frozenset(root)


def _texts(answer: str, source: str, key: str) -> list[str]:
    try:
        return [text(each, key, _WORD) for each in _listed(answer, source)]
    except Odd as err:
        raise Unreadable(source, 0, str(err)) from err


def _listed(answer: str, source: str) -> list[Entry]:
    try:
        return entries(read_json(answer, source), "the answer")
    except Odd as err:
        raise Unreadable(source, 0, str(err)) from err
