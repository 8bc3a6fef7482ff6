"""A client of a JSON API: numbers are never turned into floats, times are requested in UTC."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from pydantic import Field

from connectors.http.client import HttpClient, Refusal
from connectors.http.errors import CHECK_CREDENTIALS
from connectors.http.paging import LeftOut
from connectors.http.settings import HttpSettings, Url
from contracts.errors import SourceAuthError, SourcePageFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from connectors.http.answer_rules import AnswerRule
    from connectors.http.paging import Row


_decode_exactly = msgspec.json.Decoder(float_hook=Decimal).decode


class PagedSettings(HttpSettings):
    """What every API that answers in pages is configured with; add the credentials.

    Attributes:
        narrowing: Names of fields that narrow what is read. When one of them changes, all is read again; but a field
            that is named like a unit's parent chooses among its parts, which have watermarks of their own.
    """

    narrowing: ClassVar[tuple[str, ...]] = ()

    base_url: Url = Field(description="Where the service is: https://example.com")
    source_system: str = Field(
        "",
        pattern=r"^([a-z][a-z0-9_]{0,30})?$",
        description="Name of this system in tables and ids, the vendor's when empty; two systems must not share one.",
    )
    page_size: int = Field(100, ge=1, le=10_000, description="Rows asked for by one request.")
    slice_rows: int = Field(5_000, ge=10, description="About how many rows a slice holds.")
    slice_parents: int = Field(
        100, ge=1, le=1_000, description="How many parents' lists a slice holds, in units that have a list per parent."
    )
    overlap_s: int = Field(
        300, ge=0, description="An incremental run reads this far back before its watermark: changes show up late."
    )


class JsonApi(HttpClient):
    """Requests to one service, decoded. A 401 is an error at once, wherever it comes.

    Args:
        settings: Where the service is, limits, time, proxy, TLS.
        headers: Sent with every request; may hold the credentials.

    Attributes:
        rules: What odd answers of this API mean, where that is not what their status says.
        conditional: The API sends an ``ETag`` with its lists and answers ``If-None-Match`` with 304: then pages that
            are read twice are sent once.
    """

    rules: ClassVar[tuple[AnswerRule, ...]] = ()
    conditional: ClassVar[bool] = False

    def __init__(self, settings: PagedSettings, headers: Mapping[str, str]) -> None:
        headers = {"Accept": "application/json", **headers}
        super().__init__(
            settings.base_url, settings, headers, self._look_at, rules=self.rules, conditional=self.conditional
        )
        self._below = f"{settings.base_url}/"
        self._last = threading.local()

    def get_json(self, path: str, **query: Any) -> Any:
        """The decoded answer to a GET. Parameters that are None are left out, moments are written in UTC.

        Args:
            path: Below ``base_url``; or the absolute URL that the service gave for the next page.
            query: Parameters.

        Raises:
            Refusal: A 4xx that will not pass; the layer above decides what it means.
            SourceAuthError: 401.
            SourceUnreachableError: No answer, whatever was tried.
            SourcePageFailedError: Answers, but no good one.
        """
        own, _, inside = self._own(path).partition("?")
        parameters: dict[str, Any] = dict(parse_qs(inside, keep_blank_values=True))
        parameters |= {name: written(value) for name, value in query.items() if value is not None}
        return self.get(own, decoded, parameters)

    def get_linked(self, path: str, **query: Any) -> tuple[Any, str | None]:
        """As :meth:`get_json`, with the address of the next page from the ``Link`` header (RFC 8288), if it has one."""
        answer = self.get_json(path, **query)
        return answer, self._last.link

    def get_row(self, path: str, **query: Any) -> Row | LeftOut:
        """One row by itself, as :meth:`get_json`; what it was refused with where a rule says ``leave_out``.

        Both may stand among ``Page.rows``.
        """
        try:
            return dict(self.get_json(path, **query))
        except Refusal as refusal:
            if not refusal.leaves_out:
                raise
            return LeftOut(str(refusal))

    def post_json(self, path: str, **body: Any) -> Any:
        """The decoded answer to a POST that only asks, so that it may be repeated; else as :meth:`get_json`."""
        return self.post(path, decoded, {name: written(value) for name, value in body.items() if value is not None})

    def _own(self, path: str) -> str:
        """The path of an address below ``base_url``: credentials are sent nowhere else."""
        if path.startswith(self._below):
            return path.removeprefix(self._below[:-1])
        if "://" in path.partition("?")[0]:
            host = urlsplit(path).hostname
            raise SourcePageFailedError(
                f"The service's link to the next page leads to another server ({host})",
                "Check base_url: links must begin with it.",
            )
        return path

    def _look_at(self, answer: httpx.Response) -> None:
        self._last.link = answer.links.get("next", {}).get("url")
        if answer.status_code == 401:
            raise SourceAuthError("The service does not accept the login (401)", CHECK_CREDENTIALS)


def decoded(body: bytes) -> Any:
    """JSON with every number exact: ``int`` of any size, or ``Decimal``.

    Raises:
        ValueError: It is no JSON; NaN and Infinity are none.
    """
    try:
        return _decode_exactly(body)
    except msgspec.DecodeError:
        # An escaped half of a surrogate pair is legal JSON that only the slower decoder takes.
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def written(value: Any) -> Any:
    """A parameter as it is sent: moments as ``2025-01-31T07:08:09.123456Z``, true and false in small letters."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
