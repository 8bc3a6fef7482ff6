"""Catalogs: the datasets of an endpoint and their columns, as collected at one moment, and their differences."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal, Self

from pydantic import model_validator

from contracts.errors import DatasetNotInCatalogError
from contracts.model import Contract, Json

LogicalType = Literal[
    "bool", "int16", "int32", "int64", "float32", "float64", "decimal", "string", "binary",
    "date", "time", "timestamp", "timestamptz", "interval", "json", "uuid", "other",
]  # fmt: skip
"""Types that every sink understands. Values of type ``other`` are transferred as exact text."""

DatasetKind = Literal["table", "partitioned_table", "view", "materialized_view", "entity"]


class TypeDefinition(Contract):
    """A user-defined type at the source, so that a sink with the same dialect can create it."""

    name: str
    """Fully qualified and quoted, in the source's syntax."""
    kind: Literal["enum", "domain", "composite"]
    labels: tuple[str, ...] = ()
    """Enum labels in order."""
    base_type: str | None = None
    """Domain base type."""
    fields: tuple[tuple[str, str], ...] = ()
    """Composite fields as (name, type) in order."""


class ColumnDescriptor(Contract):
    """One column of a dataset."""

    name: str
    logical_type: LogicalType
    declared_type: str
    """The type in the source's syntax, for example ``numeric(15,2)``."""
    nullable: bool = True
    comment: str | None = None
    default: str | None = None
    precision: int | None = None
    """Total digits of a decimal."""
    scale: int | None = None
    """Digits after the decimal point."""
    type_definitions: tuple[TypeDefinition, ...] = ()
    """Types to create before this column, dependencies first."""


class DatasetDescriptor(Contract):
    """Something that can be read: a table, a view, an entity of an API."""

    dataset_id: str
    kind: DatasetKind
    namespace: str
    """Schema, site or drive that contains the dataset."""
    name: str
    columns: tuple[ColumnDescriptor, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    """Other keys whose columns are all NOT NULL."""
    comment: str | None = None
    rows_estimate: int | None = None
    bytes_estimate: int | None = None
    dialect: str = ""
    """Dialect of ``declared_type`` (``postgres``). A sink with the same dialect uses the type verbatim."""
    labels: tuple[str, ...] = ()
    properties: Json = {}

    def column(self, name: str) -> ColumnDescriptor | None:
        """The column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)


class CatalogDiff(Contract):
    """What changed between two snapshots, by dataset id."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: dict[str, tuple[str, ...]] = {}
    """Dataset id to one line of text per change."""

    @property
    def empty(self) -> bool:
        """True when nothing changed."""
        return not (self.added or self.removed or self.changed)


class CatalogSnapshot(Contract):
    """All datasets of one endpoint at one moment, ordered by id."""

    endpoint_id: str
    collected_at: datetime
    datasets: tuple[DatasetDescriptor, ...]
    source_version: str = ""
    left_out: tuple[str, ...] = ()
    """Parts that could not be collected, a line each; their datasets are those of the snapshot before."""

    @model_validator(mode="after")
    def _ordered_and_unique(self) -> Self:
        ids = [dataset.dataset_id for dataset in self.datasets]
        if ids != sorted(set(ids)):
            raise ValueError("datasets must be ordered by id, each id once")
        return self

    @property
    def version(self) -> str:
        """Hash of the structure, 16 hexadecimal digits. Estimates and comments do not affect it."""
        digest = hashlib.sha256()
        for dataset in self.datasets:
            digest.update(structure(dataset).encode())
        return digest.hexdigest()[:16]

    def dataset(self, dataset_id: str) -> DatasetDescriptor:
        """The dataset of that id.

        Raises:
            DatasetNotInCatalogError: It is not in this snapshot.
        """
        for dataset in self.datasets:
            if dataset.dataset_id == dataset_id:
                return dataset
        raise DatasetNotInCatalogError(
            f"Dataset {dataset_id!r} is not in the catalog of endpoint {self.endpoint_id!r}",
            "Collect the catalog again, or list the units that exist.",
            endpoint_id=self.endpoint_id,
            dataset_id=dataset_id,
        )

    def diff(self, older: CatalogSnapshot) -> CatalogDiff:
        """What changed from ``older`` to this snapshot."""
        before = {dataset.dataset_id: dataset for dataset in older.datasets}
        after = {dataset.dataset_id: dataset for dataset in self.datasets}
        changes = {key: _changes(before[key], after[key]) for key in before.keys() & after.keys()}
        return CatalogDiff(
            added=tuple(sorted(after.keys() - before.keys())),
            removed=tuple(sorted(before.keys() - after.keys())),
            changed={key: lines for key, lines in sorted(changes.items()) if lines},
        )


def structure(dataset: DatasetDescriptor) -> str:
    """A dataset's structure as JSON, without comments, estimates and properties."""
    bare = [column.model_copy(update={"comment": None}) for column in dataset.columns]
    stable = dataset.model_copy(
        update={
            "rows_estimate": None,
            "bytes_estimate": None,
            "comment": None,
            "columns": tuple(bare),
            "properties": {},
        }
    )
    return stable.model_dump_json()


def _changes(before: DatasetDescriptor, after: DatasetDescriptor) -> tuple[str, ...]:
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    lines = [f"column {name} added ({new[name].declared_type})" for name in new if name not in old]
    lines += [f"column {name} removed" for name in old if name not in new]
    lines += [
        f"column {name}: {old[name].declared_type} -> {new[name].declared_type}"
        for name in new
        if name in old and old[name].declared_type != new[name].declared_type
    ]
    lines += [
        f"column {name}: {'nullable' if new[name].nullable else 'not null'}"
        for name in new
        if name in old and old[name].nullable != new[name].nullable
    ]
    if before.primary_key != after.primary_key:
        lines.append(f"primary key: ({', '.join(before.primary_key)}) -> ({', '.join(after.primary_key)})")
    if before.kind != after.kind:
        lines.append(f"kind: {before.kind} -> {after.kind}")
    if before.unique_keys != after.unique_keys:
        lines.append(f"unique keys: {_keys(before)} -> {_keys(after)}")
    lines += [_deeper(old[name], new[name]) for name in new if name in old and _deeper(old[name], new[name])]
    if not lines and [*old] != [*new]:
        lines.append("column order changed")
    if not lines and structure(before) != structure(after):
        lines.append("labels, dialect or neutral types changed")
    return tuple(lines)


def _keys(dataset: DatasetDescriptor) -> str:
    return " ".join(f"({', '.join(key)})" for key in dataset.unique_keys) or "none"


def _deeper(before: ColumnDescriptor, after: ColumnDescriptor) -> str:
    if before.default != after.default:
        return f"column {after.name}: default {before.default or 'none'} -> {after.default or 'none'}"
    if before.type_definitions != after.type_definitions:
        return f"column {after.name}: the definition of {after.declared_type} changed"
    return ""
