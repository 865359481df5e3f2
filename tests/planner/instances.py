"""Evacuations drawn from explicit seeds, as plain data in plan.json's own shape.

Nothing of the planner is imported: what the planner is judged by must not come from it. The model is the one of the
field notes: log-normal disks around 60 GiB, four kinds of space, channels of different speed; `tightness` 1.0 gives the
pools a little less than the disks need (mean 0.94), 1.2 a little more (mean 1.14).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from pve_drbd.model.plan import Candidate, Evacuee, Pool

TIGHT = 1.0
LOOSE = 1.2

VG = "storage:drbdvg@survivor"
RAM = "ram@survivor"
LOCAL = "storage:local-lvm@victim"
THIRD = "storage:nfs"
BACKUP = "storage:backup"

LOCAL_DISK = "disk:local-lvm@victim"
NFS_LINK = "net:nfs"
NODE_LINK = "net:victim-survivor"
BACKUP_LINK = "net:backup"

Plan = dict[str, Any]


def draw_plan(seed: int, guests: int, tightness: float = TIGHT) -> Plan:
    """Pools and guests with their candidates; the same seed gives the same plan on every machine."""
    rng = random.Random(f"{seed}/{guests}/{tightness}")
    rates = {
        LOCAL_DISK: rng.randint(250, 600),
        NFS_LINK: rng.randint(80, 250),
        NODE_LINK: rng.randint(110, 500),
        BACKUP_LINK: rng.randint(60, 160),
    }
    drawn = [_draw_guest(rng, 100 + n, rates) for n in range(guests)]
    disk = sum(guest["disk_mib"] for guest in drawn)
    ram = sum(guest["ram_mib"] for guest in drawn)
    free = {
        VG: 0.34 * disk * tightness * rng.uniform(0.8, 1.1),
        RAM: 0.45 * ram * tightness * rng.uniform(0.7, 1.1),
        LOCAL: 0.34 * disk * tightness * rng.uniform(0.8, 1.1),
        THIRD: 0.31 * disk * tightness * rng.uniform(0.8, 1.1),
        BACKUP: 0.50 * disk,
    }
    return {
        "pools": [{"pool": pool, "unit": "MiB", "free": int(amount)} for pool, amount in free.items()],
        "guests": [{key: guest[key] for key in ("vmid", "priority", "candidates")} for guest in drawn],
    }


def _draw_guest(rng: random.Random, vmid: int, rates: Mapping[str, int]) -> Plan:
    disk_mib = 1024 * max(4, round(60 * math.exp(rng.gauss(0.0, 0.9))))
    ram_mib = 1024 * rng.choice((1, 2, 2, 4, 4, 8, 8, 16, 32))
    is_running = rng.random() < 0.9
    candidates = [
        _move(disk_mib, LOCAL, LOCAL_DISK, rates, is_running and rng.random() < 0.12),
        _move(disk_mib, THIRD, NFS_LINK, rates, is_running and rng.random() < 0.12),
        _migrate(disk_mib, ram_mib if is_running else 0, rates),
        _backup(disk_mib, ram_mib if is_running else 0, rates, is_running),
    ]
    if rng.random() < 0.6:
        candidates.append(_merge(disk_mib, ram_mib if is_running else 0, rates, is_running))
    return {
        "vmid": vmid,
        "priority": rng.choice((1, 2, 2, 5, 10)),
        "disk_mib": disk_mib,
        "ram_mib": ram_mib,
        "candidates": candidates,
    }


def _move(disk_mib: int, store: str, channel: str, rates: Mapping[str, int], is_offline: bool) -> Plan:
    seconds = 5 + disk_mib // rates[channel]
    return {
        "method": "shutdown-move" if is_offline else "move-disk",
        "target": store,
        "downtime_s": seconds if is_offline else 0,
        "work": {channel: seconds},
        "uses": {store: disk_mib},
        "leaves_node": False,
    }


def _migrate(disk_mib: int, ram_mib: int, rates: Mapping[str, int]) -> Plan:
    return {
        "method": "move-and-migrate",
        "target": VG,
        "downtime_s": 0,
        "work": {NODE_LINK: 10 + (disk_mib + ram_mib) // rates[NODE_LINK]},
        "uses": {VG: disk_mib, RAM: ram_mib},
        "leaves_node": True,
    }


def _backup(disk_mib: int, ram_mib: int, rates: Mapping[str, int], is_running: bool) -> Plan:
    one_way = 20 + disk_mib * 6 // 10 // rates[BACKUP_LINK]
    return {
        "method": "backup-restore",
        "target": BACKUP,
        "downtime_s": 2 * one_way if is_running else 0,
        "work": {BACKUP_LINK: 2 * one_way},
        "uses": {BACKUP: disk_mib * 6 // 10, RAM: ram_mib},
        "leaves_node": True,
    }


def _merge(disk_mib: int, ram_mib: int, rates: Mapping[str, int], is_running: bool) -> Plan:
    read_s = 15 + disk_mib // 400
    return {
        "method": "merge",
        "target": VG,
        "downtime_s": read_s if is_running else 0,
        "work": {NODE_LINK: read_s + disk_mib // 10 // rates[NODE_LINK]},
        "uses": {RAM: ram_mib},
        "leaves_node": True,
    }


def problem_of(plan: Plan) -> tuple[tuple[Evacuee, ...], tuple[Pool, ...]]:
    """The same plan in the planner's words."""
    pools = tuple(Pool(pool["pool"], pool["unit"], pool["free"]) for pool in plan["pools"])
    evacuees = tuple(
        Evacuee(guest["vmid"], guest["priority"], tuple(Candidate(**each) for each in guest["candidates"]))
        for guest in plan["guests"]
    )
    return evacuees, pools
