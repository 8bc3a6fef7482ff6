"""Who answers behind the proxy: the system itself, or a cassette."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import httpx

from connector_kit.recording.cassette import ORIGIN, Cassette, Replay, response_of
from connector_kit.recording.messages import NO_RESPONSE, RecordedRequest, RecordedResponse
from connector_kit.recording.origin import Origin
from connector_kit.recording.page_shape import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.recording.cassette_lines import Pairs
    from connectors.http.settings import HttpSettings

UNRECORDED = 599
_HOP = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding"}
)
_UNDONE = frozenset({"content-encoding"})
_DECODED = frozenset({"gzip", "x-gzip", "deflate", "identity"})


class Upstream(Protocol):
    """Answers in the words of the proxy: addresses in what comes and goes are the proxy's own."""

    def answer(self, request: RecordedRequest) -> RecordedResponse:
        """The answer; status 0 when there is none."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class LiveUpstream:
    """The system itself; what it answers is recorded when there is something to record on.

    Args:
        origin: Where it is.
        proxy: Where the proxy is.
        record: Takes what was asked and answered, before faults are injected.
        settings: Proxy, TLS and time, as the connector's config has them.
        trouble: Takes what failed between proxy and system.
    """

    def __init__(
        self,
        origin: Origin,
        proxy: Origin,
        record: Cassette | None,
        settings: HttpSettings,
        trouble: Callable[[str], None],
    ) -> None:
        self._origin, self._proxy, self._record, self._trouble = origin, proxy, record, trouble
        self._http = httpx.Client(
            timeout=settings.request_timeout_s,
            proxy=settings.proxy.get_secret_value() if settings.proxy else None,
            verify=settings.tls,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )

    def answer(self, request: RecordedRequest) -> RecordedResponse:
        """RecordedRequest the system; a connection that fails there is one that fails here."""
        theirs = self._for(request, self._origin.url)
        # Bytes, as http.server read them: not every header is ASCII.
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in theirs.headers if _passes(name)]
        headers.append((b"Accept-Encoding", b"gzip, deflate"))
        url = f"{self._origin.url}{theirs.target}"
        outgoing = httpx.Request(theirs.method, url, headers=headers, content=theirs.body or None)
        try:
            got = self._http.send(outgoing)
        except httpx.HTTPError as error:
            self._trouble(f"{request.shown}: {type(error).__name__} {error}")
            return NO_RESPONSE
        if (encoding := got.headers.get("Content-Encoding", "identity").lower()) not in _DECODED:
            self._trouble(f"{request.shown}: the answer is encoded as {encoding}, which was not asked for")
            return NO_RESPONSE
        answer = RecordedResponse(got.status_code, _end_to_end(got.headers), got.content)
        if self._record is not None:
            self._record.add(self._for(request, ORIGIN), self._in(answer, ORIGIN))
        return self._in(answer, self._proxy.url)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def _for(self, request: RecordedRequest, address: str) -> RecordedRequest:
        _, body = self._proxy.replaced_in((), request.body, address)
        return replace(request, target=self._proxy.replaced(request.target, address), body=body)

    def _in(self, answer: RecordedResponse, address: str) -> RecordedResponse:
        headers, body = self._origin.replaced_in(answer.headers, answer.body, address)
        return replace(answer, headers=headers, body=body)


class RecordedUpstream:
    """A cassette; what it does not hold is answered 599 and named.

    Args:
        cassette: Its answers are given from the first on.
        proxy: Where the proxy is.
        unmatched: Takes the requests that were not recorded, without secrets.
    """

    def __init__(self, cassette: Cassette, proxy: Origin, unmatched: Callable[[str], None]) -> None:
        self._scrub, self._proxy, self._unmatched = cassette.scrub, proxy, unmatched
        self._replay = Replay(cassette)
        self._origin = Origin(ORIGIN)

    def answer(self, request: RecordedRequest) -> RecordedResponse:
        """The next recorded answer to the request."""
        _, body = self._proxy.replaced_in((), request.body, ORIGIN)
        original = replace(request, target=self._proxy.replaced(request.target, ORIGIN), body=body)
        recorded = self._replay.take(original)
        if recorded is None:
            return self._not_there(original)
        answer = response_of(recorded)
        headers, body = self._origin.replaced_in(answer.headers, answer.body, self._proxy.url)
        return replace(answer, headers=headers, body=body)

    def close(self) -> None:
        """Nothing is open."""

    def _not_there(self, request: RecordedRequest) -> RecordedResponse:
        query = "&".join("=".join(self._scrub.pair(*pair)) for pair in request.query)
        sent = self._scrub.text(request.body.decode("utf-8", "replace"))
        name = f"{request.shown}{'?' if query else ''}{query} {sent}".strip()
        self._unmatched(name)
        explanation = {"error": f"not recorded: {name}", "recorded_for_this_path": self._replay.alike(request)}
        return RecordedResponse(UNRECORDED, (("Content-Type", "application/json"),), dumps(explanation))


def _passes(name: str) -> bool:
    return name.lower() not in _HOP | {"accept-encoding"}


def _end_to_end(headers: httpx.Headers) -> Pairs:
    """Without those of one connection, and without an encoding that is undone already."""
    return tuple((name, value) for name, value in headers.multi_items() if name.lower() not in _HOP | _UNDONE)
