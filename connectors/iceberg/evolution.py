"""Making a table, and making one fit that is there: columns added, types widened, nothing lost.

Iceberg promotes int to long, float to double, and a decimal to one of more digits without touching files. Other
widenings that a source can make (an integer that becomes a decimal) are done by a new column of the same name, and
every file written again, in the one commit that changes the schema.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
from pyiceberg import transforms
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.types import NestedField

from connectors.iceberg import files
from connectors.iceberg.catalog import OneCommit
from connectors.iceberg.errors import translated
from connectors.iceberg.target import COLUMNS, KEYED_BY
from connectors.iceberg.types import dtype_of, holds, promotes
from connectors.lake.values import widens
from contracts.errors import ConfigInvalidError, SinkSchemaConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyiceberg.table import Table, Transaction
    from pyiceberg.types import IcebergType

    from connectors.iceberg.files import ManifestCache
    from connectors.iceberg.target import IcebergTarget
    from contracts.catalog import ColumnDescriptor, LogicalType

_TRANSFORMS: dict[str, type[transforms.Transform]] = {  # type: ignore[type-arg]
    "year": transforms.YearTransform,
    "month": transforms.MonthTransform,
    "day": transforms.DayTransform,
    "hour": transforms.HourTransform,
}
_CALL = re.compile(r"^(year|month|day|hour)\((.+)\)$")


class Evolution(NamedTuple):
    """What a table lacks.

    Attributes:
        added: New columns.
        promoted: Columns whose type Iceberg widens by itself.
        rewritten: Columns whose files have to be written again.
        noted: Columns that another logical type is written down for.
    """

    added: tuple[ColumnDescriptor, ...] = ()
    promoted: tuple[ColumnDescriptor, ...] = ()
    rewritten: tuple[ColumnDescriptor, ...] = ()
    noted: tuple[ColumnDescriptor, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """One line per change."""
        widened = (*self.promoted, *self.rewritten, *self.noted)
        return (
            *(f"column {column.name} added ({column.logical_type})" for column in self.added),
            *(f"column {column.name} widened to {column.logical_type}" for column in widened),
        )


def is_keyed(table: Table) -> bool:
    """Whether the table says that its rows have a key."""
    return table.properties.get(KEYED_BY, "[]") != "[]"


def unkeyed() -> dict[str, str]:
    """What a table says from the moment on at which rows without a key may come into it."""
    return {KEYED_BY: "[]"}


def schema_for(target: IcebergTarget) -> Schema:
    """The schema of a new table."""
    meanings = {column.name: column.comment for column in target.all_columns}
    return Schema(
        *(
            NestedField(number, name, kind, required=False, doc=meanings[name])
            for number, (name, kind) in enumerate(target.wanted.items(), 1)
        )
    )


def properties_for(target: IcebergTarget) -> dict[str, str]:
    """What a new table says of itself."""
    return {KEYED_BY: json.dumps(list(target.key)), COLUMNS: json.dumps(_logical(target.all_columns))}


def partitions_for(target: IcebergTarget, schema: Schema, wanted: Sequence[str]) -> PartitionSpec:
    """The partition spec that the config's words describe.

    Raises:
        ConfigInvalidError: A word names no column of the table.
    """
    if not wanted:
        return UNPARTITIONED_PARTITION_SPEC
    fields = []
    for number, word in enumerate(wanted, 1000):
        match = _CALL.match(word)
        column = match.group(2) if match else word
        if column not in target.wanted:
            raise ConfigInvalidError(
                f"partition_by of {target}: there is no column {column!r}", "Name a column of the table.", column=column
            )
        transform = _TRANSFORMS[match.group(1)]() if match else transforms.IdentityTransform()
        name = f"{column}_{match.group(1)}" if match else column
        fields.append(PartitionField(schema.find_field(column).field_id, number, transform, name))
    return PartitionSpec(*fields)


def lacking(table: Table, target: IcebergTarget) -> Evolution:
    """What the table needs to take the target's rows.

    Raises:
        SinkSchemaConflictError: A column would have to change in a way that can lose something, or there is no key.
    """
    _require_key(table, target)
    said: dict[str, LogicalType] = json.loads(table.properties.get(COLUMNS, "{}"))
    existing = {field.name: field.field_type for field in table.schema().fields}
    sorted_out: dict[str, list[ColumnDescriptor]] = {name: [] for name in (*Evolution._fields, "bad", "fine")}
    for column in target.all_columns:
        there, wanted, before = existing.get(column.name), target.wanted[column.name], said.get(column.name)
        now = _plain(column.logical_type)
        if there is None:
            way = "added"
        elif before is not None and before != now and not widens(before, now):
            way = "fine" if widens(now, before) and holds(there, wanted) else "bad"
        elif there != wanted and holds(there, wanted):
            way = "fine" if before == now or before is None else "noted"
        elif there == wanted:
            way = "fine" if before in {now, None} else "noted"
        else:
            way = _way_of_widening(there, wanted, before, now)
        sorted_out[way].append(column)
    if bad := [
        f"{column.name} is {said.get(column.name) or existing[column.name]} in the sink and {column.logical_type} at "
        f"the source"
        for column in sorted_out["bad"]
    ]:
        raise SinkSchemaConflictError(
            f"{target} cannot take the unit's columns: {'; '.join(bad)}",
            "Change the column in the sink yourself, or give the unit another target_name; nothing was written.",
            table=str(target),
            conflicts=bad,
        )
    return Evolution(*(tuple(sorted_out[name]) for name in Evolution._fields))


def evolved(table: Table, target: IcebergTarget, evolution: Evolution, cache: ManifestCache) -> Transaction:
    """A transaction that makes the table fit; it is not committed."""
    transaction = OneCommit(table)
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for column in evolution.promoted:
            update.update_column((column.name,), target.wanted[column.name])
        for column in evolution.added:
            update.add_column((column.name,), target.wanted[column.name], doc=column.comment)
        for column in evolution.rewritten:
            update.delete_column((column.name,))
    if evolution.rewritten:
        with transaction.update_schema() as update:
            for column in evolution.rewritten:
                update.add_column((column.name,), target.wanted[column.name], doc=column.comment)
        _rewrite(table, transaction, target, evolution, cache)
    said = json.loads(table.properties.get(COLUMNS, "{}"))
    changed = (*evolution.added, *evolution.promoted, *evolution.rewritten, *evolution.noted)
    transaction.set_properties({COLUMNS: json.dumps({**said, **_logical(changed)})})
    return transaction


def _rewrite(
    table: Table, transaction: Transaction, target: IcebergTarget, evolution: Evolution, cache: ManifestCache
) -> None:
    producer = transaction.update_snapshot().overwrite()
    for file in cache.live_files(table):
        rows = files.read(table, file)
        casts = [pl.col(c.name).cast(dtype_of(target.wanted[c.name]) or pl.String()) for c in evolution.rewritten]
        for made in files.write(table, rows.with_columns(casts), transaction.table_metadata):
            producer.append_data_file(made)
        producer.delete_data_file(file.data)
    with translated(f"writing manifests of {target}"):
        producer.commit()


def _way_of_widening(there: IcebergType, wanted: IcebergType, before: LogicalType | None, now: LogicalType) -> str:
    """How a column that is too narrow is widened; ``bad`` where it has not the type that is on record."""
    ours = before is not None and (widens(before, now) or before == now == "decimal")
    if not ours or not holds(wanted, there):
        return "bad"
    return "promoted" if promotes(there, wanted) else "rewritten"


def _require_key(table: Table, target: IcebergTarget) -> None:
    said = table.properties.get(KEYED_BY)
    key = json.loads(said) if said else sorted(table.schema().identifier_field_names())
    if target.key and sorted(key) != sorted(target.key):
        raise SinkSchemaConflictError(
            f"{target} exists without a unique key on ({', '.join(target.key)})",
            "Give the unit another target_name, or drop the table; nothing was written.",
            table=str(target),
        )


def _logical(columns: Sequence[ColumnDescriptor]) -> dict[str, str]:
    return {column.name: _plain(column.logical_type) for column in columns}


def _plain(logical: LogicalType) -> LogicalType:
    return "string" if logical == "other" else logical
