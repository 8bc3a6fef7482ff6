"""The settled watermark: how a row that becomes visible late, with an old cursor value, is never lost.

A cursor value is taken when a row is written, the row is seen when its transaction commits, and commits come in any
order. So the checkpoint keeps two things: ``settled``, a value at or below which nothing can appear any more, and
``pending``, values that were reached while other transactions were still open. A run reads from
``settled``. A pending value is settled by a run whose view began after all transactions named in it had ended.

Who is in the middle of a transaction: holders of a transaction id (the snapshot's ``xmin`` to ``xmax``), and those
who have begun without one yet (``now()`` is already fixed then): they hold a virtual transaction id, listed in
``pg_locks`` for every role. A prepared transaction gives its virtual id up and lives on without one, so it is listed
beside them, after them: whoever turns from one into the other meanwhile is seen at least once; and where a virtual id
is gone, the prepared transactions there are then stand for it. A transaction can also inherit the ``now()`` of the one
before it on its connection (two in one message, ``COMMIT AND CHAIN``); so the next one on the same backend stands for
it too, unless the server shows that it began later. Three observations, in this order, leave no gap::

    virtual ids   ->   the view that is read   ->   virtual ids, then the next transaction id

The first says who was gone before the view (settles old pendings); the last who was there or came and went since
(makes a new pending). Source: PostgreSQL manual, "System Information Functions: Transaction ID and Snapshot" and
"pg_locks".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from connectors.postgres.client import READER_MARK
from connectors.postgres.sql import ident, literal, qualified
from connectors.postgres.types import has_infinity
from connectors.sql.predicates import where
from connectors.sql.settled import PREPARED, CursorObservation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.postgres.session import Session
    from contracts.unit import EndpointUnitDescriptor

BEGINNING_S = 0.02
"""Longer than a backend takes from its transaction's start time to its virtual id, also when it is preempted."""

# Sessions of our sources only read: a run must not wait for the run beside it. Autovacuum has no role.
_VIRTUAL_IDS = """
SELECT COALESCE(string_agg(
    l.virtualxid || '@' || COALESCE((extract(epoch FROM a.xact_start) * 1000000)::bigint::text, ''), ' '
), '') AS ids
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.granted AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid()
  AND (a.datid IS NULL OR a.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
  AND a.application_name NOT LIKE '%' || {marker}
"""


_PREPARED_IDS = f"""
SELECT COALESCE(string_agg('{PREPARED}' || p.transaction::text, ' ' ORDER BY p.transaction::text), '') AS ids
FROM pg_catalog.pg_prepared_xacts p WHERE p.database = current_database()
"""


_HORIZON = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
"""


class Observer:
    """Makes the three observations around a view."""

    def __init__(self, before: dict[str, int | None]) -> None:
        self._before = before

    @classmethod
    def before_view(cls, session: Session) -> Self:
        """First observation; call it before the view is taken."""
        return cls(_virtual_ids(session))

    def after_view(self, session: Session, xmin: int, view_xmax: int, view_at: str) -> CursorObservation:
        """The other two; call it right after the view was taken, on a session that is not in it.

        A transaction fixes ``now()`` a moment before it takes its virtual id; the pause covers that moment. Longer
        would only name bystanders, whose rows are then read again for nothing.
        """
        time.sleep(BEGINNING_S)
        there = _virtual_ids(session)
        (xmax, now_us), *_ = session.rows(_HORIZON, "asking for the horizon")
        return CursorObservation(
            gone_before=tuple(sorted(self._before)),
            xmin=xmin,
            view_xmax=view_xmax,
            xmax=int(xmax),
            there_after=tuple(sorted(there)),
            began_us={name: began for name, began in self._before.items() if began is not None},
            seen_at_us=now_us,
            view_at=view_at,
        )


def _virtual_ids(session: Session) -> dict[str, int | None]:
    """Who is in the middle of a transaction, and since when, in microseconds, where our role may see that."""
    running = str(session.value(_VIRTUAL_IDS.format(marker=literal(READER_MARK)), "listing transactions"))
    prepared = str(session.value(_PREPARED_IDS, "listing prepared transactions"))
    parts = [item.partition("@") for item in f"{running} {prepared}".split()]
    return {name: int(began) if began else None for name, _, began in parts}


def cursor_type(unit: EndpointUnitDescriptor, columns: Sequence[str]) -> str:
    """The declared type the cursor columns share; the caller has checked that they do."""
    column = unit.dataset.column(columns[0])
    return column.declared_type if column else "text"


def since(columns: Sequence[str], value: str, declared: str) -> str:
    """Rows at or above a value in any cursor column. Inclusive: rows may share the value at the boundary."""
    return " OR ".join(f"{ident(name)} >= {literal(value)}::{declared}" for name in columns)


def unordered(columns: Sequence[str], declared: str) -> str:
    """Rows that no watermark can pass: no cursor value at all, or -infinity. They are read every time."""
    tests = [
        f"({ident(name)} IS NULL OR {ident(name)} = '-infinity')"
        if has_infinity(declared)
        else f"{ident(name)} IS NULL"
        for name in columns
    ]
    return " AND ".join(tests)


def highest(
    session: Session, unit: EndpointUnitDescriptor, columns: Sequence[str], limit: str | None = None
) -> str | None:
    """The highest finite cursor value in the session's view that is not above ``limit`` (SQL), as text."""
    declared = cursor_type(unit, columns)
    table = qualified(unit.dataset.namespace, unit.dataset.name)
    parts = []
    for name in columns:
        column = ident(name)
        finite = [f"{column} < 'infinity'", f"{column} > '-infinity'"] if has_infinity(declared) else []
        if limit is not None:
            finite.append(f"{column} <= {limit}")
        parts.append(f"(SELECT max({column}) FROM {table}{where(finite)})")
    end = session.value(f"SELECT GREATEST({', '.join(parts)})::text AS v", f"finding the end of {unit.unit_id}")
    return str(end) if end is not None else None


def in_order(session: Session, values: Sequence[str], declared: str) -> list[str]:
    """Distinct values in the server's order."""
    unique = list(dict.fromkeys(values))
    if len(unique) < 2:
        return unique
    items = ", ".join(f"({literal(value)})" for value in unique)
    rows = session.rows(f"SELECT v FROM (VALUES {items}) t(v) ORDER BY v::{declared}", "ordering watermarks")
    return [row[0] for row in rows]
