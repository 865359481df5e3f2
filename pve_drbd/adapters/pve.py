"""What the rest of the program may ask of Proxmox VE's API, and with which credentials; who answers is not said here.

The answering forms are LivePve (`pve_https`), RecordingPve and ReplayPve (`pve_recorded`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pve_drbd.errors import ConfigInvalid

PORT = 8006
# Names and addresses in every node's own certificate: localhost, 127.0.0.1, ::1, the node and its address.
# Source: pve-cluster src/PVE/Cluster/Setup.pm, gen_pve_ssl_cert.
CLUSTER_CA = "/etc/pve/pve-root-ca.pem"
# pveproxy shows this one instead of the node's own as soon as it exists; who signed it is the administrator's choice.
OWN_CERTIFICATE = Path("/etc/pve/local/pveproxy-ssl.pem")
# Not requests' own list (certifi), which does not know an authority that the administrator added to the system.
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_USER = re.compile(r"[^\s:/!=]+@[A-Za-z][A-Za-z0-9._-]+")
_TOKEN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]+")
_SECRET = re.compile(r"[!-~]+")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}")


class Pve(Protocol):
    """The reading half of the API."""

    def get(self, path: str, /, **query: str | int) -> object:
        """The decoded `data` of `path`, such as "/cluster/resources" with `type="vm"`.

        A path is plain text, never percent-encoded; a UPID or a volid stands in it as PVE prints it.
        Raises Unreachable (no answer), ApiRefused (an error status) or Unreadable (an answer that is none).
        """


class WritablePve(Pve, Protocol):
    """The whole API, for callers that change something; none of the three is ever repeated by us.

    Unreachable after one of them means "nobody knows": PVE may have carried it out. Look at the world before going on.
    """

    def post(self, path: str, /, **fields: str | int) -> object:
        """The decoded `data`: for most calls the UPID of the task that was started."""

    def put(self, path: str, /, **fields: str | int) -> object:
        """The decoded `data`."""

    def delete(self, path: str, /, **fields: str | int) -> object:
        """The decoded `data`; the fields travel in the query, PVE refuses a DELETE with a body."""


def as_sent(fields: Mapping[str, str | int]) -> dict[str, str | int]:
    """The fields with PVE's booleans: 1 and 0, never True and False."""
    return {name: int(value) if isinstance(value, bool) else value for name, value in fields.items()}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API token and the place that may see it; without a proven certificate it is never sent.

    The certificate is proven by `ca_file`, for the name `host`; or, if `fingerprint` (SHA-256, hexadecimal, as PVE's
    web UI shows it) is given, by that alone.
    """

    user: str
    token_name: str
    secret: str = field(repr=False)
    host: str = "localhost"
    port: int = PORT
    ca_file: str = CLUSTER_CA
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would break out of a header or a URL; the secret itself is never named."""
        checks = (
            (_USER.fullmatch(self.user), f"user {self.user!r} is not of the form name@realm"),
            (_TOKEN_NAME.fullmatch(self.token_name), f"{self.token_name!r} is not a token's name"),
            (_SECRET.fullmatch(self.secret), f"the secret of token {self.token_name!r} is empty or has blanks in it"),
            (_HOST.fullmatch(self.host), f"{self.host!r} is not a host name or address"),
            (0 < self.port < 65536, f"{self.port} is not a port"),
            (
                self.fingerprint is None or _FINGERPRINT.fullmatch(self.fingerprint),
                f"{self.fingerprint!r} is not a SHA-256 fingerprint (64 hexadecimal digits)",
            ),
        )
        for is_good, why in checks:
            if not is_good:
                raise ConfigInvalid(f"The API token cannot be used: {why}. Correct the token file.")


def trust_on_node(node: str, own_certificate: Path = OWN_CERTIFICATE) -> tuple[str, str]:
    """The (host, CA file) by which a program on `node` can prove pveproxy's certificate when nothing is configured."""
    if own_certificate.exists():
        return node, SYSTEM_CAS
    return "localhost", CLUSTER_CA
