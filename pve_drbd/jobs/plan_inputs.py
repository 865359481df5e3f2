"""What a plan needs beside the survey: what is free where, what ran where, and what changed on which side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pve_drbd.adapters.pve import Pve
from pve_drbd.errors import PveDrbdError
from pve_drbd.jobs.survey import World
from pve_drbd.model.evacuation import Rates, Wishes
from pve_drbd.model.survey import NoView, Survey
from pve_drbd.model.task import Upid
from pve_drbd.planner.survivor import Inputs
from pve_drbd.readers.pve_resources import read_node_status, read_storage_status, read_tasks
from pve_drbd.rules.changes import volume_changes
from pve_drbd.rules.views import resource_names

T = TypeVar("T")
TASK_LIMIT = 1000
"""A log with fewer tasks than were asked for is whole; from one that may be cut off nothing is concluded."""


def gather_inputs(world: World, survey: Survey, wishes: Wishes, rates: Rates | None = None) -> tuple[Inputs, str]:
    """The inputs, and, where PVE could not say what is free, why: then nothing has any room."""
    try:
        pve: Pve = world.pve()
    except PveDrbdError as err:
        changes = volume_changes(survey, resource_names(survey))
        return Inputs(changes, (), (), rates or Rates(), wishes), str(err)
    storages = _ask(lambda: read_storage_status(pve.get("/cluster/resources", type="storage")), "what is free")
    memory = _ask(lambda: read_node_status(pve.get("/cluster/resources", type="node")), "the nodes' memory")
    tasks = {node: _tasks(pve, node) for node in sorted(survey.nodes)}
    changes = volume_changes(survey, resource_names(survey), tasks)
    why = next((each.reason for each in (storages, memory) if isinstance(each, NoView)), "")
    room = () if isinstance(storages, NoView) else storages
    ram = () if isinstance(memory, NoView) else memory
    return Inputs(changes, room, ram, rates or Rates(), wishes), why


def _tasks(pve: Pve, node: str) -> tuple[Upid, ...] | NoView:
    """The whole task log of `node`; a NoView where it may not be whole."""
    found = _ask(lambda: read_tasks(pve.get(f"/nodes/{node}/tasks", limit=TASK_LIMIT, source="all")), "the task log")
    if not isinstance(found, NoView) and len(found) >= TASK_LIMIT:
        return NoView(node, "the task log", f"it has more than {TASK_LIMIT} tasks, and older ones were not read")
    return found


def _ask(question: Callable[[], T], subject: str) -> T | NoView:
    try:
        return question()
    except PveDrbdError as err:
        return NoView("PVE", subject, str(err))
