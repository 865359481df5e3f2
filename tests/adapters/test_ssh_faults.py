"""What an ssh can do wrong: silence, noise, half an answer. Each ends in time, in a sentence that says what to do.

The programs that stand for ssh here are given the remote command as their last argument, as ssh is.
"""

import contextlib
import subprocess
import time

import pytest

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.adapters.local import local_node
from pve_drbd.adapters.ssh import SshCommands
from pve_drbd.adapters.ssh_client import complaint, ssh_argv
from pve_drbd.adapters.ssh_session import REMOTE_SCRIPT
from pve_drbd.errors import Unreachable, Unreadable

PEER = local_node()
MARKER = "frame-of-test"
THERE = 'eval "last=\\$$#"; '  # the remote command
READY = f"printf '\\n{MARKER} ready 77 {PEER}\\n'; "


@pytest.fixture
def ssh(tmp_path):
    """Makes a peer whose ssh is a shell script; the sentence says what it stands for."""
    made = []

    def make(sentence, script, connect_timeout_s=5.0):
        file = tmp_path / "ssh"
        file.write_text(f"#!/bin/sh\n# Stands for {sentence} It does no ssh.\n{script}\n")
        file.chmod(0o755)
        hosts = SshCommands(PEER, (str(file), "root@10.0.7.106"), connect_timeout_s=connect_timeout_s, marker=MARKER)
        made.append(hosts)
        return hosts

    yield make
    for hosts in made:
        hosts.close()


def run(hosts, *argv, timeout_s=5.0):
    return hosts.run(PEER, argv, timeout_s)


def refusal(hosts, error=Unreachable, timeout_s=5.0):
    """The sentence of the first command's failure; the next one must say the same."""
    with pytest.raises(error) as first:
        run(hosts, "echo", "1", timeout_s=timeout_s)
    with pytest.raises(Unreachable) as second:
        run(hosts, "echo", "2", timeout_s=timeout_s)
    assert second.value.why == first.value.why
    return first.value.why


def test_a_server_that_accepts_and_then_says_nothing_is_given_up(ssh):
    why = refusal(ssh("an ssh that waits for the server's banner.", "exec sleep 60", connect_timeout_s=0.3))
    assert "ssh to 10.0.7.106 gave no session in time, without a word. Try it by hand: " in why
    assert why.endswith("ssh root@10.0.7.106 true")


def test_a_password_prompt_is_not_waited_for(ssh):
    script = 'printf "root@10.0.7.106\'s password: " >&2; exec sleep 60'
    why = refusal(ssh("an ssh that asks for a password.", script, connect_timeout_s=0.3))
    assert "its last words: root@10.0.7.106's password:" in why


def test_what_a_login_prints_before_the_first_answer_does_no_harm(ssh):
    script = f"{THERE}echo 'Linux pve 6.8'; printf '\\377 {MARKER} no newline'; echo oops >&2; exec sh -c \"$last\""
    hosts = ssh("a login with a motd, bytes that are no text, and our marker by chance.", script)
    assert run(hosts, "echo", "1").out == "1\n"


def test_a_login_that_prints_without_end_is_unreadable(ssh):
    assert "look at /root/.bashrc there" in refusal(ssh("a login that never stops.", "exec yes"), Unreadable)


def test_a_login_that_ends_at_once_is_told_with_its_words(ssh):
    why = refusal(ssh("an account without a shell.", "echo 'This account is currently not available.'; exit 1"))
    assert "ended at once with exit code 1, its last words: This account is currently not available." in why


def test_an_ssh_that_is_not_installed_is_told(tmp_path):
    hosts = SshCommands(PEER, (str(tmp_path / "nothing"), "root@10.0.7.106"))
    assert "Is openssh-client installed?" in refusal(hosts)


