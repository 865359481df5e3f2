"""The PVE adapter against one version of proxmoxer; `python -m tests.contract.all_versions` gives it each in turn."""

import importlib.metadata
import importlib.util
import os

import pytest
from contract_token import TOKEN

if any(importlib.util.find_spec(name) is None for name in ("fakepve", "proxmoxer", "requests", "tenacity")):
    collect_ignore_glob = ["test_*.py"]


def pytest_report_header():
    versions = " ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("proxmoxer", "requests", "urllib3", "tenacity")
    )
    return f"contract: {versions} (asked for: proxmoxer {os.environ.get('CONTRACT_PROXMOXER', 'any')})"


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    from throwaway_pki import make_pki

    return make_pki(tmp_path_factory.mktemp("pki") / "ours")


@pytest.fixture(scope="session")
def strangers_pki(tmp_path_factory):
    from throwaway_pki import make_pki

    return make_pki(tmp_path_factory.mktemp("pki") / "stranger")


@pytest.fixture
def connect():
    """A LivePve with our token and short timeouts, to HOST:PORT."""
    from pve_drbd.adapters.pve import Credentials
    from pve_drbd.adapters.pve_https import LivePve

    opened = []

    def connect(port, *, host="127.0.0.1", connect_timeout_s=2.0, read_timeout_s=5.0, total_timeout_s=10.0, **trust):
        pve = LivePve(
            Credentials(**TOKEN, host=host, port=port, **trust),
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            total_timeout_s=total_timeout_s,
        )
        opened.append(pve)
        return pve

    yield connect
    for pve in opened:
        pve.close()
