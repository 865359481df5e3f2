"""`pve-drbd storage`: shows, makes, mends and converts the storage entries on volume groups on DRBD."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pve_drbd.adapters.pve import WritablePve
from pve_drbd.adapters.state_dir import DEFAULT
from pve_drbd.cli import storage_views as views
from pve_drbd.cli.arguments import add_acting, add_common, node, storeid
from pve_drbd.cli.worlds import Opener, open_world
from pve_drbd.errors import ConfigInvalid, StepStopped
from pve_drbd.jobs.entry_files import EntryMemory, known_entries, wanted_entries
from pve_drbd.jobs.plugin_account import gather_plugins
from pve_drbd.jobs.storage_entry import Desk, EntryRun, carry_out
from pve_drbd.jobs.survey import World, nodes_of_pair, take_survey
from pve_drbd.model.entry import WantedEntry
from pve_drbd.model.pve import StorageEntry
from pve_drbd.model.survey import NoView, PveAccount, Survey
from pve_drbd.rules.entry_plan import EntryPlan, Plugins, plan_ensure, plan_retype, plan_set, storage_of
from pve_drbd.rules.entry_show import show_entries
from pve_drbd.rules.placement import storage_vgs

if TYPE_CHECKING:
    from pve_drbd.cli.arguments import Commands


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works: how the world is opened that it asks, and the directory of what it remembers."""

    opened: Opener = open_world
    state: str = DEFAULT


LIVE = Place()

_ABOUT = """A storage entry makes a volume group known to Proxmox VE. On a volume group on DRBD it is of type drbdlvm,
which asks the gate before a guest moves, or of type lvm, which asks nobody (see: pve-drbd hook).
Entries are described in /etc/pve-drbd/config.toml:

  [entry.drbdvg]
  vg = "drbdvg"
  content = ["images", "rootdir"]     # optional: left alone if not given
  nodes = ["pve-a", "pve-b"]          # optional: left alone if not given

Before anything is written both nodes must show the same volume group, on DRBD alone, with the backing disk
rejected by the LVM filter, and no other entry may use it."""

_EXAMPLES: Mapping[str, str] = {
    "show": "pve-drbd storage show",
    "ensure": "pve-drbd storage ensure                    what differs from the configuration\n"
    "  pve-drbd storage ensure drbdvg --yes       make or mend that entry",
    "adopt": "pve-drbd storage adopt drbdvg              what it takes, and what speaks against it\n"
    "  pve-drbd storage adopt drbdvg --yes        lvm becomes drbdlvm; guests run on",
    "release": "pve-drbd storage release drbdvg --yes      drbdlvm becomes lvm again",
    "set": "pve-drbd storage set drbdvg --nodes pve-a,pve-b --yes\n"
    "  pve-drbd storage set drbdvg --disable --yes\n"
    "  pve-drbd storage set drbdvg --as-it-is --yes",
}


def add_to(commands: Commands) -> None:
    """The grammar of `storage`."""
    storage = _parser(commands, "storage", "show, make, mend and convert storage entries on DRBD", _ABOUT)
    verbs = storage.add_subparsers(metavar="VERB", required=True)
    show = _parser(verbs, "show", "the entries on DRBD, and what is wrong with them", "Changes nothing.")
    add_common(show)
    show.set_defaults(verb=show_verb)
    ensure = _parser(
        verbs,
        "ensure",
        "make or mend the entries that the configuration wants",
        "Makes a missing entry, and changes what Proxmox VE can change: content, nodes, shared. Another type or\n"
        "volume group is told and never changed. A second run changes nothing.",
    )
    ensure.add_argument("storeid", metavar="STOREID", nargs="?", type=storeid, help="this entry only (default: all)")
    _add_without(ensure)
    add_acting(ensure)
    ensure.set_defaults(verb=ensure_verb)
    for name, words, about in (
        ("adopt", "turn an entry of type lvm into one of type drbdlvm, in place", _ADOPT),
        ("release", "turn an entry of type drbdlvm back into one of type lvm, in place", _RELEASE),
    ):
        retype = _parser(verbs, name, words, about)
        retype.add_argument("storeid", metavar="STOREID", type=storeid, help="the entry")
        add_acting(retype)
        retype.set_defaults(verb=retype_verb, to={"adopt": "drbdlvm", "release": "lvm"}[name])
    _add_set(verbs)


