"""Commands on a peer through a real sshd, called exactly as PVE calls it."""

import contextlib
import os
import re
import signal
import time

import pytest
from throwaway_sshd import WHY_NOT, ThrowawaySshd, make_key

from pve_drbd.adapters.children import state_of
from pve_drbd.adapters.local import LocalCommands, local_node
from pve_drbd.adapters.ssh import SshCommands
from pve_drbd.adapters.ssh_client import ssh_argv
from pve_drbd.adapters.ssh_session import REMOTE_SCRIPT
from pve_drbd.errors import ConfigInvalid, Unreachable, Unreadable

PEER = local_node()
MIB = 2**20

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    server = ThrowawaySshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.close()


def peer_by(sshd, *, options=(), known_hosts=None, node=PEER):
    known = sshd.known_hosts(PEER, sshd.directory / "known_hosts") if known_hosts is None else known_hosts
    return SshCommands(node, ssh_argv(node, "127.0.0.1", known, (*options, *sshd.options)))


@pytest.fixture(scope="module")
def peer(sshd):
    """One session for all that does it no harm: a login takes half a second."""
    hosts = peer_by(sshd)
    yield hosts
    hosts.close()


@pytest.fixture
def own_peer(sshd):
    hosts = peer_by(sshd)
    yield hosts
    hosts.close()


@pytest.fixture
def lvs(tmp_path):
    """Stands for an lvs in state D: its grandchild leaves the process group, so that `timeout` cannot end it, and keeps
    stdout open, so that no answer comes. Unlike state D it can be ended, by its pid: that stands for I/O being resumed.
    """
    tool = tmp_path / "lvs"
    tool.write_text(
        "#!/bin/sh\n# Stands for an lvs in state D: something of it lives on whatever timeout does, and holds stdout.\n"
        f"[ -e {tmp_path}/resumed ] && exec echo LV\n"
        f"setsid sh -c 'echo $$ >{tmp_path}/pid; exec sleep 60' &\nwait\n"
    )
    tool.chmod(0o755)
    yield str(tool)
    resume(tmp_path)


def resume(tmp_path):
    (tmp_path / "resumed").touch()
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def run(hosts, *argv, timeout_s=5.0):
    return hosts.run(PEER, argv, timeout_s)


def wait_until(is_so, patience_s=5.0):
    deadline = time.monotonic() + patience_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def test_many_commands_go_over_one_session(sshd, own_peer):
    before = sshd.logins
    assert [run(own_peer, "echo", str(n)).out for n in range(10)] == [f"{n}\n" for n in range(10)]
    assert sshd.logins == before + 1


@pytest.mark.parametrize(
    "argument",
    [
        *(
            "a b",
            "'",
            "'\\''",
            '"',
            "$(id)",
            "`id`",
            "$HOME",
            ";",
            "&&",
            "*",
            "~",
            "\\",
            "\\n",
            "#",
            "!",
            "",
            "\t",
            "\r",
        ),
        *("ä…Āā", "\udcff", "\udc81\udc82", "\x7f\x01", "-n", "--", "a=b"),
    ],
)
def test_an_argument_arrives_as_it_is(peer, argument):
    assert run(peer, "printf", "%s|", argument, "end").out == f"{argument}|end|"


@pytest.mark.parametrize("argument", ["a\nb", "\n", "a\0b"])
def test_a_newline_or_nul_is_refused_before_anything_is_sent(sshd, peer, argument):
    before = sshd.logins
    with pytest.raises(ConfigInvalid, match="newline or a NUL"):
        run(peer, "echo", argument)
    assert sshd.logins == before


def test_a_command_line_beyond_all_measure_is_refused(peer):
    with pytest.raises(ConfigInvalid, match="too many names for one command"):
        run(peer, "echo", *["vm-100-disk-0"] * 3000)


@pytest.mark.parametrize(
    "argv",
    [
        ("true",),
        ("false",),
        ("sh", "-c", "echo out; echo err >&2; exit 7"),
        ("sh", "-c", "echo only err >&2"),
        ("sh", "-c", "printf 'no newline at the end'; printf '\\n\\n' >&2"),
        ("printf", r"\377\000\303\n\000"),
        ("cat",),
        ("sh", "-c", "exit 255"),
        ("sh", "-c", "exit 137"),
        ("sh", "-c", "echo $PATH $LC_ALL; pwd"),
        ("head", "-c", "100000", "/dev/zero"),
    ],
)
def test_a_command_gives_the_same_on_the_peer_as_here(peer, argv):
    there, here = run(peer, *argv), run(LocalCommands(PEER), *argv)
    assert (there.argv, there.exit_code, there.out, there.err) == (here.argv, here.exit_code, here.out, here.err)


def test_a_program_that_is_not_installed_gives_the_same_exit_code_as_here(peer):
    assert run(peer, "drbdadm-of-nobody").exit_code == 127
    assert run(peer, "/etc").exit_code == 126


def test_an_end_by_signal_gives_the_same_exit_code_as_here(peer):
    assert run(peer, "sh", "-c", "kill -11 $$").exit_code == 128 + 11
    assert run(peer, "sh", "-c", "kill -9 $$").exit_code == 128 + 9


def test_eight_mib_of_any_bytes_come_back_unchanged(peer, tmp_path):
    content = os.urandom(8 * MIB)
    (tmp_path / "file").write_bytes(content)
    assert run(peer, "cat", str(tmp_path / "file")).out.encode("utf-8", "surrogateescape") == content


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_program_gone_wild_is_stopped_there_and_the_session_goes_on(peer, stream):
    with pytest.raises(Unreadable, match="printed more than 16 MiB"):
        run(peer, "sh", "-c", f"exec head -c {17 * MIB} /dev/zero >&{stream}")
    assert run(peer, "echo", "next").out == "next\n"


