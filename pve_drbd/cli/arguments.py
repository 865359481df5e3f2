"""What arguments mean, and the options that every command has."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_common(parser: argparse.ArgumentParser, *, is_top: bool = False) -> None:
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


def add_acting(parser: argparse.ArgumentParser) -> None:
    """Options of a verb that changes something: without --yes it only shows what it would do."""
    whether = parser.add_mutually_exclusive_group()
    whether.add_argument("--yes", action="store_true", help="do it; without this, only what would be done is shown")
    whether.add_argument("--dry-run", action="store_true", help="only show what would be done (the default)")
    add_common(parser)


def vmid(text: str) -> int:
    """PVE's own range; its schema starts at 100, but old guests may have less."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 999_999_999:
        raise argparse.ArgumentTypeError(f"{text!r} is not a guest's number (1 to 999999999)")
    return int(text)


def node(text: str) -> str:
    """The name of a node."""
    if not text or not text.replace("-", "").replace(".", "").isalnum() or not text.isascii():
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a node")
    return text


def storeid(text: str) -> str:
    """The name of a storage entry. Source: pve-common PVE/JSONSchema.pm, parse_storage_id."""
    body = text.replace("-", "").replace("_", "").replace(".", "")
    if not text.isascii() or len(text) < 2 or not body.isalnum() or not text[0].isalpha() or not text[-1].isalnum():
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a storage entry")
    return text


def positive(text: str) -> float:
    """A number of seconds for which somebody waits."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.2 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds (0.2 to 3600)")
    return value
