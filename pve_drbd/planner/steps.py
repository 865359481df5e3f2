"""The whole procedure of one group as ordered steps with their conditions, and the exact command of each."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from pve_drbd.dialects import Verb
from pve_drbd.model.evacuation import GuestPlan, Method, Step
from pve_drbd.planner.saving import longest_s, save_all, start, stop
from pve_drbd.planner.script import Condition, Scene, Script


def steps_of(scene: Scene) -> tuple[Step, ...]:
    """Every step for one group: guests safe, evidence kept, victim closed, discard, resync, guests back, tidy."""
    script = Script(scene.prefix, scene.after)
    ha = [_ha_out(script, scene, guest) for guest in scene.guests if _is_managed(scene, guest)]
    safe = save_all(script, scene, ha)
    kept = [
        script.add(
            "keep-metadata",
            node,
            f"vgcfgbackup -f /var/lib/pve-drbd/runs/PLAN/{vg}.{node} {vg}",
            post=(("file", f"{vg}.{node}", "exists"),),
            vg=vg,
        )
        for vg in scene.group.vgs
        for node in (scene.group.survivor, scene.group.victim)
    ]
    closed = _close_victim(script, scene, [*safe, *kept])
    healed = [_discard(script, scene, name, closed) for name in scene.group.resources]
    back = _bring_back(script, scene, healed)
    _tidy(script, scene, [*healed, *back])
    return tuple(script.steps)


def _is_managed(scene: Scene, guest: GuestPlan) -> bool:
    """HA would interfere: it manages the guest, and the plan touches it."""
    choice = guest.choice
    is_left_alone = choice is not None and choice.method == Method.KEEP.value and not choice.downtime_s
    return guest.vmid in scene.ha and not is_left_alone


def _ha_out(script: Script, scene: Scene, guest: GuestPlan) -> str:
    sid = f"{'vm' if guest.kind == 'qemu' else 'ct'}:{guest.vmid}"
    return script.add(
        "ha-ignore",
        scene.group.survivor,
        f"ha-manager set {sid} --state ignored",
        post=(("ha", sid, "ignored"),),
        sid=sid,
        vmid=str(guest.vmid),
    )


def _close_victim(script: Script, scene: Scene, needs: Sequence[str]) -> list[str]:
    """Every volume and every orphan off the victim's devices, one by one: `vgchange` gives up on all for one."""
    victim = scene.group.victim
    closed = [
        script.add(
            "deactivate",
            victim,
            f"lvchange -an {shlex.quote(f'{each.vg}/{each.lv}')}",
            needs=needs,
            post=(("lv-active", f"{each.vg}/{each.lv}", "no"),),
            volume=f"{each.vg}/{each.lv}",
        )
        for each in scene.volumes
        if each.vg and victim in each.exists_on
    ]
    return [
        script.add(
            "check-holders",
            victim,
            f"ls /sys/block/drbdN/holders: nothing may hold {name}",
            needs=[*needs, *closed],
            post=(("holders", name, "none"),),
            resource=name,
        )
        for name in scene.group.resources
    ]


def _discard(script: Script, scene: Scene, name: str, needs: Sequence[str]) -> str:
    """The discard itself, in the order that facts and guides agree on."""
    return _reconnect(script, scene, name, _demote(script, scene, name, needs))


def _run(script: Script, scene: Scene, name: str, verb: Verb) -> Callable[..., str]:
    """Write a step whose command is `verb` in the dialect of the survivor's DRBD."""
    shown = shlex.join(scene.dialect.argv(verb, name))

    def add(action: str, node: str, **more: object) -> str:
        return script.add(action, node, shown, resource=name, **more)  # type: ignore[arg-type]

    return add


def _alone(scene: Scene, name: str) -> tuple[Condition, Condition]:
    ends = (scene.group.survivor, scene.group.victim)
    survivor, victim = (("connection", f"{name}@{node}", "StandAlone") for node in ends)
    return survivor, victim


def _demote(script: Script, scene: Scene, name: str, needs: Sequence[str]) -> str:
    """Both apart, the survivor armed, the victim Secondary, and a last look: all of it can still be taken back."""
    survivor, victim, alone = scene.group.survivor, scene.group.victim, _alone(scene, name)
    disconnect, secondary = (_run(script, scene, name, verb) for verb in (Verb.DISCONNECT, Verb.SECONDARY))
    armed = script.add(
        "arm-survivor",
        survivor,
        f"before-resync-target of {name} refuses while the run is open: {survivor} can never become a target",
        needs=needs,
        resource=name,
    )
    apart = disconnect("disconnect", survivor, needs=[armed])
    apart = disconnect("disconnect", victim, needs=[apart], post=alone)
    demoted = secondary(
        "secondary", victim, needs=[apart], pre=alone, post=(("role", f"{name}@{victim}", "Secondary"),)
    )
    return script.add(
        "look-again",
        victim,
        f"read generation identifiers, out-of-sync and every kept volume's evidence of {name} again",
        needs=[demoted],
        post=(("unchanged-since-plan", name, "yes"),),
        resource=name,
    )


