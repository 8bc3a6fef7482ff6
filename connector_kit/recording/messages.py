"""A request and an answer on their way through the proxy, whole and in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from connector_kit.recording.cassette_lines import Pairs


@dataclass(frozen=True)
class RecordedRequest:
    """A request as the client sent it.

    Attributes:
        target: Path and query, still encoded.
        shown: Method and path without secrets: how the request is named to people.
        notes: What was done to its answer on purpose, in words.
    """

    method: str
    target: str
    headers: Pairs = ()
    body: bytes = b""
    shown: str = ""
    notes: list[str] = field(default_factory=list, compare=False)

    @property
    def path(self) -> str:
        """The path, still encoded."""
        return urlsplit(self.target).path

    @property
    def query(self) -> Pairs:
        """Names and values, decoded, in the order sent."""
        return tuple(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def sends(self, token: str) -> bool:
        """Whether the request carries the page token: as a parameter, in its body, or by being the link itself."""
        if token.endswith(self.target) and "/" in token:
            return True
        return any(value == token for _, value in self.query) or f'"{token}"' in self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class RecordedResponse:
    """An answer as the client gets it. The body is decoded; lengths and framing are the server's business.

    Attributes:
        status: 0 when the connection ends without any answer.
        cut_at: The connection breaks after so many bytes of the body.
    """

    status: int
    headers: Pairs = ()
    body: bytes = b""
    cut_at: int | None = None

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_header(self, name: str, value: str) -> Pairs:
        """The headers, with this one in the place of all of its name."""
        return (*((key, old) for key, old in self.headers if key.lower() != name.lower()), (name, value))


NO_RESPONSE = RecordedResponse(0)
