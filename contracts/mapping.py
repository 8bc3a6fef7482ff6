"""The common data model: what its tables look like, and what a mapper promises."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from contracts.catalog import DatasetDescriptor, LogicalType
from contracts.model import Contract

IDENTITY = ("source_endpoint_id", "source_id")
"""Columns of every common model that say which source row a row came from; ``source_id`` is the unit's key as text,
several columns joined with ``:``. Where a row's ``cdm_id`` changes (an item that moved), its old row goes."""
OWNER = "source_endpoint_id"
"""A common table holds rows of several endpoints; a run counts and treats only those of its own."""
INGESTED_AT = "ingested_at"
"""When the row was last written with new content; two rows that differ only here are the same."""
DELETED_AT = "deleted_at"
"""When the row was found gone at its source; empty while it lives."""


class CdmColumn(Contract):
    """One column of a common model."""

    name: str
    logical_type: LogicalType
    meaning: str
    nullable: bool = True
    references: str | None = None
    """Model id whose ``cdm_id`` this column holds."""


class CdmModel(Contract):
    """A table of the common data model, as data."""

    model_id: str
    """For example ``cdm.work.item``."""
    meaning: str
    version: int = 1
    """Grows when columns are added; a table of an older version is widened, never narrowed."""
    key: tuple[str, ...] = ("cdm_id",)
    columns: tuple[CdmColumn, ...]

    @property
    def family(self) -> str:
        """``work`` of ``cdm.work.item``: models of one family live side by side."""
        return self.model_id.split(".")[1]


def matches_model(pattern: str, model_id: str) -> bool:
    """True when the pattern is the model's id, or a prefix of it that ends in ``*``, as in ``cdm.work.*``."""
    return model_id.startswith(pattern[:-1]) if pattern.endswith("*") else model_id == pattern


class MapContext(Contract):
    """What a mapper may know besides the rows: where they came from and when this run began."""

    endpoint_id: str
    dataset: DatasetDescriptor
    """The source's dataset; its namespace is the source system, its columns carry names of custom fields."""
    ingested_at: datetime


class MapperKey(Contract):
    """What a mapper is found by."""

    source_family: str
    unit_kind: str
    cdm_model_id: str


class CdmMapper(Protocol):
    """Source rows to common rows: pure, no I/O, no clock, no loops over rows."""

    def __call__(self, frame: Any, context: MapContext) -> Any:
        """``polars.LazyFrame -> polars.LazyFrame`` with exactly the model's columns, names, types and order."""
        ...
