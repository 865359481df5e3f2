"""A guest's configuration as PVE's API gives it."""

from __future__ import annotations

import copy
import json
from contextlib import suppress

import pytest
from damaged_text import sample, truncated, with_strange_bytes
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import GuestConfig, GuestKind, GuestVolume, VolumeUse
from pve_drbd.readers.guests import read_guest_config
from pve_drbd.readers.strict_json import read_json

PATH = "/nodes/pve1/qemu/100/config"
DIGEST = "1bfb6816726a83fa8f381b0eb388698c68070449"
SAMPLE = "guest-config/9.2.11-qemu-current.json"
VM, CONTAINER = GuestKind.VM, GuestKind.CONTAINER


def read(settings: dict[str, object], pending: dict[str, object] | None = None, kind: GuestKind = VM) -> GuestConfig:
    merged = None if pending is None else {"digest": DIGEST, **pending}
    return read_guest_config(kind, {"digest": DIGEST, **settings}, merged, PATH)


def refusal(settings: object, kind: GuestKind = VM) -> str:
    with pytest.raises(Unreadable) as refused:
        read_guest_config(kind, settings, None, PATH)
    assert refused.value.source == PATH
    return refused.value.why


def test_a_real_vm_is_read():
    current, merged = (json.loads(sample(f"guest-config/9.2.11-qemu-{each}.json")) for each in ("current", "merged"))
    assert read_guest_config(VM, current, merged, PATH) == GuestConfig(
        volumes=(GuestVolume("scsi0", VolumeUse.DISK, "d0", "vm-100-disk-0", {"size": "64M"}),),
        memory_mib=128,
        name="t100",
    )


USES = [
    (VM, "ide0", "d0:vm-1-disk-0", VolumeUse.DISK),
    (VM, "ide3", "d0:vm-1-disk-0", VolumeUse.DISK),
    (VM, "sata5", "d0:vm-1-disk-0", VolumeUse.DISK),
    (VM, "scsi30", "d0:vm-1-disk-0", VolumeUse.DISK),
    (VM, "virtio15", "d0:vm-1-disk-0", VolumeUse.DISK),
    (VM, "ide2", "local:iso/a b.iso,media=cdrom", VolumeUse.CDROM),
    (VM, "ide2", "d0:vm-1-cloudinit,media=cdrom", VolumeUse.CLOUD_INIT),
    (VM, "ide2", "local:1/vm-1-cloudinit.qcow2,media=cdrom", VolumeUse.CLOUD_INIT),
    (VM, "scsi0", "d0:vm-1-cloudinit-not", VolumeUse.DISK),
    (VM, "efidisk0", "d0:vm-1-disk-0,efitype=4m", VolumeUse.EFI),
    (VM, "tpmstate0", "d0:vm-1-disk-0,version=v2.0", VolumeUse.TPM),
    (VM, "vmstate", "d0:vm-1-state-suspend", VolumeUse.VM_STATE),
    (VM, "unused0", "d0:vm-1-disk-0", VolumeUse.UNUSED),
    (VM, "unused255", "d0:vm-1-disk-0", VolumeUse.UNUSED),
    (CONTAINER, "rootfs", "d0:vm-1-disk-0,size=8G", VolumeUse.ROOTFS),
    (CONTAINER, "mp0", "d0:subvol-1-disk-0,mp=/srv", VolumeUse.MOUNT_POINT),
    (CONTAINER, "mp255", "d0:vm-1-disk-0,mp=/srv", VolumeUse.MOUNT_POINT),
    (CONTAINER, "unused0", "d0:vm-1-disk-0", VolumeUse.UNUSED),
    # Under keys that PVE does not have (yet), what looks like a guest's volume is one.
    (VM, "ide4", "d0:vm-1-disk-0", VolumeUse.OTHER),
    (VM, "sata6", "d0:vm-1-disk-0", VolumeUse.OTHER),
    (VM, "scsi31", "d0:vm-1-disk-0", VolumeUse.OTHER),
    (VM, "scsi00", "d0:vm-1-disk-0", VolumeUse.OTHER),
    (VM, "virtio16", "d0:vm-1-disk-0", VolumeUse.OTHER),
    (VM, "efidisk1", "d0:vm-1-disk-0", VolumeUse.OTHER),
    (VM, "unused256", "d0:vm-1-disk-0", VolumeUse.OTHER),
    (VM, "nvme0", "file=d0:vm-1-disk-0,size=1G", VolumeUse.OTHER),
    (VM, "nvme0", "local:1/vm-1-disk-0.qcow2", VolumeUse.OTHER),
    (VM, "nvme0", "d0:base-9-disk-0/vm-1-disk-0", VolumeUse.OTHER),
    (CONTAINER, "scsi0", "d0:vm-1-disk-0", VolumeUse.OTHER),
    (CONTAINER, "rootfs0", "d0:subvol-1-disk-0", VolumeUse.OTHER),
]


