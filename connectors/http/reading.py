"""One slice, read: pages to frames of the unit's schema, and an account of what was promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.http.child_lists import ChildLists
from connectors.http.paging import LeftOut
from connectors.http.parts import PARTS
from connectors.http.progress import NEWEST_KEY
from connectors.http.rows import RowReader
from contracts.errors import SourceValueError
from contracts.plan import SliceReport

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    import polars as pl

    from connectors.http.keys_read import KeysRead
    from connectors.http.listing import Listing
    from connectors.http.paging import Page, PageRequest, Row
    from connectors.http.units import ApiUnit
    from contracts.model import Json
    from contracts.plan import IngestionSlice

_SHAPE = (KeyError, TypeError, IndexError, AttributeError)


def pages_of(page: Callable[[PageRequest], Page], unit: ApiUnit) -> Callable[[PageRequest], Page]:
    """The author's function, with an answer that has another shape than it expects made a typed error."""

    def checked(request: PageRequest) -> Page:
        try:
            given = page(request)
        except _SHAPE as error:
            raise _misshapen(unit, f"{type(error).__name__}: {error}") from error
        if not isinstance(given.rows, list | tuple):
            raise _misshapen(unit, f"a list of rows is expected, {type(given.rows).__name__} was found")
        if not all(isinstance(row, dict | LeftOut) for row in given.rows):
            raise _misshapen(unit, "a row is not an object")
        return given

    return checked


class PagedSliceReader:
    """One pass over one slice. Use once.

    Args:
        listing: Rows of the slice.
        unit: The unit.
        piece: Its ``params`` may hold ``keys``: then only rows with these are given.
    """

    def __init__(self, listing: Listing | ChildLists, unit: ApiUnit, piece: IngestionSlice) -> None:
        self._listing, self._reader = listing, RowReader(unit)
        self._wanted = _keys(piece.params)
        self._newest: datetime | None = None

    def frames(self, read: KeysRead | None = None) -> Generator[pl.DataFrame, None, SliceReport]:
        """A batch per page with rows, at least one; then what was promised and what was refused.

        Args:
            read: Takes the keys.
        """
        given = 0
        for rows in self._listing:
            wanted = [row for row in rows if self._is_wanted(row)]
            if wanted:
                self._note(wanted)
                given += len(wanted)
                frame = self._reader.frame(wanted)
                if read is not None:
                    read.add(frame)
                yield frame
        if not given:
            yield self._reader.frame([])
        listing = self._listing
        observed: Json = {NEWEST_KEY: self._newest.isoformat()} if self._newest else {}
        if isinstance(listing, ChildLists) and listing.newest:
            observed[PARTS] = {
                name: None if moment is None else moment.isoformat() for name, moment in listing.newest.items()
            }
        if listing.duplicates:
            observed["duplicates"] = listing.duplicates
        return SliceReport(
            expected_rows=listing.expected if self._wanted is None else given,
            observed=observed,
            gaps=listing.gaps,
        )

    def _is_wanted(self, row: Row) -> bool:
        return self._wanted is None or tuple(str(part) for part in self._reader.key(row)) in self._wanted

    def _note(self, rows: list[Row]) -> None:
        moments = [moment for row in rows if (moment := self._reader.moment(row)) is not None]
        self._newest = max([*moments, *([self._newest] if self._newest else [])], default=None)


def _keys(params: Json) -> frozenset[tuple[str, ...]] | None:
    keys = params.get("keys")
    return (
        frozenset(tuple(str(part) for part in key) for key in keys if isinstance(key, list))
        if isinstance(keys, list)
        else None
    )


def _misshapen(unit: ApiUnit, why: str) -> SourceValueError:
    return SourceValueError(
        f"An answer about {unit.name} is not shaped as the client reads it ({why})",
        "Compare the client's method with what the service answers; nothing of the slice was used.",
        unit=unit.name,
    )