def test_milliseconds_are_those_of_the_command_and_not_of_the_login(own_peer):
    started = time.monotonic()
    took_ms = run(own_peer, "sleep", "0.2").took_ms
    all_ms = (time.monotonic() - started) * 1000
    assert 200 <= took_ms < all_ms - 20


def test_a_command_that_takes_too_long_is_stopped_there_and_the_session_goes_on(sshd, peer):
    run(peer, "true")
    before = sshd.logins
    for script in ("exec sleep 60", "trap '' TERM; while :; do sleep 0.1; done"):
        with pytest.raises(Unreachable, match=r"sh did not end within 0\.5 s and was stopped"):
            run(peer, "sh", "-c", script, timeout_s=0.5)
    assert run(peer, "echo", "next").out == "next\n"
    assert sshd.logins == before


def test_a_command_that_hangs_there_for_good_is_given_up_and_lvm_is_not_asked_again_before_it_ends(
    sshd, own_peer, lvs, tmp_path
):
    before = sshd.logins
    with pytest.raises(Unreachable, match=r"lvs gave no answer within 1 s .* \(below pid \d+\).*drbdadm status"):
        run(own_peer, lvs, timeout_s=1.0)
    for survey in range(2):
        assert run(own_peer, "echo", "lsblk").out == "lsblk\n"
        with pytest.raises(Unreachable, match=r"lvs was not run: an earlier .*lvs still hangs there \(below pid \d+\)"):
            run(own_peer, lvs)
        assert sshd.logins == before + 2 + survey
        own_peer.close()
    resume(tmp_path)
    assert wait_until(lambda: is_answered(own_peer, lvs))


def is_answered(hosts, tool):
    with contextlib.suppress(Unreachable):
        return run(hosts, tool).out == "LV\n"
    return False


def test_after_the_end_nothing_is_left_on_the_peer_and_the_next_survey_opens_a_new_session(sshd, own_peer):
    before = sshd.logins
    run(own_peer, "true")
    pid = own_peer._session.shell_pid
    assert wait_until(lambda: state_of(pid) == "S")
    own_peer.close()
    own_peer.close()
    assert wait_until(lambda: state_of(pid) in "?Z")
    assert run(own_peer, "echo", "again").out == "again\n"
    assert sshd.logins == before + 2


def test_the_script_on_the_peer_writes_to_no_file():
    targets = set(re.findall(r">\s*([^\s;)}]+)", REMOTE_SCRIPT))
    assert targets <= {"&1", "&2", "&3", "&-"}


def test_a_host_key_that_changed_is_told_with_what_to_do(sshd, tmp_path):
    key = make_key(tmp_path / "other", "rsa").with_suffix(".pub").read_text()
    (tmp_path / "known_hosts").write_text(f"{PEER} {' '.join(key.split()[:2])}")
    with pytest.raises(Unreachable, match=r"the host key at 127\.0\.0\.1 is not the one .*pvecm updatecerts"):
        run(peer_by(sshd, known_hosts=str(tmp_path / "known_hosts")), "true")


def test_a_host_key_that_nobody_knows_is_told_with_what_to_do(sshd, tmp_path):
    (tmp_path / "known_hosts").touch()
    with pytest.raises(Unreachable, match=r"is not known here\. Run on .*: pvecm updatecerts"):
        run(peer_by(sshd, known_hosts=str(tmp_path / "known_hosts")), "true")


def test_a_key_that_the_peer_does_not_accept_is_told_with_what_to_do(sshd, tmp_path):
    stranger = make_key(tmp_path / "stranger", "ed25519")
    known = sshd.known_hosts(PEER, tmp_path / "known_hosts")
    options = ("-F", "/dev/null", "-p", str(sshd.port), "-i", str(stranger), "-o", "IdentitiesOnly=yes")
    hosts = SshCommands(PEER, ssh_argv(PEER, "127.0.0.1", known, options))
    with pytest.raises(Unreachable, match="does not accept root's ssh key"):
        run(hosts, "true")


def test_a_peer_where_nothing_listens_costs_one_attempt_and_not_one_per_command(sshd):
    hosts = peer_by(sshd, options=("-p", "1"))
    for _ in range(20):
        with pytest.raises(Unreachable, match=r"nothing listens on the ssh port of 127\.0\.0\.1"):
            run(hosts, "true")


def test_whoever_answers_under_a_wrong_name_is_not_taken_for_the_peer(sshd, tmp_path):
    known = sshd.known_hosts("pve-b", tmp_path / "known_hosts")
    with pytest.raises(Unreachable, match=f"calls itself {re.escape(PEER)}"):
        peer_by(sshd, known_hosts=known, node="pve-b").run("pve-b", ("true",), 5.0)


def test_a_session_to_one_node_is_not_used_for_another(peer):
    with pytest.raises(Unreachable, match="leads to"):
        peer.run("pve-c", ("true",), 5.0)


def test_a_connection_that_breaks_is_told_and_not_retried(sshd, tmp_path):
    hosts = peer_by(sshd)
    run(hosts, "true")
    os.killpg(hosts._session._child.pid, signal.SIGKILL)
    for words in ("ended before its answer was whole", "ended before its answer was whole"):
        with pytest.raises(Unreachable, match=words):
            run(hosts, "true")
