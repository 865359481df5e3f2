"""What an operator must know beside the plan itself: what it needs, and which trap is set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pve_drbd.dialects import DIALECTS, Dialect, dialect_for
from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import ConnectionState
from pve_drbd.model.evacuation import Step
from pve_drbd.model.survey import NodeAccount, NoView, Survey
from pve_drbd.planner.groups import Split
from pve_drbd.rules.health import effective_after_sb_1pri
from pve_drbd.rules.views import account, connection_to, resource

_OF_PVE = frozenset(
    (
        *("ha-ignore", "ha-restore", "stop", "start", "move-disk", "move-back", "migrate"),
        *("move-config", "backup", "put-config-away", "restore"),
    )
)
"""Actions that write to /etc/pve or start a guest: without quorum Proxmox VE refuses them."""


def notes_of(survey: Survey, groups: Sequence[Split], steps: Sequence[Step]) -> tuple[str, ...]:
    """In one sentence each; nothing where nothing is split."""
    if not groups:
        return ()
    return (*_traps(survey, groups), *_quorum(survey, steps), *_dialects(survey, groups))


def _traps(survey: Survey, groups: Sequence[Split]) -> Iterator[str]:
    """What would take the decision out of the operator's hands."""
    for name, node, peer in (
        (name, *ends) for g in groups for name in g.resources for ends in (g.nodes, g.nodes[::-1])
    ):
        view, own = account(survey, node), resource(survey, node, name)
        link = connection_to(own, peer) if own else None
        if isinstance(view, NodeAccount) and effective_after_sb_1pri(view.drbd, name) == "discard-secondary":
            trap = "a plain connect discards a side that is Secondary"
            yield f"{name} on {node} has after-sb-1pri discard-secondary: {trap}"
        if link and link.state is ConnectionState.CONNECTING:
            yield f"{name} on {node} still waits for {peer}: the resync needs the link, once both were disconnected"


def _quorum(survey: Survey, steps: Sequence[Step]) -> Iterator[str]:
    pve = survey.pve
    if isinstance(pve, NoView) or isinstance(pve.cluster, NoView) or pve.cluster.is_quorate:
        return
    named = ", ".join(each.id for each in steps if each.action in _OF_PVE) or "none of its steps"
    yield f"Proxmox VE is not quorate, so these steps cannot run now: {named}; the steps on DRBD and LVM do not need it"


def _dialects(survey: Survey, groups: Sequence[Split]) -> Iterator[str]:
    for node in sorted({node for split in groups for node in split.nodes}):
        dialect = dialect_of(survey, node)
        if not dialect.may_act:
            yield f"{node} runs DRBD {dialect.series}: its commands are shown, and pve-drbd never runs them"


def dialect_of(survey: Survey, node: str) -> Dialect:
    """The dialect of the node's loaded module; DRBD 9's where it cannot be read, which is then told elsewhere."""
    view = account(survey, node)
    try:
        if isinstance(view, NodeAccount) and not isinstance(view.drbd.loaded, NoView):
            return dialect_for(view.drbd.loaded.version)
    except Unreadable:
        pass
    return DIALECTS["9"]
