"""Which lists make up a unit, or a slice of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.http.child_lists import ChildLists, Parent, name_of
from connectors.http.errors import refusal_error
from connectors.http.listing import Listing
from connectors.http.paging import PageRequest
from connectors.http.parts import PARTS, bounds_of, moment_in
from connectors.http.reading import pages_of
from connectors.http.rows import RowReader
from connectors.http.scope import chosen_parents
from contracts.endpoint import FilterOption
from contracts.errors import CompletenessGapError, FilterNotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from connectors.http.json_api import PagedSettings
    from connectors.http.keys_read import KeysRead
    from connectors.http.paging import Page
    from connectors.http.units import ApiUnit
    from contracts.model import Json
    from contracts.unit import UnitPolicy


class UnitLists:
    """The lists of one unit. Immutable, so safe between threads.

    Args:
        page: The author's function.
        unit: Whose rows.
        units: All of the connector's, among them the unit's parent if it has one.
        settings: Page size, requests at the same time, parents that are allowed.
        policy: May select parents.
    """

    def __init__(
        self,
        page: Callable[[PageRequest], Page],
        unit: ApiUnit,
        units: Sequence[ApiUnit],
        settings: PagedSettings,
        policy: UnitPolicy | None = None,
    ) -> None:
        self._source, self._units, self._settings = page, units, settings
        self._chosen = chosen_parents(unit, settings, policy)
        self.unit = unit
        self.page = pages_of(page, unit)

    def whole(self, *, keys_only: bool = False) -> Listing | ChildLists:
        """Every row of the unit."""
        request = PageRequest(self.unit.name, limit=self._settings.page_size, keys_only=keys_only)
        return self._read(request, None)

    def first(self, limit: int) -> Listing | ChildLists:
        """As whole, for a caller who stops after ``limit`` rows: one request at a time."""
        request = PageRequest(self.unit.name, limit=max(1, min(limit, self._settings.page_size)))
        return self._read(request, None, concurrency=1)

    def of_slice(self, params: Json) -> Listing | ChildLists:
        """The rows of a slice: ``since`` and ``before``, or ``parents``, or ``parts``, or nothing for everything."""
        since, before = (moment_in(params, name) for name in ("since", "before"))
        parents = params.get("parents")
        request = PageRequest(self.unit.name, since=since, before=before, limit=self._settings.page_size)
        bounds = bounds_of(params)
        if bounds or PARTS in params:
            return self._of_parts(request, bounds)
        return self._read(request, self._named(parents) if isinstance(parents, list) else None)

    def parents(self) -> Iterator[Parent]:
        """Keys of all parents that are there now; of the chosen ones, where some are chosen.

        Raises:
            FilterNotSupportedError: A chosen one is not there.
            SourcePageFailedError, SourcePrivilegeError: The service refuses to list them.
            CompletenessGapError: Fewer came than were promised.
        """
        parent = self._parent()
        reader = RowReader(parent, keys_only=True)
        listing = UnitLists(self._source, parent, self._units, self._settings).whole(keys_only=True)
        missing = set(self._chosen or ())
        for rows in listing:
            for row in rows:
                found: Parent = dict(zip(parent.primary_key, reader.key(row), strict=True))
                if self._chosen is None or name_of(found) in self._chosen:
                    missing.discard(name_of(found))
                    yield found
        if listing.refusal is not None:
            raise refusal_error(listing.refusal) from listing.refusal
        require_whole(listing, parent.name)
        if missing:
            raise FilterNotSupportedError(
                f"{', '.join(sorted(missing))} of {parent.name} is not there, or the account may not see it",
                "See what there is: nucleus unit options.",
            )

    def options(self) -> tuple[FilterOption, ...]:
        """The parents as choices, by their label: the first text of a row besides its key."""
        parent = self._parent()
        reader = RowReader(parent)
        labels = [column.name for column in parent.columns if column.name not in parent.primary_key]
        listing = UnitLists(self._source, parent, self._units, self._settings).whole()
        found = []
        for rows in listing:
            for row in reader.frame(rows).to_dicts():
                value = "/".join(str(row[name]) for name in parent.primary_key)
                label = next((text for name in labels if isinstance(text := row[name], str) and text), value)
                found += (
                    [FilterOption(value=value, label=label)] if self._chosen is None or value in self._chosen else []
                )
        if listing.refusal is not None:
            raise refusal_error(listing.refusal) from listing.refusal
        return tuple(sorted(found, key=lambda one: (one.label, one.value)))

    def _of_parts(
        self, request: PageRequest, bounds: Mapping[str, tuple[list[object], datetime | None, datetime | None]]
    ) -> ChildLists:
        """Each part in its own bounds."""
        reader = RowReader(self.unit)

        def of(parent: Parent) -> PageRequest:
            _, since, before = bounds[name_of(parent)]
            return replace(request, parent=parent, since=since, before=before)

        parents = self._named([key for key, _, _ in bounds.values()])
        at_once = self._settings.concurrency
        return ChildLists(self.page, request, reader.key, parents, self.parents, at_once, of, reader.moment)

    def _read(
        self, request: PageRequest, parents: Iterable[Parent] | None, concurrency: int | None = None
    ) -> Listing | ChildLists:
        key_of = RowReader(self.unit).key
        if self.unit.parent is None:
            return Listing(self.page, request, key_of)
        parents, at_once = self.parents() if parents is None else parents, concurrency or self._settings.concurrency
        return ChildLists(self.page, request, key_of, parents, self.parents, at_once)

    def _named(self, keys: Sequence[object]) -> Iterator[Parent]:
        names = self._parent().primary_key
        return (dict(zip(names, key, strict=True)) for key in keys if isinstance(key, list))

    def _parent(self) -> ApiUnit:
        return next(one for one in self._units if one.name == self.unit.parent)


def require_whole(listing: Listing | ChildLists, what: str) -> None:
    """Make sure that a list that was read has every row.

    Raises:
        CompletenessGapError: Part of it was refused, or fewer rows came than were promised.
    """
    if listing.gaps or listing.expected not in {None, listing.rows}:
        why = listing.gaps[0] if listing.gaps else f"{listing.rows} of {listing.expected} came"
        raise CompletenessGapError(f"The keys of {what} could not all be listed: {why}", "Run again.")


def require_gone(listing: Listing | ChildLists, reader: RowReader, read: KeysRead, unlisted: frozenset[int]) -> None:
    """Make sure that rows which were read, and whose keys are not listed, are not there any more.

    Raises:
        CompletenessGapError: One of them still is: the list of keys is narrower than the list of rows.
    """
    for rows in listing:
        there = read.among(unlisted, reader.frame(rows))
        if there.height:
            key = ", ".join(str(value) for value in there.row(0))
            raise CompletenessGapError(
                f"The list of keys leaves out rows that this run read and that are still there ({key}, …)",
                "Ask for the keys of all rows that the other list has. Nothing was removed.",
            )
