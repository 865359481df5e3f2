"""docs/checks.md from the catalogue: `python -m tests.checks_page > docs/checks.md`."""

from pve_drbd.findings import Mode, Severity, catalogue

_HEAD = """# Checks

Every finding that pve-drbd can report, made from `pve_drbd/data/findings.toml` (`make docs`). On a terminal:
`pve-drbd explain CODE`.

A **blocker** forbids what was asked; a **warning** goes with the answer; a **notice** is only told. A blocker marked
*not known* says that something could not be found out: alone it gives exit code 3, beside any other blocker 1.
Nothing that could not be found out is ever a yes.

## Which finding blocks what

`live`: a running VM moves. `offline`: a stopped guest's configuration moves. `restart`: a container is stopped, moved
and started. `start`: a guest starts where it is. In a mode that a blocker does not block it is told as a warning, or,
where it says nothing to that mode, not at all. In a split brain every move is refused.

"""


def page():
    """The whole page."""
    entries = list(catalogue().values())
    lines = [_HEAD + "| finding | live | offline | restart | start | |", "|---|---|---|---|---|---|"]
    for each in entries:
        if each.severity is Severity.BLOCKER:
            cells = ["no" if mode in each.blocks else "" for mode in Mode]
            name = f"[{each.code}](#{each.code.lower()})"
            lines.append(f"| {name} {each.title} | {' | '.join(cells)} | {'not known' if each.is_unknown else ''} |")
    for each in entries:
        lines += ["", f"## {each.code}", "", f"**{each.title}** ({each.severity.value})", ""]
        lines += [f"> {each.message}", "", f"*What to do:* {each.remedy}", "", each.explanation]
        lines += ["", f"Known from: {each.source}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