@pytest.mark.parametrize(("kind", "key", "value", "use"), USES)
def test_each_key_says_what_its_volume_is_for(kind, key, value, use):
    found = read({key: value}, kind=kind).volumes
    assert [(each.key, each.use) for each in found] == [(key, use)]
    assert found[0].volid in value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sata0", "none,media=cdrom"),
        ("hookscript", "local:snippets/vm-1-hook.pl"),
        ("cicustom", "user=local:snippets/vm-1-user.yaml"),
        ("description", "d0:vm-1-disk-0"),
        ("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0"),
        ("vmstatestorage", "d0"),
        ("memory", 512),
    ],
)
def test_other_keys_name_no_volume(key, value):
    assert read({key: value}).volumes == ()


def test_cache_and_aio_stay_with_the_drive():
    options = read({"scsi0": "volume=d0:vm-1-disk-0,aio=native,cache=writeback,size=1G"}).volumes[0].options
    assert options == {"aio": "native", "cache": "writeback", "size": "1G"}


def test_a_linked_clone_keeps_its_base_in_the_name():
    volume = read({"scsi0": "d0:base-100-disk-0/vm-101-disk-0"}).volumes[0]
    assert (volume.name, volume.volid) == ("base-100-disk-0/vm-101-disk-0", "d0:base-100-disk-0/vm-101-disk-0")


@pytest.mark.parametrize(
    ("key", "value", "is_local"),
    [
        ("hostpci0", "0000:01:00.0,pcie=1", True),
        ("hostpci0", "mapping=gpu", False),
        ("usb0", "host=1234:5678", True),
        ("usb0", "spice,usb3=1", False),
        ("usb0", "host=SPICE", False),
        ("usb0", "mapping=dongle", False),
        ("serial0", "/dev/ttyS0", True),
        ("serial0", "socket", False),
        ("parallel0", "/dev/parport0", True),
        ("ivshmem", "size=32", True),
        ("hostusb", "1234:5678", True),
        ("ide2", "cdrom,media=cdrom", True),
        ("net0", "virtio", False),
    ],
)
def test_hardware_of_the_node_ties_a_vm_to_it(key, value, is_local):
    assert read({key: value}).local_devices == ((key,) if is_local else ())


