"""The man page and the bash completion, made from the command's own grammar: `python3 -m pve_drbd.cli.manual man`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from pve_drbd import __version__
from pve_drbd.cli.main import build_parser

_FILES = """.SH FILES
.TP
.I /etc/pve\\-drbd/config.toml
How far the service goes; see
.BR pve\\-drbd.conf (5).
.TP
.I /etc/pve\\-drbd/token.toml
The API token with which this command asks Proxmox VE.
.TP
.I /run/pve\\-drbd/gate.sock
Where the storage plugin asks the service.
.SH ENVIRONMENT
.TP
.B NO_COLOR
Set to anything: no colours on a terminal.
.TP
.B PVE_DRBD_TRACE
Set to anything: an error in pve\\-drbd itself shows where it happened.
.SH SEE ALSO
.BR pve\\-drbd.conf (5),
.BR drbdadm (8),
.BR lvm.conf (5)
"""


def man_page() -> str:
    """pve-drbd(1) as roff."""
    parser = build_parser()
    lines = [
        f'.TH PVE\\-DRBD 1 "" "pve\\-drbd {__version__}" "System Administration"',
        ".SH NAME",
        "pve\\-drbd \\- guard between Proxmox VE and a dual-primary DRBD pair",
        ".SH SYNOPSIS",
        ".B pve\\-drbd",
        "[\\fIoptions\\fR] \\fIverb\\fR ...",
        ".SH DESCRIPTION",
        "Reads what DRBD and LVM of both nodes and Proxmox VE say, and answers whether a guest may move or start now.",
        "What could not be found out is never a yes.",
        ".SH OPTIONS",
        *_options(parser),
        ".SH VERBS",
    ]
    for words, verb, help_text in _verbs(parser):
        lines += [f".SS {_roff(' '.join(words))} {_roff(_operands(verb))}".rstrip(), _roff(help_text) + "."]
        lines += _about(verb)
        lines += _options(verb, without_common=True)
    lines += [".SH EXIT STATUS"]
    for code, meaning in (
        ("0", "yes, healthy, done"),
        ("1", "no: something forbids it"),
        ("2", "wrong usage or configuration"),
        ("3", "could not find out"),
        ("4", "a plan stopped half-way"),
        ("5", "another run holds the lock"),
    ):
        lines += [".TP", f".B {code}", meaning]
    return "\n".join(lines) + "\n" + _FILES


def completion() -> str:
    """The bash completion: verbs, their options, and the values of options that have a list."""
    parser = build_parser()
    rows = ['    ["pve-drbd"]="' + " ".join((*_children(parser), *_flags(parser))) + '"']
    for words, verb, _ in _verbs(parser, with_groups=True):
        rows.append(f'    ["pve-drbd {" ".join(words)}"]="{" ".join((*_children(verb), *_flags(verb)))}"')
    return _COMPLETION.replace("@ROWS@", "\n".join(rows))


_COMPLETION = """# bash completion for pve-drbd(1), made from its own grammar
# -g: bash-completion loads this file from within a function
declare -gA _pve_drbd_words=(
@ROWS@
)

_pve_drbd() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path=pve-drbd word
    COMPREPLY=()
    case $previous in
        --replay) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
        --output-format) mapfile -t COMPREPLY < <(compgen -W "text json json-pretty" -- "$current"); return ;;
        --to) mapfile -t COMPREPLY < <(compgen -W "$(ls /etc/pve/nodes 2>/dev/null)" -- "$current"); return ;;
    esac
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [ -n "${_pve_drbd_words["$path $word"]+known}" ] && path="$path $word"
    done
    mapfile -t COMPREPLY < <(compgen -W "${_pve_drbd_words[$path]}" -- "$current")
}
complete -F _pve_drbd pve-drbd
"""


def _verbs(
    parser: argparse.ArgumentParser, above: tuple[str, ...] = (), *, with_groups: bool = False
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser, str]]:
    for action in parser._actions:  # argparse offers no other way to its own grammar
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                if with_groups or not _children(child):
                    yield (*above, name), child, helps.get(name, "")
                yield from _verbs(child, (*above, name), with_groups=with_groups)


def _children(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    groups = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return tuple(name for action in groups for name in action.choices)


def _flags(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    return tuple(option for action in parser._actions for option in action.option_strings if option.startswith("--"))


def _operands(parser: argparse.ArgumentParser) -> str:
    operands = (action for action in parser._actions if not action.option_strings)
    names = ((action.metavar or action.dest, action.nargs) for action in operands)
    return " ".join(f"[{name}]" if nargs == "?" else str(name) for name, nargs in names)


def _about(parser: argparse.ArgumentParser) -> Iterator[str]:
    """What --help says beyond the one line: its lines stand as they are."""
    for text in (parser.description, parser.epilog):
        if text:
            yield from (
                ".PP",
                ".nf",
                *(_roff(line) if not line.startswith(".") else f"\\&{line}" for line in text.splitlines()),
                ".fi",
            )


def _options(parser: argparse.ArgumentParser, *, without_common: bool = False) -> Iterator[str]:
    common = {"--replay", "--output-format", "--help"} if without_common else set()
    for action in parser._actions:
        if action.option_strings and not common & set(action.option_strings):
            value = f" \\fI{_roff(str(action.metavar or action.dest.upper()))}\\fR" if action.nargs != 0 else ""
            yield ".TP"
            yield f".B {_roff(', '.join(action.option_strings))}{value}"
            yield _roff(action.help or "")


def _roff(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


if __name__ == "__main__":
    print({"man": man_page, "completion": completion}[sys.argv[1]](), end="")
