"""PostgreSQL as a source: catalog, plan, slices by ADBC under one shared snapshot."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from connectors.postgres import catalog, reading, types
from connectors.postgres.client import PostgresClient
from connectors.postgres.content import content_hash
from connectors.postgres.descriptor import DESCRIPTOR
from connectors.postgres.filtered import left_keys
from connectors.postgres.keys import prove_key
from connectors.postgres.naming import table_name
from connectors.postgres.planner import make_plan, watermark_at
from connectors.postgres.sql import literal, qualified
from connectors.postgres.watermark import Observer
from connectors.sql.checks import is_declared
from connectors.sql.extra_slices import catch_up_slices, repair_slices
from connectors.sql.metadata_jobs import jobs_of, require_some_schema
from connectors.sql.units import units_of
from contracts.endpoint import ConnectionReport, ContentHash, EndpointDescriptor, PlanRequest
from contracts.errors import IngestionError, SliceRereadError, SourceViewLostError
from contracts.metadata import WHOLE
from contracts.unit import EndpointUnitDescriptor, Predicate, UnitPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.session import Session
    from connectors.sql.settled import CursorObservation
    from contracts.catalog import CatalogSnapshot, DatasetDescriptor
    from contracts.lineage import DatasetName
    from contracts.metadata import MetadataJob
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import UpsertReceipt

BATCH_BYTES = 8 * 1024 * 1024
_READ = "ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresSource:
    """A ``SourceEndpoint`` with a consistent view, delete detection and content hashes.

    Slices are read under one exported snapshot (PostgreSQL manual, "Snapshot Synchronization Functions"), so a row
    that moves between two ranges while the run lasts is read exactly once.
    """

    descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR

    def __init__(self, config: PostgresConfig) -> None:
        self._client = PostgresClient(config, "source")
        self._views: dict[str, CursorObservation] = {}

    def test_connection(self) -> ConnectionReport:
        """Log in and count what can be read."""
        with self._client.session() as session:
            version, account = session.rows("SELECT current_setting('server_version') AS v, current_user::text AS u")[0]
            readable = len(catalog.collect(session, self._client.config, "test").datasets)
        warnings = () if readable else ("the role can read no table: grant USAGE on schemas and SELECT on tables",)
        return ConnectionReport(
            server_version=version, account=account, details={"readable_datasets": readable}, warnings=warnings
        )

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """Everything the role can read in the included schemas."""
        return self.collect_metadata(endpoint_id, WHOLE)

    def validate_metadata_config(self) -> None:
        """Some schema is left to catalogue; raises ConfigInvalidError."""
        config = self._client.config
        require_some_schema(config.include_schemas, config.exclude_schemas)

    def plan_metadata_jobs(self) -> tuple[MetadataJob, ...]:
        """A job for each schema, or for each of eight groups of them."""
        with self._client.session() as session:
            return jobs_of(catalog.schemas(session, self._client.config))

    def collect_metadata(self, endpoint_id: str, job: MetadataJob) -> CatalogSnapshot:
        """What the role can read in the job's schemas."""
        with self._client.session() as session:
            return catalog.collect(session, self._client.config, endpoint_id, job.namespaces)

    def look_up_dataset(self, endpoint_id: str, namespace: str, name: str) -> CatalogSnapshot:
        """One table, without those beside it."""
        with self._client.session() as session:
            return catalog.look_up(session, self._client.config, endpoint_id, namespace, name)

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        """One unit per catalogued dataset."""
        return units_of(catalog, lambda column: types.can_be_cursor(column.declared_type))

    def dataset_name(self, dataset: DatasetDescriptor) -> DatasetName:
        """The table, as other programs name it."""
        return table_name(self._client.config, dataset.namespace, dataset.name)

    @contextmanager
    def open_view(self) -> Iterator[str]:
        """Export a snapshot; the token is good while the context is open and the server stays up."""
        holder = self._client.connect()
        try:
            with self._client.session() as session:
                observer = Observer.before_view(session)
            holder.execute(f"BEGIN {_READ}", "opening a view")
            token, xmin, xmax, began = holder.rows(
                "SELECT pg_export_snapshot() AS t, pg_snapshot_xmin(pg_current_snapshot())::text AS a, "
                "pg_snapshot_xmax(pg_current_snapshot())::text AS b, now()::text AS c",
                "opening a view",
            )[0]
            with self._client.session() as session:
                self._views[token] = observer.after_view(session, int(xmin), int(xmax), began)
            try:
                yield token
            finally:
                del self._views[token]
                with suppress(IngestionError):  # a broken line ends the view as well
                    holder.execute("ROLLBACK", "ending the view")  # closing alone leaves the server to end it later
        finally:
            holder.close()

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """Cut the unit under the request's view, or under a view of its own that ends with the call."""
        if request.view is None:
            with self.open_view() as token:
                return self.plan(request.model_copy(update={"view": token}))
        with self._in_view(request.view) as session:
            return make_plan(session, request, self._views[request.view])

    def export(self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None) -> Iterator[pl.DataFrame]:
        """Frames of about 8 MiB.

        Raises:
            SliceRereadError: A numeric holds NaN; read again with the given params, numerics then travel as text.
        """
        exact = bool(piece.params.get("exact"))
        sql = reading.select(plan.unit, reading.slice_conditions(plan, piece), exact=exact)
        kinds = reading.column_types(plan.unit)
        try:
            with self._in_view(view) as session:
                for frame in session.stream(sql, BATCH_BYTES, f"reading {plan.unit.unit_id} slice {piece.key}"):
                    yield types.staged(frame, kinds, exact=exact)
        except IngestionError as error:
            if not exact and "NaN" in str(error):
                raise SliceRereadError(
                    f"{plan.unit.unit_id} slice {piece.key} holds NaN in a numeric column",
                    "It is read again, with numerics as text.",
                    params={"exact": True},
                ) from error
            raise

    @contextmanager
    def _in_view(self, view: str | None) -> Iterator[Session]:
        with self._client.session() as session, session.transaction(_READ):
            if view is not None:
                try:
                    session.execute(f"SET TRANSACTION SNAPSHOT {literal(view)}", "joining the view")
                except IngestionError as error:
                    if error.facts.get("sqlstate") in ("22023", "42704"):
                        raise SourceViewLostError(
                            "The shared snapshot is gone", "Run again; it resumes under a new one."
                        ) from error
                    raise
            yield session

    def catch_up(self, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
        """One slice from the old view's end: rows that left an unread range for a newer cursor value are in it."""
        with self._client.session() as session:
            dataset = catalog.dataset_now(session, plan.unit.dataset.namespace, plan.unit.dataset.name)
            if dataset is not None:
                prove_key(session, plan.unit, plan.policy, dataset)  # the plan's proof was for the old view
        return catch_up_slices(plan, epoch)

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[pl.DataFrame]:
        """The key columns of every row inside the filter."""
        conditions = reading.filter_conditions(plan.unit, plan.policy)
        return self._keys(plan, reading.select(plan.unit, conditions, plan.unit.primary_key, exact=True), view)

    def gone_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[pl.DataFrame] | None:
        """Keys of rows that left the filter since the checkpoint; None for a plan without filter."""
        with self._client.session() as session:
            now = catalog.dataset_now(session, plan.unit.dataset.namespace, plan.unit.dataset.name)
        declared = now is not None and is_declared(plan.unit.primary_key, now)
        sql = left_keys(plan, key_is_declared=declared)
        return None if sql is None else self._keys(plan, sql, view)

    def _keys(self, plan: IngestionPlan, sql: str, view: str | None) -> Iterator[pl.DataFrame]:
        kinds = reading.column_types(plan.unit)
        with self._in_view(view) as session:
            for frame in session.stream(sql, BATCH_BYTES, f"reading keys of {plan.unit.unit_id}"):
                yield types.staged(frame, kinds, exact=True)

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        """Slices of at most a thousand listed keys, fewer if they are long."""
        return repair_slices(plan, keys, epoch)

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:  # noqa: ARG002 - the contract's
        """The plan's watermark: the one at the time of the view, whatever was written later."""
        return plan.checkpoint_after

    def checkpoint_at(self, unit: EndpointUnitDescriptor, policy: UnitPolicy, value: str) -> Json:
        """The watermark settled at a value of the policy's cursor columns."""
        with self._client.session() as session:
            return watermark_at(session, unit, policy, value).model_dump(mode="json")

    def content_hash(self, plan: IngestionPlan, piece: IngestionSlice) -> ContentHash:
        """Hash of the slice's rows as they are now."""
        dataset = plan.unit.dataset
        with self._client.session() as session:
            return content_hash(
                session,
                qualified(dataset.namespace, dataset.name),
                [column.name for column in dataset.columns],
                reading.slice_conditions(plan, piece),
                f"hashing {plan.unit.unit_id}",
            )

    def preview(self, unit: EndpointUnitDescriptor, limit: int, where: Sequence[Predicate] = ()) -> pl.DataFrame:
        """The first rows the server gives; no order is promised."""
        conditions = reading.filter_conditions(unit, UnitPolicy(filter=tuple(where)))
        sql = f"{reading.select(unit, conditions, exact=True)} LIMIT {int(limit)}"
        with reading.filtering(unit, where), self._in_view(None) as session:
            frames = list(session.stream(sql, BATCH_BYTES, f"previewing {unit.unit_id}"))
        return types.staged(pl.concat(frames), reading.column_types(unit), exact=True)

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()
