"""What every mapper does. Subclass it, give ``mapper``, ``model``, ``dataset`` and ``rows``, and the mapper is tested."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from cdm_mappers.models import dtype_of, schema_of
from contracts.mapping import DELETED_AT, IDENTITY, INGESTED_AT, MapContext

if TYPE_CHECKING:
    from contracts.catalog import DatasetDescriptor
    from contracts.mapping import CdmMapper, CdmModel

BEGAN = datetime(2026, 11, 21, 4, 5, 6, 789_012, tzinfo=UTC)


class MapperSuite:
    """Behaviour every mapper shares."""

    mapper: CdmMapper
    model: CdmModel
    dataset: DatasetDescriptor
    fan_out = 1
    """Common rows per source row."""

    @pytest.fixture
    def rows(self) -> list[dict[str, Any]]:
        """Source rows by column name, full ones first; every column of the dataset occurs."""
        raise NotImplementedError

    @property
    def context(self) -> MapContext:
        return MapContext(endpoint_id="end:point", dataset=self.dataset, ingested_at=BEGAN)

    def frame(self, rows: list[dict[str, Any]]) -> pl.DataFrame:
        schema = {column.name: dtype_of(column.logical_type) for column in self.dataset.columns}
        return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)

    def mapped(self, frame: pl.DataFrame) -> pl.DataFrame:
        return type(self).mapper(frame.lazy(), self.context).collect()

    def bare(self) -> list[dict[str, Any]]:
        """Rows with a key and nothing else."""
        key = self.dataset.primary_key[0]
        return [{key: "1"}, {key: "2"}]

    def test_it_stays_lazy(self, rows):
        def must_not_run(_frame):
            raise AssertionError("the mapper collected its rows")

        whole = self.frame(rows)
        lazy = whole.lazy().map_batches(must_not_run, schema=dict(whole.schema))
        made = type(self).mapper(lazy, self.context)
        assert isinstance(made, pl.LazyFrame)
        with pytest.raises(AssertionError, match="collected its rows"):
            made.collect()

    def test_it_is_made_of_expressions(self, rows):
        plan = type(self).mapper(self.frame(rows).lazy(), self.context).explain(optimized=False).lower()
        assert "python" not in plan, "a Python function runs on the rows"

    def test_the_output_is_the_model(self, rows):
        assert dict(self.mapped(self.frame(rows)).schema) == schema_of(self.model)
        assert list(self.mapped(self.frame(rows)).columns) == [column.name for column in self.model.columns]

    def test_no_row_is_dropped_or_doubled(self, rows):
        assert self.mapped(self.frame(rows)).height == len(rows) * self.fan_out
        assert self.mapped(self.frame([])).height == 0
        assert dict(self.mapped(self.frame([])).schema) == schema_of(self.model)

    def test_keys_and_required_columns_are_there(self, rows):
        made = self.mapped(self.frame(rows))
        for column in self.model.columns:
            if not column.nullable:
                assert made[column.name].null_count() == 0, column.name
        assert made["cdm_id"].n_unique() == made.height
        assert made[IDENTITY[1]].to_list() == [str(row[self.dataset.primary_key[0]]) for row in rows]
        assert set(made[IDENTITY[0]]) == {"end:point"}
        assert set(made["dataset_id"]) == {self.dataset.dataset_id}
        assert set(made["source_system"]) == {self.dataset.namespace}

    def test_nulls_never_drop_a_row(self, rows):
        for name in [column.name for column in self.dataset.columns]:
            if name in self.keys_in_ids:
                continue
            frame = self.frame(rows).with_columns(pl.lit(None).cast(self.frame(rows).schema[name]).alias(name))
            assert self.mapped(frame).height == len(rows), name

    def test_missing_columns_never_fail(self, rows):
        for name in [column.name for column in self.dataset.columns]:
            if name in self.keys_in_ids:
                continue
            made = self.mapped(self.frame(rows).drop(name))
            assert made.height == len(rows), name
            assert dict(made.schema) == schema_of(self.model), name

    def test_it_is_deterministic_and_row_by_row(self, rows):
        whole = self.mapped(self.frame(rows))
        assert whole.equals(self.mapped(self.frame(rows)))
        for size in (1, 3, len(rows) - 1):
            pieces = [self.mapped(self.frame(rows[at : at + size])) for at in range(0, len(rows), size)]
            assert whole.equals(pl.concat(pieces)), f"in batches of {size}"

    def test_it_has_no_clock(self, rows):
        made = self.mapped(self.frame(rows))
        assert set(made[INGESTED_AT]) == {BEGAN}
        assert made[DELETED_AT].null_count() == made.height

    @property
    def keys_in_ids(self) -> set[str]:
        """Source columns without which there is no identity."""
        return {self.dataset.primary_key[0], "key"}