_ADOPT = """Changes the one word in storage.cfg, under Proxmox VE's own lock: volumes, running guests, permissions
and pool memberships stay as they are, and so does every other byte of the file. Every member of the cluster must
be online and have the plugin, in its running daemons too: a node without it would delete the entry. If it is
interrupted, the entry is of the old or of the new type; run it again."""
_RELEASE = """The way back from adopt. From then on nothing refuses an unsafe migration of the guests on the entry."""


def _add_set(verbs: Commands) -> None:
    about = """Changes fields of an entry, for which the web interface has no form. With --as-it-is nothing is written
to Proxmox VE: the entry as it stands, or its absence, is taken for right from now on, and status stops warning."""
    change = _parser(verbs, "set", "change content, nodes, or whether an entry is switched on", about)
    change.add_argument("storeid", metavar="STOREID", type=storeid, help="the entry")
    change.add_argument("--content", metavar="LIST", type=_content, help="images, rootdir, or both with a comma")
    change.add_argument("--nodes", metavar="LIST", type=_nodes, help="the nodes that may use it, or: all")
    switch = change.add_mutually_exclusive_group()
    switch.add_argument("--enable", dest="disable", action="store_const", const="", help="switch the entry on")
    switch.add_argument("--disable", dest="disable", action="store_const", const="1", help="switch the entry off")
    switch.add_argument("--as-it-is", action="store_true", help="take it for right as it is now")
    _add_without(change)
    add_acting(change)
    change.set_defaults(verb=set_verb)


def _add_without(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--without",
        metavar="NODE",
        type=node,
        action="append",
        default=[],
        help="leave out the checks on a node that does not answer, for a night on which it is dead",
    )


def _parser(commands: Commands, name: str, words: str, about: str) -> argparse.ArgumentParser:
    examples = f"examples:\n  {_EXAMPLES[name]}" if name in _EXAMPLES else None
    raw = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=words, description=about, epilog=examples, formatter_class=raw)


def show_verb(arguments: argparse.Namespace, place: Place = LIVE) -> int:
    """`storage show`."""
    with place.opened(arguments.replay) as world:
        survey = take_survey(world, nodes_of_pair(world), None, with_pending=False)
        wanted = wanted_entries(world.hosts, world.taken_on)
        known = known_entries(world.hosts, world.taken_on)
    shown = show_entries(survey, wanted, known)
    views.print_rows(shown.rows, shown.report, survey, arguments.output_format)
    return shown.report.verdict.value


def ensure_verb(arguments: argparse.Namespace, place: Place = LIVE) -> int:
    """`storage ensure [STOREID]`."""

    def plans(world: World, survey: Survey) -> Iterator[tuple[EntryPlan, Plugins]]:
        wanted = wanted_entries(world.hosts, world.taken_on)
        chosen = [each for each in wanted if arguments.storeid in (None, each.storeid)]
        if not chosen:
            name = arguments.storeid or "NAME"
            raise ConfigInvalid(f'the configuration has no table [entry.{name}]: add it, with vg = "..." in it')
        for each in chosen:
            makes = storage_of(survey, each.storeid) is None and each.type == "drbdlvm"
            plugins = _plugins(world, survey) if makes else {}
            yield plan_ensure(survey, each, plugins, arguments.without), plugins

    return _run(arguments, place, (), plans)


def retype_verb(arguments: argparse.Namespace, place: Place = LIVE) -> int:
    """`storage adopt STOREID` and `storage release STOREID`."""

    def plans(world: World, survey: Survey) -> Iterator[tuple[EntryPlan, Plugins]]:
        entry = _existing(survey, arguments.storeid)
        plugins = _plugins(world, survey) if arguments.to == "drbdlvm" else {}
        yield plan_retype(survey, entry, arguments.to, plugins), plugins

    return _run(arguments, place, None, plans)


def set_verb(arguments: argparse.Namespace, place: Place = LIVE) -> int:
    """`storage set STOREID`."""
    asked = {"content": arguments.content, "nodes": arguments.nodes, "disable": arguments.disable}
    fields = {key: value for key, value in asked.items() if value is not None}
    if arguments.as_it_is:
        return _remember(arguments, place, fields)
    if not fields:
        raise ConfigInvalid("nothing to set: name --content, --nodes, --enable, --disable or --as-it-is")

    def plans(world: World, survey: Survey) -> Iterator[tuple[EntryPlan, Plugins]]:
        entry = _existing(survey, arguments.storeid)
        for wanted in wanted_entries(world.hosts, world.taken_on):
            if wanted.storeid == entry.storeid:
                _refuse_against_config(wanted, fields)
        yield plan_set(survey, entry, fields, arguments.without), {}

    return _run(arguments, place, (), plans)


