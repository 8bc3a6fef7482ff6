"""Who answers behind the tape: the system itself, or a cassette."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import httpx

from connector_kit.tape.cassette import ORIGIN, Cassette, Replay, answer_of
from connector_kit.tape.exchange import NO_ANSWER, Answer, Ask
from connector_kit.tape.origin import Origin
from connector_kit.tape.shape import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.tape.lines import Pairs
    from connectors.http.settings import HttpSettings

UNRECORDED = 599
_HOP = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding"}
)
_UNDONE = frozenset({"content-encoding"})
_DECODED = frozenset({"gzip", "x-gzip", "deflate", "identity"})


class Upstream(Protocol):
    """Answers in the words of the tape: addresses in what comes and goes are the tape's own."""

    def answer(self, ask: Ask) -> Answer:
        """The answer; status 0 when there is none."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class Live:
    """The system itself; what it answers is recorded when there is something to record on.

    Args:
        origin: Where it is.
        tape: Where the tape is.
        record: Takes what was asked and answered, before anything is spoiled.
        settings: Proxy, TLS and time, as the connector's config has them.
        trouble: Takes what failed between tape and system.
    """

    def __init__(
        self,
        origin: Origin,
        tape: Origin,
        record: Cassette | None,
        settings: HttpSettings,
        trouble: Callable[[str], None],
    ) -> None:
        self._origin, self._tape, self._record, self._trouble = origin, tape, record, trouble
        self._http = httpx.Client(
            timeout=settings.request_timeout_s,
            proxy=settings.proxy.get_secret_value() if settings.proxy else None,
            verify=settings.tls,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )

    def answer(self, ask: Ask) -> Answer:
        """Ask the system; a connection that fails there is one that fails here."""
        theirs = self._for(ask, self._origin.url)
        # Bytes, as http.server read them: not every header is ASCII.
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in theirs.headers if _passes(name)]
        headers.append((b"Accept-Encoding", b"gzip, deflate"))
        url = f"{self._origin.url}{theirs.target}"
        request = httpx.Request(theirs.method, url, headers=headers, content=theirs.body or None)
        try:
            got = self._http.send(request)
        except httpx.HTTPError as error:
            self._trouble(f"{ask.shown}: {type(error).__name__} {error}")
            return NO_ANSWER
        if (encoding := got.headers.get("Content-Encoding", "identity").lower()) not in _DECODED:
            self._trouble(f"{ask.shown}: the answer is encoded as {encoding}, which was not asked for")
            return NO_ANSWER
        answer = Answer(got.status_code, _end_to_end(got.headers), got.content)
        if self._record is not None:
            self._record.add(self._for(ask, ORIGIN), self._in(answer, ORIGIN))
        return self._in(answer, self._tape.url)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def _for(self, ask: Ask, address: str) -> Ask:
        _, body = self._tape.replaced_in((), ask.body, address)
        return replace(ask, target=self._tape.replaced(ask.target, address), body=body)

    def _in(self, answer: Answer, address: str) -> Answer:
        headers, body = self._origin.replaced_in(answer.headers, answer.body, address)
        return replace(answer, headers=headers, body=body)


class Recorded:
    """A cassette; what it does not hold is answered 599 and named.

    Args:
        cassette: Its answers are given from the first on.
        tape: Where the tape is.
        unmatched: Takes the requests that were not recorded, without secrets.
    """

    def __init__(self, cassette: Cassette, tape: Origin, unmatched: Callable[[str], None]) -> None:
        self._scrub, self._tape, self._unmatched = cassette.scrub, tape, unmatched
        self._replay = Replay(cassette)
        self._origin = Origin(ORIGIN)

    def answer(self, ask: Ask) -> Answer:
        """The next recorded answer to the request."""
        _, body = self._tape.replaced_in((), ask.body, ORIGIN)
        asked = replace(ask, target=self._tape.replaced(ask.target, ORIGIN), body=body)
        found = self._replay.take(asked)
        if found is None:
            return self._not_there(asked)
        answer = answer_of(found)
        headers, body = self._origin.replaced_in(answer.headers, answer.body, self._tape.url)
        return replace(answer, headers=headers, body=body)

    def close(self) -> None:
        """Nothing is open."""

    def _not_there(self, ask: Ask) -> Answer:
        query = "&".join("=".join(self._scrub.pair(*pair)) for pair in ask.query)
        sent = self._scrub.text(ask.body.decode("utf-8", "replace"))
        name = f"{ask.shown}{'?' if query else ''}{query} {sent}".strip()
        self._unmatched(name)
        said = {"error": f"not recorded: {name}", "recorded_for_this_path": self._replay.alike(ask)}
        return Answer(UNRECORDED, (("Content-Type", "application/json"),), dumps(said))


def _passes(name: str) -> bool:
    return name.lower() not in _HOP | {"accept-encoding"}


def _end_to_end(headers: httpx.Headers) -> Pairs:
    """Without those of one connection, and without an encoding that is undone already."""
    return tuple((name, value) for name, value in headers.multi_items() if name.lower() not in _HOP | _UNDONE)
