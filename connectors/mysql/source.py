"""MySQL and MariaDB as a source: readers that share one moment where that can be shown, and one reader where not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.mysql import catalog
from connectors.mysql.client import MySqlSession, reader
from connectors.mysql.descriptor import DESCRIPTOR
from connectors.mysql.types import MySqlDialect
from connectors.mysql.views import open_view
from connectors.sql.source import TableSource
from contracts.catalog import CatalogSnapshot, DatasetDescriptor
from contracts.endpoint import ConnectionReport

if TYPE_CHECKING:
    from connectors.mysql.config import MySqlConfig
    from connectors.sql.dialect import TableSession
    from connectors.sql.views import SharedView


class MySqlSource(TableSource):
    """A ``SourceEndpoint`` with a consistent view, delete detection and content hashes."""

    descriptor = DESCRIPTOR

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
        with self._in_view(None) as session:
            version = session.rows("SELECT VERSION()", "asking for the version")[0][0]
            found = self._all(session)
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

    def _reader(self) -> MySqlSession:
        return reader(self._config)

    def _shared_view(self) -> SharedView:
        return open_view(self._config)
