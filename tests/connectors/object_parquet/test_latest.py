"""What other programs read: every line that is shown to an operator is executed here."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from connectors.object_parquet.latest import duckdb_text, latest, live_table, polars_text
from connectors.object_parquet.publishing import hive_text
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

    lists = lab.root / folder / "_symlink_format_manifest"
    by_folder = {each.parent.name: each.read_text().splitlines() for each in lists.glob("*/manifest")}
    assert {*by_folder} == {"name=a", "name=b", "name=c", "name=__HIVE_DEFAULT_PARTITION__"}
    assert sorted(path for listed in by_folder.values() for path in listed) == sorted(table.paths)
    text = hive_text(objects, folder, table.state, "things")
    assert "`extra` double" in text
    assert "PARTITIONED BY (`name` string)" in text


def test_a_table_whose_files_are_not_all_in_folders_is_one_list(lab):
    plain = ParquetFolder(lab.root, symlink_manifest=True)
    plan = plan_of()
    sink = plain.sink()
    write(sink, plan, [(1, "a", 1)])
    sink.finish_run(begin(sink, plan), None)
    later = lab.sink()
    write(later, plan, [(1, "a", 1), (2, "b", 2)])
    later.finish_run(begin(later, plan), None)
    lists = lab.root / folder_of(plan) / "_symlink_format_manifest"
    (listed,) = lists.rglob("manifest")
    assert listed.parent == lists
    assert sorted(listed.read_text().splitlines()) == sorted(live_table(later.place.objects, folder_of(plan)).paths)


def test_the_list_follows_a_compaction_and_drops_values_that_are_gone(lab):
    sink, plan = lab.sink(), plan_of(on_gone="delete")
    write(sink, plan, [(1, "a", 1), (2, "b", 2)])
    write(sink, plan, [(3, "a", 3)])
    run = begin(sink, plan)
    sink.reconcile(run, plan, keys_of([1, 3]))
    sink.finish_run(run, None)
    lists = lab.root / folder_of(plan) / "_symlink_format_manifest"
    assert [each.parent.name for each in lists.rglob("manifest")] == ["name=a"]
    before = (lists / "name=a/manifest").read_text()
    assert sink.compact(run.ref)
    assert (lists / "name=a/manifest").read_text() != before
    assert (lists / "name=a/manifest").read_text().splitlines() == [
        *live_table(sink.place.objects, folder_of(plan)).paths
    ]


def test_a_table_that_is_not_there(lab):
    with pytest.raises(errors.SinkNotProvisionedError):
        live_table(lab.sink().place.objects, "suite/nothing")
