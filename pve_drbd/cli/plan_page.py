"""A plan as one self-contained page: the two nodes as a picture, a timeline, a table with reasons; no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from pve_drbd.cli.plan_text import duration, verdict
from pve_drbd.model.evacuation import Group, GuestPlan, Plan, Step

_STYLE = """
:root { color-scheme: light dark; --line: #8888; --good: #2a7; --bad: #c33; --soft: #8882; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem; }
.verdict { border-left: .4rem solid var(--good); padding: .5rem .8rem; background: var(--soft); font-weight: 600; }
.verdict.no { border-color: var(--bad); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .8rem; }
.node { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.survivor { border-top: .35rem solid var(--good); } .victim { border-top: .35rem solid var(--bad); }
.guest { display: inline-block; border: 1px solid var(--line); border-radius: .3rem; }
.guest { padding: .05rem .4rem; margin: .1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem; }
th { border-bottom: 2px solid var(--line); } td { border-bottom: 1px solid var(--line); }
.scroll { overflow-x: auto; } .scroll table { min-width: 52rem; } td { overflow-wrap: break-word; }
 svg text { font-size: 11px; fill: currentColor; }
.bar { fill: #47a; } .bar.last { fill: var(--bad); }
code { font-size: .9em; overflow-wrap: anywhere; } .no-return { color: var(--bad); font-weight: 700; }
@media print { .scroll table { min-width: 0; } }
@media print { body { max-width: none; font-size: 11px; } .scroll { overflow: visible; } }
"""


def plan_page(plan: Plan) -> str:
    """The page; every word that came from outside is escaped."""
    body = "\n".join(_body(plan))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evacuation plan {escape(plan.plan_id)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{body}</main></body></html>\n"
    )


def _body(plan: Plan) -> Iterator[str]:
    yield "<h1>After the split brain: who survives, who is saved first</h1>"
    yield f"<p>Plan {escape(plan.plan_id)}, from what both nodes said at {escape(plan.taken_at)}.</p>"
    yield _verdict(plan)
    yield "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in plan.notes) + "</ul>"
    yield "<p>DRBD never merges two sides: one side&#8217;s changes since the split are discarded.</p>"
    for group in plan.groups:
        yield _picture(plan, group)
    if plan.additions:
        wants = (
            " and ".join(f"{e.short_by} {e.unit} more in {e.pool}" for e in together) for together in plan.additions
        )
        yield _table("Any one of these would make it fit", ("what to add",), ([want] for want in wants))
    if plan.guests:
        yield _table("Guests", ("guest", "on", "how", "down", "why"), (_guest_row(each) for each in plan.guests))
    if plan.volumes:
        rows = (
            [
                f"{each.vg}/{each.lv}" if each.vg else each.lv,
                f"{each.size_mib} MiB",
                "; ".join(f"{node}: {change.value}" for node, change in sorted(each.per_side.items())),
                "; ".join(f"{node}: {words}" for node, words in sorted(each.evidence.items())),
            ]
            for each in plan.volumes
        )
        yield _table("Every volume of the split devices", ("volume", "size", "changed where", "evidence"), rows)
    if plan.steps:
        yield _timeline(plan.steps)
        yield _steps(plan.steps)


def _verdict(plan: Plan) -> str:
    is_good = plan.is_feasible and not (plan.unknown and not plan.groups)
    return f'<p class="verdict{"" if is_good else " no"}">{escape(verdict(plan))}</p>'


def _picture(plan: Plan, group: Group) -> str:
    vgs = set(group.vgs)
    vmids = {each.vmid for each in plan.volumes if each.vg in vgs}
    cards = []
    for node, role in ((group.survivor, "survivor"), (group.victim, "victim")):
        guests = [each for each in plan.guests if each.node == node and each.vmid in vmids]
        chips = "".join(f'<span class="guest">{each.vmid} {escape(each.name)}</span>' for each in guests)
        told = "".join(
            f"<li>{escape(what)}: {escape(value)}</li>" for what, value in group.evidence.get(node, {}).items()
        )
        word = "survives" if role == "survivor" else "is discarded"
        cards.append(
            f'<section class="node {role}" aria-label="{escape(node)} {word}"><h3>{escape(node)} {word}</h3>'
            f"<div>{chips or 'no guest of this group'}</div><ul>{told}</ul></section>"
        )
    names = ", ".join(group.resources)
    head = f"<h2>{escape(names)} ({escape(', '.join(group.vgs) or 'no volume group seen')})</h2>"
    return f'{head}<p>Because {escape(group.why)}.</p><div class="pair">{"".join(cards)}</div>'


def _guest_row(guest: GuestPlan) -> list[str]:
    choice = guest.choice
    how = f"{choice.method} {choice.target}" if choice else "no way found"
    # Where nothing would be lost nobody asks what else there was.
    against = () if choice and choice.method == "keep" else guest.ruled_out
    ruled_out = "; ".join(f"not {each.method} ({each.target}): {each.why}" for each in against)
    down = duration(choice.downtime_s) if choice else ""
    return [f"{guest.vmid} {guest.name}", guest.node, how, down, f"{guest.reason}. {ruled_out}"]


def _table(title: str, columns: Iterable[str], rows: Iterable[list[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    caption = f"<h2>{escape(title)}</h2>"
    return f'{caption}<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def starts(steps: Iterable[Step]) -> dict[str, int]:
    """The earliest second at which each step can begin, by what it needs."""
    begin: dict[str, int] = {}
    end: dict[str, int] = {}
    for step in steps:
        begin[step.id] = max((end[need] for need in step.needs if need in end), default=0)
        end[step.id] = begin[step.id] + step.estimate_s
    return begin


def _timeline(steps: tuple[Step, ...]) -> str:
    begin = starts(steps)
    total = max((begin[each.id] + each.estimate_s for each in steps), default=1) or 1
    row, left, width = 16, 150, 900
    bars = []
    for number, step in enumerate(steps):
        x = left + (width - left) * begin[step.id] / total
        length = max((width - left) * step.estimate_s / total, 2)
        kind = "bar last" if step.is_no_return else "bar"
        y = number * row
        bars.append(
            f'<text x="0" y="{y + 11}">{escape(step.id)} {escape(step.action)}</text>'
            f'<rect class="{kind}" x="{x:.1f}" y="{y + 2}" width="{length:.1f}" height="{row - 5}">'
            f"<title>{escape(step.shown)} ({duration(step.estimate_s)})</title></rect>"
        )
    label = f"Timeline of {len(steps)} steps, about {duration(total)} in all"
    box = f'role="img" aria-label="{label}" viewBox="0 0 {width} {len(steps) * row}" width="100%"'
    svg = f"<svg {box}>{''.join(bars)}</svg>"
    return f'<h2>{label}</h2><div class="scroll">{svg}</div>'


def _steps(steps: tuple[Step, ...]) -> str:
    items = []
    for step in steps:
        mark = ' <span class="no-return">no return</span>' if step.is_no_return else ""
        after = f" after {', '.join(step.needs[-3:])}" if step.needs else ""
        items.append(
            f"<tr><td>{escape(step.id)}</td><td>{escape(step.node)}</td><td>{escape(step.action)}{mark}</td>"
            f"<td><code>{escape(step.shown)}</code></td><td>{duration(step.estimate_s)}{escape(after)}</td></tr>"
        )
    head = "".join(f'<th scope="col">{each}</th>' for each in ("step", "on", "what", "command", "time"))
    return (
        f'<h2>Steps</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(items)}</tbody></table></div>"
    )