def _reconnect(script: Script, scene: Scene, name: str, looked: str) -> str:
    """No return: the victim joins as the one that is overwritten, and is made Primary again once it is UpToDate."""
    survivor, victim, alone = scene.group.survivor, scene.group.victim, _alone(scene, name)
    resync_s = -(-scene.resync_mib.get(name, 0) // scene.rates.link_mib_s)
    gone = _run(script, scene, name, Verb.CONNECT_DISCARDING)(
        "discard",
        victim,
        needs=[looked],
        pre=(("role", f"{name}@{victim}", "Secondary"), *alone, ("confirmed", f"{victim}/{name}", "typed")),
        is_repeatable=False,
        is_no_return=True,
    )
    joined = _run(script, scene, name, Verb.CONNECT)(
        "connect",
        survivor,
        needs=[gone],
        post=(("first-state", f"{name}@{survivor}", "SyncSource or Established"),),
        is_repeatable=False,
    )
    synced = script.add(
        "wait-resync",
        survivor,
        f"wait until {name} is Established and UpToDate on both nodes",
        needs=[joined],
        post=(("disk", f"{name}@{victim}", "UpToDate"), ("replication", f"{name}@{survivor}", "Established")),
        estimate_s=max(resync_s, 1),
        resource=name,
    )
    primary = _run(script, scene, name, Verb.PRIMARY)
    return primary("primary", victim, needs=[synced], post=(("role", f"{name}@{victim}", "Primary"),))


def _bring_back(script: Script, scene: Scene, needs: Sequence[str]) -> list[str]:
    """Guests that waited start again where they were; moved disks come home."""
    back = []
    for guest in scene.guests:
        choice = guest.choice
        if choice is None:
            continue
        method = Method(choice.method)
        if method is Method.KEEP and choice.downtime_s:
            back.append(start(script, scene, guest, guest.node, needs))
        elif method in (Method.MOVE_DISK, Method.SHUTDOWN_MOVE):
            back.append(_move_home(script, scene, guest, method, needs))
    return back


def _move_home(script: Script, scene: Scene, guest: GuestPlan, method: Method, needs: Sequence[str]) -> str:
    """Its volumes back to the storages they came from, in its own stopped time if they cannot move online."""
    verb = "qm disk move" if guest.kind == "qemu" else "pct move-volume"
    is_offline = method is Method.SHUTDOWN_MOVE
    last = [stop(script, scene, guest, needs)] if is_offline else list(needs)
    for volume in scene.subjects[guest.vmid].volumes:
        moved = script.add(
            "move-back",
            guest.node,
            f"{verb} {guest.vmid} {volume.key} {volume.storage} --delete 1",
            needs=last,
            post=(("volume-storage", f"{guest.vmid}/{volume.key}", volume.storage),),
            is_repeatable=False,
            estimate_s=longest_s(guest),
            vmid=str(guest.vmid),
            key=volume.key,
            storage=volume.storage,
        )
        last = [moved]
    if is_offline:
        last = [start(script, scene, guest, guest.node, last)]
    return _remove_stale(script, scene, guest, last)


def _remove_stale(script: Script, scene: Scene, guest: GuestPlan, needs: Sequence[str]) -> str:
    """What the move left behind as unusedN names the survivor's older copy since the resync: nobody may attach it.

    Only the same LV, by its uuid: one that the survivor made under that name is somebody's data.
    """
    subject, last = scene.subjects[guest.vmid], list(needs)
    for volume, change in zip(subject.volumes, subject.changes, strict=True):
        if scene.group.survivor not in change.exists_on:
            continue
        removed = script.add(
            "remove-stale",
            guest.node,
            f"qm unlink {guest.vmid} --idlist unusedN --force 1, of the one that is {volume.volid}"
            if guest.kind == "qemu"
            else f"pvesm free {volume.volid}, and pct set {guest.vmid} --delete unusedN",
            needs=last,
            pre=(
                ("lv-uuid", f"{change.vg}/{change.lv}", change.lv_uuid),
                ("not-attached", str(guest.vmid), volume.volid),
            ),
            post=(("volume", volume.volid, "absent"),),
            vmid=str(guest.vmid),
            volume=volume.volid,
        )
        last = [removed]
    return last[-1]


def _tidy(script: Script, scene: Scene, needs: Sequence[str]) -> None:
    """HA as it was, and a last look; the next group waits for that."""
    last = list(needs)
    for guest in scene.guests:
        if _is_managed(scene, guest):
            sid, state = f"{'vm' if guest.kind == 'qemu' else 'ct'}:{guest.vmid}", scene.ha[guest.vmid]
            restored = script.add(
                "ha-restore",
                scene.group.survivor,
                f"ha-manager set {sid} --state {state}",
                needs=needs,
                post=(("ha", sid, state),),
                sid=sid,
            )
            last.append(restored)
    script.add(
        "check",
        scene.group.survivor,
        "pve-drbd status",
        needs=last,
        post=tuple(("resource", name, "healthy") for name in scene.group.resources),
    )
