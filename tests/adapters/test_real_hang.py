"""A real hang in state D, as LVM has it on suspended I/O: a file system on a loop device is frozen under a writer.

What hangs is a copy of touch that is named lvs. It is not LVM and there is no DRBD, but to the kernel, and to whoever
wants to end it, it is the same: the process waits for a device and no signal gets through.
"""

import contextlib
import os
import shutil
import subprocess
import time

import pytest
from throwaway_sshd import WHY_NOT, ThrowawaySshd

from pve_drbd.adapters.children import state_of
from pve_drbd.adapters.local import LocalCommands, local_node
from pve_drbd.adapters.ssh import SshCommands
from pve_drbd.adapters.ssh_client import ssh_argv
from pve_drbd.errors import Unreachable

pytestmark = pytest.mark.slow

NODE = local_node()


@pytest.fixture
def frozen(tmp_path):
    """A frozen file system; it thaws by `thaw()`, at the end, and by itself after 20 s should this test be killed."""
    folder, image = tmp_path / "mnt", tmp_path / "image"
    folder.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 * 2**20)
    for argv in (("mkfs.ext4", "-q", image), ("mount", "-o", "loop", image, folder), ("fsfreeze", "-f", folder)):
        try:
            subprocess.run(argv, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as err:
            pytest.skip(f"no file system can be frozen here: {err}")
        if argv[0] == "mount":
            rescue = subprocess.Popen(["sh", "-c", f"sleep 20; fsfreeze -u {folder}"], start_new_session=True)
    yield folder
    thaw(folder)
    os.killpg(rescue.pid, 15)
    rescue.wait()
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def lvs(tmp_path):
    return str(shutil.copy("/usr/bin/touch", tmp_path / "lvs"))


def thaw(folder):
    subprocess.run(["fsfreeze", "-u", folder], check=False, capture_output=True)


def run(hosts, *argv):
    return hosts.run(NODE, argv, 1.0)


def wait_until(is_so, patience_s=10.0):
    deadline = time.monotonic() + patience_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def is_answered(hosts, *argv):
    with contextlib.suppress(Unreachable):
        return run(hosts, *argv).exit_code == 0
    return False


def test_lvm_that_hangs_on_this_node_is_abandoned_once_and_asked_again_when_io_goes_on(frozen, lvs):
    local = LocalCommands(NODE)
    with pytest.raises(Unreachable, match=r"no signal ends it \(pid \d+, state D\)") as caught:
        run(local, lvs, f"{frozen}/a")
    pid = int(caught.value.why.partition("(pid ")[2].partition(",")[0])
    with pytest.raises(Unreachable, match=rf"was not run: .* still hangs \(pid {pid}, state D\)"):
        run(local, lvs, f"{frozen}/b")
    assert run(local, "true").exit_code == 0
    thaw(frozen)
    assert wait_until(lambda: state_of(pid) == "?")
    assert is_answered(local, lvs, f"{frozen}/c")


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_lvm_that_hangs_on_the_peer_is_given_up_once_and_asked_again_when_io_goes_on(frozen, lvs, tmp_path):
    sshd = ThrowawaySshd(tmp_path)
    peer = SshCommands(NODE, ssh_argv(NODE, "127.0.0.1", sshd.known_hosts(NODE, tmp_path / "known"), sshd.options))
    try:
        with pytest.raises(Unreachable, match="was not stopped there either"):
            run(peer, lvs, f"{frozen}/a")
        for _survey in range(2):
            with pytest.raises(Unreachable, match="still hangs there"):
                run(peer, lvs, f"{frozen}/b")
            assert run(peer, "true").exit_code == 0
            peer.close()
        thaw(frozen)
        assert wait_until(lambda: is_answered(peer, lvs, f"{frozen}/c"))
    finally:
        thaw(frozen)
        peer.close()
        sshd.close()
