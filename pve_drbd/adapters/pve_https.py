"""Proxmox VE's API over https with an API token: the one module that imports proxmoxer, requests and tenacity.

proxmoxer 1.2.0 (Debian 12), 2.2.0 (Debian 13) and 2.3.0 differ in timeouts, per-field errors and IPv6 hosts, so none
of that is left to them. Three things are put into the session that proxmoxer makes: an adapter (certificate and
timeouts), a response hook (errors and the size of an answer) and a serializer (strict JSON). Import this module only
where a live PVE is asked: it costs 170 ms.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from proxmoxer import ProxmoxAPI
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectionError,
    ContentDecodingError,
    RequestException,
    SSLError,
    Timeout,
)
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_exponential

from pve_drbd.adapters.pve import Credentials, as_sent
from pve_drbd.adapters.pve_tls import tls_for
from pve_drbd.errors import ApiRefused, ConfigInvalid, Unreachable, Unreadable
from pve_drbd.readers.strict_json import read_json

# TCP and TLS of a machine in the same rack, or of this one.
CONNECT_TIMEOUT_S = 5.0
# pveproxy itself waits 30 s for pvedaemon or the other node, then says 596: only a longer wait gets that word.
# Source: pve-http-server src/PVE/APIServer/AnyEvent.pm, proxy_request.
READ_TIMEOUT_S = 35.0
# All tries of one GET together.
TOTAL_TIMEOUT_S = 75.0
TRIES = 3
MAX_ANSWER_BYTES = 64 * 1024 * 1024

_BASE = "/api2/json"
_CHUNK_BYTES = 16 * 1024
# One connection broke, or was never made; the next may stand.
_PASSING = (ConnectionError, ChunkedEncodingError, Timeout)

# At info level proxmoxer logs the data of each request. 1.2.0 has a level of its own in each module.
for _name in ("proxmoxer", "proxmoxer.core", "proxmoxer.backends.https"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class LivePve:
    """A WritablePve that owns one https session; not for two threads at once."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        """Prepare the session; nothing is sent before the first call. Raises ConfigInvalid for a bad CA file."""
        host = f"[{credentials.host}]" if ":" in credentials.host else credentials.host
        self._subject = f"PVE at {host}:{credentials.port}"
        self._total_timeout_s = total_timeout_s
        self._door = _Door(credentials, connect_timeout_s, read_timeout_s)
        self._api: Any = ProxmoxAPI(
            "localhost",  # 1.2.0 cannot take an IPv6 address, so no version is told the host: see base_url
            user=credentials.user,
            token_name=credentials.token_name,
            token_value=credentials.secret,
            verify_ssl=True,
        )
        store = self._api._store
        store["base_url"] = f"https://{host}:{credentials.port}{_BASE}"
        store["serializer"] = _StrictSerializer()
        self._session = store["session"]
        self._session.mount("https://", self._door)
        self._session.hooks["response"].append(self._take_answer)

    def get(self, path: str, /, **query: str | int) -> object:
        """See Pve.get; tried up to three times where the connection, or PVE's own to the other node, broke."""
        self._door.allow(self._total_timeout_s)
        tries = Retrying(
            stop=stop_after_attempt(TRIES) | stop_after_delay(self._total_timeout_s),
            wait=wait_exponential(multiplier=0.1, max=2),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        return tries(self._ask, "get", path, query)

    def post(self, path: str, /, **fields: str | int) -> object:
        """See WritablePve.post; sent once."""
        return self._write("post", path, fields)

    def put(self, path: str, /, **fields: str | int) -> object:
        """See WritablePve.put; sent once."""
        return self._write("put", path, fields)

    def delete(self, path: str, /, **fields: str | int) -> object:
        """See WritablePve.delete; sent once."""
        return self._write("delete", path, fields)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _write(self, method: str, path: str, fields: Mapping[str, str | int]) -> object:
        # A kept connection may be closed by PVE in the very moment of sending; nobody knows then whether it was heard.
        self._door.close()
        self._door.allow(self._total_timeout_s)
        return self._ask(method, path, fields)

    def _ask(self, method: str, path: str, fields: Mapping[str, str | int]) -> object:
        call = getattr(self._api(_segments(path)), method)
        outer = sys.exception()
        try:
            data: object = call(**as_sent(fields))
        except SSLError as err:
            raise Unreachable(self._subject, f"no trusted TLS connection: {_root(err, outer)}") from err
        except Timeout as err:
            raise Unreachable(
                self._subject, f"no answer in time to {method.upper()} {path}: {_root(err, outer)}"
            ) from err
        except ContentDecodingError as err:
            raise Unreadable(f"PVE's answer to {path}", 0, f"cannot be unpacked: {_root(err, outer)}") from err
        except (RequestException, OSError, ValueError) as err:
            raise Unreachable(self._subject, f"{method.upper()} {path}: {_root(err, outer)}") from err
        return data

    def _take_answer(self, response: Response, *_: object, **__: object) -> Response:
        """Read the body within its bounds, and raise ApiRefused for any status that is not a success."""
        path = _path_of(response)
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                response.close()
                raise Unreadable(f"PVE's answer to {path}", 0, f"larger than {MAX_ANSWER_BYTES} bytes")
        response._content = bytes(body)
        if not 200 <= response.status_code <= 299:
            raise _refusal(path, response)
        return response


class _Door(HTTPAdapter):
    """Every connection with our proof of the certificate and our timeouts, whatever proxmoxer asks for."""

    def __init__(self, credentials: Credentials, connect_timeout_s: float, read_timeout_s: float) -> None:
        self._timeouts_s = (connect_timeout_s, read_timeout_s)
        self._pin = credentials.fingerprint
        self._verify: str | bool = False if self._pin else credentials.ca_file
        self._tls = tls_for(credentials)
        super().__init__()

    def allow(self, total_s: float) -> None:
        """Let the next call, with all its tries, last that long and no longer."""
        self._tls.until = time.monotonic() + total_s

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: object) -> None:
        """Give each connection our context, and the fingerprint if there is one."""
        pool_kwargs |= {"ssl_context": self._tls, "assert_fingerprint": self._pin}
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)

    def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
        """Send within what is left of the time; the body stays unread until the hook takes it.

        No proxy and no CA list out of the environment is handed on: the token goes to this host and nowhere else.
        """
        left_s = self._tls.until - time.monotonic()
        if left_s <= 0:
            raise Timeout("no time is left for another try")
        connect_s, read_s = self._timeouts_s
        return super().send(request, stream=True, timeout=(min(connect_s, left_s), read_s), verify=self._verify)


