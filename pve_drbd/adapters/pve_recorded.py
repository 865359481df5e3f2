"""PVE's answers kept in a bundle, and given again from there.

    BUNDLE/pve/index.tsv      GET path with sorted query <TAB> file [<TAB> outcome]
    BUNDLE/pve/<file>.json    what the outcome says, one JSON value and a newline

    outcome        the file holds                              a replay
    (none)         the decoded answer, `data` alone            returns it
    refused        {"status": 500, "reason": "", "fields": {}}   raises ApiRefused
    unreachable    {"why": ""}                                 raises Unreachable
    unreadable     {"line": 0, "why": ""}                      raises Unreadable

So an error can never be taken for data. Every file ends with a newline: where it is missing, something was cut off.
A path and a file stand in the index once; a path that was asked again has its last answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from pve_drbd.adapters.pve import Pve, as_sent
from pve_drbd.errors import ApiRefused, ConfigInvalid, Unreachable, Unreadable
from pve_drbd.readers.strict_json import read_json

SCRUBBED = "(scrubbed)"
MAX_FILE_BYTES = 64 * 1024 * 1024

_INDEX = "pve/index.tsv"
_PLAIN = "/:@!,"  # left as they are in the index; the rest of what a URL cannot carry is percent-encoded
_ERRORS = ("refused", "unreachable", "unreadable")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.json")

# Secrets proper, and what people write into them: notes, SSH keys (they name persons), the environment of containers.
_SECRET_KEYS = frozenset(
    {"cipassword", "description", "encryption-key", "env", "keyring", "lxc.environment", "notes", "otp", "password"}
    | {"csrfpreventiontoken", "secret", "shared-secret", "ssh-public-keys", "sshkeys", "ticket", "token", "vncticket"}
)
# In texts such as `args: -vnc :1,password=x` or a task's log with `PVEAPIToken=user@realm!name=secret`.
_SECRET_TEXT = re.compile(r"(?i)(password|passwd|secret|token)=[^\s,;\"']+")


def request_line(path: str, query: Mapping[str, str | int]) -> str:
    """The name of a GET in the index: its path, and its query sorted by key."""
    line = quote(path, safe=_PLAIN)
    return f"{line}?{urlencode(sorted(as_sent(query).items()), quote_via=quote, safe=_PLAIN)}" if query else line


class RecordingPve:
    """Asks `inner`, hands on what it says, and keeps each answer in the bundle `directory`, without secrets."""

    def __init__(self, inner: Pve, directory: Path) -> None:
        """Start a recording; `directory` must not hold one yet."""
        self._inner = inner
        self._bundle = directory
        self._index: dict[str, tuple[str, str]] = {}
        if (directory / _INDEX).exists():
            raise ConfigInvalid(f"{directory} holds a recording already. Name a new directory.")

    def get(self, path: str, /, **query: str | int) -> object:
        """See Pve.get; the answer is on the disk before it is returned."""
        line = request_line(path, query)
        try:
            data = self._inner.get(path, **query)
            self._keep(line, "", data)
        except ApiRefused as err:
            self._keep(line, "refused", {"status": err.status, "reason": err.reason, "fields": err.fields})
            raise
        except Unreachable as err:
            self._keep(line, "unreachable", {"why": err.why})
            raise
        except Unreadable as err:
            self._keep(line, "unreadable", {"line": err.line, "why": err.why})
            raise
        return data

    def _keep(self, line: str, outcome: str, value: object) -> None:
        name = self._index[line][0] if line in self._index else self._free_name(line)
        self._index[line] = (name, outcome)
        rows = ("\t".join((known, *filter(None, entry))) for known, entry in self._index.items())
        self._write(f"pve/{name}", json.dumps(_scrub(value, line), ensure_ascii=False))
        self._write(_INDEX, "\n".join(rows))

    def _write(self, name: str, text: str) -> None:
        file = self._bundle / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode("utf-8", "backslashreplace") + b"\n")
        except OSError as err:
            raise ConfigInvalid(f"{file} cannot be written: {err.strerror}. Name another directory.") from err

    def _free_name(self, line: str) -> str:
        """A file name made from the request, such as cluster-resources-type-vm.json."""
        stem = re.sub(r"[^A-Za-z0-9._]+", "-", line).strip("-._")[:100] or "root"
        taken = {name for name, _ in self._index.values()}
        name, number = f"{stem}.json", 2
        while name in taken:
            name, number = f"{stem}-{number}.json", number + 1
        return name


class ReplayPve:
    """Answers from the bundle `directory` what was recorded there, and nothing else."""

    def __init__(self, directory: Path) -> None:
        """Look at nothing yet: a bundle without PVE's half still answers for its nodes."""
        self._bundle = directory
        self._index: Mapping[str, tuple[str, str]] | None = None

    def get(self, path: str, /, **query: str | int) -> object:
        """See Pve.get; what was not recorded raises Unreachable."""
        if self._index is None:
            if not (self._bundle / "pve").is_dir():
                raise Unreachable("PVE", "not in the bundle")
            self._index = _read_index(_read_whole(self._bundle, _INDEX))
        line = request_line(path, query)
        if line not in self._index:
            raise Unreachable(f"PVE, asked for {line},", "not in the bundle")
        name, outcome = self._index[line]
        source = f"pve/{name}"
        value = read_json(_read_whole(self._bundle, source), source)
        if outcome:
            raise _recorded_error(outcome, path, source, value)
        return value


