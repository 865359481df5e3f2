"""The command as a person or a script runs it: in this process, and as a program of its own."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from pve_drbd.cli.main import main
from tests.recorded import OLD, SCENARIOS

ROOT = Path(__file__).parents[2]
RUN = (sys.executable, "-c", "from pve_drbd.cli.main import run; run()")


MIGRATE = ("check", "migration", "100", "--to", "proxmox-106")


class Run(NamedTuple):
    """What one run of the command gave."""

    code: int
    out: str
    err: str


def command(capsys, *words: str) -> Run:
    """The command in this process."""
    code = main(words)
    return Run(code, *capsys.readouterr())


def replay(capsys, scenario: str, *words: str) -> Run:
    """The command in this process, answered by a scenario."""
    return command(capsys, "--replay", str(SCENARIOS / scenario), *words)


def program(*words: str, **settings: str) -> subprocess.Popen[str]:
    """The command as a program, with `settings` in its environment."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "", **settings}
    pipe = subprocess.PIPE
    return subprocess.Popen([*RUN, *words], stdout=pipe, stderr=pipe, text=True, env=environment, cwd=ROOT)


def on_terminal(*words: str, **settings: str) -> str:
    """What the command prints on a terminal."""
    environment = {key: each for key, each in os.environ.items() if key != "NO_COLOR"}
    environment.update(PYTHONPATH=str(ROOT), TERM="xterm-256color", LC_ALL="C.UTF-8", **settings)
    master, slave = pty.openpty()
    with subprocess.Popen([*RUN, *words], stdout=slave, stderr=slave, env=environment, cwd=ROOT):
        os.close(slave)
        printed = b""
        while True:
            try:
                more = os.read(master, 65536)
            except OSError:
                break
            if not more:
                break
            printed += more
    os.close(master)
    return printed.decode()


def bundle_with(tmp_path: Path, **about: object) -> Path:
    """A copy of a healthy pair whose bundle.json says this instead."""
    bundle = tmp_path / "bundle"
    shutil.copytree(SCENARIOS / OLD, bundle)
    known = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**known, **about}) + "\n")
    return bundle
