"""Which source columns each column of a common model is made from, found by asking polars and not by reading mappers.

The mapper is given a frame without rows whose reader notes which columns are asked of it: the optimiser pushes the
choice of columns down to the reader (polars' user guide, "IO plugins"), so a query for one common column asks for just
the source columns that it needs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
from polars.io.plugins import register_io_source

from cdm_mappers.models import dtype_of
from contracts.mapping import MapContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.catalog import DatasetDescriptor
    from contracts.mapping import CdmMapper, CdmModel

_SIMPLE_PROJECTION = "simple π"
"""How polars' ``explain`` begins when the plan makes more columns than were asked for and drops them at the end."""


def column_sources(mapper: CdmMapper, model: CdmModel, dataset: DatasetDescriptor) -> dict[str, tuple[str, ...]]:
    """Common column to the columns of the dataset that decide its value, in the dataset's order; () for a constant.

    Args:
        mapper: From the dataset's rows to the model's.
        model: What is asked about, column by column.
        dataset: With the columns that its rows have.
    """
    schema = pl.Schema({column.name: dtype_of(column.logical_type) for column in dataset.columns})
    context = MapContext(endpoint_id="", dataset=dataset, ingested_at=datetime.fromtimestamp(0, UTC))
    read = _Reads(schema)
    mapped = mapper(register_io_source(read, schema=schema), context)
    first = read.asked_for_by(mapped.select(pl.first()))
    sources: dict[str, tuple[str, ...]] = {}
    for column in model.columns:
        only = mapped.select(column.name)
        asked = read.asked_for_by(only)
        # For a constant, polars makes the mapper's first column too, to know how many rows there are.
        is_constant = asked == first and only.explain().lstrip().startswith(_SIMPLE_PROJECTION)
        sources[column.name] = () if is_constant else tuple(name for name in schema if name in asked)
    return sources


class _Reads:
    """A reader of no rows that notes the columns it is asked for."""

    def __init__(self, schema: pl.Schema) -> None:
        self._schema = schema
        self._asked: set[str] = set()

    def asked_for_by(self, query: pl.LazyFrame) -> set[str]:
        self._asked = set()
        query.collect()
        return self._asked

    def __call__(
        self, with_columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        names = list(self._schema) if with_columns is None else with_columns
        self._asked.update(names)
        yield pl.DataFrame(schema={name: self._schema[name] for name in names})
