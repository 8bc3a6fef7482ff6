"""A client that sends requests under a governor, tries again what may pass, and gives decoded answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from connectors.http.answer_rules import AnswerRule, retry_after_s, rule_for
from connectors.http.governor import Governor, PauseTooLongError
from connectors.http.known_answers import KnownAnswers
from connectors.http.redaction import Redactor
from contracts.errors import IngestionError, SourcePageFailedError, SourceTlsError, SourceUnreachableError
from contracts.receipts import Throttling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connectors.http.settings import HttpSettings

T = TypeVar("T")
_LONGEST_MESSAGE = 400
_GONE = 410
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(eq=False)  # not frozen: context managers set the traceback
class Refusal(Exception):  # noqa: N818 - an answer, not an error: the caller decides what it means
    """An answer with a 4xx status that trying again does not change. Never leaves a connector.

    Attributes:
        status: HTTP status.
        message: The server's message, shortened.
        where: Method and path.
        expired: The page's bookmark is too old: the list can be begun again.
        leaves_out: A rule says that only what was asked for is refused, and that the rest can be read.
    """

    status: int
    message: str
    where: str
    expired: bool = False
    leaves_out: bool = False

    def __post_init__(self) -> None:
        self.expired = self.expired or self.status == _GONE

    def __str__(self) -> str:
        return f"{self.where}: {self.status} {self.message}"


class HttpClient:
    """Requests to one base URL. Safe between threads; connections are made when first needed.

    Args:
        base_url: All paths are below it.
        settings: Limits, time, proxy, TLS.
        headers: Sent with every request; may hold the credentials.
        check: Looks at every answer first; raises what makes it worthless (a login that failed).
        message_of: The server's own words in a refusal's body; credentials in them are left out here.
        rules: What odd answers mean; the first that fits counts.
        conditional: Keep answers with an ``ETag`` for a while, and ask whether they changed.
    """

    def __init__(
        self,
        base_url: str,
        settings: HttpSettings,
        headers: Mapping[str, str],
        check: Callable[[httpx.Response], None] = lambda _answer: None,
        message_of: Callable[[bytes], str] = lambda body: body.decode("utf-8", "replace"),
        rules: Sequence[AnswerRule] = (),
        *,
        conditional: bool = False,
    ) -> None:
        self._base_url, self._settings, self._headers = base_url.rstrip("/"), settings, dict(headers)
        self._check, self._message_of, self._rules = check, message_of, tuple(rules)
        self._known = KnownAnswers() if conditional else None
        self._redactor = Redactor(settings, headers)
        self.governor = Governor(settings.concurrency, settings.retry_pause_s, max_wait_s=settings.max_wait_s)
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None
        self._in_use: Counter[httpx.Client] = Counter()
        self.requests = 0
        """Requests sent so far, retries included."""

    def get(self, path: str, decode: Callable[[bytes], T], params: Mapping[str, Any] | None = None) -> T:
        """GET and decode; see :meth:`send`."""
        return self.send("GET", path, decode, params=params)

    def post(self, path: str, decode: Callable[[bytes], T], body: Mapping[str, Any]) -> T:
        """POST of JSON that only asks, so that it may be repeated; see :meth:`send`."""
        return self.send("POST", path, decode, json=body)

    def send(self, method: str, path: str, decode: Callable[[bytes], T], **how: Any) -> T:
        """The decoded body of a 2xx answer. One that ``decode`` cannot read is incomplete: it is requested again.

        Raises:
            Refusal: A 4xx that will not pass.
            SourceUnreachableError: No answer, whatever was tried.
            SourcePageFailedError: Answers, but no good one; or the server asks for a pause that is too long. Its
                ``retry_after_s`` is the pause the server asked for last, if it did.
        """
        where = f"{method} {path}"
        tries = 0
        while True:
            tries += 1
            try:
                return self._once(method, path, decode, where, how)
            except (SourceUnreachableError, SourcePageFailedError) as error:
                if tries >= self._settings.max_tries or error.facts.get("final") or not self.governor.may_retry():
                    raise
            time.sleep(self.governor.backoff_s(tries))

    def throttling(self) -> Throttling:
        """How often the service made this client wait or ask again."""
        return Throttling(requests_repeated=self.governor.retries, paused_s=self.governor.paused_s)

    def close(self) -> None:
        """Close connections, those of requests under way when they end; the client can be used again."""
        with self._lock:
            http, self._http = self._http, None
            is_idle = http not in self._in_use
        if http is not None and is_idle:
            http.close()

    @contextmanager
    def _connected(self) -> Iterator[httpx.Client]:
        """The open client. It forgets connections when it is closed during a request: the last user closes it."""
        with self._lock:
            self.requests += 1
            http = self._http = self._http or self._connect()
            self._in_use[http] += 1
        try:
            yield http
        finally:
            with self._lock:
                self._in_use[http] -= 1
                if is_last := not self._in_use[http]:
                    del self._in_use[http]
                is_closed = http is not self._http
            if is_last and is_closed:
                http.close()

    def _once(self, method: str, path: str, decode: Callable[[bytes], T], where: str, how: Mapping[str, Any]) -> T:
        try:
            with self.governor.turn() as began:
                answer = self._exchange(method, path, where, how)
        except PauseTooLongError as error:
            raise _page_failed(f"{where} was not sent: {error}", error.pause_s, final=True) from error
        rule = rule_for(self._rules, answer)
        limited = is_rate_limit(answer) if rule is None else rule.means == "wait"
        if not limited and rule is None:
            self._check(answer)
        if limited or (answer.status_code in _PASSING if rule is None else rule.means == "try_again"):
            raise self._passing(answer, began, where, rule)
        if answer.status_code >= 300 or rule is not None:
            # Cut last: the beginning of a secret is not found any more.
            message = self._redactor.text(self._message_of(answer.content))[:_LONGEST_MESSAGE]
            means = rule.means if rule is not None else ""
            raise Refusal(
                answer.status_code, message, where, expired=means == "expired", leaves_out=means == "leave_out"
            )
        try:
            decoded = decode(answer.content)
        except ValueError as error:
            raise SourcePageFailedError(
                f"{where}: the answer cannot be read ({error})", "It is requested again; run again if the error stays."
            ) from error
        self.governor.went_well()
        return decoded

    def _exchange(self, method: str, path: str, where: str, how: Mapping[str, Any]) -> httpx.Response:
        url, known = f"{self._base_url}{path}", self._known
        try:
            with self._connected() as http:
                if known is None:
                    return http.request(method, url, **how)
                return known.answer(
                    method, url, how, http.request(method, url, headers=known.condition(method, url, how), **how)
                )
        except httpx.HTTPError as error:
            raise _unreachable(error, where) from error

    def _connect(self) -> httpx.Client:
        settings = self._settings
        limits = httpx.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
        proxy = settings.proxy.get_secret_value() if settings.proxy else None
        return httpx.Client(
            headers=self._headers,
            timeout=settings.request_timeout_s,
            limits=limits,
            proxy=proxy,
            verify=settings.tls,
            trust_env=False,
        )

    def _passing(
        self, answer: httpx.Response, began: float, where: str, rule: AnswerRule | None
    ) -> SourcePageFailedError:
        pause_s = retry_after_s(answer.headers.get("Retry-After"))
        if rule is not None and pause_s is None:
            pause_s = rule.pause_s(answer)
        if (is_rate_limit(answer) if rule is None else rule.means == "wait") or (
            answer.status_code == 503 and pause_s is not None
        ):
            self.governor.was_throttled(began, pause_s)
        too_long = pause_s is not None and pause_s > self._settings.max_wait_s
        pause = f", and asks for a pause of {pause_s:.0f} s" if pause_s else ""
        what = f"{where}: the server answers {answer.status_code}{pause}"
        return _page_failed(what, pause_s, status=answer.status_code, final=too_long)


def is_rate_limit(answer: httpx.Response) -> bool:
    """Too many requests: 429, or 403 with a header that only a limit sends. A 403 without one is a permission."""
    if answer.status_code != 403:
        return answer.status_code == 429
    used_up = answer.headers.get("X-RateLimit-Remaining", "").strip() == "0"
    return used_up or "Retry-After" in answer.headers or "RateLimit-Reason" in answer.headers


def _page_failed(what: str, pause_s: float | None, **facts: Any) -> SourcePageFailedError:
    """The error for a server that is busy or failing; ``pause_s`` is how long it asks to be left alone."""
    again = "The server is busy or failing. Run again later: the run resumes."
    error = SourcePageFailedError(what, again, **facts)
    error.retry_after_s = pause_s
    return error


def _unreachable(error: httpx.HTTPError, where: str) -> IngestionError:
    words = str(error) or type(error).__name__
    if "CERTIFICATE" in words or "SSL" in words:
        return SourceTlsError(f"{where}: {words}", "Check the server's certificate, ca_file and verify_tls.")
    return SourceUnreachableError(f"{where}: {words}", "Check the URL, the proxy and the network; then run again.")
