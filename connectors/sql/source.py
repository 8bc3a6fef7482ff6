"""A source of tables over any ``Dialect``: plan, slices, census, content hashes; a database adds sessions and views."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, ClassVar

from connectors.sql import comparable
from connectors.sql.conditions import column_of, filter_conditions, select, slice_conditions
from connectors.sql.extra_slices import catch_up_slices, repair_slices
from connectors.sql.planner import TablePlanner, watermark_at
from connectors.sql.units import units_of
from contracts.catalog import CatalogSnapshot
from contracts.endpoint import ContentHash, EndpointDescriptor, PlanRequest
from contracts.errors import SourceViewLostError
from contracts.unit import UnitPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from connectors.sql.dialect import Dialect, TableSession
    from connectors.sql.views import SharedView
    from contracts.catalog import DatasetDescriptor
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import UpsertReceipt
    from contracts.unit import EndpointUnitDescriptor, Predicate

BATCH_BYTES = 8 * 1024 * 1024
FIRST_ROWS, MAX_ROWS = 64, 50_000


class TableSource(ABC):
    """What every source of tables does, whatever its database. A view is known to the process that opened it."""

    descriptor: ClassVar[EndpointDescriptor]
    dialect: Dialect

    def __init__(self) -> None:
        self._views: dict[str, SharedView] = {}
        self._numbers = count(1)

    @abstractmethod
    def _reader(self) -> TableSession:
        """A new session inside a read transaction of its own."""

    @abstractmethod
    def _shared_view(self) -> SharedView:
        """Sessions that see one moment, and who was at work around it."""

    @abstractmethod
    def _datasets(self, session: TableSession, only: tuple[str, str] | None = None) -> list[DatasetDescriptor]:
        """What can be read, or the one dataset of that namespace and name."""

    def _outside_views(self, session: TableSession, now: DatasetDescriptor) -> str | None:  # noqa: ARG002 - a database's own
        """Why the dataset's rows change inside a view, in a sentence; None where they do not."""
        return None

    def look_up_dataset(self, endpoint_id: str, namespace: str, name: str) -> CatalogSnapshot:
        """One table, without those beside it."""
        with self._in_view(None) as session:
            found = self._datasets(session, (namespace, name))
        return CatalogSnapshot(endpoint_id=endpoint_id, collected_at=datetime.now(UTC), datasets=tuple(found))

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        """One unit per catalogued dataset."""
        return units_of(catalog, self.dialect.can_be_cursor)

    @contextmanager
    def open_view(self) -> Iterator[str]:
        """One moment for all readers of this process; the token is good while the context is open."""
        view, token = self._shared_view(), f"view-{next(self._numbers)}"
        self._views[token] = view
        try:
            yield token
        finally:
            del self._views[token]
            view.close()

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """Cut the unit under the request's view, or under a view of its own that ends with the call."""
        if request.view is None:
            with self.open_view() as token:
                return self.plan(request.model_copy(update={"view": token}))
        view = self._view(request.view)
        with view.session() as session:
            now = self._now(session, request.unit)
            outside = None if now is None else self._outside_views(session, now)
            seen, notes = (view.seen, view.notes) if outside is None else (None, (*view.notes, outside))
            return TablePlanner(self.dialect, session, seen, notes).plan(request, now)

    def export(self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None) -> Iterator[pl.DataFrame]:
        """Frames of about 8 MiB."""
        conditions = slice_conditions(self.dialect, plan, piece)
        names = [column.name for column in plan.unit.columns]
        return self._frames(plan.unit, names, conditions, view, f"reading {plan.unit.unit_id} slice {piece.key}")

    def _frames(
        self,
        unit: EndpointUnitDescriptor,
        names: Sequence[str],
        conditions: Sequence[str],
        view: str | None,
        doing: str,
    ) -> Iterator[pl.DataFrame]:
        """At least one frame; the next is as many rows as the size of the one before says."""
        sql = select(self.dialect, unit, names, conditions)
        columns = [column_of(unit, name) for name in names]
        wanted, first = FIRST_ROWS, True
        with self._in_view(view) as session, session.fetch(sql, doing) as fetch:
            while (rows := fetch(wanted)) or first:
                frame = self.dialect.staged(rows, columns)
                yield frame
                first = False
                if rows:
                    per_row = max(1.0, frame.estimated_size() / len(rows))
                    wanted = max(1, min(MAX_ROWS, int(BATCH_BYTES / per_row)))

    @contextmanager
    def _in_view(self, token: str | None) -> Iterator[TableSession]:
        if token is not None:
            with self._view(token).session() as session:
                yield session
            return
        with closing(self._reader()) as session:
            yield session

    def _view(self, token: str) -> SharedView:
        try:
            return self._views[token]
        except KeyError:
            raise SourceViewLostError("The shared view is gone", "Run again; it resumes under a new one.") from None

    def _now(self, session: TableSession, unit: EndpointUnitDescriptor) -> DatasetDescriptor | None:
        found = self._datasets(session, (unit.dataset.namespace, unit.dataset.name))
        return found[0] if found else None

    def catch_up(self, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
        """One slice from the old view's end: rows that left an unread range for a newer cursor value are in it."""
        with self._in_view(None) as session:
            now = self._now(session, plan.unit)
            if now is not None:  # the plan's proof was for the old view
                TablePlanner(self.dialect, session, None, ()).prove_key(plan.unit, plan.policy, now)
        return catch_up_slices(plan, epoch)

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[pl.DataFrame]:
        """The key columns of every row inside the filter."""
        conditions = filter_conditions(self.dialect, plan.unit, plan.policy)
        return self._frames(plan.unit, plan.unit.primary_key, conditions, view, f"reading keys of {plan.unit.unit_id}")

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        """Slices of at most a thousand listed keys, fewer if they are long."""
        return repair_slices(plan, keys, epoch)

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:  # noqa: ARG002 - the contract's
        """The plan's watermark: the one at the time of the view, whatever was written later."""
        return plan.checkpoint_after

    def checkpoint_at(self, unit: EndpointUnitDescriptor, policy: UnitPolicy, value: str) -> Json:
        """The watermark settled at a value of the policy's cursor columns."""
        request = PlanRequest(endpoint_id="", unit=unit, mode="incremental", policy=policy)
        return watermark_at(self.dialect, unit, request, value).model_dump(mode="json")

    def content_hash(self, plan: IngestionPlan, piece: IngestionSlice) -> ContentHash:
        """Hash of the slice's rows as they are now; they are read for it."""
        return comparable.content_hash(self.export(plan, piece), plan.unit.columns)

    def preview(self, unit: EndpointUnitDescriptor, limit: int, where: Sequence[Predicate] = ()) -> pl.DataFrame:
        """The first rows the database gives; no order is promised."""
        conditions = filter_conditions(self.dialect, unit, UnitPolicy(filter=tuple(where)))
        names = [column.name for column in unit.columns]
        sql = f"{select(self.dialect, unit, names, conditions)} LIMIT {int(limit)}"
        with self._in_view(None) as session, session.fetch(sql, f"previewing {unit.unit_id}") as fetch:
            return self.dialect.staged(fetch(int(limit)), list(unit.columns))

    def close(self) -> None:  # noqa: B027 - a source that keeps connections has something to do here
        """Nothing is kept between calls; a view ends with its context."""
