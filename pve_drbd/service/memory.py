"""What the watcher remembers beyond its own life: lost links and peers, kept in one file of the state directory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from pve_drbd.adapters.state_dir import StateDir
from pve_drbd.errors import Unreadable
from pve_drbd.model.survey import NodeAccount, NoView, Survey
from pve_drbd.model.watch import ActiveLv, Loss, Moment, PeerLvs, WatchState
from pve_drbd.readers.watch_state import read_watch_state, watch_state_text
from pve_drbd.service.links import Change

log = logging.getLogger(__name__)

FILE = "watch.json"
_REFRESH_S = 60.0
"""A peer's LVs that are still the same are written again after this long, for the time at which they were seen."""

Lvs = tuple[ActiveLv, ...] | NoView


class Memory:
    """Lost links and peers; safe to use from several threads. Nothing here does I/O but `load` and `save`."""

    def __init__(self, here: str, state: StateDir, now: Callable[[], Moment]) -> None:
        self._here, self._state, self._now = here, state, now
        self._turn = threading.Lock()
        self._known = WatchState()
        self._saved = ""
        self._noted_s = -_REFRESH_S

    def load(self) -> None:
        """Take up what an earlier life left; a damaged file is as good as none, and told."""
        content = self._state.read(FILE)
        if not content:
            return
        try:
            found = read_watch_state(content, f"{self._state.path}/{FILE}")
        except Unreadable as err:
            log.error("event=state-damaged reason=%s consequence=%s", err, "losses are remembered from now on")
            return
        with self._turn:
            self._known = found
            self._saved = content

    def save(self) -> None:
        """Write it down, if it changed."""
        with self._turn:
            content = watch_state_text(self._known)
            if content == self._saved:
                return
        if self._state.write(FILE, content):
            with self._turn:
                self._saved = content

    def known(self) -> WatchState:
        """All that is remembered now."""
        with self._turn:
            return self._known

    def lost(self, change: Change) -> bool:
        """Remember a loss; False if that link was lost already: the first moment is the one that counts."""
        key = (change.resource, change.peer)
        with self._turn:
            losses = dict(self._known.losses)
            if _same(losses, change):
                return False
            why = "it was not looked yet" if change.saw else "the link was lost before anybody watched it"
            unseen = NoView(self._here, "the active LVs at the loss", why)
            losses[key] = Loss(*key, self._now(), change.saw, unseen, self._peer_of(change.peer))
            self._known = replace(self._known, losses=losses)
            return True

    def describe(self, change: Change, lvs: Lvs) -> None:
        """What was active on this node when the link of `change` was lost."""
        key = (change.resource, change.peer)
        with self._turn:
            loss = self._known.losses.get(key)
            if loss is not None:
                self._known = replace(self._known, losses={**self._known.losses, key: replace(loss, active=lvs)})

    def regained(self, change: Change) -> None:
        """The link is whole again: its loss is history, and no evidence for anything to come."""
        with self._turn:
            gone = _same(self._known.losses, change)
            losses = {key: loss for key, loss in self._known.losses.items() if key not in gone}
            self._known = replace(self._known, losses=losses)

    def note(self, survey: Survey) -> bool:
        """What the peers of this node say is active there; True if it is worth writing down."""
        now = self._now()
        is_news = False
        for node, view in survey.nodes.items():
            if node == self._here or not isinstance(view, NodeAccount) or isinstance(view.lvm.lvm, NoView):
                continue
            lvm = view.lvm.lvm
            uuids = {vg.name: vg.uuid.replace("-", "") for vg in lvm.vgs}
            lvs = (lv for lv in lvm.lvs if lv.is_active and lv.vg in uuids)
            active = ((uuids[lv.vg], lv.uuid.replace("-", ""), f"{lv.vg}/{lv.name}") for lv in lvs)
            seen = PeerLvs(node, now, tuple(sorted(active)))
            with self._turn:
                old = self._known.peers.get(node)
                self._known = replace(self._known, peers={**self._known.peers, node: seen})
            is_news = is_news or old is None or old.lvs != seen.lvs
            is_news = is_news or now.monotonic_s - self._noted_s >= _REFRESH_S
        self._noted_s = now.monotonic_s if is_news else self._noted_s
        return is_news

    def _peer_of(self, peer: str) -> PeerLvs | NoView:
        """What was last known of `peer`; 8.4 does not name it, so a single known one is taken for it."""
        peers = self._known.peers
        if peer in peers:
            return peers[peer]
        if not peer and len(peers) == 1:
            return next(iter(peers.values()))
        return NoView(peer, "the peer's active LVs before the loss", "no question was answered before it")


def _same(losses: Mapping[tuple[str, str], Loss], change: Change) -> list[tuple[str, str]]:
    """The losses that are of the link of `change`; a link without a peer's name (8.4) is the resource's only one."""
    return [
        key for key in losses if key[0] == change.resource and (key[1] == change.peer or "" in (key[1], change.peer))
    ]
