"""How each method saves one guest, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pve_drbd.model.evacuation import GuestPlan, Method
from pve_drbd.model.plan import Candidate
from pve_drbd.planner.script import Scene, Script

AT_ONCE = 2
"""Disk moves at the same time on one node: what the field takes for sane."""


def save_all(script: Script, scene: Scene, after: Sequence[str]) -> list[str]:
    """One chain of steps per guest, in order of priority and then of size; disk moves a few at a time."""
    ordered = sorted(scene.guests, key=lambda each: (-each.priority, longest_s(each), each.vmid))
    done: list[str] = []
    for guest in ordered:
        choice = guest.choice
        if choice is None:
            continue
        # Cap what runs side by side: each needs the one that started AT_ONCE before it.
        turn = [done[-AT_ONCE]] if len(done) >= AT_ONCE else []
        last = _SAVERS[Method(choice.method)](script, scene, guest, choice, [*after, *turn])
        if last:
            done.append(last)
    return done


def longest_s(guest: GuestPlan) -> int:
    """Seconds that the busiest channel works for the guest."""
    return max(guest.choice.work.values(), default=0) if guest.choice else 0


def _keep(script: Script, scene: Scene, guest: GuestPlan, choice: Candidate, needs: Sequence[str]) -> str:
    if choice.downtime_s == 0:
        return ""
    return stop(script, scene, guest, needs)


def stop(script: Script, scene: Scene, guest: GuestPlan, needs: Sequence[str]) -> str:
    """Write the shutdown of `guest` where it is; gives the step's id."""
    tool = "qm" if guest.kind == "qemu" else "pct"
    return script.add(
        "stop",
        guest.node,
        f"{tool} shutdown {guest.vmid}",
        needs=needs,
        post=(("guest", str(guest.vmid), "stopped"),),
        estimate_s=scene.rates.guest_stop_s,
        vmid=str(guest.vmid),
    )


def start(script: Script, scene: Scene, guest: GuestPlan, node: str, needs: Sequence[str]) -> str:
    """Write the start of `guest` on `node`; gives the step's id."""
    tool = "qm" if guest.kind == "qemu" else "pct"
    return script.add(
        "start",
        node,
        f"{tool} start {guest.vmid}",
        needs=needs,
        post=(("guest", str(guest.vmid), "running"),),
        estimate_s=scene.rates.guest_start_s,
        vmid=str(guest.vmid),
    )


def _move(script: Script, scene: Scene, guest: GuestPlan, choice: Candidate, needs: Sequence[str]) -> str:
    verb = "qm disk move" if guest.kind == "qemu" else "pct move-volume"
    last = list(needs)
    for volume in scene.subjects[guest.vmid].volumes:
        last = [
            script.add(
                "move-disk",
                guest.node,
                f"{verb} {guest.vmid} {volume.key} {choice.target}",
                needs=last,
                pre=(("guest-node", str(guest.vmid), guest.node),),
                post=(("volume-storage", f"{guest.vmid}/{volume.key}", choice.target),),
                is_repeatable=False,
                estimate_s=longest_s(guest),
                vmid=str(guest.vmid),
                key=volume.key,
                storage=choice.target,
            )
        ]
    return last[-1] if last else ""


def _stop_if_running(script: Script, scene: Scene, guest: GuestPlan, needs: Sequence[str]) -> list[str]:
    return [stop(script, scene, guest, needs)] if guest.is_running else list(needs)


def _start_if_it_ran(script: Script, scene: Scene, guest: GuestPlan, node: str, needs: Sequence[str]) -> str:
    """A guest that was stopped stays so: the last of `needs` is the end of its chain."""
    return start(script, scene, guest, node, needs) if guest.is_running else needs[-1]


def _move_and_migrate(script: Script, scene: Scene, guest: GuestPlan, choice: Candidate, needs: Sequence[str]) -> str:
    moved = _move(script, scene, guest, choice, needs)
    return script.add(
        "migrate",
        guest.node,
        f"qm migrate {guest.vmid} {scene.group.survivor} --online --with-local-disks",
        needs=[moved],
        pre=(("no-attached-volume-on", str(guest.vmid), " ".join(scene.group.vgs)),),
        post=(("guest-node", str(guest.vmid), scene.group.survivor),),
        is_repeatable=False,
        estimate_s=choice.work.get("link", 0),
        vmid=str(guest.vmid),
    )


def _shutdown_move(script: Script, scene: Scene, guest: GuestPlan, choice: Candidate, needs: Sequence[str]) -> str:
    stopped = stop(script, scene, guest, needs)
    moved = _move(script, scene, guest, choice, [stopped])
    return start(script, scene, guest, guest.node, [moved])


