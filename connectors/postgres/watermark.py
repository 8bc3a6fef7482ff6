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

import hashlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from connectors.postgres.client import READER_MARK, Session
from connectors.postgres.sql import ident, literal, qualified, where
from connectors.postgres.types import has_infinity
from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

MAX_PENDING = 16
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


_PREPARED = "prepared:"
_PREPARED_IDS = f"""
SELECT COALESCE(string_agg('{_PREPARED}' || p.transaction::text, ' ' ORDER BY p.transaction::text), '') AS ids
FROM pg_catalog.pg_prepared_xacts p WHERE p.database = current_database()
"""


_HORIZON = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
"""


class Pending(Contract):
    """A value that was reached while others were writing.

    Attributes:
        value: The highest cursor value seen, as text.
        xmax: Transaction ids below it must have ended.
        virtual_ids: Virtual transaction ids, and prepared transactions, that must have ended.
        seen_at_us: When they were seen, on the server's clock.
    """

    value: str
    xmax: int
    virtual_ids: tuple[str, ...] = ()
    seen_at_us: int | None = None


class Watermark(Contract):
    """The cursor part of a checkpoint.

    Attributes:
        columns: The cursor columns.
        scope: What was read: a fingerprint of the filter and of the unit's columns.
        settled: At or below it everything is in the sink for good.
        pending: Values that were reached while others were writing.
    """

    columns: tuple[str, ...]
    scope: str = ""
    settled: str | None = None
    pending: tuple[Pending, ...] = ()

    def fits(self, other: Watermark) -> bool:
        """True when both were taken on the same cursor over the same rows and columns."""
        return (self.columns, self.scope) == (other.columns, other.scope)


class CursorObservation(Contract):
    """Who was in the middle of a transaction, around one view.

    Attributes:
        gone_before: Virtual ids that were still there just before the view (all others were gone).
        xmin: Every transaction id below it had ended when the view was taken.
        xmax: The next transaction id a little after the view.
        view_xmax: The next transaction id when the view was taken.
        there_after: Virtual ids that were there after the view.
        began_us: Of those in ``gone_before`` whose beginning our role may see: when, on the server's clock.
        seen_at_us: When the last were seen, on the server's clock.
        view_at: A moment just before the view was taken, on the server's clock, as text in UTC.
    """

    gone_before: tuple[str, ...]
    xmin: int
    view_xmax: int
    xmax: int
    there_after: tuple[str, ...]
    began_us: Mapping[str, int] = {}
    seen_at_us: int | None = None
    view_at: str | None = None

    @property
    def quiet(self) -> bool:
        """True when no open transaction can still commit a row that the view does not show."""
        return self.xmin == self.view_xmax == self.xmax and not self.there_after


def advanced(before: Watermark, reached: str | None, ordered: Sequence[str], seen: CursorObservation) -> Watermark:
    """The watermark after a run that read everything from ``before.settled`` under the observed view.

    Args:
        before: The watermark the run started from.
        reached: Highest finite cursor value in the view, or None when there is none.
        ordered: ``before.settled``, the pending values and ``reached`` (those that exist) in ascending order, as the
            server orders them.
        seen: What was observed around the view.
    """
    rank = {value: position for position, value in enumerate(ordered)}
    waiting = [_still_awaited(entry, seen) for entry in before.pending]
    over = [entry for entry in waiting if entry.xmax <= seen.xmin and not entry.virtual_ids]
    candidates = [value for value in (before.settled, *(entry.value for entry in over)) if value is not None]
    if seen.quiet and reached is not None:
        candidates.append(reached)
    settled = max(candidates, key=rank.__getitem__) if candidates else None
    still = [entry for entry in waiting if entry not in over and _above(entry.value, settled, rank)]
    if not seen.quiet and reached is not None and _above(reached, settled, rank):
        still.append(Pending(value=reached, xmax=seen.xmax, virtual_ids=seen.there_after, seen_at_us=seen.seen_at_us))
    return Watermark(columns=before.columns, scope=before.scope, settled=settled, pending=tuple(_thinned(still)))


def _still_awaited(entry: Pending, seen: CursorObservation) -> Pending:
    """The entry without whoever has ended, but with whoever may stand for one that has: prepared, or its heir."""
    there = set(seen.gone_before)
    left = set(entry.virtual_ids) & there
    if ended := {_backend(name) for name in set(entry.virtual_ids) - there if not name.startswith(_PREPARED)}:
        left |= {name for name in there if name.startswith(_PREPARED)}
        left |= {name for name in there if _backend(name) in ended and not _began_after(name, entry, seen)}
    return entry.model_copy(update={"virtual_ids": tuple(sorted(left))})


def _backend(virtual_id: str) -> str:
    return virtual_id.partition("/")[0]


def _began_after(name: str, entry: Pending, seen: CursorObservation) -> bool:
    began = seen.began_us.get(name)
    return began is not None and entry.seen_at_us is not None and began > entry.seen_at_us


def _above(value: str, settled: str | None, rank: dict[str, int]) -> bool:
    return settled is None or rank[value] > rank[settled]


def _thinned(entries: list[Pending]) -> list[Pending]:
    """Forgetting a pending value only delays; so the list stays short, whatever stays open."""
    return entries if len(entries) <= MAX_PENDING else [*entries[: MAX_PENDING - 1], entries[-1]]


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


def scope_of(unit: EndpointUnitDescriptor, policy: UnitPolicy) -> str:
    """Fingerprint of filter and columns: rows a new filter lets in, and values of a new column, may be old ones."""
    parts = [*(one.model_dump_json() for one in policy.filter), *sorted(column.name for column in unit.columns)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


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
