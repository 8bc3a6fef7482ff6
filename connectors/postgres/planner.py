"""From a unit, a mode and a checkpoint to a plan: what to check, where to begin, where to split."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.postgres import catalog, clock, filtered, splitting, types, watermark
from connectors.postgres.keys import prove_key
from connectors.postgres.reading import column_types, filter_conditions, filtering
from connectors.postgres.sql import literal, qualified
from connectors.sql import ranges
from connectors.sql.checks import checked_unit, refuse_selectors, starting_watermark
from connectors.sql.extra_slices import unordered_slice
from connectors.sql.predicates import where
from connectors.sql.settled import CursorObservation, Watermark, advanced, scope_of
from contracts.errors import (
    CursorUnsupportedError,
    FilterNotSupportedError,
    ModeUnsupportedError,
    SourceValueError,
)
from contracts.plan import IngestionPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.postgres.session import Session
    from contracts.endpoint import PlanRequest
    from contracts.model import Json
    from contracts.unit import EndpointUnitDescriptor, IngestionMode, UnitPolicy

_NO_MARK = {"infinity", "-infinity", "nan"}
_PARALLEL_KINDS = ("table", "partitioned_table", "materialized_view")


@dataclass(frozen=True)
class _Range:
    """What one run reads, before it is split into slices.

    Attributes:
        key: Columns to split on; empty when there are none.
        since: The watermark to read from; None reads everything.
        cursor: Cursor columns; empty in a full run without any.
    """

    key: tuple[str, ...]
    since: str | None
    cursor: tuple[str, ...]


def make_plan(session: Session, request: PlanRequest, seen: CursorObservation) -> IngestionPlan:
    """The plan under the session's view.

    Args:
        session: A session inside the view.
        request: Unit, mode, policy and checkpoint.
        seen: Who was in the middle of a transaction around the view.
    """
    refuse_selectors(request)
    now = catalog.dataset_now(session, request.unit.dataset.namespace, request.unit.dataset.name)
    unit = checked_unit(request, now)
    if now is not None:
        prove_key(session, unit, request.policy, now)
    cursor = _cursor(unit, request.mode, request.policy)
    settles = bool(cursor) and _can_settle(session, unit, request)
    before = starting_watermark(request, Watermark(columns=cursor, scope=scope_of(unit, request.policy)))
    if cursor:
        before = clock.not_ahead(session, before, watermark.cursor_type(unit, cursor), seen.view_at)
    span = _Range(key=unit.primary_key, since=before.settled if request.mode == "incremental" else None, cursor=cursor)
    params, strategy, reason, rows, size = _cut(session, unit, request, span)
    after = _end(session, unit, before, seen) if settles else None
    slices = ranges.numbered(params, rows, size)
    if span.since is not None and _has_unordered(session, unit, cursor):
        slices = (*slices, unordered_slice(len(slices), cursor))
    conditions = filter_conditions(unit, request.policy)
    notes = clock.rows_ahead(session, unit, cursor, seen.view_at, conditions) if settles else ()
    return IngestionPlan(
        endpoint_id=request.endpoint_id,
        unit=unit,
        mode=request.mode,
        strategy=strategy,
        reason=reason,
        slices=slices,
        policy=request.policy,
        checkpoint_before=request.checkpoint,
        checkpoint_after=after.model_dump(mode="json") if after else None,
        notes=(*notes, *filtered.notes(request)),
        census=filtered.can_leave(request) and span.since is None,
    )


def watermark_at(session: Session, unit: EndpointUnitDescriptor, policy: UnitPolicy, value: str) -> Watermark:
    """The watermark whose settled value is ``value``, as the server writes it.

    Raises:
        CursorUnsupportedError: The policy names no cursor, or the server cannot read the value as one.
    """
    cursor = _cursor(unit, "incremental", policy)
    declared = watermark.cursor_type(unit, cursor)
    try:
        settled = session.value(f"SELECT {literal(value)}::{declared}::text AS v", "reading the watermark")
    except (SourceValueError, FilterNotSupportedError):
        settled = None
    if settled is None or str(settled).lower() in _NO_MARK:
        raise CursorUnsupportedError(
            f"{value[:60]!r} is no finite value of {', '.join(cursor)} ({declared})", "Give one as the column holds it."
        )
    return Watermark(columns=cursor, scope=scope_of(unit, policy), settled=str(settled))


def _cursor(unit: EndpointUnitDescriptor, mode: IngestionMode, policy: UnitPolicy) -> tuple[str, ...]:
    columns = policy.cursor_columns
    if not columns:
        if mode == "incremental":
            raise CursorUnsupportedError(
                f"{unit.unit_id} is to be read incrementally, but its policy names no cursor column",
                f"Set cursor_columns; candidates: {', '.join(unit.cursor_candidates) or 'none'}.",
                unit_id=unit.unit_id,
            )
        return ()
    kinds = column_types(unit)
    bad = [name for name in columns if name not in kinds or not types.can_be_cursor(kinds[name])]
    if bad or len({types.base_type(kinds[name]) for name in columns}) > 1:
        what = f"column {bad[0]!r} ({kinds.get(bad[0], 'missing')})" if bad else "columns of different types"
        raise CursorUnsupportedError(
            f"{unit.unit_id}: {what} cannot be a cursor",
            "Use an integer, numeric, date or timestamp column; "
            f"candidates: {', '.join(unit.cursor_candidates) or 'none'}.",
            unit_id=unit.unit_id,
        )
    return columns


def _can_settle(session: Session, unit: EndpointUnitDescriptor, request: PlanRequest) -> bool:
    """Whether this server shows who is in the middle of a transaction; a standby only shows its own readers."""
    if not session.value("SELECT pg_is_in_recovery() AS standby", "asking whether this is a standby"):
        return True
    if request.mode == "incremental":
        raise ModeUnsupportedError(
            f"{unit.unit_id} is to be read incrementally from a standby, which cannot show late transactions",
            "Point the endpoint at the primary server, or use mode full.",
            unit_id=unit.unit_id,
        )
    return False


def _end(session: Session, unit: EndpointUnitDescriptor, before: Watermark, seen: CursorObservation) -> Watermark:
    limit = clock.bound(watermark.cursor_type(unit, before.columns), seen.view_at)
    reached = watermark.highest(session, unit, before.columns, limit)
    ordered = watermark.in_order(session, before.values(reached), watermark.cursor_type(unit, before.columns))
    return advanced(before, reached, ordered, seen)


def _cut(
    session: Session, unit: EndpointUnitDescriptor, request: PlanRequest, span: _Range
) -> tuple[list[Json], str, str, int | None, int | None]:
    """(slice params, strategy, reason, estimated rows, estimated bytes)."""
    conditions = filter_conditions(unit, request.policy)
    since: Json = {"since": {"columns": list(span.cursor), "value": span.since}} if span.since is not None else {}
    if span.since is not None:
        conditions.append(watermark.since(span.cursor, span.since, watermark.cursor_type(unit, span.cursor)))
    with filtering(unit, request.policy.filter):
        rows, size = _estimate(session, unit, conditions)
    wanted = ranges.slices_wanted(size or 0, request.policy.target_slice_bytes)
    columns = _cut_columns(unit, span)
    explain = f"{', '.join(span.cursor)} >= {span.since}" if span.since is not None else "all rows"
    if wanted == 1 or not columns or unit.kind not in _PARALLEL_KINDS or unit.dataset.bytes_estimate is None:
        why = _why_single(unit, wanted, columns)
        return [{**since, "explain": explain}], "single", why, rows, size
    sample = splitting.take_sample(session, unit, columns, conditions, wanted)
    points = ranges.split_points(sample, wanted)
    params = [{**since, **piece} for piece in ranges.ranges(columns, points)]
    strategy = "cursor-range" if span.since is not None and columns[0] in span.cursor else "key-range"
    reason = f"about {(size or 0) / 2**20:.0f} MiB, split on ({', '.join(columns)}) by {len(sample.keys)} sampled rows"
    return params, strategy, reason, rows, size


def _cut_columns(unit: EndpointUnitDescriptor, span: _Range) -> tuple[str, ...]:
    """Never a key that may be NULL: no range holds NULL.

    A delta is split on (cursor, key), so that many rows with one cursor value can still be divided.
    """
    if any(column.nullable for column in unit.columns if column.name in span.key):
        return ()
    if span.since is None or len(span.cursor) != 1 or not span.key:
        return span.key
    return (*span.cursor, *(name for name in span.key if name not in span.cursor))


def _why_single(unit: EndpointUnitDescriptor, wanted: int, columns: Sequence[str]) -> str:
    if wanted == 1:
        return "it fits one slice"
    return "it has no key to split on" if not columns else f"a {unit.kind} is read as one stream"


def _estimate(
    session: Session, unit: EndpointUnitDescriptor, conditions: Sequence[str]
) -> tuple[int | None, int | None]:
    """Rows and bytes the conditions leave, by the planner's statistics."""
    size, rows = unit.dataset.bytes_estimate, unit.dataset.rows_estimate
    if not conditions:
        return rows, size
    table = qualified(unit.dataset.namespace, unit.dataset.name)
    lines = session.rows(
        f"EXPLAIN (FORMAT JSON) SELECT * FROM {table}{where(conditions)}", f"estimating {unit.unit_id}"
    )
    top: dict[str, Any] = json.loads(lines[0][0])[0]["Plan"]
    left = int(top["Plan Rows"])
    if size is None or not rows:
        return left, left * int(top["Plan Width"])
    return left, int(size * min(1.0, left / rows))


def _has_unordered(session: Session, unit: EndpointUnitDescriptor, cursor: Sequence[str]) -> bool:
    condition = watermark.unordered(cursor, watermark.cursor_type(unit, cursor))
    table = qualified(unit.dataset.namespace, unit.dataset.name)
    return bool(
        session.value(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {condition}) AS found", f"looking at {unit.unit_id}")
    )