def _merge(script: Script, scene: Scene, guest: GuestPlan, choice: Candidate, needs: Sequence[str]) -> str:
    own, survivor = scene.subjects[guest.vmid].changes, scene.group.survivor
    estimate_s = max(choice.work.values(), default=1)
    tagged = [
        script.add(
            "tag",
            survivor,
            f"lvchange --addtag pve-drbd-incomplete {each.vg}/{each.lv} && lvchange -aly {each.vg}/{each.lv}",
            needs=needs,
            post=(("lv-tag", f"{each.vg}/{each.lv}", "pve-drbd-incomplete"),),
            volume=f"{each.vg}/{each.lv}",
        )
        for each in own
    ]
    copied = _merge_passes(script, scene, guest, "merge-pass", tagged)
    last = _merge_passes(script, scene, guest, "merge-last-pass", _stop_if_running(script, scene, guest, copied))
    checked = [
        script.add(
            "merge-verify",
            survivor,
            f"compare sha256 of /dev/{each.vg}/{each.lv} on both nodes, read with O_DIRECT; then lvchange --deltag",
            needs=last,
            post=(("same-checksum", f"{each.vg}/{each.lv}", "yes"), ("lv-tag", f"{each.vg}/{each.lv}", "none")),
            estimate_s=estimate_s,
            volume=f"{each.vg}/{each.lv}",
        )
        for each in own
    ]
    return _move_config(script, scene, guest, checked)


def _merge_passes(script: Script, scene: Scene, guest: GuestPlan, action: str, needs: Sequence[str]) -> list[str]:
    """Each volume in turn: what differs on the victim is written into the survivor's own copy."""
    last = list(needs)
    for each in scene.subjects[guest.vmid].changes:
        name = f"{each.vg}/{each.lv}"
        copied = script.add(
            action,
            scene.group.survivor,
            "rsync --inplace --no-whole-file --copy-devices --write-devices --fsync "
            f"root@{scene.group.victim}:$(readlink -f /dev/{name}) $(readlink -f /dev/{name})",
            needs=last,
            pre=(("lv-uuid", name, each.lv_uuid), ("lv-tag", name, "pve-drbd-incomplete")),
            estimate_s=longest_s(guest),
            volume=name,
            lv_uuid=each.lv_uuid,
        )
        last = [copied]
    return last


def _move_config(script: Script, scene: Scene, guest: GuestPlan, needs: Sequence[str]) -> str:
    survivor = scene.group.survivor
    moved = script.add(
        "move-config",
        scene.group.victim,
        f"{'qm' if guest.kind == 'qemu' else 'pct'} migrate {guest.vmid} {survivor}",
        needs=needs,
        post=(("guest-node", str(guest.vmid), survivor),),
        is_repeatable=False,
        estimate_s=5,
        vmid=str(guest.vmid),
    )
    return _start_if_it_ran(script, scene, guest, survivor, [moved])


def _backup_restore(script: Script, scene: Scene, guest: GuestPlan, choice: Candidate, needs: Sequence[str]) -> str:
    archive, _, storage = choice.target.partition(">")
    half_s = max(choice.work.values(), default=2) // 2
    stopped = _stop_if_running(script, scene, guest, needs)
    saved = script.add(
        "backup",
        guest.node,
        f"vzdump {guest.vmid} --mode stop --storage {archive} --compress zstd",
        needs=stopped,
        post=(("archive", str(guest.vmid), "verified from the survivor"),),
        is_repeatable=False,
        estimate_s=half_s,
        vmid=str(guest.vmid),
        storage=archive,
    )
    away = script.add(
        "put-config-away",
        guest.node,
        f"save and remove the configuration and the firewall file of guest {guest.vmid}: no node may own the number",
        needs=[saved],
        post=(("guest", str(guest.vmid), "absent"),),
        vmid=str(guest.vmid),
    )
    tool = "qmrestore" if guest.kind == "qemu" else "pct restore"
    restored = script.add(
        "restore",
        scene.group.survivor,
        f"{tool} ARCHIVE {guest.vmid} --storage {storage}",
        needs=[away],
        pre=(("guest", str(guest.vmid), "absent"),),
        post=(("guest-node", str(guest.vmid), scene.group.survivor),),
        is_repeatable=False,
        estimate_s=half_s,
        vmid=str(guest.vmid),
        storage=storage,
    )
    return _start_if_it_ran(script, scene, guest, scene.group.survivor, [restored])


def _abandon(script: Script, scene: Scene, guest: GuestPlan, choice: Candidate, needs: Sequence[str]) -> str:
    return stop(script, scene, guest, needs) if guest.node == scene.group.victim and guest.is_running else ""


_Saver = Callable[[Script, Scene, GuestPlan, Candidate, Sequence[str]], str]
_SAVERS: Mapping[Method, _Saver] = {
    Method.KEEP: _keep,
    Method.MOVE_DISK: _move,
    Method.MOVE_AND_MIGRATE: _move_and_migrate,
    Method.SHUTDOWN_MOVE: _shutdown_move,
    Method.MERGE: _merge,
    Method.BACKUP_RESTORE: _backup_restore,
    Method.ABANDON: _abandon,
}