@pytest.mark.parametrize(
    ("kind", "key", "value", "is_host_path", "path"),
    [
        (VM, "scsi1", "/dev/sdb,size=1G", True, "/dev/sdb"),
        (VM, "scsi1", "/dev/mapper/shared,shared=1", False, "/dev/mapper/shared"),
        (VM, "ide2", "/srv/a.iso,media=cdrom", True, "/srv/a.iso"),
        (VM, "args", "-drive file=/dev/drbdvg/vm-1-disk-7,if=none", False, "/dev/drbdvg/vm-1-disk-7"),
        (CONTAINER, "mp0", "/mnt/data,mp=/data", True, "/mnt/data"),
        (CONTAINER, "mp0", "/dev/sdb,mp=/data,shared=on", False, "/dev/sdb"),
        (CONTAINER, "rootfs", "/srv/root", True, "/srv/root"),
        (CONTAINER, "dev0", "path=/dev/ttyUSB0,mode=0660", False, "/dev/ttyUSB0"),
    ],
)
def test_paths_of_the_node_are_told_apart_from_volumes(kind, key, value, is_host_path, path):
    config = read({key: value}, kind=kind)
    assert (config.volumes, config.host_paths) == ((), (key,) if is_host_path else ())
    assert config.raw_paths == ((key, path),)


def test_raw_mounts_of_a_container_are_told():
    lines = [["lxc.mount.entry", "/dev/drbdvg/x mnt none bind 0 0"], ["lxc.mount.entry", ""], ["lxc.cap.drop", "/x"]]
    assert read({"lxc": lines}, kind=CONTAINER).raw_paths == (("lxc.mount.entry", "/dev/drbdvg/x"),)


def test_a_volume_that_only_a_pending_change_names_is_marked():
    config = read(
        {"scsi0": "d0:vm-1-disk-0", "unused0": "d0:vm-1-disk-1"},
        {"scsi0": "d0:vm-1-disk-0,cache=none", "scsi1": "d0:vm-1-disk-1", "usb0": "host=1-1", "scsi2": "/dev/sdb"},
    )
    assert [(each.key, each.is_pending, each.is_attached) for each in config.volumes] == [
        ("scsi0", False, True),
        ("unused0", False, False),
        ("scsi1", True, True),
    ]
    assert (config.has_pending, config.local_devices, config.host_paths) == (True, ("usb0",), ("scsi2",))


def test_a_digest_alone_is_no_pending_change():
    current = {"digest": DIGEST, "memory": 512}
    assert not read_guest_config(VM, current, {"digest": "0" * 40, "memory": "512"}, PATH).has_pending
    assert read_guest_config(VM, current, {"digest": DIGEST}, PATH).has_pending


def test_the_other_settings_are_read():
    config = read(
        {
            "lock": "backup",
            "template": 1,
            "machine": "pc-q35-9.0+pve0,viommu=virtio",
            "memory": "current=4096",
            "onboot": "1",
            "hookscript": "local:snippets/x.pl",
            "tags": "b;a,c",
            "name": "mail",
            "parent": "before",
            "cpulimit": 1.5,
            "special-sections": {"cloudinit": {}},
        }
    )
    assert config == GuestConfig(
        volumes=(),
        snapshots=("before",),
        lock="backup",
        is_template=True,
        machine="pc-q35-9.0+pve0",
        memory_mib=4096,
        starts_at_boot=True,
        hookscript="local:snippets/x.pl",
        tags=("b", "a", "c"),
        name="mail",
    )


