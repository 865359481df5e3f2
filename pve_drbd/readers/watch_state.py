"""What the watcher remembers, as the JSON text of its state file: read and written."""

from __future__ import annotations

import json
import re

from pve_drbd.errors import Unreadable
from pve_drbd.model.survey import NoView
from pve_drbd.model.watch import ActiveLv, Loss, Moment, PeerLvs, WatchState
from pve_drbd.readers.fields import Entry, Odd, entries, flag, number, shown, text
from pve_drbd.readers.strict_json import read_json

FORMAT = 1

_WORD = re.compile(r"[!-~]+")
_WORD_OR_NONE = re.compile(r"[!-~]*")
_LINE = re.compile(r"[ -~]+")
_UUID = re.compile(r"[A-Za-z0-9]{32}")


def read_watch_state(content: str, source: str) -> WatchState:
    """The state in `content`, which stands in the file `source`; raises Unreadable."""
    document = read_json(content, source)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unreadable(source, 0, f"it is no state of format {FORMAT}")
    try:
        losses = [_loss(each) for each in entries(document.get("losses"), "losses")]
        peers = [_peer(each) for each in entries(document.get("peers"), "peers")]
    except Odd as err:
        raise Unreadable(source, 0, str(err)) from err
    return WatchState({(each.resource, each.peer): each for each in losses}, {each.node: each for each in peers})


def watch_state_text(state: WatchState) -> str:
    """The text that `read_watch_state` reads, one line."""
    losses = [_loss_entry(state.losses[key]) for key in sorted(state.losses)]
    peers = [_peer_entry(state.peers[node]) for node in sorted(state.peers)]
    return json.dumps({"format": FORMAT, "losses": losses, "peers": peers}) + "\n"


def _loss(entry: Entry) -> Loss:
    node_lvs = entry.get("active")
    peer = entry.get("peer_active")
    return Loss(
        resource=text(entry, "resource", _WORD),
        peer=text(entry, "peer", _WORD_OR_NONE),
        lost=_moment(_part(entry, "lost")),
        saw=flag(entry, "saw", None),
        active=_no_view(node_lvs) or tuple(_active_lv(each) for each in entries(node_lvs, "active")),
        peer_active=_no_view(peer) or _peer(_part(entry, "peer_active")),
    )


def _loss_entry(loss: Loss) -> Entry:
    active, peer = loss.active, loss.peer_active
    return {
        "resource": loss.resource,
        "peer": loss.peer,
        "lost": _moment_entry(loss.lost),
        "saw": int(loss.saw),
        "active": _no_view_entry(active) if isinstance(active, NoView) else [_active_entry(each) for each in active],
        "peer_active": _no_view_entry(peer) if isinstance(peer, NoView) else _peer_entry(peer),
    }


def _part(entry: Entry, key: str) -> Entry:
    value = entry.get(key)
    if not isinstance(value, dict):
        raise Odd(f"{key} is {shown(value)}")
    return value


def _moment(entry: Entry) -> Moment:
    return Moment(
        number(entry, "seen_at_ms") / 1000, number(entry, "monotonic_ms") / 1000, text(entry, "boot_id", _WORD)
    )


def _moment_entry(moment: Moment) -> Entry:
    return {
        "seen_at_ms": round(moment.seen_at * 1000),
        "monotonic_ms": round(moment.monotonic_s * 1000),
        "boot_id": moment.boot_id,
    }


def _active_lv(entry: Entry) -> ActiveLv:
    return ActiveLv(*_names(entry), number(entry, "writes"), number(entry, "sectors_written"))


def _active_entry(lv: ActiveLv) -> Entry:
    names = _names_entry((lv.vg_uuid, lv.lv_uuid, lv.name))
    return {**names, "writes": lv.writes, "sectors_written": lv.sectors_written}


def _peer(entry: Entry) -> PeerLvs:
    lvs = tuple(_names(each) for each in entries(entry.get("lvs"), "lvs"))
    return PeerLvs(text(entry, "node", _WORD), _moment(_part(entry, "seen")), lvs)


def _peer_entry(peer: PeerLvs) -> Entry:
    return {"node": peer.node, "seen": _moment_entry(peer.seen), "lvs": [_names_entry(each) for each in peer.lvs]}


def _names(entry: Entry) -> tuple[str, str, str]:
    return text(entry, "vg_uuid", _UUID), text(entry, "lv_uuid", _UUID), text(entry, "name", _WORD)


def _names_entry(names: tuple[str, str, str]) -> Entry:
    return dict(zip(("vg_uuid", "lv_uuid", "name"), names, strict=True))


def _no_view(value: object) -> NoView | None:
    """The NoView that `value` stands for; None if it is something else."""
    if not isinstance(value, dict) or "no_view" not in value:
        return None
    return NoView(text(value, "node", _WORD_OR_NONE), text(value, "no_view", _LINE), text(value, "reason", _LINE))


def _no_view_entry(view: NoView) -> Entry:
    return {"no_view": view.subject, "node": view.node, "reason": view.reason}
