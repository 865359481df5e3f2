"""For each Debian release: the package as it is built there, and a node with real systemd that has it installed."""

import shutil
import subprocess

import pytest

from tests.package.machine import PROJECT, SUITES, Machine

SCENARIOS = ("84-healthy-probed", "84-split-brain")
GUEST_FILES = {
    "storage-cfg": ("/etc/pve/storage.cfg", "drbdlvm: drbdvg\n\tvgname drbdvg\n\tcontent images,rootdir\n\tshared 1\n"),
    "guest-conf": (
        "/etc/pve/nodes/proxmox-105/qemu-server/100.conf",
        "scsi0: drbdvg:vm-100-disk-0,aio=native,size=256M\n",
    ),
}
ASKERS = PROJECT / "tests/package/askers"
PVE_STANDINS = PROJECT / "perl-shim/t/lib/standin"


@pytest.fixture(scope="session", params=SUITES)
def suite(request):
    """The release; pytest runs everything of one before the next."""
    return request.param


@pytest.fixture(scope="session")
def deb(suite, tmp_path_factory):
    """The package as `make deb` builds it in a machine of that release which has git and make, and little else."""
    place = tmp_path_factory.mktemp(f"deb-{suite}")
    machine = Machine(suite, place / "root")
    try:
        machine.run("sh", "-c", "cd /project && tests/build-deb.sh /dist")
        (built,) = machine.path("/dist").glob("*.deb")
        return shutil.copy(built, place)
    finally:
        machine.remove()


@pytest.fixture(scope="session")
def node(suite, deb, tmp_path_factory):
    """A node with what the package needs, then the package, then a start of the machine. `files` is from before it."""
    node = Machine(suite, tmp_path_factory.mktemp(f"node-{suite}") / "root")
    try:
        _bring(node, deb)
        node.run("apt-get", "update")
        needs = (_field(deb, field) for field in ("Depends", "Recommends"))
        node.run("apt-get", "satisfy", "-y", "--no-install-recommends", *needs)
        node.run("apt-get", "install", "-y", "/brought/pve.deb")
        node.files = files_of(node)
        # Without a running systemd, as in an installer or an image.
        node.run("apt-get", "install", "-y", "/brought/pve-drbd.deb")
        node.boot()
        yield node
    finally:
        node.remove()


def files_of(node):
    """Every file and directory of the machine, but for those that come with time, with apt and with a start of it."""
    passing = ("/var/lib/apt", "/var/lib/dbus", "/var/lib/dpkg", "/var/lib/systemd", "/etc/systemd", "/etc/.updated")
    pruned = [word for each in passing for word in ("-path", each, "-prune", "-o")]
    return set(node.says("find", "/etc", "/opt", "/root", "/srv", "/usr", "/var/lib", *pruned, "-print").splitlines())


def _bring(node, deb):
    """The package, a copy of a higher version, what stands for Proxmox VE, and recordings to answer from."""
    brought = node.path("/brought")
    brought.mkdir()
    shutil.copy(deb, brought / "pve-drbd.deb")
    newer = brought / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, newer], check=True)
    control = newer / "DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 9."))
    _pack(newer)
    pve = brought / "pve/DEBIAN"
    pve.mkdir(parents=True)
    (pve / "control").write_text(
        "Package: pve-standin\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n"
        "Description: hears when Proxmox VE would load its plugins anew\n"
    )
    (pve / "triggers").write_text("interest-noawait pve-api-updates\n")
    (pve / "postinst").write_text('#!/bin/sh\nif [ "$1" = triggered ]; then echo "$2" >> /brought/triggered; fi\n')
    (pve / "postinst").chmod(0o755)
    _pack(pve.parent)
    shutil.copytree(PVE_STANDINS, brought / "perl")
    shutil.copytree(ASKERS, brought, dirs_exist_ok=True)
    for scenario in SCENARIOS:
        shutil.copytree(PROJECT / "tests/scenarios" / scenario, brought / scenario)
        _record_files(brought / scenario / "nodes/proxmox-105")


def _record_files(recorded):
    """What the gate reads of /etc/pve beside the API's answers that every scenario has."""
    with (recorded / "commands.tsv").open("a") as index:
        for name, (path, text) in GUEST_FILES.items():
            index.write(f"{name}\t0\t1\tcat {path}\n")
            (recorded / f"{name}.out").write_text(text)


def _pack(tree):
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, f"{tree}.deb"], check=True, capture_output=True)


def _field(deb, name):
    return subprocess.run(["dpkg-deb", "--field", deb, name], check=True, capture_output=True, text=True).stdout.strip()
