"""What a pair with many resources, or many guests, would print: real samples, renamed and numbered on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples"
SCENARIO = Path(__file__).parents[1] / "scenarios" / "9-healthy"
NODES = ("proxmox-105", "proxmox-106")

EXTENT_B = 4194304
_LV_EXTENTS = 4
_LV_B = _LV_EXTENTS * EXTENT_B
_PE_START_B = 1048576
_DEVICE_B = 10 * _LV_B


def _sample(name: str) -> str:
    return (SAMPLES / name).read_text()


def many_resources(count: int) -> Mapping[str, str]:
    """What one node with `count` resources prints, each below a VG of its own with one LV, by the answer's name."""
    numbers = range(count)
    return {
        "proc-drbd": _proc_drbd(count),
        "events2 8.4": _events2("8.4.11", count),
        "events2 9": _events2("9.2.18", count),
        "status-json": _renamed_json("status-json/9.2.18-healthy-105.txt", "name", count),
        "show-json": _renamed_json("show-json/9.2.18-healthy-105.txt", "resource", count),
        "dump-xml 8.4": _dump_xml("8.4.11", count),
        "dump-xml 9": _dump_xml("9.2.18", count),
        "get-gi": _sample("get-gi/9.2.18-healthy-105.txt").splitlines(keepends=True)[0] * count,
        "lvs": _report("lv", [lv_row(each, f"vg{each}", f"/dev/drbd{each}", 0, (253, each)) for each in numbers]),
        "vgs": _report("vg", [vg_row(each, f"vg{each}", f"/dev/drbd{each}", 10, 1) for each in numbers]),
        "pvs": _report("pv", [pv_row(each, f"vg{each}", f"/dev/drbd{each}", 10, 1) for each in numbers]),
        "lsblk": lsblk({each: [each] for each in numbers}, "vg{}"),
        "dmsetup": "".join(_dm_line(each, f"vg{each}", each, each) for each in numbers),
        "dmsetup-table": "".join(f"vg{each}-{_lv_dm_name(each)}: 0 32768 linear 147:{each} 2048\n" for each in numbers),
        "diskstats": diskstats(count),
    }


def _proc_drbd(count: int) -> str:
    lines = _sample("proc-drbd/8.4.11-healthy-105.txt").splitlines(keepends=True)
    return "".join([*lines[:2], *(f"{each:2d}{lines[2][2:]}{lines[3]}" for each in range(count))])


def _events2(version: str, count: int) -> str:
    lines = _sample(f"events2/{version}-healthy-105.txt").splitlines(keepends=True)
    own = "".join(line for line in lines if "name:r0 " in line)
    many = (own.replace("name:r0 ", f"name:r{each} ").replace("minor:0 ", f"minor:{each} ") for each in range(count))
    return "".join([*many, lines[-1]])


def _renamed_json(name: str, key: str, count: int) -> str:
    first = json.dumps(json.loads(_sample(name))[0], indent=2)
    old = f'"{key}": "r0"'
    many = (first.replace(old, f'"{key}": "r{at}"').replace('"minor": 0', f'"minor": {at}') for at in range(count))
    return "[\n" + ",\n".join(many) + "\n]\n"


def _dump_xml(version: str, count: int) -> str:
    text = _sample(f"dump-xml/{version}-healthy-105.txt")
    start, end = text.index("    <resource name="), text.index("</resource>\n") + len("</resource>\n")
    own = text[start:end]
    many = (
        own.replace('name="r0"', f'name="r{each}"').replace('minor="0">/dev/drbd0', f'minor="{each}">/dev/drbd{each}')
        for each in range(count)
    )
    return text[:start] + "".join(many) + "</config>\n"


def _uuid(kind: str, number: int) -> str:
    return f"{kind}{number:05d}-a4Fk-Xsuc-szkN-KYbX-NvFg-rsGCeO"


def _lv_dm_name(vmid: int) -> str:
    return f"vm--{vmid}--disk--0"


