"""`drbdadm --version`: the version of the tools, and of the module they see loaded."""

from __future__ import annotations

import re

from pve_drbd.errors import Unreadable
from pve_drbd.model.drbd import Version, Versions

_SOURCE = "drbdadm --version"
_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=([ -~]*)")
_CODE = re.compile(r"0x([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})")

# The code (0x08040b is 8.4.11; 0x000000: no module) decides; the text beside it, where it stands, must agree.
_TOOLS = ("DRBDADM_VERSION_CODE", "DRBDADM_VERSION")
_MODULE = ("DRBD_KERNEL_VERSION_CODE", "DRBD_KERNEL_VERSION")


def read_drbdadm_version(text: str) -> Versions:
    """Versions of drbd-utils and of the kernel module; the module's is 0.0.0 while none is loaded.

    Raises Unreadable where a code is missing, or does not agree with the version in plain text beside it.
    """
    lines = text.split("\n")
    if lines.pop() != "":
        raise Unreadable(_SOURCE, len(lines) + 1, "it stops within a line")
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or match[1] in found:
            raise Unreadable(_SOURCE, number, "not a new NAME=value")
        found[match[1]] = (match[2], number)
    return Versions(_version(found, *_TOOLS), _version(found, *_MODULE))


def _version(found: dict[str, tuple[str, int]], code_key: str, text_key: str) -> Version:
    digits, number = found.get(code_key, ("", 0))
    match = _CODE.fullmatch(digits)
    if match is None:
        raise Unreadable(_SOURCE, number, f"{code_key} is not told as 0x and six digits")
    version = Version(*(int(pair, 16) for pair in match.groups()))
    plain, number = found.get(text_key, (str(version), 0))
    if not re.fullmatch(rf"{re.escape(str(version))}(?:[^0-9].*)?", plain):
        raise Unreadable(_SOURCE, number, f"{text_key}={plain[:40]} does not agree with {code_key}={digits}")
    return version
