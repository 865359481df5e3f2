"""The state directory: small files written whole or not at all, by a service that must go on without them."""

from __future__ import annotations

import contextlib
import logging
import os
import threading

log = logging.getLogger(__name__)

DEFAULT = "/var/lib/pve-drbd"
_LIMIT_BYTES = 4 * 1024 * 1024


class StateDir:
    """Files below one directory. No method raises: what cannot be read is not there, what cannot be written is told.

    It is told once, and again after a write succeeded in between: a full disk must not fill the journal as well.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._has_failed = False

    def read(self, name: str) -> str:
        """The text of file `name`; '' where there is none that can be read."""
        try:
            with open(self._full(name), "rb") as file:
                return file.read(_LIMIT_BYTES).decode()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as err:
            log.warning("event=state-unreadable file=%s error=%s", self._full(name), err)
            return ""

    def has(self, name: str) -> bool:
        """There is a file `name`, readable or not."""
        return os.path.lexists(self._full(name))

    def write(self, name: str, text: str) -> bool:
        """Put `text` into file `name` so that after a crash it is there whole, old or new; False if it cannot be."""
        path = self._full(name)
        part = f"{path}.part"
        with self._turn:
            try:
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                with open(handle, "wb") as file:
                    file.write(text.encode("utf-8", "backslashreplace"))
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, path)
                _sync_folder(os.path.dirname(path))
            except OSError as err:
                self._tell(path, err)
                with contextlib.suppress(OSError):
                    os.unlink(part)
                return False
            self._has_failed = False
            return True

    def _tell(self, path: str, err: OSError) -> None:
        if not self._has_failed:
            log.error(
                "event=state-not-written file=%s error=%s consequence=%s look=%s",
                path,
                err.strerror,
                "the gate answers as before; what was seen is lost with a restart of the service",
                "df -h, mount",
            )
        self._has_failed = True

    def _full(self, name: str) -> str:
        return os.path.join(self.path, name)


def _sync_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