@pytest.mark.parametrize(
    "first_line",
    [
        "x ready 77 pve",
        f"{MARKER} steady 77 pve",
        f"{MARKER} ready pve",
        f"{MARKER} ready",
    ],
)
def test_a_start_that_is_not_ours_is_never_taken_for_one(ssh, first_line):
    hosts = ssh("a shell that runs something else.", f"printf '\\n{first_line}\\n'; exec sleep 60", 0.3)
    with pytest.raises((Unreachable, Unreadable)):
        run(hosts, "true")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("garbage\\n", "not in our frames"),
        (f"{MARKER} frame x\\n", "not in our frames"),
        (f"{MARKER} frame 9999999999\\n", "not in our frames"),
        (f"{MARKER} frame 999999999\\n", "not in our frames"),
        ("other frame 5\\n CjA=\\n", "not in our frames"),
        (f"{MARKER} frame 5\\n CjA=x\\n", "not in our frames"),
        (f"{MARKER} frame 5\\n CjA=\\nmore", "not in our frames"),
        (f"noise\\n{MARKER} frame 5\\n CjA=\\n", "not in our frames"),
        (f"{MARKER} frame 4\\nCjA=\\n", "damaged"),
        (f"{MARKER} frame 5\\n CjA!\\n", "damaged"),
        (f"{MARKER} frame 6\\n  CjA=\\n", "damaged"),
        (f"{MARKER} frame 6\\n C!jA=\\n", "damaged"),
        (f"{MARKER} frame 5\\n Cg==\\n", "no exit code"),
        (f"{MARKER} frame 1\\n \\n", "no exit code"),
    ],
)
def test_an_answer_that_is_not_a_whole_frame_is_unreadable(ssh, answer, why):
    hosts = ssh("a session into which something else writes.", f"{READY}read -r _; printf '{answer}'; exec sleep 60")
    with pytest.raises(Unreadable, match=why):
        run(hosts, "true")


def test_noise_between_two_answers_is_unreadable(ssh):
    hosts = ssh(
        "a session into which something else writes between two answers.",
        f"{READY}read -r _; printf '{MARKER} frame 5\\n CjA=\\n'; sleep 0.1; printf noise; read -r _; exec sleep 60",
    )
    assert run(hosts, "true").exit_code == 0
    time.sleep(0.3)
    with pytest.raises(Unreadable, match="something else writes into the session"):
        run(hosts, "true", timeout_s=0.1)


def test_a_session_that_falls_silent_is_given_up_and_so_is_the_node_when_the_next_one_does_too(ssh, tmp_path):
    hosts = ssh(
        "a connection whose network goes away in the middle of an answer.",
        f"echo >>{tmp_path}/started; {READY}read -r _; printf '{MARKER} frame 50\\nQUJD'; exec sleep 60",
    )
    started = time.monotonic()
    for words in ("or the network to it is gone", "or the network to it is gone", "two of its commands hung"):
        with pytest.raises(Unreachable, match=words):
            run(hosts, "true", timeout_s=0.1)
    assert time.monotonic() - started < 20
    assert (tmp_path / "started").read_text() == "\n\n"


def test_an_ssh_that_ignores_sigterm_is_ended(ssh):
    hosts = ssh("an ssh that does not want to end.", "trap '' TERM; while :; do sleep 0.1; done", 0.2)
    started = time.monotonic()
    assert "gave no session in time" in refusal(hosts)
    assert time.monotonic() - started < 20


@pytest.fixture(scope="module")
def recorded():
    """A real session with two commands: what the peer's shell printed at its start, and after each request."""
    shell = ["sh", "-c", REMOTE_SCRIPT, "pve-drbd", MARKER, "1000", "1"]
    said = subprocess.run(shell, input=b"5 echo 1\n5 sh -c 'echo 2; exit 3'\n", capture_output=True, check=True).stdout
    ready, first, second = said.split(MARKER.encode())[1:]
    marker = MARKER.encode()
    return [b"\n" + marker + ready, marker + first, marker + second]


