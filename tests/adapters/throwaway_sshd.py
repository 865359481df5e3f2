"""A real sshd on a loopback port of its own, with its own keys, for root by key only; gone with the test."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
WHY_NOT = (
    "no sshd here: apt-get install openssh-server"
    if SSHD is None
    else "not root: PVE's ssh goes from root to root"
    if os.getuid() != 0
    else ""
)

_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
LogLevel INFO
"""


def make_key(file: Path, kind: str) -> Path:
    """A new key in `file` and `file`.pub, without a passphrase, and no longer than it takes to be accepted."""
    bits = ("-b", "2048") if kind == "rsa" else ()
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-f", file], check=True)
    return file


class ThrowawaySshd:
    """Lets in the key `identity`; its host key is RSA, the only kind that PVE keeps."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.identity = make_key(directory / "client_key", "ed25519")
        make_key(directory / "host_key", "rsa")
        shutil.copy(f"{self.identity}.pub", directory / "authorized_keys")
        # sshd run by root insists on this folder; systemd would make it.
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (directory / "sshd_config").write_text(_CONFIG.format(port=self.port, directory=directory))
        with open(directory / "log", "wb") as log:
            self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", directory / "sshd_config"], stderr=log)
        self._wait_until_it_listens()

    @property
    def options(self) -> tuple[str, ...]:
        """What a client needs beyond PVE's own options to come to this sshd, and to use nothing of this machine's."""
        return ("-F", "/dev/null", "-p", str(self.port), "-i", str(self.identity), "-o", "IdentitiesOnly=yes")

    @property
    def logins(self) -> int:
        """How many sessions it has let in so far."""
        return (self.directory / "log").read_text().count("Accepted publickey")

    def known_hosts(self, node: str, file: Path) -> str:
        """Write `file` as PVE writes /etc/pve/nodes/NODE/ssh_known_hosts (Setup.pm, ssh_create_node_known_hosts)."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{node} {' '.join((self.directory / 'host_key.pub').read_text().split()[:2])}")
        return str(file)

    def close(self) -> None:
        """End it, and with it every session."""
        self._process.terminate()
        self._process.wait(5)

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError((self.directory / "log").read_text())
