"""Plans for units of a paged API: from when, split into which windows, and up to which watermark."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from connectors.http import windows
from connectors.http.paging import PageRequest
from connectors.http.progress import PagedCheckpoint, is_census_due
from connectors.http.rows import RowReader
from connectors.http.scope import require_mode
from connectors.slicing import key_chunks
from contracts.plan import IngestionPlan, IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pydantic import JsonValue

    from connectors.http.child_lists import Parent
    from connectors.http.json_api import PagedSettings
    from connectors.http.paging import Page, Row
    from connectors.http.units import ApiUnit
    from contracts.endpoint import PlanRequest
    from contracts.model import Json

FUTURE = timedelta(days=1)
"""Rows that claim to have changed later than in so much time do not move a watermark."""
MAX_REPAIR_KEYS = 1_000
"""Keys of one repair slice; fewer if they are long."""


class UnitProbe:
    """What planning asks of one unit: first pages and counts.

    Args:
        page: Asks for a page.
        unit: The unit.
        page_size: Rows of a page.
        parent: Whose rows are asked for, of a unit with a parent.
    """

    def __init__(
        self, page: Callable[[PageRequest], Page], unit: ApiUnit, page_size: int, parent: Parent | None = None
    ) -> None:
        self.unit, self._parent = unit, parent
        self._page, self._page_size = page, page_size
        self._reader = RowReader(unit)

    def first_page(self, since: datetime | None, before: datetime | None = None) -> Page:
        """The first page of a window; of a little more where the API cannot filter by ``since``."""
        since = since and self.unit.asked_from(since)
        return self._ask(since, before, self._page_size)

    def count(self, since: datetime | None, before: datetime | None = None) -> int | None:
        """How many rows the window has, if the service says so."""
        return self._ask(since, before, 1).total

    def _ask(self, since: datetime | None, before: datetime | None, limit: int) -> Page:
        return self._page(PageRequest(self.unit.name, since=since, before=before, limit=limit, parent=self._parent))

    def divide(self, moment: datetime) -> datetime:
        """A moment at or before this one by which the API can filter: there a window may be divided."""
        return self.unit.asked_from(moment)

    def moment(self, row: Row) -> datetime | None:
        """When the row changed last."""
        return self._reader.moment(row)


def make_plan(
    probe: UnitProbe, request: PlanRequest, settings: PagedSettings, now: datetime, scope: str
) -> IngestionPlan:
    """The plan.

    Args:
        probe: Asks for pages.
        request: What is planned.
        settings: Sizes and overlap.
        now: For the census.
        scope: Fingerprint of what the rows depend on, see :func:`connectors.http.scope.fingerprint_of`.

    Raises:
        ModeUnsupportedError: Incremental, for a unit without a cursor.
    """
    require_mode(request, "the API does not say what changed")
    if probe.unit.cursor is None:
        return _planned(request, [windows.ChangeWindow()], "single", "the API lists it in full")
    before = PagedCheckpoint.read(request.checkpoint, scope)
    since = before.since(settings.overlap_s) if request.mode == "incremental" else None
    since = since and probe.unit.asked_from(since)
    top = windows.newest(probe, since, now + FUTURE)
    split = (
        windows.split_windows(probe, since, top, settings.slice_rows)
        if probe.unit.windows
        else [windows.ChangeWindow(since=since)]
    )
    census = request.mode == "full" or (
        probe.unit.keys_only and is_census_due(before.census_at, now, request.policy.census_every_s)
    )
    after = PagedCheckpoint(
        scope=before.scope,
        watermark=max([one for one in (top, before.watermark) if one is not None], default=None),
        census_at=now if census else before.census_at,
    )
    strategy = "change-window" if len(split) > 1 or since else "single"
    reason = f"changed from {since.isoformat()} on" if since else "everything"
    return _planned(request, split, strategy, reason, after=after.model_dump(mode="json"), census=census)


def make_plan_by_parents(parents: Iterable[Parent], request: PlanRequest, settings: PagedSettings) -> IngestionPlan:
    """A plan whose slices are lists of several parents each.

    Raises:
        ModeUnsupportedError: Incremental.
    """
    require_mode(request, "the API has a list per parent, and none of what changed in all of them")
    slices = parent_slices(parents, "parents", 0, settings.slice_parents)
    reason = "a list per parent, each in full"
    return plan_of(request, slices or (_nothing(),), "parents", reason)


def parent_slices(parents: Iterable[Parent], key: str, first: int, most: int) -> tuple[IngestionSlice, ...]:
    """Slices of at most ``most`` parents each, in the order of the parents."""
    keys: list[list[JsonValue]] = [[*parent.values()] for parent in parents]
    return _slices_naming("parents", keys, key, first, most, "lists of {} parent(s)")


def new_parents(parents: Iterable[Parent], plan: IngestionPlan) -> list[Parent]:
    """Those that no slice of the plan names."""
    planned = {json.dumps(key) for piece in plan.slices for key in _parents_of(piece)}
    return [parent for parent in parents if json.dumps([*parent.values()]) not in planned]


def late(plan: IngestionPlan, epoch: int, overlap_s: float, unit: ApiUnit) -> tuple[IngestionSlice, ...]:
    """One slice of everything that changed since the plan was made; none for a unit without a cursor."""
    if plan.checkpoint_after is None:
        return ()
    since = PagedCheckpoint.model_validate(plan.checkpoint_after).since(overlap_s)
    if since is None:
        return ()
    params: Json = {"since": unit.asked_from(since).isoformat(), "explain": "what changed since the plan was made"}
    return (IngestionSlice(key=f"late-{epoch}", sequence=len(plan.slices), params=params),)


def repairs(plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
    """Slices that keep the rows of these keys only."""
    wanted: list[list[JsonValue]] = [[str(key[name]) for name in plan.unit.primary_key] for key in keys]
    return _slices_naming("keys", wanted, f"repair-{epoch}", len(plan.slices), MAX_REPAIR_KEYS, "{} missing row(s)")


def _slices_naming(
    parameter: str, keys: Sequence[list[JsonValue]], key: str, first: int, most: int, words: str
) -> tuple[IngestionSlice, ...]:
    """Slices ``<key>-0`` and so on, each with at most ``most`` of the keys as that parameter."""
    return tuple(
        IngestionSlice(
            key=f"{key}-{index}",
            sequence=first + index,
            params={parameter: [*chunk], "explain": words.format(len(chunk))},
        )
        for index, chunk in enumerate(key_chunks(keys, most))
    )


def _planned(
    request: PlanRequest,
    split: Sequence[windows.ChangeWindow],
    strategy: str,
    reason: str,
    *,
    after: Json | None = None,
    census: bool = False,
) -> IngestionPlan:
    slices = tuple(_slice(index, window) for index, window in enumerate(split))
    return plan_of(request, slices, strategy, reason, after=after, census=census)


def plan_of(
    request: PlanRequest,
    slices: tuple[IngestionSlice, ...],
    strategy: str,
    reason: str,
    *,
    after: Json | None = None,
    census: bool = False,
) -> IngestionPlan:
    """A plan of these slices for what is asked."""
    return IngestionPlan(
        endpoint_id=request.endpoint_id,
        unit=request.unit,
        mode=request.mode,
        strategy=strategy,
        reason=reason,
        slices=slices,
        policy=request.policy,
        checkpoint_before=request.checkpoint,
        checkpoint_after=after,
        census=census,
    )


def _nothing() -> IngestionSlice:
    return IngestionSlice(key="parents-0", sequence=0, params={"parents": [], "explain": "there is no parent"})


def _parents_of(piece: IngestionSlice) -> list[JsonValue]:
    parents = piece.params.get("parents")
    return parents if isinstance(parents, list) else []


def _slice(index: int, window: windows.ChangeWindow) -> IngestionSlice:
    ends: dict[str, datetime | None] = {"since": window.since, "before": window.before}
    return IngestionSlice(
        key=window.since.isoformat() if window.since else "all" if window.before is None else "first",
        sequence=index,
        params={**{name: end.isoformat() for name, end in ends.items() if end is not None}, "explain": str(window)},
        estimated_rows=window.rows,
    )
