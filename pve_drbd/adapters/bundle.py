"""A bundle's frame: its bundle.json, and its files read without trusting who made them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from pve_drbd.adapters.hosts import OUTPUT_LIMIT_BYTES, as_bytes, as_text
from pve_drbd.errors import ConfigInvalid, Unreadable
from pve_drbd.readers.strict_json import read_json

FORMAT = 1
_ABOUT = "bundle.json"
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class About:
    """What a bundle says of itself: when and on which node it was taken, by which version, and somebody's note."""

    taken_at: str
    taken_on: str
    note: str = ""
    pve_drbd: str = ""


def start_bundle(directory: str | os.PathLike[str], about: About) -> None:
    """Make `directory`, readable for its owner only, with a bundle.json; refuse one that holds something already."""
    path = os.fspath(directory)
    content = {"format": FORMAT, "taken_at": about.taken_at, "taken_on": about.taken_on, "pve_drbd": about.pve_drbd}
    if about.note:
        content["note"] = about.note
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        if os.listdir(path):
            raise ConfigInvalid(f"{path} is not empty, and nothing there is overwritten. Name a new directory")
    except OSError as err:
        raise ConfigInvalid(f"{path} cannot hold a bundle: {err.strerror}. Name another directory") from err
    write_file(path, _ABOUT, json.dumps(content) + "\n")


def read_about(directory: str | os.PathLike[str]) -> About:
    """What the bundle in `directory` says of itself; ConfigInvalid if it is none, or of another format."""
    path = os.fspath(directory)
    if not os.path.lexists(os.path.join(path, _ABOUT)):
        raise ConfigInvalid(f"{path} is not a bundle: it has no {_ABOUT}. Bundles are made by: pve-drbd collect DIR")
    content = read_json(read_file(path, _ABOUT), _ABOUT)
    if not isinstance(content, dict):
        raise Unreadable(_ABOUT, 0, "it is not a JSON object")
    version = content.get("format")
    if isinstance(version, bool) or not isinstance(version, int):
        raise Unreadable(_ABOUT, 0, f"`format` is {version!r}, not a number")
    if version != FORMAT:
        raise ConfigInvalid(f"{path} is a bundle of format {version}, this pve-drbd reads {FORMAT}. Update pve-drbd")
    texts = {key: content.get(key, "") for key in ("taken_at", "taken_on", "note", "pve_drbd")}
    for key, text in texts.items():
        if not isinstance(text, str) or (not text and key in ("taken_at", "taken_on")):
            raise Unreadable(_ABOUT, 0, f"`{key}` is {text!r}, not a text")
    if not _TIME.fullmatch(texts["taken_at"]):
        raise Unreadable(_ABOUT, 0, f"`taken_at` is {texts['taken_at']!r}, not a time such as 2026-11-22T10:27:36Z")
    return About(**texts)


def read_file(directory: str, name: str) -> str:
    """The text of file `name` below `directory`; Unreadable if it is missing, too large, or no plain file.

    A bundle may come from a stranger and be read by root: a link is not followed, a pipe or device not opened for long.
    """
    with _told_as_unreadable(name):
        handle = os.open(os.path.join(directory, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Unreadable(name, 0, "it is not a plain file")
            data = file.read(OUTPUT_LIMIT_BYTES + 1)
    if len(data) > OUTPUT_LIMIT_BYTES:
        raise Unreadable(name, 0, f"it is larger than {OUTPUT_LIMIT_BYTES // 2**20} MiB")
    return as_text(data)


def write_file(directory: str, name: str, text: str) -> None:
    """Put `text` into file `name` below `directory`, whole or not at all, readable for its owner only."""
    path = os.path.join(directory, name)
    part = f"{path}.part"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            file.write(as_bytes(text))
        os.replace(part, path)
    except OSError as err:
        raise ConfigInvalid(f"{path} cannot be written: {err.strerror}. Name another directory") from err


def remove_file(directory: str, name: str) -> None:
    """Take file `name` below `directory` away, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, name))


@contextlib.contextmanager
def _told_as_unreadable(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as err:
        raise Unreadable(name, 0, "it is missing in the bundle") from err
    except OSError as err:
        raise Unreadable(name, 0, err.strerror or str(err)) from err
