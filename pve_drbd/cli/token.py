"""`pve-drbd token`: the credentials with which the other commands ask Proxmox VE's API."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

from pve_drbd.adapters.hosts import Hosts
from pve_drbd.cli import as_json
from pve_drbd.cli.arguments import add_acting
from pve_drbd.cli.worlds import TOKEN_FILE, local_commands
from pve_drbd.errors import ConfigInvalid, StepStopped
from pve_drbd.jobs.api_token import TokenPlan, make_token, plan_token
from pve_drbd.model.privileges import ROLES, USER

if TYPE_CHECKING:
    from pathlib import Path

    from pve_drbd.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    """The grammar of `token`."""
    raw = argparse.RawDescriptionHelpFormatter
    token = commands.add_parser(
        "token", help="make the API token of this node", description=_about(), formatter_class=raw
    )
    verbs = token.add_subparsers(metavar="VERB", required=True)
    create = verbs.add_parser(
        "create",
        help="make user, roles and token, and keep the token for root only",
        description=_about(),
        epilog=_EXAMPLES,
        formatter_class=raw,
    )
    create.add_argument(
        "--role",
        choices=tuple(ROLES),
        action="append",
        default=[],
        help="the job the token is for; may be given several times (default: read, which is always included)",
    )
    create.add_argument("--renew", action="store_true", help="make a new secret; the old one stops working")
    add_acting(create)
    create.set_defaults(verb=create_verb)


_EXAMPLES = """examples:
  pve-drbd token create                              the commands that would run
  pve-drbd token create --role entry --yes           for status and check, and for storage ensure
  pve-drbd token create --role entry --role recover --yes
"""


def _about() -> str:
    lines = [
        f"Makes the user {USER}, three roles, and one API token per node, and puts the token into",
        f"{TOKEN_FILE}, readable for root only. It runs pveum on this node, as root; run it on every",
        "node. User and token get the same roles, on the path /. A second run changes nothing; a token whose file is",
        "missing is made anew.",
        "",
        "roles:",
    ]
    for job, role in ROLES.items():
        lines.append(f"  {job:8} {role.name}: {role.job}")
        lines += textwrap.wrap(", ".join(role.privileges), 100, initial_indent=" " * 11, subsequent_indent=" " * 11)
    return "\n".join(lines)


def create_verb(arguments: argparse.Namespace) -> int:
    """`token create`."""
    if arguments.replay:
        raise ConfigInvalid("a token is made on a live node: leave out --replay")
    hosts, here = local_commands()
    return create(arguments, hosts, here, TOKEN_FILE)


def create(arguments: argparse.Namespace, hosts: Hosts, here: str, file: Path) -> int:
    """The same on `here`, wherever its file is to be."""
    plan = plan_token(hosts, here, arguments.role, file, renew=arguments.renew)
    is_done = bool(arguments.yes and plan.is_needed)
    if is_done:
        try:
            make_token(hosts, here, plan)
        except KeyboardInterrupt as err:
            raise StepStopped("interrupted in the middle of a change. Run this again: it looks first") from err
    _print(plan, arguments.output_format, is_done=is_done)
    return 0


def _print(plan: TokenPlan, output_format: str, *, is_done: bool) -> None:
    if output_format != "text":
        document = {
            "format": 1,
            "action": "create",
            "token": plan.name,
            "roles": list(plan.roles),
            "file": str(plan.file),
            "new_secret": plan.makes_secret,
            "commands": list(plan.shown),
            "done": is_done,
        }
        print(as_json.dump(document, output_format))
        return
    print(f"Token {plan.name} with {', '.join(plan.roles)}, kept in {plan.file}.")
    if not plan.is_needed:
        print("Nothing to do, it is as it should be.")
        return
    print("These commands ran:" if is_done else "These commands would run:")
    print("\n".join(f"  {each}" for each in plan.shown))
    if plan.makes_secret and not is_done:
        print(f"  (its secret goes into {plan.file}; a secret that is there now stops counting)")
    print("\nTry it: pve-drbd status" if is_done else "\nNothing was changed. To do it, add: --yes")
