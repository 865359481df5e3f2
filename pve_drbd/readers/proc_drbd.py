"""/proc/drbd of DRBD 8.3, 8.4 and 9: the loaded module's version and, on 8.x, its minors.

Formats: seq_printf calls in drbd/drbd_proc.c of drbd-8.3.0 to 8.3.16, drbd-8.4.0 to 8.4.11 and drbd-9.0.0 to 9.3,
and lc_seq_printf_stats in lru_cache.c (extra lines under the module parameter proc_details).
"""

from __future__ import annotations

import re

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import (
    ConnectionState,
    ProcDrbd,
    ProcMinor,
    Progress,
    ReplicationState,
    Version,
)
from pve_drbd.readers.drbd_words import CONNECTIONS, DISKS, REPLICATIONS, ROLES

_SOURCE = "/proc/drbd"

_NUMBER = r"[0-9]{1,20}"
_RATE = r"[0-9]{1,12}(?:,[0-9]{3}){0,3}"
_VERSION = re.compile(
    r"version: ([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})[-.a-z0-9]{0,20}"
    r" \(api:[0-9]{1,4}/proto:[0-9]{1,4}-[0-9]{1,4}\)( \(compat 8\.4\))?"
)
_BUILD = re.compile(r"[ -~]+")
_TRANSPORTS = re.compile(r"Transports \(api:[0-9]{1,4}\):[ -~]*")

_MINOR = re.compile(
    r"( [0-9]|[1-9][0-9]{1,6}): cs:([A-Za-z_]+)"
    r"(?: ro:([A-Za-z_]+)/([A-Za-z_]+) ds:([A-Za-z_]+)/([A-Za-z_]+) ([ABC ]) ([rs])([a-])([p-])([u-])[a-z-][s-]?)?"
)
_COUNTERS = re.compile(
    rf"    ns:{_NUMBER} nr:{_NUMBER} dw:{_NUMBER} dr:{_NUMBER} al:{_NUMBER} bm:{_NUMBER}"
    rf" lo:-?{_NUMBER} pe:-?{_NUMBER} ua:-?{_NUMBER} ap:-?{_NUMBER} ep:-?{_NUMBER} wo:[ndfb] oos:({_NUMBER})"
)
_BAR = re.compile(
    r"\t\[=*>\.*\] (?:sync'ed|verified):(?:  [0-9]| [1-9][0-9]|100)\.[0-9]% "
    rf"\(({_NUMBER})/({_NUMBER})\)([KM])(.*)"
)
# Before 8.3.10 a verify has one short line: percent, bits of 4 KiB already compared, bits in all.
_OLD_VERIFY = re.compile(rf"\t[ 0-9]{{2}}[0-9]%      ({_NUMBER})/({_NUMBER})")
_PACE = re.compile(
    rf"(?:stalled|finish: ({_NUMBER}):([0-9]{{2}}):([0-9]{{2}}) speed: ({_RATE}) \({_RATE}(?: -- {_RATE})?\)"
    rf"(?: want: -?{_RATE})? K/sec( \(stalled\))?)"
)
# 8.3.8 puts one of these behind `)K`; some 8.3 builds go on with `finish:` on the same line for sizes in M.
_AFTER_BAR = re.compile(r"(?: queue_delay: [0-9.]+ ms| delay_probe: [0-9]+)?")
_DETAIL = re.compile(
    rf"\t(?:[ 0-9]{{2}}[0-9]% sector pos: {_NUMBER}/{_NUMBER}(?: stop sector: {_NUMBER})?"
    rf"|(?:resync|act_log): used:{_NUMBER}/{_NUMBER} hits:{_NUMBER} misses:{_NUMBER} starving:{_NUMBER}"
    rf" (?:dirty|locked):{_NUMBER} changed:{_NUMBER}"
    rf"|blocked on activity log: -?{_NUMBER})"
)

_KIB_PER_BIT = 4
_KIB_PER_UNIT = {"K": 1, "M": 1024}

_OFF = ReplicationState.OFF
_CONNECTED = ConnectionState.CONNECTED
# 8.x knows one list of states. Those up to WFReportParams are of the connection, the others imply that it stands.
_CS: dict[str, tuple[ConnectionState, ReplicationState]] = {
    **{word: (state, _OFF) for word, state in CONNECTIONS.items() if word not in ("Connecting", "Connected")},
    "WFConnection": (ConnectionState.CONNECTING, _OFF),
    "WFReportParams": (_CONNECTED, _OFF),
    "Connected": (_CONNECTED, ReplicationState.ESTABLISHED),
    **{word: (_CONNECTED, state) for word, state in REPLICATIONS.items() if word not in ("Off", "Established")},
}
_WITH_PROGRESS = frozenset(
    {
        ReplicationState.SYNC_SOURCE,
        ReplicationState.SYNC_TARGET,
        ReplicationState.VERIFY_SOURCE,
        ReplicationState.VERIFY_TARGET,
    }
)


def split_cs(cs: str) -> tuple[ConnectionState, ReplicationState]:
    """Split 8.x's single `cs:` word in the two states DRBD 9 reports.

    'SyncSource' gives (CONNECTED, SYNC_SOURCE), 'WFConnection' gives (CONNECTING, OFF).
    Raises Unreadable for a word neither list knows.
    Source: drbd-utils user/v84/drbdsetup.c, drbd_conn_str9 and drbd_repl_str9.
    """
    states = _CS.get(cs)
    if states is None:
        raise Unreadable(_SOURCE, 0, f"unknown connection state {cs!r}")
    return states


