"""One callback: where it may go, what it says, how it is signed, and sending it.

The host must be on the operator's list, and the address it resolves to is checked and then used, so that a name
cannot point elsewhere between the look and the call. Redirects are not followed, and no answer is read.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from metadata_api.errors import CallbackRefusedError
from metadata_api.signing import (
    SIGNATURE,
    STANDARD_ID,
    STANDARD_SIGNATURE,
    STANDARD_TIMESTAMP,
    TIMESTAMP,
    sign,
    sign_standard,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metadata_api.settings import ApiSettings

TIMEOUT_S = 10.0
DELIVERY, KEY_ID = "nucleus-delivery", "nucleus-key-id"
_PORTS = {"https": 443, "http": 80}
Resolve = "Callable[[str, int], list[str]]"


class CallbackTarget(NamedTuple):
    """A URL that may be called."""

    url: str
    scheme: str
    host: str
    port: int


class CallbackOutcome(NamedTuple):
    """What became of one try."""

    delivered: bool
    why: str
    """Status or kind of error; never what the other side wrote."""
    final: bool = False
    """Trying again cannot help."""


def allowed(url: str, settings: ApiSettings) -> CallbackTarget:
    """The URL, if the operator's list has its host; names are not resolved yet.

    Raises:
        CallbackRefusedError: It is no such URL.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _refused("it is no URL") from None
    if any(ord(letter) <= 0x20 or ord(letter) >= 0x7F for letter in url) or "\\" in url:
        raise _refused("it has characters that a URL has not")
    if scheme not in (_PORTS if settings.callback_private else {"https"}):
        raise _refused("it is not https")
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("it has no host, or a login or fragment in it")
    if not any(_fits(pattern, host, port, _PORTS[scheme]) for pattern in settings.callback_hosts):
        raise _refused("its host is not on the operator's list")
    if _is_address(host) and not settings.callback_private and not _is_public(host):
        raise _refused("it is an address of a private network")
    return CallbackTarget(url, scheme, host, port or _PORTS[scheme])


def deliver(
    url: str,
    payload: dict[str, Any],
    delivery_id: str,
    key_id: str,
    settings: ApiSettings,
    resolve: Callable[[str, int], list[str]] | None = None,
) -> CallbackOutcome:
    """Post the payload, signed. What goes wrong comes back as an outcome; nothing is raised."""
    try:
        target = allowed(url, settings)
        addresses = (resolve or addresses_of)(target.host, target.port)
        if not settings.callback_private and not all(map(_is_public, addresses)):
            raise _refused("its host is in a private network")
    except CallbackRefusedError as error:
        return CallbackOutcome(delivered=False, why=error.what, final=True)
    except OSError:
        return CallbackOutcome(delivered=False, why="the host has no address")
    key_id = key_id if key_id in settings.signing_keys else next(iter(settings.signing_keys))
    body = json.dumps(payload, separators=(",", ":"), default=str).encode()
    headers = signed_headers(settings.signing_keys[key_id], key_id, delivery_id, body)
    return _post(target, addresses[0], headers, body)


def signed_headers(secret: str, key_id: str, delivery_id: str, body: bytes) -> dict[str, str]:
    """The headers of a callback; the receiver verifies it as this API verifies a webhook."""
    at = int(time.time())
    message_id = delivery_id.replace(".", "_")  # the standard separates what it signs by full stops
    return {
        TIMESTAMP: str(at),
        SIGNATURE: sign(secret, at, body),
        STANDARD_ID: message_id,
        STANDARD_TIMESTAMP: str(at),
        STANDARD_SIGNATURE: sign_standard(secret, message_id, at, body),
        KEY_ID: key_id,
        DELIVERY: delivery_id,
        "content-type": "application/json",
        "user-agent": "nucleus-ingestion",
    }


def addresses_of(host: str, port: int) -> list[str]:
    """Every address of the host; raises OSError when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [*dict.fromkeys(str(each[4][0]) for each in found)]


def _post(target: CallbackTarget, address: str, headers: dict[str, str], body: bytes) -> CallbackOutcome:
    url = httpx.URL(target.url).copy_with(host=address)
    named = target.host if target.port == _PORTS[target.scheme] else f"{target.host}:{target.port}"
    extensions = {"sni_hostname": target.host}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", url, headers={**headers, "host": named}, content=body, extensions=extensions) as got,
        ):
            status = got.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return CallbackOutcome(delivered=False, why=type(error).__name__)
    return CallbackOutcome(delivered=200 <= status < 300, why=f"status {status}", final=status == 410)


def _fits(pattern: str, host: str, port: int | None, usual: int) -> bool:
    name, sign_, wanted = pattern.partition(":")
    if (port or usual) != (int(wanted) if sign_ and wanted.isdecimal() else usual) and wanted != "*":
        return False
    return host.endswith(name[1:]) and host != name[2:] if name.startswith("*.") else host == name


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(address: str) -> bool:
    """True for an address of the internet; one that wraps an IPv4 address counts as that."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None) or found
    teredo = getattr(found, "teredo", None)
    is_nat64 = found.version == 6 and found in ipaddress.ip_network("64:ff9b::/96")
    return bool(inner.is_global and not inner.is_multicast and teredo is None and not is_nat64)


def _refused(why: str) -> CallbackRefusedError:
    return CallbackRefusedError(
        f"The callbackUrl cannot be used: {why}", "The operator lists hosts in NUCLEUS_API_CALLBACK_HOSTS."
    )
