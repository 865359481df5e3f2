"""The sheet on which a plan's steps are written, and what every step of a group is written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pve_drbd.dialects import Dialect
from pve_drbd.model.evacuation import Group, GuestPlan, Rates, Step, VolumeChange
from pve_drbd.planner.setting import Subject

Condition = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the steps of one group are written from.

    `volumes` are all that the discard concerns, `subjects` the guests with their own, by vmid. `ha` maps a guest that
    HA manages to the state it was asked to be in. `after` are the steps that every other one waits for.
    """

    group: Group
    guests: tuple[GuestPlan, ...]
    volumes: tuple[VolumeChange, ...]
    dialect: Dialect
    subjects: Mapping[int, Subject]
    ha: Mapping[int, str]
    resync_mib: Mapping[str, int]
    rates: Rates
    prefix: str
    after: tuple[str, ...] = ()


class Script:
    """The steps so far; each new one gets the next number."""

    def __init__(self, prefix: str, after: Sequence[str] = ()) -> None:
        self._prefix = prefix
        self._after = after
        self.steps: list[Step] = []

    def add(
        self,
        action: str,
        node: str,
        shown: str,
        *,
        needs: Sequence[str] = (),
        pre: Sequence[Condition] = (),
        post: Sequence[Condition] = (),
        is_repeatable: bool = True,
        is_no_return: bool = False,
        estimate_s: int = 1,
        **args: str,
    ) -> str:
        """Append a step and give its id."""
        name = f"{self._prefix}{len(self.steps) + 1:03d}"
        # A step that takes three times its estimate, and a minute, hangs.
        timeout_s = max(60, 3 * estimate_s)
        words = (name, action, node, dict(args), tuple(needs or self._after), tuple(pre), tuple(post))
        self.steps.append(Step(*words, is_repeatable, is_no_return, timeout_s, estimate_s, shown))
        return name
