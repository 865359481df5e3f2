"""Makes the user, the roles and the token with which pve-drbd asks the API; as root, through pveum on this node."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.adapters.token import token_in, write_token
from pve_drbd.errors import StepStopped
from pve_drbd.model.privileges import ROLES, USER
from pve_drbd.readers.access import (
    read_acl,
    read_new_token,
    read_permissions,
    read_roles,
    read_tokens,
    read_users,
)

log = logging.getLogger(__name__)

# pveum loads the whole API, and waits 10 s for the lock of user.cfg.
_TIMEOUT_S = 60.0
_JSON = ("--output-format", "json")


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """Which token gets which roles, and the commands that are still missing for that, in their order.

    A token's secret is told once, when it is made: a token without its file is of no use, and is made anew.
    """

    token: str
    roles: tuple[str, ...]
    file: Path
    commands: tuple[tuple[str, ...], ...]
    makes_secret: bool

    @property
    def name(self) -> str:
        """`user!token`, as Proxmox VE writes it."""
        return f"{USER}!{self.token}"

    @property
    def is_needed(self) -> bool:
        """There is something to do."""
        return bool(self.commands)

    @property
    def shown(self) -> tuple[str, ...]:
        """The commands, for a person."""
        return tuple(shlex.join(each) for each in self.commands)


def token_of(node: str) -> str:
    """Each node has a token of its own, so that one can be taken back alone; names must begin with a letter."""
    return f"drbd-{node}"


def plan_token(hosts: Hosts, here: str, jobs: Sequence[str], file: Path, *, renew: bool = False) -> TokenPlan:
    """Look at what is there, and find the commands that are missing; `jobs` are keys of ROLES."""
    roles = tuple(ROLES[job].name for job in ROLES if job in (*jobs, "read"))
    token = token_of(here)
    users = read_users(_ask(hosts, here, ("user", "list")))
    tokens = read_tokens(_ask(hosts, here, ("user", "token", "list", USER))) if USER in users else frozenset()
    known = read_roles(_ask(hosts, here, ("role", "list")))
    acl = read_acl(_ask(hosts, here, ("acl", "list")))
    makes_secret = renew or token not in tokens or token_in(file) != (USER, token)
    commands = [
        *_role_commands(known),
        *([("user", "add", USER, "--comment", "pve-drbd: asks the API")] if USER not in users else []),
        *_acl_commands(acl, "user", USER, roles, may_have_more=True),
    ]
    if makes_secret:
        remark = ("--comment", f"pve-drbd on {here}: its secret is in {file}")
        commands += [("user", "token", "remove", USER, token)] if token in tokens else []
        commands.append(("user", "token", "add", USER, token, "--privsep", "1", *remark, *_JSON))
    # A token that is removed takes its permissions with it.
    acl_left = frozenset() if makes_secret else acl
    commands += _acl_commands(acl_left, "token", f"{USER}!{token}", roles, may_have_more=False)
    return TokenPlan(token, roles, file, tuple(("pveum", *each) for each in commands), makes_secret)


def make_token(hosts: Hosts, here: str, plan: TokenPlan) -> None:
    """Run the commands of `plan`, keep the secret the moment it is told, and see that the token may do what it must."""
    for command in plan.commands:
        log.info("step=token event=intended command=%s", shlex.join(command))
        out = _run(hosts, here, command)
        if command[1:4] == ("user", "token", "add"):
            write_token(plan.file, USER, plan.token, read_new_token(out))
    wanted = {each for role in ROLES.values() if role.name in plan.roles for each in role.needs}
    asked = ("user", "token", "permissions", USER, plan.token, "--path", "/")
    missing = sorted(wanted - read_permissions(_ask(hosts, here, asked)))
    if missing:
        raise StepStopped(
            f"the token {plan.name} was made, but has not {', '.join(missing)}. "
            f"See: pveum user token permissions {USER} {plan.token}"
        )


def _role_commands(known: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, ...]]:
    for role in ROLES.values():
        privileges = ("--privs", ",".join(role.privileges))
        if role.name not in known:
            yield ("role", "add", role.name, *privileges)
        elif known[role.name] != set(role.needs):
            yield ("role", "modify", role.name, *privileges)


def _acl_commands(
    acl: frozenset[tuple[str, str, str]], kind: str, name: str, roles: Sequence[str], *, may_have_more: bool
) -> Iterator[tuple[str, ...]]:
    """Give `name` the roles on /. Permissions on a deeper path would replace these there, so all stand on one path."""
    ours = {role.name for role in ROLES.values()}
    has = {role for each, owner, role in acl if (each, owner) == (kind, name)}
    lacks = [role for role in roles if role not in has]
    extra = sorted((has & ours) - set(roles))
    if lacks:
        yield ("acl", "modify", "/", f"--{kind}s", name, "--roles", ",".join(lacks))
    if extra and not may_have_more:
        yield ("acl", "delete", "/", f"--{kind}s", name, "--roles", ",".join(extra))


def _ask(hosts: Hosts, here: str, words: tuple[str, ...]) -> str:
    return _run(hosts, here, ("pveum", *words, *_JSON))


def _run(hosts: Hosts, here: str, argv: tuple[str, ...]) -> str:
    """What `argv` printed; StepStopped with its own last words where it failed."""
    result = hosts.run(here, argv, _TIMEOUT_S)
    if result.exit_code:
        words = (result.err.strip() or f"it ended with exit code {result.exit_code}").splitlines()[-1]
        raise StepStopped(f"`{shlex.join(argv)}` failed: {words}. Put that right, then run this again")
    return result.out
