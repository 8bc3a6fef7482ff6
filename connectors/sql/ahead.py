"""The database's clock as the bound of a watermark: one row dated ahead must not hide the rows written after it.

Why, and what a row beyond the clock means, is in ``connectors/postgres/clock.py``. Moments are compared as UTC text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sql.conditions import column_of
from connectors.sql.dialect import literal
from connectors.sql.predicates import where
from connectors.sql.settled import Watermark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.sql.dialect import Dialect, TableSession
    from connectors.sql.settled import CursorObservation
    from contracts.unit import EndpointUnitDescriptor

_MOMENTS = ("timestamp", "timestamptz")
_DAY = len("2024-01-31")


def bound(unit: EndpointUnitDescriptor, cursor: Sequence[str], seen: CursorObservation | None) -> str | None:
    """The highest value a watermark may reach, as text; None when the type or the view sets no bound."""
    if not cursor or seen is None or seen.view_at is None:
        return None
    kind = column_of(unit, cursor[0]).logical_type
    return seen.view_at[:_DAY] if kind == "date" else seen.view_at if kind in _MOMENTS else None


def not_ahead(before: Watermark, limit: str | None) -> Watermark:
    """The watermark, or an empty one when it lies beyond the clock: rows below it may never have been read."""
    values = [value for value in (before.settled, *(entry.value for entry in before.pending)) if value is not None]
    if limit is None or all(value.replace("T", " ") <= limit for value in values):
        return before
    return Watermark(columns=before.columns, scope=before.scope)


def rows_ahead(
    session: TableSession,
    dialect: Dialect,
    unit: EndpointUnitDescriptor,
    cursor: Sequence[str],
    limit: str | None,
    conditions: Sequence[str],
) -> tuple[str, ...]:
    """One line that names the rows the clock keeps out of the watermark; none when there are none."""
    if limit is None:
        return ()
    columns = [column_of(unit, name) for name in cursor]
    beyond = " OR ".join(f"{dialect.compared(column)} > {literal(dialect, limit, column)}" for column in columns)
    last = ", ".join(f"max({dialect.compared(column)})" for column in columns)
    sql = f"SELECT count(*), {last} FROM {dialect.table(unit.dataset)}{where([*conditions, beyond])}"
    ((rows, *highest),) = session.rows(sql, f"looking for rows dated ahead in {unit.unit_id}")
    if not int(rows):
        return ()
    value = max(str(each) for each in highest if each is not None)
    line = (
        f"{rows} row(s) of {unit.unit_id} are dated after the clock ({limit} UTC) in {', '.join(cursor)}, up to "
        f"{value}: every incremental run reads them again until they are corrected or their time has come."
    )
    return (line,)
