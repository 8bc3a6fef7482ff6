"""MySQL and MariaDB as a source: readers that share one moment where that can be shown, and one reader where not."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.mysql import catalog
from connectors.mysql.client import MySqlSession, reader
from connectors.mysql.descriptor import DESCRIPTOR
from connectors.mysql.types import MOMENTS, MySqlDialect
from connectors.mysql.views import open_view
from connectors.sql.conditions import slice_conditions
from connectors.sql.metadata_jobs import jobs_of, require_some_schema
from connectors.sql.predicates import where
from connectors.sql.source import TableSource
from contracts.catalog import CatalogSnapshot, DatasetDescriptor
from contracts.endpoint import ConnectionReport
from contracts.lineage import DatasetName
from contracts.metadata import WHOLE
from contracts.plan import SliceReport

if TYPE_CHECKING:
    from collections.abc import Generator

    import polars as pl

    from connectors.mysql.config import MySqlConfig
    from connectors.sql.dialect import TableSession
    from connectors.sql.views import SharedView
    from contracts.catalog import ColumnDescriptor
    from contracts.metadata import MetadataJob
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

_NO_VIEW = (
    "{what} has rows of an engine without transactions ({engines}): a run reads them as they are at each moment, and "
    "rows that move meanwhile are found by the census."
)


class MySqlSource(TableSource):
    """A ``SourceEndpoint`` with a consistent view, delete detection and content hashes."""

    descriptor = DESCRIPTOR
    dialect: MySqlDialect

    def __init__(self, config: MySqlConfig) -> None:
        super().__init__()
        self._config = config
        self.dialect = MySqlDialect(config.zero_dates)

    def test_connection(self) -> ConnectionReport:
        """Log in and count what can be read."""
        with self._in_view(None) as session:
            version, account = session.rows("SELECT VERSION(), CURRENT_USER()", "asking for the version")[0]
            readable = len(self._all(session))
        warnings = () if readable else ("the account can read no table: grant SELECT",)
        return ConnectionReport(
            server_version=version, account=account, details={"readable_datasets": readable}, warnings=warnings
        )

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """Everything the account can read in the included databases."""
        return self.collect_metadata(endpoint_id, WHOLE)

    def validate_metadata_config(self) -> None:
        """Some database is left to catalogue; raises ConfigInvalidError."""
        require_some_schema(self._config.include_schemas or ("*",), self._config.exclude_schemas)

    def plan_metadata_jobs(self) -> tuple[MetadataJob, ...]:
        """A job for each database, or for each of eight groups of them."""
        with self._in_view(None) as session:
            return jobs_of(catalog.schemas(session, self._config))

    def collect_metadata(self, endpoint_id: str, job: MetadataJob) -> CatalogSnapshot:
        """What the account can read in the job's databases."""
        with self._in_view(None) as session:
            version = session.rows("SELECT VERSION()", "asking for the version")[0][0]
            found = catalog.datasets(session, job.namespaces) if job.namespaces else self._all(session)
        return CatalogSnapshot(
            endpoint_id=endpoint_id,
            collected_at=datetime.now(UTC),
            datasets=tuple(sorted(found, key=lambda dataset: dataset.dataset_id)),
            source_version=version,
        )

    def _all(self, session: TableSession) -> list[DatasetDescriptor]:
        return catalog.datasets(session, catalog.schemas(session, self._config))

    def _datasets(self, session: TableSession, only: tuple[str, str] | None = None) -> list[DatasetDescriptor]:
        return catalog.datasets(session, [only[0]], only[1]) if only else self._all(session)

    def _outside_views(self, session: TableSession, now: DatasetDescriptor) -> str | None:
        """A table of an engine without transactions; and a view, where the account can see such a table."""
        engines = catalog.engines(session) if now.kind == "view" else {str(now.properties.get("engine", ""))}
        without = sorted(engine for engine in engines if engine.upper() not in catalog.TRANSACTIONAL)
        return _NO_VIEW.format(what=now.name, engines=", ".join(without)) if without else None

    def export(
        self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None
    ) -> Generator[pl.DataFrame, None, SliceReport | None]:
        """Frames of about 8 MiB; where zero dates are read as NULL, they are counted and named as a gap."""
        dates = [column for column in plan.unit.columns if column.logical_type in MOMENTS]
        empty: set[str] = set()
        for frame in super().export(plan, piece, view):
            empty |= {column.name for column in dates if frame[column.name].null_count()}
            yield frame
        if self._config.zero_dates != "null" or not empty:
            return None
        return self._gaps(plan, piece, view, [column for column in dates if column.name in empty])

    def _gaps(
        self, plan: IngestionPlan, piece: IngestionSlice, view: str | None, dates: list[ColumnDescriptor]
    ) -> SliceReport:
        counts = ", ".join(f"COALESCE(SUM({self.dialect.is_zero_date(column)}), 0)" for column in dates)
        conditions = where(slice_conditions(self.dialect, plan, piece))
        with self._in_view(view) as session:
            sql = f"SELECT {counts} FROM {self.dialect.table(plan.unit.dataset)}{conditions}"
            (found,) = session.rows(sql, f"counting zero dates of {plan.unit.unit_id}")
        counted = [(column.name, int(rows)) for column, rows in zip(dates, found, strict=True) if int(rows)]
        return SliceReport(gaps=tuple(f"{rows} zero date(s) in {name} were read as NULL" for name, rows in counted))

    def dataset_name(self, dataset: DatasetDescriptor) -> DatasetName:
        """The table, as other programs name it."""
        namespace = f"mysql://{self._config.host}:{self._config.port}"
        return DatasetName(namespace=namespace, name=f"{dataset.namespace}.{dataset.name}")

    def checkpoint_at(self, unit: EndpointUnitDescriptor, policy: UnitPolicy, value: str) -> Json:
        """The watermark settled at a value of the policy's cursor columns; a ``T`` between date and time is a blank."""
        return super().checkpoint_at(unit, policy, re.sub(r"(?<=\d)T(?=\d)", " ", value))

    def _reader(self) -> MySqlSession:
        return reader(self._config)

    def _shared_view(self) -> SharedView:
        return open_view(self._config)
