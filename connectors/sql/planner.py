"""From a unit, a mode and a checkpoint to a plan, for databases that are asked through a ``Dialect``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.sql import ahead, ranges
from connectors.sql.checks import checked_unit, is_declared, not_a_key, refuse_selectors, starting_watermark
from connectors.sql.conditions import column_of, filter_conditions, since
from connectors.sql.dialect import literal
from connectors.sql.extra_slices import unordered_slice
from connectors.sql.predicates import where
from connectors.sql.settled import Watermark, advanced, scope_of
from contracts.errors import CursorUnsupportedError, FilterNotSupportedError
from contracts.plan import IngestionPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.sql.dialect import Dialect, TableSession
    from connectors.sql.settled import CursorObservation
    from contracts.catalog import DatasetDescriptor
    from contracts.endpoint import PlanRequest
    from contracts.model import Json
    from contracts.plan import IngestionSlice
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

MAX_SAMPLED = 16_384
SAMPLED_PER_SLICE = 64
_PROBED_ROWS = 1_000
_UNSETTLED = (
    "Who was in the middle of a transaction could not be known: this run's rows count as unsettled, and the next "
    "incremental run reads them again."
)


@dataclass(frozen=True)
class TablePlanner:
    """Plans one request inside a view.

    Attributes:
        dialect: Of the database.
        session: Inside the view.
        seen: Who was at work around the view; None when that cannot be known.
        notes: Of the view.
    """

    dialect: Dialect
    session: TableSession
    seen: CursorObservation | None
    notes: tuple[str, ...]

    def plan(self, request: PlanRequest, now: DatasetDescriptor | None) -> IngestionPlan:
        """The plan; ``now`` is the dataset as the database has it in the view."""
        refuse_selectors(request)
        unit = checked_unit(request, now)
        conditions = filter_conditions(self.dialect, unit, request.policy)
        if now is not None:
            self.prove_key(unit, request.policy, now)
        cursor = cursor_columns(self.dialect, unit, request)
        self._require_one_form(unit, cursor)
        before = starting_watermark(request, Watermark(columns=cursor, scope=scope_of(unit, request.policy)))
        limit = ahead.bound(unit, cursor, self.seen)
        before = ahead.not_ahead(before, limit)
        start = before.settled if request.mode == "incremental" else None
        slices, strategy, reason = self._cut(unit, request.policy, conditions, cursor, start)
        after = self._end(unit, before, limit) if cursor else None
        only_changed = request.mode == "incremental" and start is not None
        if only_changed and self._has_unordered(unit, cursor):
            slices = (*slices, unordered_slice(len(slices), cursor))
        unsettled = (_UNSETTLED,) if cursor and self.seen is None else ()
        dated = ahead.rows_ahead(self.session, self.dialect, unit, cursor, limit, conditions)
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
            notes=(*self.notes, *unsettled, *dated),
            census=request.mode == "incremental" and bool(request.policy.filter),
        )

    def prove_key(self, unit: EndpointUnitDescriptor, policy: UnitPolicy, now: DatasetDescriptor) -> None:
        """Let a key pass that is unique and never NULL in the rows inside the policy's filter.

        Raises:
            KeyNotUniqueError: Several rows have a value of the key, or it holds a NULL.
        """
        key = unit.primary_key
        if not key or is_declared(key, now):
            return
        columns = [column_of(unit, name) for name in key]
        shown = ", ".join(self.dialect.spelled(column) for column in columns)
        compared = ", ".join(self.dialect.compared(column) for column in columns)
        has_null = " OR ".join(f"{self.dialect.ident(name)} IS NULL" for name in key)
        conditions = filter_conditions(self.dialect, unit, policy)
        sql = (
            f"SELECT {shown}, count(*) FROM {self.dialect.table(unit.dataset)}{where(conditions)} "
            f"GROUP BY {compared} HAVING count(*) > 1 OR max({has_null}) = 1 LIMIT 1"
        )
        for *value, rows in self.session.rows(sql, f"proving the key of {unit.unit_id}"):
            words = (None if part is None else str(part)[:120] for part in value)
            raise not_a_key(unit, dict(zip(key, words, strict=True)), int(rows))

    def _has_unordered(self, unit: EndpointUnitDescriptor, cursor: Sequence[str]) -> bool:
        without = [" AND ".join(f"{self.dialect.ident(name)} IS NULL" for name in cursor)]
        sql = f"SELECT 1 FROM {self.dialect.table(unit.dataset)}{where(without)} LIMIT 1"
        return bool(self.session.rows(sql, f"looking at {unit.unit_id}"))

    def _require_one_form(self, unit: EndpointUnitDescriptor, cursor: Sequence[str]) -> None:
        """Values of one moment that are spelled in several ways have no order."""
        for name in cursor:
            form = self.dialect.form(column_of(unit, name))
            if form is None:
                continue
            there = where([f"{self.dialect.ident(name)} IS NOT NULL"])
            sql = f"SELECT DISTINCT {form} FROM {self.dialect.table(unit.dataset)}{there} LIMIT 2"
            forms = self.session.rows(sql, f"looking at {unit.unit_id}")
            if len(forms) > 1:
                raise CursorUnsupportedError(
                    f"{unit.unit_id}: {name!r} holds values of several forms, which have no order",
                    "Write all of its values in one form (2025-01-31 12:00:00), or use another cursor.",
                    unit_id=unit.unit_id,
                )

    def _end(self, unit: EndpointUnitDescriptor, before: Watermark, limit: str | None) -> Watermark:
        if self.seen is None:
            return before
        reached = self._highest(unit, before.columns, limit)
        return advanced(before, reached, self._in_order(unit, before.columns, before.values(reached)), self.seen)

    def _highest(self, unit: EndpointUnitDescriptor, columns: Sequence[str], limit: str | None) -> str | None:
        table = self.dialect.table(unit.dataset)
        found = []
        for name in columns:
            column = column_of(unit, name)
            compared = self.dialect.compared(column)
            due = [] if limit is None else [f"{compared} <= {literal(self.dialect, limit, column)}"]
            sql = f"SELECT max({compared}) FROM {table}{where(due)}"
            rows = self.session.rows(sql, f"finding the end of {unit.unit_id}")
            found += [str(value) for (value,) in rows if value is not None]
        return self._in_order(unit, columns, found)[-1] if found else None

    def _in_order(self, unit: EndpointUnitDescriptor, columns: Sequence[str], values: Sequence[str]) -> list[str]:
        column = column_of(unit, columns[0])
        unique = list(dict.fromkeys(values))
        if len(unique) < 2:
            return unique
        lines = " UNION ALL ".join(
            f"SELECT {index} AS i, {literal(self.dialect, value, column)} AS v" for index, value in enumerate(unique)
        )
        rows = self.session.rows(f"SELECT i FROM ({lines}) t ORDER BY v, i", "ordering watermarks")
        return [unique[int(index)] for (index,) in rows]

    def _cut(
        self,
        unit: EndpointUnitDescriptor,
        policy: UnitPolicy,
        conditions: Sequence[str],
        cursor: tuple[str, ...],
        start: str | None,
    ) -> tuple[tuple[IngestionSlice, ...], str, str]:
        """(slices, strategy, reason)."""
        bound: Json = {"since": {"columns": [*cursor], "value": start}} if start is not None else {}
        left = [*conditions, since(self.dialect, unit, cursor, start)] if start is not None else [*conditions]
        rows, size = self._estimate(unit, left)
        wanted = ranges.slices_wanted(size, policy.target_slice_bytes)
        columns = self._cut_columns(unit)
        explain = f"{', '.join(cursor)} >= {start}" if start is not None else "all rows"
        if wanted == 1 or not columns:
            why = "it fits one slice" if wanted == 1 else "it has no key to split on"
            return ranges.numbered([{**bound, "explain": explain}], rows, size), "single", why
        sample = self._sample(unit, columns, left, rows, wanted)
        points = ranges.split_points(sample, wanted)
        params = [{**bound, **piece} for piece in ranges.ranges(columns, points)]
        reason = f"about {size / 2**20:.0f} MiB, split on ({', '.join(columns)}) by {len(sample.keys)} sampled rows"
        return ranges.numbered(params, rows, size), "key-range", reason

    def _cut_columns(self, unit: EndpointUnitDescriptor) -> tuple[str, ...]:
        """The columns of the key that ranges can be made of, up to the first that cannot; never one with NULLs."""
        chosen: list[str] = []
        for name in unit.primary_key:
            column = column_of(unit, name)
            if column.nullable:
                return ()
            if not self.dialect.can_be_split(column):
                break
            chosen.append(name)
        return tuple(chosen)

    def _estimate(self, unit: EndpointUnitDescriptor, conditions: Sequence[str]) -> tuple[int, int]:
        """Rows inside the conditions, and bytes by the size of the first of them or by the statistics.

        Rows are counted where the database has no statistics, or says that the table is empty.
        """
        table = self.dialect.table(unit.dataset)
        doing = f"estimating {unit.unit_id}"
        among = f"FROM {table}{where(conditions)}"
        whole, size = unit.dataset.rows_estimate, unit.dataset.bytes_estimate
        rows = self.dialect.estimated_rows(self.session, f"SELECT 1 {among}", doing) if whole else None
        if rows is None:
            rows = int(self.session.rows(f"SELECT count(*) {among}", doing)[0][0])
        probe = f"SELECT {self._width(unit)} AS w {among} LIMIT {_PROBED_ROWS}"
        mean = self.session.rows(f"SELECT avg(w) FROM ({probe}) t", doing)[0][0]
        by_rows = int(rows * float(mean or 0))
        return rows, max(by_rows, int(size * min(1.0, rows / whole))) if size and whole else by_rows

    def _sample(
        self, unit: EndpointUnitDescriptor, columns: Sequence[str], conditions: Sequence[str], rows: int, wanted: int
    ) -> ranges.Sample:
        """Some rows in the order of the key, the same ones each time, so that the same table gives the same slices."""
        table, doing = self.dialect.table(unit.dataset), f"sampling {unit.unit_id}"
        wanted_rows = min(MAX_SAMPLED, wanted * SAMPLED_PER_SLICE)
        compared = ", ".join(self.dialect.compared(column_of(unit, name)) for name in columns)
        spelled = [self.dialect.spelled(column_of(unit, name)) for name in columns]
        chance = self.dialect.sampled(min(1.0, wanted_rows / max(rows, 1)))
        if chance is not None:
            chosen = f"SELECT {', '.join(spelled)}, {self._width(unit)} FROM {table}{where([*conditions, chance])}"
            found = self.session.rows(f"{chosen} ORDER BY {compared}", doing)
        else:
            found = self.session.rows(
                self._every_nth(table, spelled, compared, conditions, unit, rows // wanted_rows), doing
            )
        return ranges.Sample(
            keys=[tuple(str(part) for part in row[:-1]) for row in found], weights=[int(row[-1]) for row in found]
        )

    def _every_nth(
        self,
        table: str,
        spelled: Sequence[str],
        compared: str,
        conditions: Sequence[str],
        unit: EndpointUnitDescriptor,
        step: int,
    ) -> str:
        # A database may take a name after ORDER BY for the alias rather than for the column.
        words = ("w", "n", *map(str, range(len(spelled))))
        weight, number, *names = (self.dialect.ident(f"nucleus {word}") for word in words)
        keys = ", ".join(f"{expression} AS {name}" for expression, name in zip(spelled, names, strict=True))
        inner = (
            f"SELECT {keys}, {self._width(unit)} AS {weight}, row_number() OVER (ORDER BY {compared}) AS {number} "
            f"FROM {table}{where(conditions)}"
        )
        chosen = f"SELECT {', '.join(names)}, {weight} FROM ({inner}) t WHERE {number} % {max(1, step)} = 0"
        return f"{chosen} ORDER BY {number}"

    def _width(self, unit: EndpointUnitDescriptor) -> str:
        return f"24 + {' + '.join(f'COALESCE({self.dialect.width(column)}, 0)' for column in unit.columns)}"


def cursor_columns(dialect: Dialect, unit: EndpointUnitDescriptor, request: PlanRequest) -> tuple[str, ...]:
    """The policy's cursor, checked; empty for a full run without one.

    Raises:
        CursorUnsupportedError: An incremental run without one, or columns that cannot be one.
    """
    columns = request.policy.cursor_columns
    if not columns and request.mode == "full":
        return ()
    found = [unit.dataset.column(name) for name in columns]
    good = [column for column in found if column is not None and dialect.can_be_cursor(column)]
    if not columns or len(good) < len(columns) or len({column.logical_type for column in good}) > 1:
        raise CursorUnsupportedError(
            f"{unit.unit_id}: ({', '.join(columns)}) cannot be a cursor",
            "Use columns of one type, whole numbers, dates or timestamps; "
            f"candidates: {', '.join(unit.cursor_candidates) or 'none'}.",
            unit_id=unit.unit_id,
        )
    return columns


def watermark_at(dialect: Dialect, unit: EndpointUnitDescriptor, request: PlanRequest, value: str) -> Watermark:
    """The watermark whose settled value is ``value``.

    Raises:
        CursorUnsupportedError: The policy names no cursor, or the value is none of its type.
    """
    cursor = cursor_columns(dialect, unit, request)
    try:
        literal(dialect, value, column_of(unit, cursor[0]))
    except FilterNotSupportedError as error:
        raise CursorUnsupportedError(
            f"{value[:60]!r} is no value of {', '.join(cursor)}", "Give one as the column holds it."
        ) from error
    return Watermark(columns=cursor, scope=scope_of(unit, request.policy), settled=value)
