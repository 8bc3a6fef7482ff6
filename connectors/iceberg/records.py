"""Small records in the catalog itself: one table without rows per record, the record in its newest snapshot's summary.

Replacing one is a compare-and-swap on the table's head, so that records need no storage besides the catalog's, and
work the same in every catalog. Older snapshots are taken out with each commit.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.schema import Schema
from pyiceberg.types import NestedField, StringType

from connectors.iceberg.catalog import OneCommit
from connectors.iceberg.errors import translated
from contracts.errors import SinkLockedError

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from connectors.iceberg.catalog import IcebergCatalog
    from connectors.lake.names import Identifier

_SCHEMA = Schema(NestedField(1, "note", StringType(), required=False, doc="The record is in the snapshot's summary"))
_SAID = "nucleus.record"


class Record(NamedTuple):
    """A record and the state of its table when it was read."""

    table: Table | None
    content: dict[str, Any] | None


class CatalogRecords:
    """Reads and replaces records, by the name of their table."""

    def __init__(self, catalog: IcebergCatalog) -> None:
        self._catalog = catalog

    def read(self, name: Identifier) -> Record:
        """The record as it is now."""
        table = self._catalog.load(name)
        head = table.current_snapshot() if table is not None else None
        said = head.summary[_SAID] if head is not None and head.summary is not None else None
        return Record(table, json.loads(said) if said else None)

    def replace(self, name: Identifier, before: Record, content: dict[str, Any]) -> bool:
        """Write the record if nobody did since ``before`` was read; False if somebody did."""
        table = before.table or self._catalog.create(name, _SCHEMA, {})
        if table is None:
            return False
        transaction = OneCommit(table)
        said = {_SAID: json.dumps(content)}
        with translated(f"writing manifests of {'.'.join(name)}"):
            transaction.update_snapshot(snapshot_properties=said).fast_append().commit()
        if old := [snapshot.snapshot_id for snapshot in table.metadata.snapshots]:
            transaction.forget(old)
        try:
            self._catalog.commit(table, transaction)
        except CommitFailedException:
            return False
        return True


def conflicting(what: str) -> SinkLockedError:
    """For a record that others replace faster than we can."""
    return SinkLockedError(f"Others keep changing {what} in the catalog", "Run again when fewer processes write.")
