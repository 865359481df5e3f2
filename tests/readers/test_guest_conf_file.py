"""A guest's configuration as it stands in /etc/pve."""

from __future__ import annotations

from contextlib import suppress

import pytest
from damaged_text import sample, truncated, with_a_line_twice, with_strange_bytes
from hypothesis import given
from hypothesis import strategies as st

from pve_drbd.errors import Unreadable
from pve_drbd.model.pve import GuestConfig, GuestKind, GuestVolume, VolumeUse
from pve_drbd.readers.guest_conf_file import read_guest_conf

VM, CONTAINER = GuestKind.VM, GuestKind.CONTAINER
SOURCE = "/etc/pve/nodes/pve1/qemu-server/100.conf"
EVERY = [(VM, "guest-conf/written-vm.conf"), (CONTAINER, "guest-conf/written-container.conf")]


def read(text: str, kind: GuestKind = VM) -> GuestConfig:
    return read_guest_conf(kind, text, SOURCE)


def test_a_vm_is_read_with_pending_changes_snapshots_and_leftovers():
    config = read(sample("guest-conf/written-vm.conf"))
    assert config.volumes[4] == GuestVolume(
        "scsi1", VolumeUse.DISK, "local-lvm", "base-900-disk-0/vm-100-disk-2", {"backup": "0", "size": "8G"}
    )
    assert [(each.key, each.use, each.volid, each.snapshot, each.is_pending) for each in config.volumes] == [
        ("efidisk0", VolumeUse.EFI, "drbd0:vm-100-disk-1", "", False),
        ("ide0", VolumeUse.CLOUD_INIT, "drbd0:vm-100-cloudinit", "", False),
        ("ide2", VolumeUse.CDROM, "local:iso/debian 12.iso", "", False),
        ("scsi0", VolumeUse.DISK, "drbd0:vm-100-disk-0", "", False),
        ("scsi1", VolumeUse.DISK, "local-lvm:base-900-disk-0/vm-100-disk-2", "", False),
        ("tpmstate0", VolumeUse.TPM, "drbd0:vm-100-disk-3", "", False),
        ("unused0", VolumeUse.UNUSED, "drbd0:vm-100-disk-9", "", False),
        ("fleecing-images", VolumeUse.UNUSED, "drbd0:vm-100-fleece-0", "", False),
        ("fleecing-images", VolumeUse.UNUSED, "local:100/vm-100-fleece-1.qcow2", "", False),
        ("scsi2", VolumeUse.DISK, "drbd1:vm-100-disk-4", "", True),
        ("scsi0", VolumeUse.DISK, "drbd0:vm-100-disk-0", "before-upgrade", False),
        ("vmstate", VolumeUse.VM_STATE, "drbd0:vm-100-state-before-upgrade", "before-upgrade", False),
        ("scsi0", VolumeUse.DISK, "drbd0:vm-100-disk-0", "first", False),
    ]
    assert config.local_devices == ("hostpci1", "serial1", "usb1")
    assert (config.host_paths, config.snapshots) == (("scsi10",), ("before-upgrade", "first"))
    assert (config.has_pending, config.lock, config.machine) == (True, "backup", "pc-q35-9.0+pve0")
    assert (config.memory_mib, config.starts_at_boot, config.tags) == (2048, True, ("mail", "prod"))


def test_a_container_is_read_and_may_have_a_snapshot_called_like_a_vms_section():
    config = read(sample("guest-conf/written-container.conf"), CONTAINER)
    assert [(each.key, each.use, each.volid, each.snapshot) for each in config.volumes] == [
        ("mp0", VolumeUse.MOUNT_POINT, "drbd0:vm-101-disk-1", ""),
        ("rootfs", VolumeUse.ROOTFS, "drbd0:vm-101-disk-0", ""),
        ("unused0", VolumeUse.UNUSED, "local:101/vm-101-disk-2.raw", ""),
        ("rootfs", VolumeUse.ROOTFS, "drbd0:vm-101-disk-0", "PENDING"),
    ]
    assert (config.host_paths, config.has_pending, config.name) == (("mp1",), True, "web")
    assert ("lxc.mount.entry", "/dev/drbdvg/vm-101-disk-7") in config.raw_paths


def test_a_file_with_nothing_in_it_is_a_guest_with_nothing():
    assert read("") == GuestConfig(volumes=(), memory_mib=512)


