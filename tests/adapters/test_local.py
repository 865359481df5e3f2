"""Commands on this node: what comes back, and what happens to those that do not end.

State D takes a device that stops answering; test_real_hang.py makes one, where it may mount. What stands for it here is
a process whose signals are held back (`signal_group` does nothing): all that state D means to the one who sends them.
"""

import contextlib
import os
import signal
import threading
import time

import pytest

from pve_drbd.adapters.children import state_of
from pve_drbd.adapters.hosts import is_lvm
from pve_drbd.adapters.local import LocalCommands, local_node
from pve_drbd.errors import ConfigInvalid, Unreachable, Unreadable

MIB = 2**20


@pytest.fixture
def local():
    return LocalCommands("pve-a")


@pytest.fixture
def deaf():
    """A node on which no signal reaches any child; what is left at the end is ended for real."""
    signalled = []
    yield LocalCommands("pve-a", signal_group=lambda pid, number: signalled.append((pid, number)))
    for pid in {pid for pid, _ in signalled}:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


@pytest.fixture
def lvs(tmp_path):
    """Stands for lvs: is named like it and does what its arguments say. It reads no device."""
    tool = tmp_path / "lvs"
    tool.write_text('#!/bin/sh\n# Stands for lvs: it runs its arguments, and knows nothing of LVM.\nexec "$@"\n')
    tool.chmod(0o755)
    return str(tool)


def run(hosts, *argv, timeout_s=5.0):
    return hosts.run("pve-a", argv, timeout_s)


def wait_until(is_so, patience_s=5.0):
    deadline = time.monotonic() + patience_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


def exists(pid):
    return os.path.exists(f"/proc/{pid}")


def test_output_errors_and_exit_code_come_back_apart(local):
    result = run(local, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (result.out, result.err, result.exit_code) == ("out\n", "err\n", 7)


def test_bytes_that_are_no_text_come_back_unchanged(local):
    result = run(local, "printf", r"\377\000\303\n")
    assert result.out.encode("utf-8", "surrogateescape") == b"\xff\x00\xc3\n"


@pytest.mark.parametrize("argument", ["a b", "'", '"', "$(id)", "`id`", ";", "*", "\\", "ä…", "", "\t", "\udcff", "-n"])
def test_no_shell_sees_an_argument(local, argument):
    assert run(local, "printf", "%s", argument).out == argument


def test_a_command_has_a_fixed_environment(local, monkeypatch):
    monkeypatch.setenv("LVM_SYSTEM_DIR", "/elsewhere")
    assert run(local, "env").out == "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\n"


def test_a_command_can_neither_read_our_input_nor_ask_on_our_terminal(local):
    ours = os.dup(0)
    reading, writing = os.pipe()
    os.write(writing, b"yes\n")
    os.dup2(reading, 0)
    try:
        assert run(local, "cat").out == ""
    finally:
        os.dup2(ours, 0)
        for number in (ours, reading, writing):
            os.close(number)
    pid, _, _, _, _, session, *_ = run(local, "cat", "/proc/self/stat").out.split()
    assert session == pid


def test_a_program_that_is_not_installed_gives_the_exit_code_of_a_shell(local):
    assert run(local, "drbdadm-of-nobody").exit_code == 127
    assert run(local, "/etc").exit_code == 126


def test_an_end_by_signal_gives_the_exit_code_of_a_shell(local):
    assert run(local, "sh", "-c", "kill -11 $$").exit_code == 128 + 11


def test_eight_mib_come_back_whole(local):
    assert len(run(local, "head", "-c", str(8 * MIB), "/dev/zero").out) == 8 * MIB


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_program_gone_wild_is_stopped(local, stream):
    with pytest.raises(Unreadable, match="sh on pve-a is unreadable: it printed more than 16 MiB"):
        run(local, "sh", "-c", f"exec yes >&{stream}")


def test_a_command_that_takes_too_long_is_stopped_with_all_it_started(local, tmp_path):
    script = f"sleep 60 & echo $! >{tmp_path}/pid; wait"
    with pytest.raises(Unreachable, match=r"sh did not end within 0\.6 s and was stopped"):
        run(local, "sh", "-c", script, timeout_s=0.6)
    # Its grandchild is not ours to reap: dead is enough.
    assert wait_until(lambda: state_of(int((tmp_path / "pid").read_text())) in "?Z")


def test_a_command_that_ignores_sigterm_is_killed(local, tmp_path):
    script = f"trap '' TERM; echo $$ >{tmp_path}/pid; while :; do sleep 0.1; done"
    with pytest.raises(Unreachable, match="was stopped"):
        run(local, "sh", "-c", script, timeout_s=0.6)
    assert not exists((tmp_path / "pid").read_text().strip())


def test_a_program_that_closes_its_outputs_still_has_to_end_in_time(local):
    with pytest.raises(Unreachable, match="did not end"):
        run(local, "sh", "-c", "exec >&- 2>&-; sleep 60", timeout_s=0.2)


def test_a_command_that_says_it_timed_out_itself_did_not_answer(local):
    with pytest.raises(Unreachable):
        run(local, "sh", "-c", "exit 124")


def test_a_command_that_no_signal_ends_is_neither_waited_for_nor_run_a_second_time(deaf):
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"no signal ends it \(pid \d+, state S\).*drbdadm status"):
        run(deaf, "sleep", "60", timeout_s=0.2)
    with pytest.raises(Unreachable, match="sleep was not run: an earlier sleep still hangs"):
        run(deaf, "sleep", "60")
    assert time.monotonic() - started < 20


