"""The sink's table: where it is, and what a plan wants it to be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from connectors.lake.names import check_names, folder
from connectors.lake.storage_types import stored_type
from contracts.catalog import ColumnDescriptor

if TYPE_CHECKING:
    from connectors.object_parquet.config import ParquetConfig
    from contracts.plan import IngestionPlan

TOMBSTONE = "_nucleus_deleted_at"
"""Column that says when a row was found gone; only where the policy is ``tombstone``."""


@dataclass(frozen=True)
class ParquetTable:
    """A table to write to.

    Attributes:
        namespace: The folder above it.
        name: Its own.
        columns: What it must have.
        key: Key columns; empty for a table that is replaced as a whole.
        tombstones: Whether gone rows are marked instead of deleted.
        tombstone: The column that says when.
        partition: The column whose values are folders, ``load_date()``, or None.
    """

    namespace: str
    name: str
    columns: tuple[ColumnDescriptor, ...]
    key: tuple[str, ...]
    tombstones: bool
    tombstone: str = TOMBSTONE
    partition: str | None = None
    owner: str | None = None
    dataset: str | None = None
    volatile: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"

    @property
    def folder(self) -> str:
        """Below the root; different tables have different ones."""
        return folder((self.namespace, self.name))

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that say which source row a row is."""
        return self.key

    @cached_property
    def all_columns(self) -> tuple[ColumnDescriptor, ...]:
        """The columns and the tombstone's."""
        if not self.tombstones or any(column.name == self.tombstone for column in self.columns):
            return self.columns
        marked = ColumnDescriptor(name=self.tombstone, logical_type="timestamptz", declared_type="")
        return (*self.columns, marked)

    @cached_property
    def wanted(self) -> dict[str, str]:
        """Stored type by column name, the tombstone's included."""
        names = {column.name: stored_type(column) for column in self.all_columns}
        check_names(names)
        return names

    def owned(self) -> pl.Expr:
        """Rows that are ours: all of them."""
        return pl.lit(value=True)

    def live(self, present: set[str]) -> pl.Expr:
        """Rows that are not tombstoned, where the table (with these columns) has tombstones."""
        marked = self.tombstones and self.tombstone in present
        return pl.col(self.tombstone).is_null() if marked else pl.lit(value=True)

    def looked_at(self, present: set[str]) -> list[str]:
        """Columns by which a row is found: key and tombstone, as far as the table has them."""
        return [name for name in dict.fromkeys((*self.key, self.tombstone)) if name in present]


def table_of(plan: IngestionPlan, config: ParquetConfig) -> ParquetTable:
    """Where a plan's rows go: policy first, then the sink's config, then the source's own names.

    Raises:
        SinkNameError: A name is empty, too long, or holds NUL.
    """
    dataset, policy = plan.unit.dataset, plan.policy
    namespace = policy.target_namespace or config.target_namespace or dataset.namespace
    name = policy.target_name or dataset.name
    check_names((namespace, name))
    return ParquetTable(
        namespace=namespace,
        name=name,
        columns=dataset.columns,
        key=plan.unit.primary_key,
        tombstones=plan.on_gone == "tombstone" and bool(plan.unit.primary_key),
        partition=config.partition_by.get(f"{namespace}.{name}", config.partition_by.get(name)),
    )
