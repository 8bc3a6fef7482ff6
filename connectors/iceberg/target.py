"""The sink's table: what a plan wants it to be, and what its columns and properties say it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

import polars as pl

from connectors.iceberg.types import dtype_of, table_type
from connectors.lake.names import Identifier, check_names, identifier
from contracts.catalog import ColumnDescriptor
from contracts.errors import SinkNotProvisionedError
from contracts.mapping import DATASET, DELETED_AT, IDENTITY, INGESTED_AT, OWNER

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.types import PrimitiveType

    from connectors.iceberg.config import IcebergConfig
    from contracts.mapping import CdmModel
    from contracts.plan import IngestionPlan

TOMBSTONE = "_nucleus_deleted_at"
"""Column that says when a row was found gone; only where the policy is ``tombstone``."""
OWNED_BY = "nucleus.owner"
KEYED_BY = "nucleus.key"
COLUMNS = "nucleus.columns"
"""Table properties: the owning unit, the key's columns, and each column's logical type; all as JSON."""
MODEL = "nucleus.cdm-model"


class UnitOwner(NamedTuple):
    """The unit that a table of raw rows belongs to."""

    endpoint_id: str
    unit_id: str

    @classmethod
    def of(cls, plan: IngestionPlan) -> Self:
        """The unit of a plan."""
        return cls(plan.endpoint_id, plan.unit.unit_id)

    def __str__(self) -> str:
        return f"unit {self.unit_id!r} of endpoint {self.endpoint_id!r}"


@dataclass(frozen=True)
class IcebergTarget:
    """A table to write to.

    Attributes:
        table: Its namespace and name.
        columns: What it must have.
        key: Key columns; empty for a table that is replaced as a whole.
        tombstones: Whether gone rows are marked instead of deleted.
        tombstone: The column that says when.
        owner: In a table that several endpoints share: the endpoint whose rows these are.
        dataset: In such a table: which of the endpoint's datasets they come from.
        volatile: Columns that do not make two rows different.
    """

    table: Identifier
    columns: tuple[ColumnDescriptor, ...]
    key: tuple[str, ...]
    tombstones: bool
    tombstone: str = TOMBSTONE
    owner: str | None = None
    dataset: str | None = None
    volatile: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join(self.table)

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that say which source row a row is; the key, or the source's id in a shared table."""
        return (IDENTITY[1],) if self.owner is not None else self.key

    @cached_property
    def wanted(self) -> dict[str, PrimitiveType]:
        """Iceberg type by column name, the tombstone's included."""
        names = {column.name: table_type(column) for column in self.all_columns}
        check_names(names)
        return names

    @cached_property
    def all_columns(self) -> tuple[ColumnDescriptor, ...]:
        """The columns and the tombstone's."""
        if not self.tombstones or any(column.name == self.tombstone for column in self.columns):
            return self.columns
        marked = ColumnDescriptor(name=self.tombstone, logical_type="timestamptz", declared_type="")
        return (*self.columns, marked)

    def owned(self) -> pl.Expr:
        """Rows that are ours; in a table of one owner all of them."""
        if self.owner is None:
            return pl.lit(value=True)
        return (pl.col(OWNER) == self.owner) & (pl.col(DATASET) == self.dataset)

    def live(self, present: set[str]) -> pl.Expr:
        """Rows that count: ours, and not tombstoned where the table (with these columns) has tombstones."""
        marked = self.tombstone in present and (self.tombstones or self.owner is not None)
        return self.owned() & pl.col(self.tombstone).is_null() if marked else self.owned()

    def looked_at(self, present: set[str]) -> list[str]:
        """Columns by which a row is found: key, identity, owner and tombstone, as far as the table has them."""
        shared = (OWNER, DATASET) if self.owner is not None else ()
        names = dict.fromkeys([*self.key, *self.identity, *shared, self.tombstone])
        return [name for name in names if name in present]


def target_of(plan: IngestionPlan, config: IcebergConfig) -> IcebergTarget:
    """Where a plan's rows go: policy first, then the sink's config, then the source's own names."""
    if plan.cdm_model is not None:
        shared = model_target(plan.cdm_model, config)
        own = plan.endpoint_id, plan.unit.dataset.dataset_id
        return replace(shared, owner=own[0], dataset=own[1], tombstones=plan.on_gone == "tombstone")
    dataset, policy = plan.unit.dataset, plan.policy
    return IcebergTarget(
        table=identifier(
            policy.target_namespace or config.target_namespace or dataset.namespace, policy.target_name or dataset.name
        ),
        columns=dataset.columns,
        key=plan.unit.primary_key,
        tombstones=plan.on_gone == "tombstone" and bool(plan.unit.primary_key),
    )


def model_target(model: CdmModel, config: IcebergConfig) -> IcebergTarget:
    """The table of a common model, named as ``cdm.jdbc`` names it."""
    namespace = config.cdm_namespace or f"cdm_{model.family}"
    family = f"{model.family}_" if config.cdm_namespace and model.family != "work" else ""
    described = (
        ColumnDescriptor(
            name=column.name,
            logical_type=column.logical_type,
            declared_type="",
            nullable=column.nullable,
            comment=column.meaning,
        )
        for column in model.columns
    )
    return IcebergTarget(
        table=identifier(namespace, config.table_prefix + family + "_".join(model.model_id.split(".")[2:])),
        columns=tuple(column.model_copy(update={"declared_type": str(table_type(column))}) for column in described),
        key=model.key,
        tombstones=True,
        tombstone=DELETED_AT,
        volatile=(INGESTED_AT,),
    )


def schema_of(table: Table | TableMetadata) -> dict[str, pl.DataType | None]:
    """Polars type by column name, None for one that this sink does not write."""
    schema = table.schema()
    return {field.name: dtype_of(field.field_type) for field in schema.fields}


def owner_in(table: Table) -> UnitOwner | None:
    """The owner on record."""
    said = table.properties.get(OWNED_BY)
    return UnitOwner(*json.loads(said)) if said else None


def provisioned(table: Table | None, target: IcebergTarget) -> Table:
    """The table, provided that it can take the target's rows.

    Raises:
        SinkNotProvisionedError: It is missing, or lacks columns.
    """
    lacking = [name for name in target.wanted if name not in schema_of(table)] if table is not None else []
    if table is None or lacking:
        raise SinkNotProvisionedError(
            f"{target} is missing{' columns ' + ', '.join(lacking) if table is not None else ''}",
            "It was dropped or changed during the run. Run again: it is created again.",
            table=str(target),
        )
    return table
