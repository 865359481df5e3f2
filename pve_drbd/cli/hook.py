"""`pve-drbd hook`: the guest hookscript, for guests whose entries stay of type lvm."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pve_drbd.cli import as_json
from pve_drbd.cli.arguments import add_acting, add_common, storeid, vmid
from pve_drbd.cli.text import aligned, findings_text
from pve_drbd.cli.worlds import Opener, open_world
from pve_drbd.errors import ConfigInvalid, StepStopped
from pve_drbd.findings import report
from pve_drbd.jobs.hooks import HookPlan, carry_out, judge_scripts, plan_attach, plan_detach
from pve_drbd.jobs.survey import nodes_of_pair, take_survey
from pve_drbd.model.survey import Survey
from pve_drbd.rules.enforcement import Enforcement, enforcements, judge_enforcement
from pve_drbd.rules.views import missing

if TYPE_CHECKING:
    from pve_drbd.cli.arguments import Commands

_ABOUT = """A guest on an entry of type drbdlvm needs no hook: the entry itself asks the gate. On an entry of type
lvm the guest's hookscript can: Proxmox VE runs it on the target of a live migration before anything of the guest
is there, and it refuses what the gate refuses. That protects VMs in a live migration; not containers, and not
offline moves. A guest has one hookscript; one that is there already is never replaced."""


def add_to(commands: Commands) -> None:
    """The grammar of `hook`."""
    hook = _parser(commands, "hook", "protect guests on entries that stay of type lvm", _ABOUT, "")
    verbs = hook.add_subparsers(metavar="VERB", required=True)
    listed = _parser(
        verbs, "list", "what refuses an unsafe migration of each guest on DRBD", "Changes nothing.", "list"
    )
    add_common(listed)
    listed.set_defaults(verb=list_verb)
    about = """Links the script into the snippets of a storage on every node the guest may run on, and names it in the
guest's configuration (qm set --hookscript). Takes effect with the next migration; the guest runs on."""
    attach = _parser(verbs, "attach", "give a guest the hookscript", about, "attach 100 --yes")
    attach.add_argument("vmid", metavar="VMID", type=vmid, help="the guest")
    attach.add_argument(
        "--snippets", metavar="STORAGE", type=storeid, help="the storage with the script (default: local)"
    )
    add_acting(attach)
    attach.set_defaults(verb=attach_verb)
    about = "Takes our hookscript out of the guest's configuration; another one is left alone."
    detach = _parser(verbs, "detach", "take the hookscript from a guest", about, "detach 100 --yes")
    detach.add_argument("vmid", metavar="VMID", type=vmid, help="the guest")
    add_acting(detach)
    detach.set_defaults(verb=detach_verb)


def _parser(commands: Commands, name: str, words: str, about: str, example: str) -> argparse.ArgumentParser:
    examples = f"example:\n  pve-drbd hook {example}" if example else None
    raw = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=words, description=about, epilog=examples, formatter_class=raw)


def list_verb(arguments: argparse.Namespace) -> int:
    """`hook list`."""
    with open_world(arguments.replay) as world:
        survey = take_survey(world, nodes_of_pair(world), None, with_pending=False)
        scripts = tuple(judge_scripts(world.hosts, survey))
    found = enforcements(survey)
    told = report({"ask": "hook list"}, None, [*missing(survey.pve), *judge_enforcement(survey), *scripts])
    if arguments.output_format != "text":
        document = {**as_json.action_json("list", told, survey), "guests": [_guest_json(each) for each in found]}
        print(as_json.dump(document, arguments.output_format))
    else:
        heads = ("GUEST", "NAME", "ON", "ENTRIES", "HOOKSCRIPT", "PROTECTED")
        print(
            "\n".join(aligned([heads, *(_cells(each) for each in found)])) if found else "No guest has a disk on DRBD."
        )
        print(findings_text(told), end="")
    return told.verdict.value


def attach_verb(arguments: argparse.Namespace, opened: Opener = open_world) -> int:
    """`hook attach VMID`."""
    return _run(arguments, opened, attaching=True)


def detach_verb(arguments: argparse.Namespace, opened: Opener = open_world) -> int:
    """`hook detach VMID`."""
    return _run(arguments, opened, attaching=False)


def _run(arguments: argparse.Namespace, opened: Opener, *, attaching: bool) -> int:
    if arguments.yes and arguments.replay:
        raise ConfigInvalid("a recording cannot be changed: leave out --yes, or --replay")
    with opened(arguments.replay) as world:
        survey = take_survey(world, nodes_of_pair(world), (arguments.vmid,))
        vmid = arguments.vmid
        plan = plan_attach(world, survey, vmid, arguments.snippets or "") if attaching else plan_detach(survey, vmid)
        is_done = bool(arguments.yes and plan.is_needed and plan.report.allowed)
        if is_done:
            try:
                carry_out(world, plan)
            except KeyboardInterrupt as err:
                raise StepStopped("interrupted in the middle of a change. Run this again: it looks first") from err
    _print_plan(plan, survey, arguments.output_format, is_done=is_done)
    return plan.report.verdict.value


def _print_plan(plan: HookPlan, survey: Survey, output_format: str, *, is_done: bool) -> None:
    if output_format != "text":
        document = {**as_json.action_json(plan.action, plan.report, survey), "vmid": plan.vmid, "done": is_done}
        print(as_json.dump({**document, "commands": list(plan.shown)}, output_format))
        return
    if not plan.is_needed and plan.report.allowed:
        print(f"Guest {plan.vmid}: nothing to do, it is as it should be.")
    elif plan.is_needed:
        print(f"Guest {plan.vmid}: done." if is_done else f"Guest {plan.vmid}: these commands would run.")
        print("\n".join(f"  {each}" for each in plan.shown))
    print(findings_text(plan.report), end="")
    if plan.is_needed and not is_done:
        print("\nNothing was changed. To do it, add: --yes")


def _guest_json(found: Enforcement) -> as_json.Json:
    guest = found.guest
    return {
        "vmid": guest.vmid,
        "name": guest.name,
        "kind": guest.kind.value,
        "node": guest.node,
        "entries": list(found.on),
        "hookscript": found.hookscript,
        "protected": bool(found.by),
        **({"by": found.by} if found.by else {"why_not": found.why}),
    }


def _cells(found: Enforcement) -> tuple[str, ...]:
    guest = found.guest
    by = {"entry": "by its entry", "hook": "in live migrations, by the hookscript", "": f"no: {found.why}"}[found.by]
    return (str(guest.vmid), guest.name, guest.node, ", ".join(found.on), found.hookscript or "none", by)
