"""The TLS client for PVE's API: which certificate is proof enough, and a deadline for the whole answer."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING, cast

from pve_drbd.adapters.pve import Credentials
from pve_drbd.errors import ConfigInvalid

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _DeadlineSocket(ssl.SSLSocket):
    """A read timeout starts anew with each byte; here an answer that drips ends at its context's `until` too."""

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        left_s = cast(PveTls, self.context).until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer did not end in time")
        self.settimeout(min(left_s, self.gettimeout() or left_s))
        return super().recv_into(buffer, nbytes, flags)


class PveTls(ssl.SSLContext):
    """A TLS client for one host, with a deadline: `until`, in seconds of the monotonic clock."""

    host = ""
    until = 0.0
    sslsocket_class = _DeadlineSocket

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """See ssl.SSLContext.wrap_socket; the name to check is never missing."""
        # urllib3 1.26 (Debian 12) names no host where it is an address, and then OpenSSL has nothing to check.
        name = server_hostname or self.host
        return super().wrap_socket(sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, name, session)


def tls_for(credentials: Credentials) -> PveTls:
    """The TLS client that trusts what the CA file signed for this host, or leaves the proof to a pinned fingerprint.

    Not made by ssl.create_default_context: Python 3.13's asks for extensions that PVE's CA and node certificates do not
    have, such as the CA's key usage. Signature, dates and name are checked all the same.
    Source: pve-cluster src/PVE/Cluster/Setup.pm, gen_pveca_cert and gen_pve_ssl_cert.
    """
    context = PveTls(ssl.PROTOCOL_TLS_CLIENT)
    context.host = credentials.host
    if credentials.fingerprint:  # urllib3 compares it after the handshake, before anything is sent
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(credentials.ca_file)
    except OSError as err:
        why = "it holds no certificate" if isinstance(err, ssl.SSLError) else err.strerror
        raise ConfigInvalid(f"CA file {credentials.ca_file} cannot be used: {why}. Name one with `ca_file`.") from err
    return context