def _run(
    arguments: argparse.Namespace,
    place: Place,
    vmids: tuple[int, ...] | None,
    plans: Callable[[World, Survey], Iterator[tuple[EntryPlan, Plugins]]],
) -> int:
    """Look, plan, and with --yes act; the exit code is the worst answer of all entries."""
    _refuse_replayed_writing(arguments)
    with place.opened(arguments.replay) as world:
        survey = take_survey(world, nodes_of_pair(world), vmids)
        for each in getattr(arguments, "without", ()):
            if not isinstance(survey.nodes.get(each), NoView):
                raise ConfigInvalid(f"{each} answers, or is no node of the pair: its checks are not left out")
        planned = list(plans(world, survey))
        if arguments.yes:
            desk = Desk(world, cast(WritablePve, world.pve()), EntryMemory(world.hosts, world.taken_on, place.state))
            with _acting():
                runs = [carry_out(desk, plan, survey, plugins) for plan, plugins in planned]
        else:
            runs = [EntryRun(plan, plan.actual) for plan, _ in planned]
    views.print_runs(runs, [plugins for _, plugins in planned], survey, arguments)
    return views.worst(run.plan.report for run in runs).value


def _remember(arguments: argparse.Namespace, place: Place, fields: Mapping[str, str]) -> int:
    """`storage set STOREID --as-it-is`: only this node's memory changes."""
    if fields:
        raise ConfigInvalid("--as-it-is changes nothing of the entry: leave out the other options")
    _refuse_replayed_writing(arguments)
    with place.opened(arguments.replay) as world:
        survey = take_survey(world, (), ())
        if isinstance(survey.pve, NoView) or isinstance(survey.pve.storages, NoView):
            raise StepStopped("Proxmox VE does not say what entries there are; look at: pve-drbd storage show")
        entry = storage_of(survey, arguments.storeid)
        memory = EntryMemory(world.hosts, world.taken_on, place.state)
        if arguments.yes:
            kept = memory.keep(entry, "", world.clock.utc()) if entry else memory.forget(arguments.storeid)
            if not kept:
                raise StepStopped(f"that {arguments.storeid} is right as it is could not be written down: see df -h")
    views.print_remembered(arguments, entry, survey)
    return 0


def _existing(survey: Survey, name: str) -> StorageEntry:
    if isinstance(survey.pve, NoView):
        raise StepStopped(f"Proxmox VE could not be asked for the entry {name}: {survey.pve.reason}")
    if isinstance(survey.pve.storages, NoView):
        raise StepStopped(f"Proxmox VE could not be asked for the entry {name}: {survey.pve.storages.reason}")
    entry = survey.pve.storage(name)
    if entry is None:
        names = ", ".join(sorted(each.storeid for each in storage_vgs(survey.pve))) or "none"
        raise ConfigInvalid(f"there is no storage entry {name}; on volume groups there are: {names}")
    return entry


def _plugins(world: World, survey: Survey) -> Plugins:
    """What every member of the cluster has of the plugin; of those that are online, for the others cannot be asked."""
    pve = survey.pve
    if not isinstance(pve, PveAccount) or isinstance(pve.cluster, NoView):
        return {}
    return gather_plugins(world.hosts, [each.name for each in pve.cluster.nodes if each.is_online])


def _refuse_against_config(wanted: WantedEntry, fields: Mapping[str, str]) -> None:
    for key, value in (("content", wanted.content), ("nodes", wanted.nodes)):
        if value is not None and key in fields and ",".join(sorted(value)) != fields[key]:
            raise ConfigInvalid(
                f"[entry.{wanted.storeid}] in /etc/pve-drbd/config.toml wants {key} {','.join(value)}. "
                f"Change it there, then: pve-drbd storage ensure {wanted.storeid} --yes"
            )


def _refuse_replayed_writing(arguments: argparse.Namespace) -> None:
    if arguments.yes and arguments.replay:
        raise ConfigInvalid("a recording cannot be changed: leave out --yes, or --replay")


@contextmanager
def _acting() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as err:
        raise StepStopped("interrupted in the middle of a change. Run this again: it looks first") from err


def _content(text: str) -> str:
    words = sorted(set(text.split(",")))
    if not set(words) <= {"images", "rootdir"}:
        raise argparse.ArgumentTypeError(f"{text!r} is not images, rootdir, or both")
    return ",".join(words)


def _nodes(text: str) -> str:
    return "" if text == "all" else ",".join(sorted({node(each) for each in text.split(",")}))
