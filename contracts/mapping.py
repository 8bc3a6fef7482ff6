"""The common data model: its tables as data, and the interface of a mapper."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from contracts.catalog import DatasetDescriptor, LogicalType
from contracts.model import Contract

IDENTITY = ("source_endpoint_id", "source_id")
"""Columns of every common model that identify the source row. ``source_id`` is the unit's key as text, with several
columns joined by ``:``; it counts within its dataset (``DATASET``). If the ``cdm_id`` of a source row changes (an item
that moved), its old row is removed."""
OWNER = "source_endpoint_id"
"""Column with a row's owner. Endpoints share common tables; a run counts and changes only its own rows."""
DATASET = "dataset_id"
"""Column with the dataset a row came from. Several units of one endpoint may be mapped to one model (pages and
attachments are both items); a run of one of them must not take the rows of another for gone."""
INGESTED_AT = "ingested_at"
"""When the row was last written with new content. Rows that differ only in this column count as equal."""
DELETED_AT = "deleted_at"
"""When the row was found gone at its source; NULL for a live row."""


class CdmColumn(Contract):
    """One column of a common model."""

    name: str
    logical_type: LogicalType
    meaning: str
    nullable: bool = True
    references: str | None = None
    """Id of the model whose ``cdm_id`` this column refers to; a pattern (:func:`matches_model`) if of several."""
    version: bool = False
    """Compared by a census besides the key, where the source lists it: it differs when the row changed or moved."""


class CdmModel(Contract):
    """A table of the common data model, as data."""

    model_id: str
    """For example ``cdm.work.item``."""
    meaning: str
    version: int = 1
    """Incremented when columns are added. Older tables get the new columns; columns are never dropped."""
    key: tuple[str, ...] = ("cdm_id",)
    columns: tuple[CdmColumn, ...]

    @property
    def family(self) -> str:
        """``work`` for ``cdm.work.item``. The tables of a family share a schema."""
        return self.model_id.split(".")[1]


def matches_model(pattern: str, model_id: str) -> bool:
    """True when the pattern is the model's id, or a prefix of it that ends in ``*``, as in ``cdm.work.*``."""
    return model_id.startswith(pattern[:-1]) if pattern.endswith("*") else model_id == pattern


class MapContext(Contract):
    """What a mapper knows besides the rows: their origin, and the time at which the run began."""

    endpoint_id: str
    dataset: DatasetDescriptor
    """The source's dataset. Its namespace is the source system; its columns have the names of custom fields."""
    ingested_at: datetime


class MapperKey(Contract):
    """The key of a mapper in the registry."""

    source_family: str
    unit_kind: str
    cdm_model_id: str


class CdmMapper(Protocol):
    """Maps source rows to rows of a common model. A pure function: no I/O, no clock, no loops over rows."""

    def __call__(self, frame: Any, context: MapContext) -> Any:
        """``polars.LazyFrame -> polars.LazyFrame`` with exactly the model's columns, names, types and order."""
        ...
