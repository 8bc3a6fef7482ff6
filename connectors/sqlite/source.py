"""SQLite as a source: readers that share one moment because no writer could commit while they were opened."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.sql.settled import CursorObservation
from connectors.sql.source import TableSource
from connectors.sql.views import SharedView
from connectors.sqlite import catalog
from connectors.sqlite.client import SqliteSession, connect, reader
from connectors.sqlite.descriptor import DESCRIPTOR
from connectors.sqlite.types import SqliteDialect
from contracts.catalog import CatalogSnapshot, DatasetDescriptor
from contracts.endpoint import ConnectionReport
from contracts.errors import IngestionError
from contracts.lineage import DatasetName

if TYPE_CHECKING:
    from connectors.sql.dialect import TableSession
    from connectors.sqlite.config import SqliteConfig

_ONE_READER = "The write lock was not to be had, so that one connection reads the whole run, slice after slice."
_BLOCKS = "The file is not in WAL mode: writers wait for as long as the run reads (PRAGMA journal_mode = wal)."


class SqliteSource(TableSource):
    """A ``SourceEndpoint`` with a consistent view, delete detection and content hashes.

    SQLite has one writer at a time, and a transaction holds the write lock from its first write until it commits. With
    that lock in hand nobody is in the middle of a transaction that has written: the watermark settles at once, and
    readers that begin meanwhile see the same moment (sqlite.org, "Isolation In SQLite"). What a program took for a
    cursor value before its transaction's first write is not known to SQLite, nor to us.
    """

    descriptor = DESCRIPTOR
    dialect = SqliteDialect()

    def __init__(self, config: SqliteConfig) -> None:
        super().__init__()
        self._config = config

    def test_connection(self) -> ConnectionReport:
        """Open the file and count what can be read."""
        version, found = self._look()
        return ConnectionReport(server_version=version, details={"readable_datasets": len(found)})

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """Tables and views of the file."""
        version, found = self._look()
        return CatalogSnapshot(
            endpoint_id=endpoint_id,
            collected_at=datetime.now(UTC),
            datasets=tuple(sorted(found, key=lambda dataset: dataset.dataset_id)),
            source_version=version,
        )

    def dataset_name(self, dataset: DatasetDescriptor) -> DatasetName:
        """The table in the file; the conventions name no SQLite, so the file is the namespace."""
        return DatasetName(
            namespace=f"sqlite://{self._config.path.absolute()}", name=f"{dataset.namespace}.{dataset.name}"
        )

    def _look(self) -> tuple[str, list[DatasetDescriptor]]:
        with self._in_view(None) as session:
            version = session.rows("SELECT sqlite_version()", "asking for the version")[0][0]
            return version, catalog.datasets(session)

    def _datasets(self, session: TableSession, only: tuple[str, str] | None = None) -> list[DatasetDescriptor]:
        return catalog.datasets(session, only)

    def _reader(self) -> SqliteSession:
        return reader(self._config)

    def _shared_view(self) -> SharedView:
        lock = self._write_lock()
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        readers: list[SqliteSession] = []
        try:
            readers.extend(reader(self._config) for _ in range(self._config.readers if lock else 1))
            mode = readers[0].rows("PRAGMA journal_mode", "asking for the journal mode")[0][0]
        except BaseException:
            for each in readers:
                each.close()
            raise
        finally:
            if lock is not None:
                lock.close()
        notes = ((_BLOCKS,) if mode != "wal" else ()) + (() if lock else (_ONE_READER,))
        quiet = CursorObservation(gone_before=(), xmin=0, view_xmax=0, xmax=0, there_after=(), view_at=now)
        return SharedView(readers, quiet if lock else None, notes)

    def _write_lock(self) -> SqliteSession | None:
        """A session that holds the write lock without writing; None where it cannot be had."""
        session = None
        try:
            session = connect(self._config, write=True)
            session.rows("PRAGMA query_only = 0", "taking the write lock")
            session.rows("BEGIN IMMEDIATE", "taking the write lock")
        except IngestionError:
            if session is not None:
                session.close()
            return None
        return session
