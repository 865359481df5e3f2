"""A fresh Debian of its own: made by mmdebstrap, run by systemd-nspawn with a real systemd, thrown away afterwards."""

import hashlib
import platform
import shutil
import subprocess
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CACHE = Path(__file__).parent / "cache"
SUITES = ("bookworm", "trixie")
INCLUDE = "bash-completion,dbus,git,make,systemd-sysv"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
# A /run/systemd of its own: systemd-nspawn keeps things there that it will not remove from a disk.
NSPAWN = (
    *("unshare", "--mount", "--", "sh", "-c", 'mount -t tmpfs tmpfs /run/systemd && exec systemd-nspawn "$@"', "sh"),
    *("--quiet", "--register=no", "--keep-unit", "--link-journal=no", "--timezone=off", "--console=pipe"),
    "--hostname=pve-a",
)


class Machine:
    """A root file system, and commands in it: before `boot` with this machine's network, after it without any."""

    def __init__(self, suite, root):
        self._suite = suite
        self._root = root
        self._systemd = None
        root.mkdir(parents=True)
        subprocess.run(["tar", "--extract", f"--file={_base(suite)}", f"--directory={root}"], check=True)
        self.path("/etc/hostname").write_text("pve-a\n")

    def path(self, inside):
        """Where the absolute path `inside` the machine is for us."""
        return self._root / inside.lstrip("/")

    def run(self, *argv, is_tried=False, **environment):
        """What the command `argv` says, both outputs in one, and how it ends; it must end well unless it `is_tried`."""
        environment = ENVIRONMENT | environment
        told = subprocess.run(
            (*(self._in_booted() if self._systemd else self._in_root(environment)), *argv),
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert is_tried or told.returncode == 0, f"{argv} ended with {told.returncode}:\n{told.stdout}"
        return told

    def says(self, *argv, **environment):
        """The words of a command that ends well."""
        return self.run(*argv, **environment).stdout.strip()

    def boot(self):
        """Start its systemd, and wait until all that starts by itself has started."""
        # The last word is for systemd: that of Debian 13 takes cgroups of version 1 only if told to.
        asked = (f"--directory={self._root}", "--private-network", "--boot", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1")
        with self._root.with_suffix(".console").open("w") as console:
            self._systemd = subprocess.Popen(
                (*NSPAWN, *asked), env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        deadline = time.monotonic() + 60
        while self.run("systemctl", "is-system-running", "--wait", is_tried=True).stdout.strip() != "running":
            failed = self.run("systemctl", "--failed", "--plain", "--no-legend", is_tried=True).stdout
            assert time.monotonic() < deadline, f"the machine did not come up: {failed}"
            time.sleep(0.5)

    def remove(self):
        """Shut it down, and leave nothing of it."""
        if self._systemd:
            self._systemd.terminate()
            self._systemd.wait(60)
        shutil.rmtree(self._root)

    def _in_root(self, environment):
        archives = CACHE / f"{self._suite}-archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        binds = (f"--bind={archives}:/var/cache/apt/archives", f"--bind-ro={PROJECT}:/project")
        settings = (f"--setenv={name}={value}" for name, value in environment.items())
        # drbd-utils of Debian 13 cannot be unpacked where /var/lock leads nowhere.
        return (*NSPAWN, f"--directory={self._root}", "--tmpfs=/run/lock", *binds, *settings, "--")

    def _in_booted(self):
        pid = self._systemd.pid
        init = Path(f"/proc/{pid}/task/{pid}/children").read_text().strip() or pid
        return ("nsenter", f"--target={init}", "--all", "--root", "--wd", "--")


def _base(suite):
    """The root that every machine of `suite` starts as; made once, kept until INCLUDE changes."""
    base = CACHE / f"{suite}-{hashlib.sha256(INCLUDE.encode()).hexdigest()[:8]}.tar"
    if not base.exists():
        CACHE.mkdir(exist_ok=True)
        part = base.with_suffix(".part.tar")
        settings = _said("apt-config", "--no-empty", "dump", "Acquire::http", "Acquire::https", "Acquire::Check-Date")
        options = (f"--aptopt={line}" for line in settings)
        asked = ("mmdebstrap", "--quiet", "--variant=apt", f"--include={INCLUDE}", *options)
        subprocess.run([*asked, suite, str(part), *_sources(suite)], check=True)
        part.rename(base)
    return base


def _sources(suite):
    """Where this machine has its Debian from, with `suite` in the place of its own release."""
    own = platform.freedesktop_os_release()["VERSION_CODENAME"]
    asked = ("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) main", "Origin: Debian")
    lines = _said(*asked)
    if not lines:
        subprocess.run(["apt-get", "update"], check=True, stdout=subprocess.DEVNULL)
        lines = _said(*asked)
    return sorted({line.replace(f" {own}", f" {suite}") for line in lines if f" {own}" in line})


def _said(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