def read_proc_drbd(text: str) -> ProcDrbd:
    """What /proc/drbd says, minors in ascending order; DRBD 9 tells its version only.

    Raises Unreadable where any line is not what the kernel prints there, or the text stops within a line.
    """
    lines = text.split("\n")
    if lines.pop() != "":
        raise Unreadable(_SOURCE, len(lines) + 1, "it stops within a line")
    version = _version(lines)
    if version.major >= 9:
        return ProcDrbd(version, ())
    minors: list[ProcMinor] = []
    expected, at = 0, 2
    while at < len(lines):
        is_after_hole = lines[at] == ""
        start = at + is_after_hole
        minor, found, at = _minor(lines, start)
        if minor < expected:
            raise Unreadable(_SOURCE, start + 1, f"minor {minor} stands twice or out of order")
        if is_after_hole != (minor > expected):
            raise Unreadable(_SOURCE, start + 1, f"minor {minor} stands where minor {expected} belongs")
        expected = minor + 1
        if found is not None:
            minors.append(found)
    return ProcDrbd(version, tuple(minors))


def _version(lines: list[str]) -> Version:
    match = _VERSION.fullmatch(lines[0]) if lines else None
    if match is None:
        raise Unreadable(_SOURCE, 1, "it does not begin with DRBD's version")
    if len(lines) < 2 or not _BUILD.fullmatch(lines[1]):
        raise Unreadable(_SOURCE, 2, "no line that tells the module's build")
    version = Version(int(match[1]), int(match[2]), int(match[3]))
    if version.major >= 9 and (len(lines) != 3 or not _TRANSPORTS.fullmatch(lines[2])):
        # A 9 built with "compat 8.4" lists 8.4-style minors in place of the transports: not a form we act on.
        raise Unreadable(_SOURCE, 3, "not the single line of transports that DRBD 9 ends with")
    return version


def _minor(lines: list[str], at: int) -> tuple[int, ProcMinor | None, int]:
    """The minor that begins at index `at`: its number, the minor (None: Unconfigured), the index behind it."""
    header = _MINOR.fullmatch(lines[at]) if at < len(lines) else None
    if header is None:
        raise Unreadable(_SOURCE, at + 1, "not the first line of a minor")
    number, (cs, role, peer_role, disk, peer_disk, protocol) = int(header[1]), header.groups()[1:7]
    if role is None:
        if cs != "Unconfigured":
            raise Unreadable(_SOURCE, at + 1, f"minor {number} has no roles and disk states")
        return number, None, at + 1
    try:
        connection, replication = _CS[cs]
        roles = (ROLES[role], ROLES[peer_role])
        disks = (DISKS[disk], DISKS[peer_disk])
    except KeyError as err:
        raise Unreadable(_SOURCE, at + 1, f"unknown state {err.args[0]!r}") from err
    counters = _COUNTERS.fullmatch(lines[at + 1]) if at + 1 < len(lines) else None
    if counters is None:
        raise Unreadable(_SOURCE, at + 2, f"not the line of counters (ns:, nr:, ...) of minor {number}")
    progress, behind = None, at + 2
    if replication in _WITH_PROGRESS:
        progress, behind = _progress(lines, behind)
    while behind < len(lines) and _DETAIL.fullmatch(lines[behind]):
        behind += 1
    paused = tuple(word for flag, word in ((11, "user"), (10, "peer"), (9, "dependency")) if header[flag] != "-")
    found = ProcMinor(
        number, connection, replication, *roles, *disks, protocol.strip(), header[8] == "s", paused,
        int(counters[1]), progress,
    )  # fmt: skip
    return number, found, behind


def _progress(lines: list[str], at: int) -> tuple[Progress, int]:
    """The progress told from index `at` on, and the index behind it.

    A stalled resync has a rate of 0 and no time left. Percentages are not read: see Progress.percent_done.
    """
    line = lines[at] if at < len(lines) else ""
    old = _OLD_VERIFY.fullmatch(line)
    if old is not None:
        done, total = int(old[1]), int(old[2])
        return Progress(max(total - done, 0) * _KIB_PER_BIT, total * _KIB_PER_BIT), at + 1
    bar = _BAR.fullmatch(line)
    if bar is None:
        raise Unreadable(_SOURCE, at + 1, "not the bar that shows how far a resync or verify is")
    pace, behind = _PACE.fullmatch(bar[4].lstrip(" \t")), at + 1
    if pace is None and _AFTER_BAR.fullmatch(bar[4]):
        following = lines[at + 1] if at + 1 < len(lines) else ""
        pace, behind = _PACE.fullmatch(following.removeprefix("\t")), at + 2
    if pace is None:
        raise Unreadable(_SOURCE, behind, "not the line that tells a resync's or verify's pace")
    unit = _KIB_PER_UNIT[bar[3]]
    left, total = int(bar[1]) * unit, int(bar[2]) * unit
    if pace[4] is None or pace[5] is not None:
        return Progress(left, max(left, total), rate_kib_s=0), behind
    eta_s = int(pace[1]) * 3600 + int(pace[2]) * 60 + int(pace[3])
    return Progress(left, max(left, total), int(pace[4].replace(",", "")), eta_s), behind
