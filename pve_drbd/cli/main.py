"""The command `pve-drbd`: its arguments, what each verb does, and the exit code that scripts rely on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pve_drbd import __version__
from pve_drbd.cli import verbs
from pve_drbd.errors import PveDrbdError

USAGE_EXIT = 2
UNEXPECTED_EXIT = 3

_EXIT_CODES = """exit codes:
  0  yes, healthy, done            3  could not find out
  1  no (something forbids it)     4  a plan stopped half-way
  2  wrong usage or configuration  5  another run holds the lock
"""


def run() -> None:
    """The entry point: run and leave with the exit code."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; gives the exit code, and lets nothing but that out."""
    try:
        arguments = build_parser().parse_args(argv)
        verb: Callable[[argparse.Namespace], int] = arguments.verb
        code = verb(arguments)
        sys.stdout.flush()
    except PveDrbdError as err:
        print(f"pve-drbd: {err}", file=sys.stderr)
        return err.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (a pager that was quit): nothing is wrong, nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("pve-drbd: interrupted; nothing was changed", file=sys.stderr)
        return UNEXPECTED_EXIT
    except SystemExit as err:
        return err.code if isinstance(err.code, int) else USAGE_EXIT
    except Exception as err:
        if os.environ.get("PVE_DRBD_TRACE"):
            raise
        words = f"{type(err).__name__}: {err}"
        print(
            f"pve-drbd: this is an error in pve-drbd itself, and no answer: {words}. "
            "Run it again with PVE_DRBD_TRACE=1 and report what it prints.",
            file=sys.stderr,
        )
        return UNEXPECTED_EXIT
    return code


def build_parser() -> argparse.ArgumentParser:
    """The grammar of the command line; man page and completion are made from it."""
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
    _add_explain(commands)
    _add_collect(commands)
    _add_serve(commands)
    return parser


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def _add_common(parser: argparse.ArgumentParser, *, is_top: bool = False) -> None:
    """Options that may stand before or after the verb; only the first parser has defaults, or a later would undo it."""
    parser.add_argument(
        "--replay",
        metavar="DIR",
        default=None if is_top else argparse.SUPPRESS,
        help="answer from a recorded bundle instead of the live pair",
    )
    parser.add_argument(
        "--output-format",
        choices=("text", "json", "json-pretty"),
        default="text" if is_top else argparse.SUPPRESS,
        help="text for people (default), JSON for programs",
    )


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


def _vmid(text: str) -> int:
    """PVE's own range; its schema starts at 100, but old guests may have less."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 999_999_999:
        raise argparse.ArgumentTypeError(f"{text!r} is not a guest's number (1 to 999999999)")
    return int(text)


def _node(text: str) -> str:
    if not text or not text.replace("-", "").replace(".", "").isalnum() or not text.isascii():
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a node")
    return text


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.2 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds (0.2 to 3600)")
    return value
