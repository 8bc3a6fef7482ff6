"""What other programs read: every line that is shown to an operator is executed here."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from connectors.object_parquet.latest import duckdb_text, hive_text, latest, live_table, polars_text
from contracts import errors
from tests.conformance.sink_suite import COLUMNS, SCHEMA, begin, keys_of, plan_of, write
from tests.connectors.object_parquet.places import ParquetFolder, folder_of


@pytest.fixture
def lab(tmp_path):
    return ParquetFolder(tmp_path / "it's a lake", symlink_manifest=True, partition_by={"things": "name"})


def test_live_rows_by_every_reader(lab):
    sink, plan = lab.sink(), plan_of(on_gone="tombstone")
    write(sink, plan, [(1, "a", 1), (2, "b", 2), (3, "c", 3)])
    wider = plan_of({**COLUMNS, "extra": "float64"}, on_gone="tombstone")
    write(sink, wider, [(1, "a", 9, 0.5), (4, None, 4, None)], {**SCHEMA, "extra": pl.Float64})
    run = begin(sink, wider)
    sink.reconcile(run, wider, keys_of([1, 2, 4]))
    sink.finish_run(run, None)
    expected = [(1, "a", 9, 0.5), (2, "b", 2, None), (4, None, 4, None)]

    objects, folder = sink.place.objects, folder_of(plan)
    table = live_table(objects, folder)
    names = [*COLUMNS, "extra"]
    assert latest(objects, folder).select(names).sort("id").rows() == expected
    by_polars = eval(polars_text(table), {"pl": pl}).collect()  # noqa: S307 — the line that is shown
    assert by_polars.select(names).sort("id").rows() == expected
    with duckdb.connect() as connection:
        query = f"SELECT id, name, changed, extra FROM ({duckdb_text(table)}) ORDER BY id"
        assert connection.execute(query).fetchall() == expected

    listed = (lab.root / folder / "_symlink_format_manifest/manifest").read_text().splitlines()
    assert sorted(listed) == sorted(table.paths)
    assert "`extra` DOUBLE" in hive_text(objects, folder, table, "things")


def test_a_table_that_is_not_there(lab):
    with pytest.raises(errors.SinkNotProvisionedError):
        live_table(lab.sink().place.objects, "suite/nothing")
