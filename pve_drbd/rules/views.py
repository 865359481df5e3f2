"""Looking into a survey: each part is a value, or a finding that says why it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from pve_drbd.findings import Finding, find
from pve_drbd.model.drbd import Connection, Resource
from pve_drbd.model.survey import NodeAccount, NoView, Survey

T = TypeVar("T")


def account(survey: Survey, node: str) -> NodeAccount | NoView:
    """The account of `node`, or why there is none."""
    return survey.nodes.get(node, NoView(node, "account", "it was not asked"))


def missing(view: object) -> Iterator[Finding]:
    """The finding that a NoView is; nothing for a value."""
    if isinstance(view, NoView):
        code = "VIEW-E002" if view.is_damaged else "VIEW-E001"
        yield find(code, node=view.node, subject=view.subject, reason=view.reason)


def resources(survey: Survey, node: str) -> tuple[Resource, ...]:
    """The resources in the kernel of `node`; none where it could not be asked."""
    view = account(survey, node)
    if isinstance(view, NoView) or isinstance(view.drbd.resources, NoView):
        return ()
    return view.drbd.resources


def resource(survey: Survey, node: str, name: str) -> Resource | None:
    """The resource `name` in the kernel of `node`; None if it is not up there or could not be asked."""
    return next((each for each in resources(survey, node) if each.name == name), None)


def connection_to(resource: Resource, peer: str) -> Connection | None:
    """The connection to `peer`; 8.x does not name it, so a single unnamed one is taken for it."""
    named = [each for each in resource.connections if each.peer == peer]
    if named:
        return named[0]
    unnamed = [each for each in resource.connections if not each.peer]
    return unnamed[0] if len(unnamed) == 1 and len(resource.connections) == 1 else None


def hosts_of(survey: Survey, name: str) -> tuple[str, ...]:
    """The hosts that any node's configuration gives the resource `name`, in alphabetical order."""
    found: set[str] = set()
    for view in survey.nodes.values():
        if isinstance(view, NodeAccount) and not isinstance(view.drbd.config, NoView):
            config = view.drbd.config.resource(name)
            found.update(host.name for host in (config.hosts if config else ()))
    return tuple(sorted(found))


def resource_names(survey: Survey) -> tuple[str, ...]:
    """Every resource that any node has configured or up, in alphabetical order."""
    names: set[str] = set()
    for node, view in survey.nodes.items():
        names.update(each.name for each in resources(survey, node))
        if isinstance(view, NodeAccount) and not isinstance(view.drbd.config, NoView):
            names.update(each.name for each in view.drbd.config.resources)
    return tuple(sorted(names))


def value_or(view: T | NoView, default: T) -> T:
    """The value, or `default` where there is no view; only for facts whose absence is told elsewhere."""
    return default if isinstance(view, NoView) else view