def lv_row(vmid: int, vg: str, pv: str, slot: int, device: tuple[int, int] | None) -> Mapping[str, str]:
    """The row of a guest's only LV, number `slot` of its VG; `device` where it is active."""
    first = slot * _LV_EXTENTS
    major, minor = device or (-1, -1)
    return {
        "lv_uuid": _uuid("l", vmid),
        "lv_name": f"vm-{vmid}-disk-0",
        "vg_name": vg,
        "lv_size": str(_LV_B),
        "lv_attr": "-wi-ao----" if device else "-wi-------",
        "lv_active": "active" if device else "",
        "lv_device_open": "open" if device else "unknown",
        "lv_health_status": "",
        "lv_host": NODES[0],
        "lv_time": "2026-11-22 10:27:29 +0000",
        "lv_tags": f"pve-vm-{vmid}",
        "segtype": "linear",
        "seg_start_pe": "0",
        "seg_pe_ranges": f"{pv}:{first}-{first + _LV_EXTENTS - 1}",
        "devices": f"{pv}({first})",
        "lv_kernel_major": str(major),
        "lv_kernel_minor": str(minor),
    }


def vg_row(number: int, vg: str, pv: str, slots: int, used: int) -> Mapping[str, str]:
    """The row of a VG with room for `slots` LVs, on one PV."""
    return {
        "vg_uuid": _uuid("v", number),
        "vg_name": vg,
        "vg_seqno": "3",
        "vg_attr": "wz--n-",
        "vg_size": str(slots * _LV_B),
        "vg_free": str((slots - used) * _LV_B),
        "vg_extent_size": str(EXTENT_B),
        "vg_missing_pv_count": "0",
        "pv_name": pv,
    }


def pv_row(number: int, vg: str, pv: str, slots: int, used: int) -> Mapping[str, str]:
    """The row of that PV."""
    return {
        "pv_uuid": _uuid("p", number),
        "pv_name": pv,
        "vg_name": vg,
        "pv_size": str(slots * _LV_B),
        "pv_free": str((slots - used) * _LV_B),
        "pv_attr": "a--",
        "pv_missing": "",
        "pv_duplicate": "",
        "pe_start": str(_PE_START_B),
    }


def _report(key: str, rows: list[Mapping[str, str]]) -> str:
    """Rows as LVM prints them, one a line."""
    lines = ",\n".join(f"                  {json.dumps(row, separators=(', ', ':'))}" for row in rows)
    opening, closing = '  {\n      "report": [\n          {\n', "\n              ]\n          }\n      ]\n  }\n"
    return f'{opening}              "{key}": [\n{lines}{closing}'


def lsblk(lvs: Mapping[int, list[int]], vg: str) -> str:
    """A disk below each DRBD minor, and the active LVs (by vmid, which is their dm number too) above it."""
    disks = [
        {
            **_device(f"sd{minor}", f"8:{minor}", "disk", "drbd"),
            "children": [
                {
                    **_device(f"drbd{minor}", f"147:{minor}", "disk", None, f"sd{minor}"),
                    "children": [
                        {
                            **_device(
                                f"{vg.format(minor)}-{_lv_dm_name(vmid)}", f"253:{vmid}", "lvm", None, f"drbd{minor}"
                            ),
                            "kname": f"dm-{vmid}",
                        }
                        for vmid in vmids
                    ],
                }
            ],
        }
        for minor, vmids in lvs.items()
    ]
    return json.dumps({"blockdevices": disks}, indent=3) + "\n"


def _device(name: str, numbers: str, kind: str, filesystem: str | None, parent: str | None = None) -> dict[str, object]:
    return {
        "name": name,
        "kname": name,
        "pkname": parent,
        "maj:min": numbers,
        "type": kind,
        "size": _LV_B if kind == "lvm" else _DEVICE_B,
        "fstype": filesystem,
        "mountpoints": [None],
    }


