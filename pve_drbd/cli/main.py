"""The command `pve-drbd`: its arguments, what each verb does, and the exit code that scripts rely on."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pve_drbd import __version__
from pve_drbd.cli import verbs
from pve_drbd.cli.arguments import add_common as _add_common
from pve_drbd.cli.arguments import node as _node
from pve_drbd.cli.arguments import positive as _positive
from pve_drbd.cli.arguments import vmid as _vmid
from pve_drbd.errors import PveDrbdError
from pve_drbd.readers.fields import printable

if TYPE_CHECKING:
    from pve_drbd.cli.arguments import Commands

USAGE_EXIT = 2
UNEXPECTED_EXIT = 3

_GROUPS: Mapping[str, str] = {
    "storage": "pve_drbd.cli.storage",
    "hook": "pve_drbd.cli.hook",
    "token": "pve_drbd.cli.token",
}
"""Verbs with verbs of their own, and the module that has their grammar."""

_EXIT_CODES = """exit codes:
  0  yes, healthy, done            3  could not find out
  1  no (something forbids it)     4  a plan stopped half-way
  2  wrong usage or configuration  5  another run holds the lock
"""


def run() -> None:
    """The entry point: run and leave with the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that this terminal has no letters for is shown by their numbers, and stops nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; gives the exit code, and lets nothing but that out."""
    code = UNEXPECTED_EXIT
    try:
        arguments = build_parser(argv).parse_args(argv)
        verb: Callable[[argparse.Namespace], int] = arguments.verb
        code = verb(arguments)
        sys.stdout.flush()
    except PveDrbdError as err:
        _complain(str(err))
        return err.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (a pager that was quit), and nobody is left to tell. The exit code stays
        # what it was: an answer that was not given yet is none, and never a yes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        _complain("interrupted")
        return UNEXPECTED_EXIT
    except SystemExit as err:
        return err.code if isinstance(err.code, int) else USAGE_EXIT
    except Exception as err:
        if os.environ.get("PVE_DRBD_TRACE"):
            raise
        words = f"{type(err).__name__}: {err}"
        _complain(
            f"this is an error in pve-drbd itself, and no answer: {words}. "
            "Run it again with PVE_DRBD_TRACE=1 and report what it prints."
        )
        return UNEXPECTED_EXIT
    return code


def _complain(words: str) -> None:
    print(f"pve-drbd: {printable(words)}", file=sys.stderr)


def build_parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The grammar of the command line; man page and completion are made from it.

    Groups of verbs are left out if `argv` names a verb that is not theirs: their imports cost more than a check.
    """
    parser = argparse.ArgumentParser(
        prog="pve-drbd",
        description="Guards Proxmox VE guests on a dual-primary DRBD pair.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pve-drbd {__version__}")
    _add_common(parser, is_top=True)
    commands = parser.add_subparsers(metavar="VERB", required=True)
    _add_status(commands)
    _add_check(commands)
    _add_plan(commands)
    _add_explain(commands)
    _add_collect(commands)
    _add_serve(commands)
    is_named = not {*commands.choices, *_GROUPS}.isdisjoint(argv)
    for name, module in _GROUPS.items():
        if name in argv or not is_named:
            importlib.import_module(module).add_to(commands)
    return parser


def _add_status(commands: Commands) -> None:
    status = commands.add_parser("status", help="show both nodes' accounts of the pair, and what is wrong")
    status.add_argument("--watch", action="store_true", help="keep it current until Ctrl-C")
    status.add_argument("--interval", type=_positive, default=2.0, metavar="SECONDS", help="with --watch (default 2)")
    _add_common(status)
    status.set_defaults(verb=verbs.status)


def _add_check(commands: Commands) -> None:
    check = commands.add_parser("check", help="ask whether something may be done now")
    questions = check.add_subparsers(metavar="QUESTION", required=True)
    migration = questions.add_parser("migration", help="may a guest move to another node")
    migration.add_argument("vmid", type=_vmid, metavar="VMID")
    migration.add_argument("--to", required=True, metavar="NODE", dest="target", type=_node, help="the target node")
    modes = migration.add_mutually_exclusive_group()
    modes.add_argument(
        "--live", action="store_true", help="the guest runs on while it moves (default for a running VM)"
    )
    modes.add_argument("--offline", action="store_true", help="the guest is stopped; only its configuration moves")
    modes.add_argument("--restart", action="store_true", help="the container is stopped, moved and started there")
    _add_common(migration)
    migration.set_defaults(verb=verbs.check_migration)
    start = questions.add_parser("start", help="may a guest start on the node where it is")
    start.add_argument("vmid", type=_vmid, metavar="VMID")
    _add_common(start)
    start.set_defaults(verb=verbs.check_start)


def _add_plan(commands: Commands) -> None:
    plan = commands.add_parser("plan", help="after a split brain: who survives, who must be saved first, and how")
    kinds = plan.add_subparsers(metavar="KIND", required=True)
    evacuation = kinds.add_parser("evacuation", help="the whole plan; nothing is changed")
    evacuation.add_argument("--out", metavar="FILE", help="also write plan.json")
    evacuation.add_argument("--html", metavar="FILE", help="also write one self-contained page")
    _add_wishes(evacuation)
    evacuation.set_defaults(verb=verbs.plan_evacuation)
    explain = kinds.add_parser("explain", help="why a guest is saved this way, and what else there was")
    explain.add_argument("vmid", type=_vmid, metavar="VMID")
    _add_wishes(explain)
    explain.set_defaults(verb=verbs.plan_explain)


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    """What the operator decides, and the plan then rests on."""
    for option, metavar, words in (
        ("--survivor", "[RESOURCE=]NODE", "the side that survives, of one resource or of all"),
        ("--priority", "VMID=N", "how much a second of this guest's downtime weighs"),
        ("--side", "VMID=NODE", "whose copy of this guest counts, where both sides may have changed it"),
    ):
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=words)
    parser.add_argument(
        "--abandon", metavar="VMID", action="append", default=[], type=_vmid, help="give up this guest's data"
    )
    _add_common(parser)


def _add_explain(commands: Commands) -> None:
    explain = commands.add_parser("explain", help="say what a finding's code means and what to do")
    explain.add_argument("code", metavar="CODE", nargs="?", help="such as DRBD-E102; without it, every code is listed")
    _add_common(explain)
    explain.set_defaults(verb=verbs.explain)


def _add_collect(commands: Commands) -> None:
    collect = commands.add_parser("collect", help="record the pair as a bundle that replays, without secrets")
    collect.add_argument("directory", metavar="DIR", help="a directory that does not exist yet")
    _add_common(collect)
    collect.set_defaults(verb=verbs.collect)


def _add_serve(commands: Commands) -> None:
    serve = commands.add_parser("serve", help="answer the storage plugin's questions (started by systemd)")
    serve.add_argument("--socket", metavar="PATH", default="/run/pve-drbd/gate.sock", help="where, if not from systemd")
    serve.add_argument("--config", metavar="FILE", default="/etc/pve-drbd/config.toml", help="the configuration")
    _add_common(serve)
    serve.set_defaults(verb=verbs.serve)
