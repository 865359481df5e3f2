from __future__ import annotations

import pytest
from drbd_samples import sample

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import Version, Versions
from pve_drbd.readers.versions import read_drbdadm_version

UTILS = Version(9, 22, 0)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("8.4.11-healthy-105", Version(8, 4, 11)),
        ("9.2.18-healthy-105", Version(9, 2, 18)),
        ("9.22.0-module-not-loaded-105", Version(0, 0, 0)),
    ],
)
def test_tools_and_module_tell_their_versions(name: str, module: Version):
    assert read_drbdadm_version(sample("drbdadm-version", name)) == Versions(UTILS, module)


def test_83_tells_codes_only():
    text = "DRBDADM_BUILDTAG=GIT-hash:\\ dd7\nDRBD_KERNEL_VERSION_CODE=0x080302\nDRBDADM_VERSION_CODE=0x080302\n"
    assert read_drbdadm_version(text) == Versions(Version(8, 3, 2), Version(8, 3, 2))


def test_a_version_may_have_more_behind_its_number():
    text = "DRBDADM_VERSION_CODE=0x091600\nDRBDADM_VERSION=9.22.0rc1\nDRBD_KERNEL_VERSION_CODE=0x080302\n"
    assert read_drbdadm_version(text).tools == UTILS


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 0, "DRBDADM_VERSION_CODE is not told"),
        ("DRBDADM_VERSION_CODE=0x091600\n", 0, "DRBD_KERNEL_VERSION_CODE is not told"),
        ("DRBDADM_VERSION_CODE=0x09160\n", 1, "DRBDADM_VERSION_CODE is not told"),
        ("DRBDADM_VERSION_CODE=0x091600", 1, "within a line"),
        ("DRBDADM_VERSION_CODE=0x091600\nDRBDADM_VERSION=9.22.01\n", 2, "does not agree"),
        ("A=1\nA=1\n", 2, "not a new NAME=value"),
        ("A=1\n\n", 2, "not a new NAME=value"),
        ("A=\u00e9\n", 1, "not a new NAME=value"),
    ],
)
def test_anything_else_is_refused_with_its_line(text: str, line: int, why: str):
    with pytest.raises(Unreadable, match=why) as caught:
        read_drbdadm_version(text)
    assert (caught.value.source, caught.value.line) == ("drbdadm --version", line)