def test_while_an_lvm_command_hangs_no_other_is_run(deaf, lvs):
    with pytest.raises(Unreachable, match="no signal ends it"):
        run(deaf, lvs, "sleep", "60", timeout_s=0.2)
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"vgs was not run: an earlier .*lvs still hangs \(pid \d+, state S\)"):
        run(deaf, "vgs", timeout_s=5.0)
    assert time.monotonic() - started < 4.0
    assert run(deaf, "echo", "lsblk").out == "lsblk\n"


def test_once_the_hanging_lvm_command_ends_lvm_is_asked_again_and_no_zombie_is_left(deaf, lvs, tmp_path):
    script = f"echo $$ >{tmp_path}/pid; while [ ! -e {tmp_path}/resumed ]; do sleep 0.05; done"
    with pytest.raises(Unreachable, match="no signal ends it"):
        run(deaf, lvs, "sh", "-c", script, timeout_s=0.6)
    pid = (tmp_path / "pid").read_text().strip()
    assert exists(pid)
    (tmp_path / "resumed").touch()
    assert wait_until(lambda: not exists(pid))
    assert run(deaf, lvs, "echo", "again").out == "again\n"


def test_two_lvm_commands_never_run_at_once(local, lvs, tmp_path):
    script = f"mkdir {tmp_path}/turn && sleep 0.2 && rmdir {tmp_path}/turn"
    codes = []
    threads = [
        threading.Thread(target=lambda: codes.append(run(local, lvs, "sh", "-c", script).exit_code)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]


def test_an_lvm_command_waits_for_its_turn_no_longer_than_its_time(local, lvs):
    first = threading.Thread(target=run, args=(local, lvs, "sleep", "0.6"))
    first.start()
    time.sleep(0.2)
    with pytest.raises(Unreachable, match="another LVM command of ours took over"):
        run(local, lvs, "true", timeout_s=0.1)
    first.join()


def test_several_threads_can_ask_at_once(local, tmp_path):
    script = f"echo >{tmp_path}/$0; while [ $(ls {tmp_path} | wc -l) -lt 4 ]; do sleep 0.05; done; echo $0"
    outs = {}
    threads = [
        threading.Thread(target=lambda n=n: outs.update({n: run(local, "sh", "-c", script, str(n)).out}))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outs == {n: f"{n}\n" for n in range(4)}


def test_an_interrupt_leaves_no_child_behind(local, tmp_path):
    timer = threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(local, "sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 60")
    assert not exists((tmp_path / "pid").read_text().strip())


@pytest.mark.parametrize("argv", [("echo", "a\nb"), ("echo", "a\0b"), ("echo", "\ud800"), (), ("",)])
def test_what_cannot_be_sent_to_every_node_is_refused_here_too(local, argv):
    with pytest.raises(ConfigInvalid):
        local.run("pve-a", argv, 5.0)


def test_another_node_is_not_asked_here(local):
    with pytest.raises(Unreachable, match="it is not this node"):
        local.run("pve-b", ("true",), 5.0)


@pytest.mark.parametrize("argv", [("lvs",), ("/sbin/vgs", "-a"), ("pvs",), ("vgcfgbackup",), ("lvchange",), ("lvm",)])
def test_tools_that_scan_devices_count_as_lvm(argv):
    assert is_lvm(argv)


@pytest.mark.parametrize("argv", [("lvmconfig",), ("pvesm",), ("pvesh",), ("lsblk",), ("dmsetup",), ("cat", "lvs")])
def test_tools_that_answer_while_io_is_suspended_do_not_count_as_lvm(argv):
    assert not is_lvm(argv)


def test_the_name_of_this_node_has_no_domain(monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "pve-a.example.org", "", "", "")))
    assert local_node() == "pve-a"
