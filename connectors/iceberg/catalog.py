"""The catalog: opened when first needed, tables loaded and made, and the one way in which anything is committed."""

from __future__ import annotations

import fcntl
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchNamespaceError, NoSuchTableError
from pyiceberg.exceptions import TableAlreadyExistsError as TableExists
from pyiceberg.table import Transaction
from pyiceberg.table.update import AssertTableUUID, RemoveSnapshotsUpdate
from sqlalchemy.exc import IntegrityError

from connectors.iceberg.errors import translated
from connectors.lake.names import folder
from contracts.lineage import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

    from connectors.iceberg.config import IcebergConfig
    from connectors.lake.names import Identifier

_OLD_METADATA = {"write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "20"}


class OneCommit(Transaction):
    """A transaction that applies its updates once for each change of them, and not each time it is looked at.

    pyiceberg copies the whole metadata, every snapshot in it, about fourteen times per commit.
    """

    def __init__(self, table: Table) -> None:
        self._applied: tuple[Any, TableMetadata] | None = None
        super().__init__(table, autocommit=False)

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata as the updates so far make it."""
        if self._applied is None or self._applied[0] is not self._updates:
            self._applied = (self._updates, super().table_metadata)
        return self._applied[1]

    def forget(self, snapshot_ids: Sequence[int]) -> None:
        """Take snapshots out of the table's metadata, in the same commit."""
        self._updates += (RemoveSnapshotsUpdate(snapshot_ids=list(snapshot_ids)),)


class IcebergCatalog:
    """Tables of one catalog; safe between threads. Errors are the typed ones of the contracts."""

    def __init__(self, config: IcebergConfig) -> None:
        self._config = config
        self._catalog: Catalog | None = None
        self._lock = threading.Lock()

    @property
    def local_folder(self) -> Path | None:
        """The warehouse's folder where the catalog is an SQLite file of ours in it; else None."""
        embedded = self._config.catalog_type == "sql" and self._config.uri is None
        return _local(self._config.warehouse) if embedded else None

    @property
    def namespace(self) -> str:
        """Where the catalog is, without credentials: its URI, or the warehouse of one that has none."""
        if self.local_folder is not None:
            return f"file://{self.local_folder}"
        uri = self._config.uri.get_secret_value() if self._config.uri else self._config.warehouse or ""
        return without_secrets(uri) or "iceberg"

    @property
    def opened(self) -> Catalog:
        """The catalog itself."""
        with self._lock:
            if self._catalog is None:
                self._catalog = self._open()
            return self._catalog

    def load(self, table: Identifier) -> Table | None:
        """The table as it is now; None when there is none."""
        with translated(f"loading {'.'.join(table)}"):
            try:
                return self.opened.load_table(table)
            except (NoSuchTableError, NoSuchNamespaceError):
                return None

    def create(
        self, table: Identifier, schema: Schema, properties: dict[str, str], partitioned: PartitionSpec | None = None
    ) -> Table | None:
        """Make a table; None when somebody else just did."""
        given: dict[str, Any] = {} if partitioned is None else {"partition_spec": partitioned}
        if self._config.catalog_type != "rest" and self._config.warehouse:
            given["location"] = f"{_root(self._config.warehouse)}/{folder(table)}"
        with translated(f"making {'.'.join(table)}"):
            if not self.opened.namespace_exists((table[0],)):
                with suppress(NamespaceAlreadyExistsError, IntegrityError):  # somebody else was faster
                    self.opened.create_namespace((table[0],))
            try:
                return self.opened.create_table(table, schema, properties={**_OLD_METADATA, **properties}, **given)
            except TableExists:
                return None

    def drop(self, table: Identifier) -> None:
        """Take a table out of the catalog; its files stay."""
        with translated(f"dropping {'.'.join(table)}"):
            self.opened.drop_table(table)

    def commit(self, table: Table, transaction: Transaction) -> None:
        """Commit what the transaction holds against the state it was made from, once.

        ``Transaction.commit_transaction`` would try a refused commit again on top of the new state by itself
        (``commit.retry.num-retries``, 4 unless the table says otherwise): past our fence, which is checked against
        the state before. So the catalog's own commit is called, which pyiceberg calls too.

        Raises:
            CommitFailedException: Somebody else committed first.
            UpsertError: The catalog failed; what became of the commit is not known.
        """
        updates = transaction._updates  # noqa: SLF001 — there is no public way to what a transaction holds
        requirements = transaction._requirements  # noqa: SLF001
        with translated(f"committing to {'.'.join(table.name())}"):
            required = (*requirements, AssertTableUUID(uuid=table.metadata.table_uuid))
            self.opened.commit_table(table, required, updates)

    def close(self) -> None:
        """Close connections; the catalog opens again when needed."""
        with self._lock:
            if self._catalog is not None:
                self._catalog.close()
                self._catalog = None

    def _open(self) -> Catalog:
        with translated("opening the catalog"), self._one_at_a_time():
            return load_catalog("nucleus", **self._properties())

    def _properties(self) -> dict[str, str]:
        config = self._config
        uri = config.uri.get_secret_value() if config.uri else None
        if self.local_folder is not None:
            uri = f"sqlite:///{self.local_folder / 'catalog.db'}?timeout=60"
        warehouse = config.warehouse
        if warehouse is not None and config.catalog_type != "rest":
            warehouse = _root(warehouse)
        named = {"uri": uri, "warehouse": warehouse}
        if config.catalog_type == "rest" and config.credential is not None and uri is not None:
            # The specification's own place for tokens, which pyiceberg would take too, with a warning.
            named["oauth2-server-uri"] = f"{uri.rstrip('/')}/v1/oauth/tokens"
        secrets = {"credential": config.credential, "token": config.token, **config.secret_properties}
        return {
            "type": config.catalog_type,
            **{name: value for name, value in named.items() if value is not None},
            **config.properties,
            **{name: value.get_secret_value() for name, value in secrets.items() if value is not None},
        }

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Two processes that open a new SQLite catalog at once would both make its tables, and one would fail."""
        place = self.local_folder
        if place is None:
            yield
            return
        place.mkdir(parents=True, exist_ok=True)
        with (place / ".catalog.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _root(warehouse: str) -> str:
    place = _local(warehouse)
    return warehouse.rstrip("/") if place is None else f"file://{place}"


def _local(warehouse: str | None) -> Path | None:
    if warehouse is None:
        return None
    parts = urlsplit(warehouse)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).absolute()
    return None if parts.scheme else Path(warehouse).expanduser().absolute()
