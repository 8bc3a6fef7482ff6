"""The HTTP side: the token endpoint, access tokens, throttling and pre-authenticated addresses."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from sandbox.http_service import HttpFaults, HttpReply, HttpService, IncomingRequest
from sandbox.onedrive.api import SandboxDriveApi, as_json, failed
from sandbox.onedrive.site import DriveSite

if TYPE_CHECKING:
    from collections.abc import Callable

_API, _LOGIN, _DOWNLOAD = "/v1.0", "/login", "/download/"
_CODES = {
    429: ("activityLimitReached", "throttledRequest"), 500: ("generalException", None),
    503: ("serviceNotAvailable", None), 504: ("UnknownError", None),
    401: ("InvalidAuthenticationToken", None), 403: ("accessDenied", None), 404: ("itemNotFound", None),
}  # fmt: skip


@dataclass
class OneDriveFaults(HttpFaults):
    """What goes wrong.

    Attributes:
        expires_in: Seconds an access token lives.
        gone_after: So many pages of delta, and the next request with a token answers 410; once.
        exclude_parents: Changed items come without their unchanged ancestors, whatever ``Prefer`` says.
        lengthen_s: Each request while throttled lengthens the pause by so much.
    """

    expires_in: float = 3599
    gone_after: int | None = None
    exclude_parents: bool = False
    lengthen_s: float = 1.0
    forgetting: list[Callable[[], None]] = field(default_factory=list, repr=False)

    def forget_tokens(self) -> None:
        """Every delta token given out so far is too old: 410."""
        for one in self.forgetting:
            one()


class SandboxOneDrive(HttpService[OneDriveFaults]):
    """One tenant; starts with the context, ends with it.

    Args:
        site: Its data; small by default.
        latency_s: Each reply takes at least so long.
        faults: What goes wrong.
    """

    api_prefix = _API

    def __init__(
        self, site: DriveSite | None = None, *, latency_s: float = 0.0, faults: OneDriveFaults | None = None
    ) -> None:
        super().__init__(faults or OneDriveFaults(), latency_s)
        self.site = site or DriveSite()
        self.login_url = f"{self.url}{_LOGIN}"
        self.tenant, self.client_id = "contoso.example", "6731de76-14a6-49ae-97bc-6eba6914391e"
        self.client_secret = f"qW~g+{secrets.token_urlsafe(9)}/%41&x=# é"
        self.delegated_token = f"EwB.{secrets.token_urlsafe(18)}"
        self.download_url_leaks: list[str] = []
        """Requests to pre-authenticated addresses that carried an ``Authorization`` header."""
        self.ignored_throttles = 0
        """Requests made while throttled."""
        self.monotonic: Callable[[], float] = time.monotonic
        """The clock of pauses and of access tokens, in seconds; a test whose client does not sleep sets its own."""
        self.api = SandboxDriveApi(self.site, self.url)
        self.api.sub_fault = self._sub_fault  # type: ignore[method-assign]
        self.faults.forgetting.append(self._forget)
        self._access: dict[str, float] = {}
        self._until = float("-inf")

    def expire_tokens(self) -> None:
        """All access tokens given out so far answer 401 from now on."""
        with self.lock:
            self._access.clear()

    def observed(self, request: IncomingRequest) -> str:
        """Path and query; notes what a pre-authenticated address must not be given."""
        if request.path.startswith(_DOWNLOAD) and request.headers.get("Authorization"):
            with self.lock:
                self.download_url_leaks.append(request.target)
        return request.target

    def reply(self, request: IncomingRequest) -> HttpReply:
        """By the part of the server: token endpoint, content, Graph."""
        if request.path.startswith(f"{_LOGIN}/"):
            return self._login(request)
        if request.path.startswith(_DOWNLOAD):
            known = "tempauth" in request.query and not request.headers.get("Authorization")
            return HttpReply(b"content", 200 if known else 401, {"Content-Type": "application/octet-stream"})
        if not request.path.startswith(f"{_API}/"):
            return failed(404, "ResourceNotFound", "Invalid version.")
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return failed(401, "InvalidAuthenticationToken", "Access token is empty.")
        delegated = token == self.delegated_token
        with self.lock:
            until = self._access.get(token)
        if self.expired or not (delegated or (until is not None and self.monotonic() < until)):
            return failed(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
        with self.site.lock:
            self.api.gone_after, self.api.exclude_parents = self.faults.gone_after, self.faults.exclude_parents
            reply = self.api.reply(
                request.method,
                request.target.removeprefix(_API),
                request.content,
                delegated=delegated,
                prefer=", ".join([*request.headers.get_all("Prefer", []), *request.headers.keys()]),
            )
            self.faults.gone_after = self.api.gone_after
        return reply

    def failed(self, status: int, message: str) -> HttpReply:
        """In Graph's shape of errors, or a gateway's page; 503 with the requested pause."""
        if status == 502:
            return HttpReply(b"<html><h2>Our services aren't available</h2></html>", 502, {"Content-Type": "text/html"})
        code, inner = _CODES.get(status, ("generalException", None))
        reply = failed(status, code, message, inner)
        if status == 503:
            self._pause(reply)
        return reply

    def throttled(self) -> HttpReply:
        """429; the pause begins."""
        reply = self.failed(429, "The app or user has been throttled.")
        self._pause(reply)
        return reply

    def limited(self, request: IncomingRequest) -> HttpReply | None:
        """While throttled: refused, counted, and the pause lengthens."""
        if not request.path.startswith(_API):
            return None
        with self.lock:
            now = self.monotonic()
            if now >= self._until:
                return None
            self.ignored_throttles += 1
            self._until += self.faults.lengthen_s
            left = self._until - now
        reply = self.failed(429, "The app or user has been throttled.")
        reply.headers["Retry-After"] = f"{left + 1:.0f}"
        return reply

    # --- inside ------------------------------------------------------------------------------------------------

    def _pause(self, reply: HttpReply) -> None:
        pause = self.faults.retry_after_s
        if pause is None:
            return
        reply.headers["Retry-After"] = f"{pause:.0f}"
        with self.lock:
            self._until = max(self._until, self.monotonic() + pause)

    def _forget(self) -> None:
        with self.site.lock:
            self.api.feed.forget()

    def _sub_fault(self) -> HttpReply | None:
        """One request of a batch may be throttled though the batch is not."""
        if not self.faults.throttled or self.draw() >= self.faults.throttled:
            return None
        reply = failed(429, *_CODES[429][:1], "Too many requests", _CODES[429][1])
        reply.headers["Retry-After"] = f"{self.faults.retry_after_s or 0:.0f}"
        return reply

    def _login(self, request: IncomingRequest) -> HttpReply:
        """OAuth 2.0 client credentials, as documented for the Microsoft identity platform."""
        form = parse_qs(request.content.decode(errors="replace"), keep_blank_values=True)
        one = {name: values[0] for name, values in form.items()}
        typed = request.method == "POST" and "form" in request.headers.get("Content-Type", "")
        checks = (
            (typed and "grant_type" in one, 400, "invalid_request", 900144, "The body must contain: 'grant_type'."),
            (request.path == f"{_LOGIN}/{self.tenant}/oauth2/v2.0/token", 400, "invalid_request", 90002, "No tenant."),
            (one.get("grant_type") == "client_credentials", 400, "unsupported_grant_type", 70003, "Not supported."),
            (one.get("client_id") == self.client_id, 400, "unauthorized_client", 700016, "Application not found."),
            (one.get("client_secret") == self.client_secret, 401, "invalid_client", 7000215, "Invalid client secret."),
            (one.get("scope", "").endswith("/.default"), 400, "invalid_scope", 70011, "'scope' isn't valid."),
        )
        for fulfilled, *refusal in checks:
            if not fulfilled:
                return _refused(*refusal)  # type: ignore[arg-type]
        token, seconds = f"eyJ0.{secrets.token_urlsafe(48)}", self.faults.expires_in
        with self.lock:
            self._access[token] = self.monotonic() + seconds
        whole = int(seconds)
        answer = {"token_type": "Bearer", "expires_in": whole, "ext_expires_in": whole, "access_token": token}
        return HttpReply(as_json(answer))


def _refused(status: int, error: str, number: int, words: str) -> HttpReply:
    """The documented error of the token endpoint."""
    trace, moment = "0000aaaa-11bb-cccc-dd22-eeeeee333333", "2026-02-10 09:00:00Z"
    answer = {
        "error": error,
        "error_description": f"AADSTS{number}: {words}\r\nTrace ID: {trace}\r\nTimestamp: {moment}",
        "error_codes": [number],
        "timestamp": moment,
        "trace_id": trace,
        "correlation_id": trace,
    }
    return HttpReply(as_json(answer), status)