def _read_index(text: str) -> Mapping[str, tuple[str, str]]:
    index: dict[str, tuple[str, str]] = {}
    names: set[str] = set()
    for number, row in enumerate(text.removesuffix("\n").split("\n"), 1):
        match row.split("\t"):
            case [line, name]:
                outcome = ""
            case [line, name, outcome] if outcome in _ERRORS:
                pass
            case _:
                raise Unreadable(_INDEX, number, f"not a request, a file and at most one of {', '.join(_ERRORS)}")
        if not line.startswith("/") or not _FILE.fullmatch(name):
            raise Unreadable(_INDEX, number, "the first column is no path, or the second no plain file name")
        if line in index or name in names:
            raise Unreadable(_INDEX, number, "the request or the file stands there twice")
        index[line] = (name, outcome)
        names.add(name)
    return index


def _read_whole(bundle: Path, source: str) -> str:
    file = bundle / source
    try:
        if not file.is_file():
            raise Unreadable(source, 0, "missing")
        if file.stat().st_size > MAX_FILE_BYTES:
            raise Unreadable(source, 0, f"larger than {MAX_FILE_BYTES} bytes")
        raw = file.read_bytes()
    except OSError as err:
        raise Unreadable(source, 0, err.strerror or str(err)) from err
    if not raw.endswith(b"\n"):
        raise Unreadable(source, 0, "cut off: it does not end with a newline")
    try:
        return raw.decode()
    except UnicodeDecodeError as err:
        raise Unreadable(source, raw.count(b"\n", 0, err.start) + 1, "not UTF-8") from err


def _recorded_error(outcome: str, path: str, source: str, value: object) -> Exception:
    """The exception that was recorded; an Unreadable of the bundle itself if the record has not the right shape."""
    match outcome, value:
        case "refused", {"status": int(status), "reason": str(reason), "fields": dict(fields)} if all(
            isinstance(text, str) for text in fields.values()
        ):
            return ApiRefused(path, status, reason, fields)
        case "unreachable", {"why": str(why)}:
            return Unreachable("PVE", f"{why} (recorded)")
        case "unreadable", {"line": int(line), "why": str(why)}:
            return Unreadable(f"PVE's answer to {path}", line, f"{why} (recorded)")
    return Unreadable(source, 0, f"not the record of an answer that was {outcome}")


def _scrub(value: object, source: str) -> object:
    try:
        return _without_secrets(value)
    except RecursionError as err:
        raise Unreadable(f"PVE's answer to {source}", 0, "nested too deeply") from err


def _without_secrets(value: object) -> object:
    match value:
        case str():
            return _SECRET_TEXT.sub(rf"\1={SCRUBBED}", value)
        case {"key": str(key), **rest} if key.lower() in _SECRET_KEYS:  # a guest's pending changes
            return {"key": key} | dict.fromkeys(rest, SCRUBBED)
        case [str(key), str()] if key.lower() in _SECRET_KEYS:  # a container's raw lxc lines
            return [key, SCRUBBED]
        case dict():
            return {k: SCRUBBED if str(k).lower() in _SECRET_KEYS else _without_secrets(v) for k, v in value.items()}
        case list():
            return [_without_secrets(item) for item in value]
    return value