def test_lines_in_odd_forms_are_read_as_pve_reads_them():
    text = "boot: \nscsi0:d0:vm-1-disk-0\r\ndescription: a\ndescription: b\ncdrom: local:iso/a.iso,media=cdrom\n\n  \n"
    assert [each.key for each in read(text).volumes] == ["ide2", "scsi0"]
    assert read("[pending]\ndelete: scsi1\n").has_pending
    assert read("[snap]\nsnapstate: delete\n").snapshots == ("snap",)
    assert read("lxc.cgroup2.devices.allow = c 10:200 rwm\n[snap]\nlxc.mount.entry: /x y\n", CONTAINER).raw_paths == ()


def test_a_section_that_pve_may_have_one_day_still_shows_its_volumes():
    assert [each.volid for each in read("[special:new]\nthing: d0:vm-1-new-0\n").volumes] == ["d0:vm-1-new-0"]


@pytest.mark.parametrize(
    ("kind", "text", "line", "why"),
    [
        (VM, "scsi0: d0:vm-1-disk-0", 1, "its last line is torn"),
        (VM, "cores: 1\nscsi0\n", 2, "'scsi0' is not a setting"),
        (VM, "scsi0:\n", 1, "is not a setting"),
        (VM, "scsi0: d0:vm-1-disk-0\nscsi0: d0:vm-1-disk-1\n", 2, "scsi0 stands twice"),
        (VM, "cdrom: none\nide2: none\n", 2, "ide2 stands twice"),
        (VM, "[a]\n", 1, "'[a]' is not a section"),
        (VM, "[:3]\n", 1, "is not a section"),
        (VM, "[special:]\n", 1, "is not a section"),
        (CONTAINER, "[special:x]\n", 1, "is not a section"),
        (VM, "[snap]\n[snap]\n", 2, "section '[snap]' stands twice"),
        (VM, "[PENDING]\n[pending]\n", 2, "stands twice"),
        (VM, "delete: scsi0\n", 1, "delete stands outside the pending changes"),
        (VM, "lxc.mount.entry: /x y\n", 1, "is not a setting"),
        (VM, "scsi0: nothing\n", 0, "scsi0: 'nothing' is not a volume"),
        (VM, "[snap]\nscsi0: nothing\n", 0, "scsi0: 'nothing' is not a volume"),
        (CONTAINER, "root-fs: d0:vm-1-disk-0\n", 0, "'root-fs' is not a key"),
    ],
)
def test_a_line_that_pve_would_skip_with_a_warning_is_refused(kind, text, line, why):
    with pytest.raises(Unreadable) as refusal:
        read(text, kind)
    assert (refusal.value.source, refusal.value.line) == (SOURCE, line)
    assert why in refusal.value.why


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_file_cut_off_within_a_line_is_refused(kind, name):
    whole = read(sample(name), kind)
    for text in truncated(sample(name)):
        if text and not text.endswith("\n"):
            with pytest.raises(Unreadable):
                read(text, kind)
        else:
            assert len(read(text, kind).volumes) <= len(whole.volumes)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_damage_is_refused_or_leaves_every_attached_volume(kind, name):
    text = sample(name)
    whole = read(text, kind)
    for damaged in (*with_a_line_twice(text), *with_strange_bytes(text, 3000)):
        if damaged.count("#") != text.count("#"):
            continue
        try:
            found = read(damaged, kind)
        except Unreadable:
            continue
        attached = [sum(volume.is_attached for volume in each.volumes) for each in (found, whole)]
        assert attached[0] >= attached[1], damaged
        assert {*found.local_devices} >= {*whole.local_devices}
        assert bool(found.lock) == bool(whole.lock)


@given(st.sampled_from(EVERY), st.data())
def test_no_change_of_one_character_ends_in_anything_but_a_value_or_a_refusal(each, data):
    kind, name = each
    text = sample(name)
    at = data.draw(st.integers(0, len(text) - 1))
    with suppress(Unreadable):
        read(text[:at] + data.draw(st.characters()) + text[at + 1 :], kind)


@given(st.sampled_from(GuestKind), st.text())
def test_no_text_at_all_ends_in_anything_but_a_value_or_a_refusal(kind, text):
    with suppress(Unreadable):
        read(text, kind)
