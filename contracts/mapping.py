"""The common data model: what its tables look like, and what a mapper promises."""

from __future__ import annotations

from typing import Any, Protocol

from contracts.catalog import LogicalType
from contracts.model import Contract


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
    key: tuple[str, ...] = ("cdm_id",)
    columns: tuple[CdmColumn, ...]


class MapperKey(Contract):
    """What a mapper is found by."""

    source_family: str
    unit_kind: str
    cdm_model_id: str


class CdmMapper(Protocol):
    """Source rows to common rows: pure, no I/O, no clock, no loops over rows."""

    def __call__(self, frame: Any) -> Any:
        """``polars.LazyFrame -> polars.LazyFrame`` with exactly the model's columns, names, types and order."""
        ...