def _dm_line(vmid: int, vg: str, vg_number: int, dm: int) -> str:
    uuid = (_uuid("v", vg_number) + _uuid("l", vmid)).replace("-", "")
    return f"{vg}-{_lv_dm_name(vmid)}:253:{dm}:1:LVM-{uuid}\n"


def diskstats(count: int) -> str:
    """Counters of as many DRBD devices."""
    line = _sample("diskstats/9-healthy-106.txt").splitlines(keepends=True)
    drbd = next(each for each in line if " drbd0 " in each)
    return "".join(re.sub(r"147 +0 drbd0", f"147 {each:7d} drbd{each}", drbd) for each in range(count))


def write_pair_with_guests(directory: Path, count: int) -> None:
    """A healthy DRBD 9 pair of two resources as a bundle, with `count` running VMs, every other one on the second node.

    The first half of the guests is on drbdvg (r0), the rest on drbdvg1 (r1).
    """
    shutil.copytree(SCENARIO, directory)
    vmids = range(100, 100 + count)
    places = {vmid: (vmid - 100) * 2 // count for vmid in vmids}
    for at, node in enumerate(NODES):
        _write_node(directory / "nodes" / node, places, [vmid for vmid in vmids if vmid % 2 == at])
    _write_pve(directory / "pve", places)


def _write_node(folder: Path, places: Mapping[int, int], running: list[int]) -> None:
    vgs = ("drbdvg", "drbdvg1")
    slots = len(places)
    first = {minor: min(vmid for vmid, place in places.items() if place == minor) for minor in (0, 1)}
    used = {minor: sum(place == minor for place in places.values()) for minor in (0, 1)}
    rows = [
        lv_row(vmid, vgs[minor], f"/dev/drbd{minor}", vmid - first[minor], (253, vmid) if vmid in running else None)
        for vmid, minor in places.items()
    ]
    on = {minor: [vmid for vmid in running if places[vmid] == minor] for minor in (0, 1)}
    texts = {
        "lvs": _report("lv", rows),
        "vgs": _report("vg", [vg_row(minor, vgs[minor], f"/dev/drbd{minor}", slots, used[minor]) for minor in (0, 1)]),
        "pvs": _report("pv", [pv_row(minor, vgs[minor], f"/dev/drbd{minor}", slots, used[minor]) for minor in (0, 1)]),
        "lsblk": lsblk(on, "drbdvg{}")
        .replace("drbdvg0-", "drbdvg-")
        .replace('"sd0"', '"vdb"')
        .replace('"sd1"', '"vdc"'),
        "dmsetup": "".join(_dm_line(vmid, vgs[minor], minor, vmid) for minor in (0, 1) for vmid in on[minor]),
    }
    for name, text in texts.items():
        (folder / f"{name}.out").write_text(text)


def _write_pve(folder: Path, places: Mapping[int, int]) -> None:
    listed = json.loads((folder / "cluster-resources-type-vm.json").read_text())[0]
    config = (folder / "guest-100-config.json").read_text()
    rows = [row for row in (folder / "index.tsv").read_text().splitlines() if "/config" not in row]
    guests = []
    for vmid, minor in places.items():
        node = NODES[vmid % 2]
        guests.append({**listed, "id": f"qemu/{vmid}", "vmid": vmid, "name": f"guest{vmid}", "node": node})
        own = config.replace("drbdvg:vm-100-disk-0", f"{'drbdvg1' if minor else 'drbdvg'}:vm-{vmid}-disk-0")
        for query, name in (("", f"guest-{vmid}-config.json"), ("?current=1", f"guest-{vmid}-config-current.json")):
            (folder / name).write_text(own)
            rows.append(f"/nodes/{node}/qemu/{vmid}/config{query}\t{name}")
    (folder / "cluster-resources-type-vm.json").write_text(json.dumps(guests) + "\n")
    (folder / "index.tsv").write_text("\n".join(rows) + "\n")
