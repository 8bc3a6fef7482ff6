"""The server's clock as the bound of a watermark: one row dated ahead must not hide the rows written after it.

A watermark says that no row at or below it is still to come. For moments that holds up to the beginning of the view
and no further: whoever writes later stamps a later time, but not necessarily a time later than 9999-12-31. So rows
beyond the clock never raise the watermark. They lie above it, so every incremental run reads them. A timestamp without
time zone is compared with the clock in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres import types
from connectors.postgres.sql import ident, literal, qualified
from connectors.postgres.watermark import cursor_type
from connectors.sql.predicates import where
from connectors.sql.settled import Watermark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.postgres.session import Session
    from contracts.unit import EndpointUnitDescriptor


def bound(declared: str, view_at: str | None) -> str | None:
    """SQL for the highest value a watermark of the type may reach; None when the type or the view sets no bound.

    Args:
        declared: The cursor's type. A precision such as ``timestamp(0)`` is left out: it would round the clock up.
        view_at: When the view began, on the server's clock, as text in UTC.
    """
    if view_at is None or not types.is_moment(declared):
        return None
    return f"{literal(view_at)}::{types.base_type(declared)}"


def not_ahead(session: Session, before: Watermark, declared: str, view_at: str | None) -> Watermark:
    """The watermark, or an empty one when it lies beyond the clock.

    One that does was taken from a row dated ahead: rows below it may never have been read, so all are read again.
    """
    limit = bound(declared, view_at)
    values = [value for value in (before.settled, *(entry.value for entry in before.pending)) if value is not None]
    if limit is None or not values:
        return before
    tests = " OR ".join(f"{literal(value)}::{declared} > {limit}" for value in values)
    if not session.value(f"SELECT {tests} AS ahead", "comparing the watermark with the clock"):
        return before
    return Watermark(columns=before.columns, scope=before.scope)


def rows_ahead(
    session: Session,
    unit: EndpointUnitDescriptor,
    columns: Sequence[str],
    view_at: str | None,
    conditions: Sequence[str],
) -> tuple[str, ...]:
    """One line that names the rows the clock keeps out of the watermark; none when there are none.

    Args:
        session: A session inside the view.
        unit: Whose table is looked at.
        columns: The cursor columns.
        view_at: When the view began.
        conditions: The policy's filter.
    """
    limit = bound(cursor_type(unit, columns), view_at)
    if limit is None:
        return ()
    beyond = " OR ".join(f"{ident(name)} > {limit}" for name in columns)
    last = f"max(GREATEST({', '.join(map(ident, columns))}))::text"
    table = qualified(unit.dataset.namespace, unit.dataset.name)
    (rows, value), *_ = session.rows(
        f"SELECT count(*) AS n, {last} AS v FROM {table}{where([*conditions, beyond])}",
        f"looking for rows dated ahead in {unit.unit_id}",
    )
    if not rows:
        return ()
    line = (
        f"{rows} row(s) of {unit.unit_id} are dated after the server's clock ({view_at}) in {', '.join(columns)}, "
        f"up to {value}: every incremental run reads them again until they are corrected."
    )
    return (line,)