def test_a_containers_name_is_its_hostname_and_memory_has_a_default():
    config = read({"hostname": "web"}, kind=CONTAINER)
    assert (config.name, config.memory_mib) == ("web", 512)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"scsi0": "vm-1-disk-0"}, "scsi0: 'vm-1-disk-0' is not a volume"),
        ({"scsi0": "d0:"}, "is not a volume"),
        ({"scsi0": "d:vm-1-disk-0"}, "is not a volume"),
        ({"scsi0": "d0:vm-1 disk-0"}, "is not a volume"),
        ({"scsi0": ""}, "scsi0: '' names 0 volumes"),
        ({"scsi0": "size=1G"}, "scsi0: 'size=1G' names 0 volumes"),
        ({"scsi0": "d0:vm-1-disk-0,volume=d0:vm-1-disk-1"}, "names 2 volumes"),
        ({"scsi0": "d0:vm-1-disk-0,d0:vm-1-disk-1"}, "scsi0: file stands twice"),
        ({"scsi0": "d0:vm-1-disk-0,cache="}, "'cache=' is not a setting"),
        ({"scsi0": "d0:vm-1-disk-0,ca%he=none"}, "is not a setting"),
        ({"scsi0": "d0:vm-1-disk-0,cache=fast"}, "scsi0: cache is 'fast'"),
        ({"scsi0": "d0:vm-1-disk-0,aio=slow"}, "scsi0: aio is 'slow'"),
        ({"scsi0": "d0:vm-1-disk-0,media=tape"}, "scsi0: media is 'tape'"),
        ({"scsi0": "d0:vm-1-disk-0,shared=maybe"}, "scsi0: shared is 'maybe'"),
        ({"unused0": "/dev/sdb"}, "unused0: '/dev/sdb' is not a volume"),
        ({"tpmstate0": "none"}, "tpmstate0: 'none' is not a volume"),
        ({"usb0": "host=1,host=2"}, "usb0: host stands twice"),
        ({"Scsi0": "d0:vm-1-disk-0"}, "'Scsi0' is not a key"),
        ({"scsi%": "d0:vm-1-disk-0"}, "'scsi%' is not a key"),
        ({"scsi0": None}, "scsi0 is None"),
        ({"scsi0": ["d0:vm-1-disk-0"]}, "scsi0 is"),
        ({"scsi0": True}, "scsi0 is True"),
        ({"template": 2}, "template is '2'"),
        ({"lock": "Backup"}, "lock is 'Backup'"),
        ({"memory": "much"}, "current is 'much'"),
        ({"digest": "1bfb"}, "digest is '1bfb'"),
        ({"lxc": "lxc.cap.drop"}, "lxc holds"),
        ({"lxc": [["lxc.cap.drop"]]}, "lxc holds"),
    ],
)
def test_what_pve_could_not_read_either_is_refused(changed, why):
    assert why in refusal({"digest": DIGEST, **changed})


def test_an_answer_without_a_digest_is_no_configuration():
    assert refusal({}) == "digest is missing"
    assert refusal([]) == "it is not an object"
    assert "'dev-0' is not a key" in refusal({"digest": DIGEST, "dev-0": "x"}, CONTAINER)


FULL = {
    "digest": DIGEST,
    "scsi0": "d0:vm-100-disk-0,aio=native,size=32G",
    "scsi1": "/dev/sdb",
    "usb0": "host=1-1",
    "unused0": "d0:vm-100-disk-9",
    "lock": "backup",
}


def is_no_better(found: GuestConfig, whole: GuestConfig) -> bool:
    """As many volumes, each with its own name or one that does not exist; everything else that matters is kept."""
    return (
        sum(each.is_attached for each in found.volumes) >= sum(each.is_attached for each in whole.volumes)
        and {*found.local_devices} >= {*whole.local_devices}
        and {*found.host_paths} >= {*whole.host_paths}
        and bool(found.lock) == bool(whole.lock)
    )


def test_damage_on_the_way_is_refused_or_makes_the_guest_look_no_better():
    for text in (json.dumps(FULL), sample(SAMPLE)):
        whole = read_guest_config(VM, json.loads(text), None, PATH)
        for damaged in (*truncated(text, 1000), *(with_strange_bytes(text, 1000))):
            with suppress(Unreadable):
                assert is_no_better(read_guest_config(VM, read_json(damaged, PATH), None, PATH), whole)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda each: st.lists(each, max_size=3))


@given(st.sampled_from(GuestKind), st.dictionaries(st.sampled_from([*FULL, "mp0", "lxc", "x"]) | st.text(), JSON))
def test_no_object_at_all_ends_in_anything_but_a_value_or_a_refusal(kind, settings):
    before = copy.deepcopy(settings)
    with suppress(Unreadable):
        read_guest_config(kind, {"digest": DIGEST, **settings}, settings, PATH)
    assert settings == before
