"""The file of recorded traffic: JSON lines, one exchange a line, no secret in it.

A line holds ``method``, ``path``, ``query`` (pairs, sorted), ``sent`` (the request's body), ``status``, ``headers``
(those that say something about the answer) and ``body``; how bodies are written is in
:mod:`connector_kit.recording.cassette_lines`.
Request headers are not kept: nothing matches by them, and credentials live there. The system's own
address is written as :data:`ORIGIN`. Lines are sorted by request, answers to one request stay in order, and an answer
that repeats at the end is written once: recording the same traffic again gives the same file, but for what the system
itself says differently.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import msgspec

from connector_kit.recording.cassette_lines import Body, Bytes, Exchange, Pairs, read, written
from connector_kit.recording.dead_ends import dead_ends
from connector_kit.recording.messages import RecordedRequest, RecordedResponse
from connector_kit.recording.places import TOUR, cassette_path
from connector_kit.recording.scrubbing import SCRUBBED, Scrubber
from connector_kit.recording.secret_names import NOISE, NOISY
from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

ORIGIN = "http://upstream.invalid"
"""Stands in a cassette for scheme and host of the system (RFC 6761 keeps ``.invalid`` free)."""

_CHANGES = {"date"}
"""Does not make an answer another one."""


Key = tuple[str, str, Pairs, str]


class Cassette:
    """Recorded exchanges. Safe between threads; what is added has its secrets scrubbed at once.

    Args:
        exchanges: Already scrubbed.
        scrub: What is a secret.
        loose: Names of query parameters and top-level JSON fields that do not count when a request is looked up,
            because they change from run to run (``updated_before`` set to the moment of the run).

    Attributes:
        path: The file it belongs to; None when it was made without one.
    """

    def __init__(
        self, exchanges: Iterable[Exchange] = (), *, scrub: Scrubber | None = None, loose: Iterable[str] = ()
    ) -> None:
        self.scrub = scrub or Scrubber()
        self.path: Path | None = None
        self.loose = frozenset(loose)
        self._lock = threading.Lock()
        self._exchanges = list(exchanges)

    @classmethod
    def load(cls, path: Path, *, scrub: Scrubber | None = None, loose: Iterable[str] = ()) -> Self:
        """Read a file.

        Raises:
            ConfigInvalidError: A line is not an exchange.
        """
        matches = []
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if not line:
                continue
            try:
                matches.append(read(line))
            except ValueError as error:
                raise ConfigInvalidError(f"{path}, line {number}: {error}", "Record the cassette again.") from error
        cassette = cls(matches, scrub=scrub, loose=loose)
        cassette.path = path
        return cassette

    @classmethod
    def of(
        cls,
        name: str,
        tape: str = TOUR,
        *,
        record: bool = False,
        scrub: Scrubber | None = None,
        loose: Iterable[str] = (),
    ) -> Self:
        """The cassette of a connector, found by name from any folder of the project.

        Args:
            name: Of the connector.
            tape: ``tour`` (a notebook's own run) or ``checks`` (``nucleus connector record``).
            record: Begin an empty one, which :meth:`save` writes in the place of the file.
            scrub: What is a secret.
            loose: See the class.

        Raises:
            ConfigInvalidError: There is no such file, or a line of it is not an exchange.
        """
        path = cassette_path(name, tape)
        if not record and not path.exists():
            raise ConfigInvalidError(
                f"Nothing is recorded of {name}: there is no {path}", "Run the notebook with traffic = 'record' first."
            )
        cassette = cls(scrub=scrub, loose=loose) if record else cls.load(path, scrub=scrub, loose=loose)
        cassette.path = path
        return cassette

    def save(self, path: Path | None = None) -> None:
        """Write the file, whole or not at all; folders are made.

        Args:
            path: Where; its own :attr:`path` when None.

        Raises:
            ConfigInvalidError: A known secret is still in it, or it has no file; nothing was written.
        """
        path = path or self.path
        if path is None:
            raise ConfigInvalidError("The cassette belongs to no file", "Give save() a path, or make it by its name.")
        exchanges = self.exchanges()
        for number, one in enumerate(exchanges, start=1):
            if any(map(self.scrub.holds_secret, _texts(one))):
                raise ConfigInvalidError(
                    f"A secret is left in line {number} of the cassette (status {one.status})",
                    "Nothing was written. Give the scrubber the name of its field, or a pattern.",
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_bytes(b"".join(written(one) + b"\n" for one in exchanges))
        partial.replace(path)

    def add(self, request: RecordedRequest, answer: RecordedResponse) -> None:
        """Keep an exchange, scrubbed."""
        self.scrub.learn(request.headers)
        exchange = Exchange(
            method=request.method,
            path=request.path,
            query=request.query,
            sent=_body(request.body, self.scrub),
            status=answer.status,
            headers=_headers(answer),
            body=_body(answer.body, self.scrub),
        )
        with self._lock:
            self._exchanges.append(scrubbed(exchange, self.scrub))

    def replace_all(self, exchanges: Iterable[Exchange]) -> None:
        """Hold these, scrubbed already, and no others."""
        with self._lock:
            self._exchanges = list(exchanges)

    def exchanges(self) -> list[Exchange]:
        """In the order of the file, scrubbed of what was learned since they were added, too."""
        matches = [scrubbed(one, self.scrub) for one in self.as_added()]
        by_request: dict[Key, list[Exchange]] = defaultdict(list)
        for one in matches:
            by_request[key_of(one)].append(one)
        return [one for key in sorted(by_request) for one in _without_repeats(by_request[key])]

    def as_added(self) -> list[Exchange]:
        """In the order they came."""
        with self._lock:
            return list(self._exchanges)

    def __len__(self) -> int:
        return len(self._exchanges)


class Replay:
    """The answers of a cassette, given in order. Safe between threads; each replay begins anew.

    Of several answers to one request those are left out whose next page was not recorded, if there are others.
    """

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette
        self._lock = threading.Lock()
        self._answers: dict[Key, list[Exchange]] = defaultdict(list)
        self._loosely: dict[Key, list[Exchange]] = defaultdict(list)
        exchanges = cassette.as_added()
        dead = dead_ends(exchanges)
        for places, loose in ((self._answers, frozenset[str]()), (self._loosely, cassette.loose)):
            alike: dict[Key, list[int]] = defaultdict(list)
            for place, one in enumerate(exchanges):
                alike[key_of(one, loose)].append(place)
            for key, found in alike.items():
                places[key] = [exchanges[place] for place in [each for each in found if each not in dead] or found]

    def take(self, request: RecordedRequest) -> Exchange | None:
        """The next answer to the request, the last one again when there is no other; None when none was recorded.

        What was recorded for exactly this request comes first, what fits but for loose names only where there is none.
        """
        spellings = list(self._spellings(request))
        for answers, loose in ((self._answers, frozenset[str]()), (self._loosely, self._cassette.loose)):
            for one in spellings:
                with self._lock:
                    if matches := answers.get(key_of(one, loose)):
                        return matches.pop(0) if len(matches) > 1 else matches[0]
        return None

    def alike(self, request: RecordedRequest, most: int = 3) -> list[str]:
        """Recorded requests for the same path, to say what differs."""
        matches = [key for key in self._answers if key[1] == request.path][:most]
        return [f"{method} {path}?{_spelt(query)} {sent}".strip() for method, path, query, sent in matches]

    def _spellings(self, request: RecordedRequest) -> Iterable[Exchange]:
        """As sent first: a made-up secret of a replay may be a word that is part of every path."""
        scrub = self._cassette.scrub
        plain = Exchange(request.method, request.path, request.query, _body(request.body, scrub), 0, {}, "")
        yield plain
        yield named(plain, scrub)
        yield scrubbed(plain, scrub)


def response_of(one: Exchange) -> RecordedResponse:
    """The recorded answer as it goes to a client."""
    body = one.body.encode() if isinstance(one.body, str) else base64.b64decode(one.body.base64)
    return RecordedResponse(one.status, tuple(one.headers.items()), body)


def key_of(one: Exchange, loose: frozenset[str] = frozenset()) -> Key:
    """What a request is known by: method, path, query in any order, body (JSON with its keys in any order)."""
    query = tuple(sorted(pair for pair in one.query if pair[0] not in loose))
    return one.method, one.path, query, _canonical(one.sent, loose)


def named(one: Exchange, scrub: Scrubber) -> Exchange:
    """The request without values of secret names."""
    query = tuple((name, SCRUBBED if value and scrub.is_secret(name) else value) for name, value in one.query)
    sent = scrub.by_name(one.sent) if isinstance(one.sent, str) else one.sent
    return msgspec.structs.replace(one, query=query, sent=sent)


def scrubbed(one: Exchange, scrub: Scrubber) -> Exchange:
    """The exchange without secrets."""
    return msgspec.structs.replace(
        one,
        path=scrub.text(one.path),
        query=tuple(sorted(scrub.pair(*pair) for pair in one.query)),
        sent=_text(one.sent, scrub),
        headers=dict(sorted(scrub.pair(*pair) for pair in one.headers.items())),
        body=_text(one.body, scrub),
    )


def _spelt(query: Pairs) -> str:
    return "&".join(f"{name}={value}" for name, value in query)


def _texts(one: Exchange) -> Iterator[str]:
    """All that comes from client and system."""
    yield one.path
    yield from chain(*one.query, *one.headers.items())
    for body in (one.sent, one.body):
        yield body if isinstance(body, str) else body.base64


def _text(body: Body, scrub: Scrubber) -> Body:
    return scrub.text(body) if isinstance(body, str) else Bytes(scrub.by_value(body.base64))


def _body(content: bytes, scrub: Scrubber) -> Body:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return Bytes(base64.b64encode(scrub.content(content)).decode())


def _headers(answer: RecordedResponse) -> dict[str, str]:
    kept: dict[str, str] = {}
    for given, value in answer.headers:
        name = given.lower()
        if name not in NOISE and not name.startswith(NOISY):
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept


def _canonical(body: Body, loose: frozenset[str]) -> str:
    if not isinstance(body, str):
        return f"base64 {body.base64}"
    try:
        parsed: Any = json.loads(body, parse_float=str)
    except ValueError:
        return body
    if isinstance(parsed, dict):
        parsed = {name: value for name, value in parsed.items() if name not in loose}
    return json.dumps(parsed, sort_keys=True)


def _without_repeats(answers: Sequence[Exchange]) -> Sequence[Exchange]:
    end = len(answers)
    while end > 1 and _said(answers[end - 2]) == _said(answers[end - 1]):
        end -= 1
    return answers[:end]


def _said(one: Exchange) -> tuple[int, dict[str, str], Body]:
    return one.status, {name: value for name, value in one.headers.items() if name not in _CHANGES}, one.body
