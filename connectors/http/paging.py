"""The data classes of an API that answers in pages: a page's request, a page, the account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

Row = dict[str, Any]
"""One decoded JSON object; numbers with a point are ``Decimal``."""
Token = str | int
"""What leads to the next page. A ``str`` is the server's own bookmark. An ``int`` counts pages or rows: such pages
shift when rows come and go, so the list is read until two readings agree, unless its pages overlap."""


@dataclass(frozen=True)
class LeftOut:
    """Stands among the rows of a page for one that the service refuses; the slice names it as a gap.

    Attributes:
        why: Method, path, status and the service's words.
    """

    why: str


@dataclass(frozen=True)
class PageRequest:
    """One page of one unit.

    Attributes:
        unit: Name of the unit.
        since: Only rows whose cursor column is at or after this moment (UTC); None: no bound. Where the API
            leaves out the moment itself, ask from a little before: a row too many does no harm.
        before: Only rows whose cursor column is before this moment; None: no bound. Given to units with ``windows``.
        token: ``Page.next`` of the page before; None for the first page.
        limit: Rows wanted; a page may hold fewer or more.
        keys_only: Only key columns and the unit's ``versions`` are looked at: ask for less where the API can, but for
            every row that the other list has.
        parent: Key columns of the parent whose rows are asked for, by name; None for a unit without ``parent``.
    """

    unit: str
    since: datetime | None = None
    before: datetime | None = None
    token: Token | None = None
    limit: int = 100
    keys_only: bool = False
    parent: Mapping[str, str | int] | None = None


@dataclass(frozen=True)
class Page:
    """The answer to one page request.

    Attributes:
        rows: JSON objects; none is fine, also when there is a next page. A row that is refused is a ``LeftOut``.
        next: Leads to the next page; None on the last.
        total: How many rows the server says the whole list has, if it does.
        overlaps: Its first row should be the last row of the page before, asked for again. Where rows are asked for
            by position, this shows for one row a page that nothing shifted in between, and spares a second reading.
    """

    rows: Sequence[Row | LeftOut]
    next: Token | None = None
    total: int | None = None
    overlaps: bool = False

    @property
    def whole_rows(self) -> list[Row]:
        """The rows that came."""
        return [row for row in self.rows if not isinstance(row, LeftOut)]

    @property
    def left_out(self) -> list[LeftOut]:
        """The rows that were refused."""
        return [row for row in self.rows if isinstance(row, LeftOut)]


@dataclass(frozen=True)
class Account:
    """Whom the credentials belong to, and what answers."""

    name: str
    version: str
    details: dict[str, str] = field(default_factory=dict)
