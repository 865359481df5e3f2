"""One look at the world shared by everybody who asked before it began."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedLook(Generic[T]):
    """Answers each asker from a look that began after it asked, however many ask at once.

    Evidence must be read at the time of asking, and an LVM command at a time is all that a node may run: so askers
    that come while a look is under way wait for the next one, and share it.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        """`look` gathers the evidence; what it raises reaches everybody who waited for it."""
        self._look = look
        self._changed = threading.Condition()
        self._is_looking = False
        self._begun = 0
        self._done: tuple[int, T | None, BaseException | None] = (0, None, None)

    def take(self, deadline_s: float, monotonic: Callable[[], float]) -> T:
        """A look begun from now on; raises TimeoutError at `deadline_s` of the clock `monotonic`."""
        with self._changed:
            wanted = self._begun + 1
            while self._done[0] < wanted:
                if not self._is_looking:
                    self._is_looking = True
                    self._begun += 1
                    threading.Thread(target=self._run, args=(self._begun,), name="look", daemon=True).start()
                if not self._changed.wait(max(0.0, deadline_s - monotonic())):
                    raise TimeoutError
            _, found, failure = self._done
        if failure is not None:
            raise failure
        return found  # type: ignore[return-value]

    def _run(self, number: int) -> None:
        found: T | None = None
        failure: BaseException | None = None
        try:
            found = self._look()
        except BaseException as err:
            failure = err
        with self._changed:
            self._is_looking = False
            self._done = (number, found, failure)
            self._changed.notify_all()
