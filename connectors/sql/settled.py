"""The settled watermark as data: what a checkpoint of a cursor holds, and how a run moves it on.

A database says who was in the middle of a transaction around a view (``CursorObservation``); what is made of that is
the same for all of them. Why it is enough is in ``connectors/postgres/watermark.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

MAX_PENDING = 16
PREPARED = "prepared:"
"""Begins the name of a prepared transaction among virtual ids."""
STATEMENT = "/statement"
"""Ends the name of a statement that had no transaction yet: whichever its connection has later may be its own."""


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

    @property
    def highest(self) -> str | None:
        """The highest value that was reached, settled or not."""
        return self.pending[-1].value if self.pending else self.settled

    def values(self, reached: str | None) -> list[str]:
        """What :func:`advanced` wants in order: ``settled``, the pending values and ``reached``, those that exist."""
        values = (self.settled, *(entry.value for entry in self.pending), reached)
        return [value for value in values if value is not None]


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
        ordered: ``before.values(reached)`` in ascending order, as the server orders them.
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
    gone = {name for name in set(entry.virtual_ids) - there if not name.startswith(PREPARED)}
    if ended := {_backend(name) for name in gone}:
        unborn = {_backend(name) for name in gone if name.endswith(STATEMENT)}
        left |= {name for name in there if name.startswith(PREPARED) or _backend(name) in unborn}
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


def scope_of(unit: EndpointUnitDescriptor, policy: UnitPolicy) -> str:
    """Fingerprint of filter and columns: rows a new filter lets in, and values of a new column, may be old ones."""
    parts = [*(one.model_dump_json() for one in policy.filter), *sorted(column.name for column in unit.columns)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