def test_a_session_cut_off_at_any_byte_gives_whole_answers_or_none(ssh, recorded, tmp_path):
    asked = {("echo", "1"): (0, "1\n"), ("sh", "-c", "echo 2; exit 3"): (3, "2\n")}
    script = (
        f"for part in {tmp_path}/part*; do cat $part; [ ${{part%cut}} = $part ] || break; read -r _; done; exit 255"
    )
    ends = [sum(map(len, recorded[: n + 1])) for n in range(3)]
    for length in range(ends[-1]):
        for file in tmp_path.glob("part*"):
            file.unlink()
        for number, (part, end) in enumerate(zip(recorded, ends, strict=True)):
            if length >= end - len(part):
                name = f"part{number}" if length >= end else f"part{number}-cut"
                (tmp_path / name).write_bytes(part[: length - (end - len(part))])
        hosts = ssh("a connection that breaks.", script)
        seen = []
        for argv in asked:
            with contextlib.suppress(Unreachable, Unreadable):
                result = run(hosts, *argv)
                seen.append((result.exit_code, result.out))
        hosts.close()
        assert seen == list(asked.values())[: length >= ends[1]], length


def test_a_recorded_session_is_read_right(ssh, recorded, tmp_path):
    for number, part in enumerate(recorded):
        (tmp_path / f"part{number}").write_bytes(part)
    hosts = ssh("a peer.", f'for part in {tmp_path}/part*; do cat "$part"; read -r _; done')
    result = run(hosts, "echo", "1")
    assert result == CommandResult(("echo", "1"), 0, "1\n", "", result.took_ms)


COMPLAINTS = {
    "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.": "is not the one that PVE",
    "No RSA host key is known for pve-b and you have requested strict checking.\nHost key verification failed.": (
        "is not known here"
    ),
    "root@10.0.7.106: Permission denied (publickey,password).": "does not accept root's ssh key",
    "ssh: connect to host 10.0.7.106 port 22: Connection refused": "nothing listens",
    "ssh: connect to host 10.0.7.106 port 22: Connection timed out": "nobody answers at 10.0.7.106",
    "ssh: connect to host 10.0.7.106 port 22: No route to host": "no route to 10.0.7.106",
    "ssh: connect to host 10.0.7.106 port 22: Network is unreachable": "this node's own network",
    "ssh: Could not resolve hostname pve-b: Name or service not known": "no address is known for pve-b",
    "kex_exchange_identification: read: Connection reset by peer": "reset the connection",
    "Connection closed by 10.0.7.106 port 22": "closed the connection",
    "Bad configuration option: foo": "ssh to 10.0.7.106 failed, its last words: Bad configuration option: foo. Try",
    "": "ssh to 10.0.7.106 failed, without a word. Try it by hand: ssh root@10.0.7.106 true",
}


@pytest.mark.parametrize("said", COMPLAINTS)
def test_what_ssh_says_becomes_what_to_do(said):
    assert COMPLAINTS[said] in complaint("pve-b", ("ssh", "root@10.0.7.106"), 255, said)


def test_words_of_a_login_script_are_not_taken_for_words_of_ssh():
    assert "ended at once with exit code 1" in complaint("pve-b", ("ssh", "root@x"), 1, "cat: Permission denied")


def test_ssh_is_called_as_pve_calls_it():
    """Source: pve-cluster, src/PVE/SSHInfo.pm."""
    known = "/etc/pve/nodes/pve-b/ssh_known_hosts"
    assert " ".join(ssh_argv("pve-b", "10.0.7.106", known)) == (
        "/usr/bin/ssh -e none -o BatchMode=yes -o HostKeyAlias=pve-b "
        f"-o UserKnownHostsFile={known} -o GlobalKnownHostsFile=none root@10.0.7.106"
    )


def test_where_pve_keeps_no_known_hosts_of_the_node_the_files_of_the_system_decide():
    assert " ".join(ssh_argv("pve-b", "fd00::106", "")) == (
        "/usr/bin/ssh -e none -o BatchMode=yes -o HostKeyAlias=pve-b root@fd00::106"
    )
