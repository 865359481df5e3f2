"""Runs the contract tests once for each proxmoxer we promise to work with: `python -m tests.contract.all_versions`.

One process can import one version only, so each set is installed beside the environment, in .venv/proxmoxer-VERSION,
and put before it with PYTHONPATH. Further arguments go to pytest.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# What stands in no set is the environment's, so the last set runs with the newest companions.
SETS = {
    # Debian 12, but for charset-normalizer: Debian's is newer, and its requests patched not to warn of that.
    "1.2.0": (
        "proxmoxer==1.2.0",
        "requests==2.28.1",
        "urllib3==1.26.12",
        "tenacity==8.2.1",
        "charset-normalizer==2.1.1",
    ),
    # Debian 13.
    "2.2.0": ("proxmoxer==2.2.0", "requests==2.32.3", "urllib3==2.3.0", "tenacity==9.0.0"),
    "2.3.0": ("proxmoxer==2.3.0",),
}
ROOT = Path(__file__).parents[2]


def install(version: str) -> Path:
    """The directory with that set; a complete one is kept from run to run."""
    target = ROOT / ".venv" / f"proxmoxer-{version}"
    wanted = "\n".join(SETS[version]) + "\n"
    complete = target / "set.txt"
    if complete.exists() and complete.read_text() == wanted:
        return target
    shutil.rmtree(target, ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    subprocess.run((*pip, "--target", str(target), *SETS[version]), check=True)
    complete.write_text(wanted)
    return target


def run(version: str, arguments: list[str]) -> int:
    """Pytest's exit code; one is also what "no test ran" gives."""
    paths = (str(install(version)), os.environ.get("PYTHONPATH", ""))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "CONTRACT_PROXMOXER": version,
    }
    # setup.cfg asks for -q, which hides the header with the versions; -v takes that back.
    command = (sys.executable, "-m", "pytest", "-v", "-m", "contract", "tests/contract", *arguments)
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """0 only if every version passed."""
    results = {version: run(version, sys.argv[1:]) for version in SETS}
    for version, code in results.items():
        print(f"contract with proxmoxer {version}: {'passed' if code == 0 else f'FAILED (pytest exit code {code})'}")
    return max(results.values())


if __name__ == "__main__":
    sys.exit(main())
