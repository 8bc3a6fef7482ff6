"""Who is at the console: a signed cookie, made from an API token or, on loopback where that was chosen, from none.

A session is signed with a key that is derived from the token it was made from: it outlives a restart of the API, and
ends when the token is taken out of the settings. The cookie says a role, an end and a random id; no secret is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from metadata_api.settings import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from metadata_api.settings import ApiSettings, Role

SESSION_S = 12 * 3600
_PURPOSE, _CSRF = b"nucleus console session", b"nucleus console form"
_NOBODY = "nobody"
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass(frozen=True)
class ConsoleSession:
    """One sign-in, or a visitor's before it.

    Attributes:
        role: What it may do; None before sign-in.
        cookie: The signed text that the browser keeps.
        form_token: What every form of this session carries.
        is_new: The browser does not have the cookie yet.
    """

    role: Role | None
    cookie: str
    form_token: str
    is_new: bool = False


class Sessions:
    """Makes and reads the cookies of one API process.

    Args:
        settings: Its tokens, and whether loopback needs none.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._own_key = secrets.token_bytes(32)

    def of(self, request: Request) -> ConsoleSession:
        """The session of a request: the cookie's, else a new one; signed in where loopback needs no token."""
        found = self._read(request.cookies.get(cookie_name(request), ""))
        if found is not None and (found.role is not None or not self.is_open_to(request)):
            return found
        return self._made("admin" if self.is_open_to(request) else None, self._own_key)

    def sign_in(self, token: str) -> ConsoleSession | None:
        """The session that a token gives; None for a wrong one. Every token is compared, in constant time."""
        given = token.strip().encode()
        fits = [role for each, role in self._settings.tokens.items() if hmac.compare_digest(each.encode(), given)]
        return self._made(fits[0], _key_of(token.strip())) if fits else None

    def is_open_to(self, request: Request) -> bool:
        """True where `nucleus up` chose so, for callers on this machine that no proxy speaks for.

        The name they call us by counts too: a page of the web whose name was bound to 127.0.0.1 is not one of ours.
        """
        host = request.headers.get("host", "").rpartition(":")
        name = host[0] or host[2]
        is_direct = not any(each in request.headers for each in _FORWARDED)
        return (
            self._settings.console_open
            and is_direct
            and name.lower() in _LOOPBACK_NAMES
            and request.client is not None
            and is_loopback(request.client.host)
        )

    def _read(self, cookie: str) -> ConsoleSession | None:
        body, _, mac = cookie.rpartition(".")
        role, _, rest = body.partition(".")
        ends = rest.partition(".")[0]
        if not (body and ends.isdecimal() and len(ends) < 12 and int(ends) > time.time()):
            return None
        key = next((each for each in self._keys(role) if hmac.compare_digest(_mac(each, body), mac)), None)
        if key is None:
            return None
        return ConsoleSession(role if role in ROLES else None, cookie, _form_token(key, cookie))

    def _keys(self, role: str) -> list[bytes]:
        """Keys that a session of the role may be signed with."""
        return [self._own_key, *(_key_of(token) for token, held in self._settings.tokens.items() if held == role)]

    def _made(self, role: Role | None, key: bytes) -> ConsoleSession:
        body = f"{role or _NOBODY}.{int(time.time()) + SESSION_S}.{secrets.token_urlsafe(18)}"
        cookie = f"{body}.{_mac(key, body)}"
        return ConsoleSession(role, cookie, _form_token(key, cookie), is_new=True)


def is_genuine(session: ConsoleSession, form: Mapping[str, str], request: Request) -> bool:
    """True for a form of this session that a page of this origin sent."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    is_ours = site in {None, "same-origin"} and (origin is None or _same_place(origin, own))
    return is_ours and hmac.compare_digest(session.form_token.encode(), form.get("form_token", "").encode())


def cookie_name(request: Request) -> str:
    """One per port: browsers share cookies between the ports of a host, and consoles would sign each other out."""
    return f"nucleus_console_{request.url.port or request.url.scheme}"


def is_loopback(address: str) -> bool:
    """True for an address of this machine alone."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _same_place(origin: str, own: str) -> bool:
    """Host and port alike; behind a proxy that ends TLS the scheme is not."""
    return origin.partition("://")[2].lower() == own.partition("://")[2].lower()


def _key_of(token: str) -> bytes:
    return hmac.digest(token.encode(), _PURPOSE, hashlib.sha256)


def _mac(key: bytes, body: str) -> str:
    return hmac.digest(key, body.encode(), hashlib.sha256).hex()


def _form_token(key: bytes, cookie: str) -> str:
    return hmac.digest(key, _CSRF + cookie.encode(), hashlib.sha256).hex()