class _StrictSerializer:
    """What proxmoxer turns a success into: `data`, or Unreadable."""

    def loads(self, response: Response) -> object:
        source = f"PVE's answer to {_path_of(response)}"
        try:
            text = response.content.decode()
        except UnicodeDecodeError as err:
            raise Unreadable(source, 0, "not UTF-8") from err
        answer = read_json(text, source)
        if not isinstance(answer, dict) or "data" not in answer:
            raise Unreadable(source, 0, "no object with `data` in it")
        return answer["data"]


def _segments(path: str) -> list[str]:
    """The path cut at its slashes and percent-encoded; PVE decodes it before it looks for slashes itself."""
    first, *segments = path.split("/")
    if first or not segments or any(segment in ("", ".", "..") for segment in segments):
        raise ConfigInvalid(f"{path!r} is no path of PVE's API: it has an empty or a dotted part.")
    return [quote(segment, safe=":@!,") for segment in segments]


def _path_of(response: Response) -> str:
    return unquote(urlsplit(response.request.url or "").path).removeprefix(_BASE)


def _refusal(path: str, response: Response) -> ApiRefused:
    """The error as PVE said it: its `message` if there is one, for the reason phrase holds its first line only."""
    try:
        answer = read_json(response.content.decode(errors="replace"), path)
    except Unreadable:  # 401 has an empty body, a proxy in between answers in HTML
        answer = None
    said = answer if isinstance(answer, dict) else {}
    message, errors = said.get("message"), said.get("errors")
    reason = message if isinstance(message, str) and message.strip() else _as_utf8(str(response.reason or ""))
    fields = {str(name): _one_line(str(text)) for name, text in errors.items()} if isinstance(errors, dict) else {}
    return ApiRefused(path, response.status_code, _one_line(reason), fields)


def _as_utf8(phrase: str) -> str:
    """Undo http.client's reading of a reason phrase as Latin-1; PVE sends UTF-8."""
    try:
        return phrase.encode("latin-1").decode()
    except UnicodeError:
        return phrase


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _may_pass(err: BaseException) -> bool:
    if isinstance(err, ApiRefused):
        return 595 <= err.status <= 599
    cause = err.__cause__
    return isinstance(err, Unreachable) and isinstance(cause, _PASSING) and not isinstance(cause, SSLError)


def _root(err: BaseException, outer: BaseException | None) -> BaseException:
    """The first of a chain of errors: the socket's or TLS's own words, without the names of Python objects.

    The chain ends before `outer`, the error that our caller was already handling.
    """
    while (earlier := err.__cause__ or err.__context__) is not outer and earlier is not None:
        err = earlier
    return err
