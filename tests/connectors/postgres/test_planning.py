"""Where a table is split, and what an incremental run reads."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.postgres.sql import ident
from connectors.sql.ranges import Sample, ranges, slices_wanted, split_points
from contracts.errors import CursorUnsupportedError, IngestionError, ModeUnsupportedError
from contracts.plan import explain
from contracts.receipts import FrozenRun
from contracts.unit import Predicate
from flows.stages.export import RunStopped
from flows.stages.plan import can_continue
from flows.stages.run import SilentObserver, UnitRun
from tests.connectors.postgres.moving import SMALLEST_SLICE, changed, mover, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.plan import IngestionPlan
    from tests.connectors.postgres.moving import Database, TableIngestion

KEYS = st.lists(st.integers(0, 10**6), min_size=1, max_size=200, unique=True).map(sorted)


@pytest.fixture(scope="module")
def two_opened(postgres) -> Iterator[tuple[Database, Database]]:
    names = ("planning_source", "planning_sink")
    source, sink = (postgres.create_database(name) for name in names)
    with opened(source) as database, opened(sink) as there:
        yield database, there
    for name in names:
        postgres.drop_database(name)


@pytest.fixture
def shop(two_opened) -> Iterator[tuple[Database, Database, TableIngestion]]:
    database, there = two_opened
    for one in (database, there):
        one.run("DROP SCHEMA IF EXISTS nucleus CASCADE", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    with mover(database.url, there.url) as moving:
        yield database, there, moving


@given(KEYS, st.integers(2, 40), st.data())
def test_split_points_are_few_and_in_order(numbers, slices, data):
    weights = data.draw(st.lists(st.integers(1, 10**6), min_size=len(numbers), max_size=len(numbers)))
    keys = [(f"{n:07d}",) for n in numbers]
    points = split_points(Sample(keys, weights), slices)
    assert len(points) <= slices - 1
    assert all(low < high for low, high in pairwise(points))
    assert set(points) <= set(keys[1:])


@given(KEYS, st.integers(2, 40), st.data())
def test_a_slice_weighs_at_most_its_share_and_one_row(numbers, slices, data):
    weights = data.draw(st.lists(st.integers(1, 1000), min_size=len(numbers), max_size=len(numbers)))
    keys = [(f"{n:07d}",) for n in numbers]
    points = split_points(Sample(keys, weights), slices)
    edges = [("",), *points, ("~",)]
    for low, high in pairwise(edges):
        inside = [w for key, w in zip(keys, weights, strict=True) if low <= key < high]
        assert sum(inside) <= sum(weights) / slices + max(weights)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=60), st.integers(2, 9))
def test_equal_keys_stay_together(rows, slices):
    rows.sort()
    sample = Sample([(key,) for key, _ in rows], [weight for _, weight in rows])
    points = split_points(sample, slices)
    assert len(points) == len(set(points)) <= max(0, len({key for key, _ in rows}) - 1)


@given(
    st.lists(st.integers(0, 99).map(lambda n: (f"{n:02d}",)), unique=True, max_size=20).map(sorted), st.integers(0, 99)
)
def test_ranges_cover_and_do_not_meet(points, number):
    key = [f"{number:02d}"]
    pieces = ranges(["k"], points)
    holding = [
        p for p in pieces if (p["lower"] is None or p["lower"] <= key) and (p["upper"] is None or key < p["upper"])
    ]
    assert len(holding) == 1
    assert len(pieces) == len(points) + 1


@given(st.integers(0, 10**12), st.integers(64 * 1024, 10**9))
def test_slices_wanted(size, target):
    wanted = slices_wanted(size, target)
    assert 1 <= wanted <= 10_000
    if 1 < wanted < 10_000:
        assert size / wanted <= target < size / (wanted - 1)


NOISE = "(SELECT string_agg(md5(g::text || i), '') FROM generate_series(1, {}) i)"
KEYED = {
    "integers": "a integer PRIMARY KEY|g",
    "negative": "a bigint PRIMARY KEY|g * 4611686018427387 * (-1) ^ g",
    "text": "a text PRIMARY KEY|(array['', ' ', 'it''s', '\"', 'Z', 'a', 'é', '漢字', '\\', '%', E'\\n'])[1 + g % 11] || g",
    "text C": "a text COLLATE \"C\" PRIMARY KEY|(array['Z', 'a', 'é', '漢字'])[1 + g % 4] || g",
    "text unicode": "a text COLLATE \"pg_unicode_fast\" PRIMARY KEY|(array['Z', 'a', 'É', '漢'])[1 + g % 4] || g",
    "varchar": "a varchar(40) PRIMARY KEY|md5(g::text)",
    "char": "a char(12) PRIMARY KEY|'c ' || g",
    "uuid": "a uuid PRIMARY KEY|md5(g::text)::uuid",
    "numeric": "a numeric PRIMARY KEY|CASE WHEN g = 7 THEN 'NaN' WHEN g = 8 THEN 'Infinity' ELSE (g / 7.0 - 30) END::numeric",
    "double": "a float8 PRIMARY KEY|CASE WHEN g = 7 THEN 'NaN' WHEN g = 8 THEN '-Infinity' ELSE (g / 7.0 - 30) END::float8",
    "timestamptz": "a timestamptz PRIMARY KEY|CASE WHEN g = 7 THEN 'infinity' WHEN g = 8 THEN '-infinity' ELSE to_timestamp(g / 1e6) END",
    "date": "a date PRIMARY KEY|date '0044-03-15 BC' + g",
    "bytea": "a bytea PRIMARY KEY|decode(md5(g::text), 'hex')",
    "inet": "a inet PRIMARY KEY|inet '10.0.0.0' + g",
    "boolean and enum": "a boolean, b mood, c int, PRIMARY KEY (b, a, c)|g % 2 = 0, (array['so so', 'low'])[1 + g % 2]::mood, g",
    "two columns": "a text, b int, PRIMARY KEY (a, b)|(array['x', 'y ''', 'ü'])[1 + g % 3], g",
    "three columns": "a int, b uuid, c date, PRIMARY KEY (c, a, b)|g % 5, md5(g::text)::uuid, date '2020-01-01' + g % 3",
    "one value leads": "a int, b int, PRIMARY KEY (a, b)|1, g",
    "unique": "a int NOT NULL, b int, UNIQUE (a)|g, NULL",
    "odd names": '"a b" int, "sel""ect" int, PRIMARY KEY ("sel""ect", "a b")|g % 3, g',
}


@pytest.mark.parametrize("kind", KEYED)
def test_keys_of_every_kind_are_split_and_arrive(shop, kind):
    database, _, moving = shop
    columns, _, values = KEYED[kind].partition("|")
    database.run(
        "CREATE TYPE mood AS ENUM ('so so', 'low')",
        f"CREATE TABLE t ({columns}, payload text STORAGE EXTERNAL)",
        f"INSERT INTO t SELECT {values}, {NOISE.format(16)} FROM generate_series(1, 900) g",
        "ANALYZE t",
    )
    plan = moving.plan("public.t", target_slice_bytes=SMALLEST_SLICE)
    assert 6 <= len(plan.slices) <= 12
    read = [rows_of(moving, plan, i) for i in range(len(plan.slices))]
    assert max(frame.height for frame in read) < 300, "no slice contains most rows"
    keys = pl.concat(read).select(plan.unit.primary_key)
    assert keys.height == keys.unique().height == 900
    moving.move("public.t", target_slice_bytes=SMALLEST_SLICE)
    assert changed(moving.move("public.t", target_slice_bytes=SMALLEST_SLICE)) == (0, 0, 0)
    for piece in plan.slices:
        assert moving.source.content_hash(plan, piece) == moving.sink.content_hash(plan, piece)
    texts = ", ".join(f"{ident(name)}::text" for name in plan.unit.primary_key)
    some = [
        dict(zip(plan.unit.primary_key, row, strict=True)) for row in database.rows(f"SELECT {texts} FROM t LIMIT 3")
    ]
    (repair,) = moving.source.repair_slices(plan, some, epoch=2)
    assert sum(frame.height for frame in moving.source.export(plan, repair)) == 3
    database.run("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t LIMIT 5)")
    assert changed(moving.move("public.t")) == (0, 0, 5), "the census finds keys of this type"


def rows_of(moving: TableIngestion, plan: IngestionPlan, index: int) -> pl.DataFrame:
    return pl.concat(list(moving.source.export(plan, plan.slices[index])))


@pytest.mark.parametrize("storage", ["EXTERNAL", "PLAIN"])
def test_rows_of_very_different_size_are_split_by_bytes(shop, storage):
    """A hundred heavy rows in one corner of the key range, stored out of line, or in line as far as a page goes."""
    database, _, moving = shop
    heavy = 3_000 if storage == "EXTERNAL" else 200
    database.run(
        f"CREATE TABLE t (id int PRIMARY KEY, body text STORAGE {storage})",
        f"INSERT INTO t SELECT g, CASE WHEN g BETWEEN 5000 AND 5100 THEN {NOISE.format(heavy)} ELSE 'light' END "
        "FROM generate_series(1, 30000) g",
        "ANALYZE t",
    )
    target = 1024 * 1024 if storage == "EXTERNAL" else SMALLEST_SLICE
    plan = moving.plan("public.t", target_slice_bytes=target)
    sizes = [rows_of(moving, plan, i).estimated_size() for i in range(len(plan.slices))]
    assert len(sizes) > 5
    assert max(sizes) < 3 * target


def test_a_partitioned_table_is_one_dataset(shop):
    database, _, moving = shop
    database.run(
        "CREATE TABLE t (id int, region text, body text STORAGE EXTERNAL, PRIMARY KEY (region, id)) PARTITION BY LIST (region)",
        "CREATE TABLE t_n PARTITION OF t FOR VALUES IN ('n')",
        "CREATE TABLE t_s PARTITION OF t FOR VALUES IN ('s') PARTITION BY RANGE (id)",
        "CREATE TABLE t_s1 PARTITION OF t_s FOR VALUES FROM (0) TO (400)",
        "CREATE TABLE t_s2 PARTITION OF t_s FOR VALUES FROM (400) TO (9999)",
        f"INSERT INTO t SELECT g, CASE WHEN g % 2 = 0 THEN 'n' ELSE 's' END, {NOISE.format(16)} FROM generate_series(1, 900) g",
        "ANALYZE t",
    )
    catalog = moving.source.collect_catalog("shop")
    assert [(d.dataset_id, d.kind) for d in catalog.datasets] == [("public.t", "partitioned_table")]
    summary = moving.move("public.t", target_slice_bytes=SMALLEST_SLICE)
    assert summary.rows_inserted == 900
    assert summary.slices_planned > 4
    database.run("UPDATE t SET region = 's' WHERE id = 2", "DELETE FROM t WHERE id = 4")
    assert changed(moving.move("public.t")) == (1, 0, 2)


def test_a_table_that_others_inherit_from_has_no_key_of_its_own(shop):
    """Its primary key does not bind the rows of its children, which a read of it returns too."""
    database, there, moving = shop
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE child (note text, PRIMARY KEY (id)) INHERITS (t)",
        "INSERT INTO t VALUES (1), (2)",
        "INSERT INTO child VALUES (2, 'same id'), (3, '')",
    )
    assert moving.unit("public.t").primary_key == ()
    assert moving.unit("public.child").primary_key == ("id",)
    assert moving.move("public.t").rows_inserted == 4
    assert there.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t") == "1 2 2 3"


def test_views_and_materialised_views(shop):
    database, _, moving = shop
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, n int)",
        "INSERT INTO t SELECT g, g FROM generate_series(1, 5000) g",
        "CREATE VIEW seen AS SELECT id, n * 2 AS twice FROM t WHERE n > 10",
        "CREATE MATERIALIZED VIEW kept AS SELECT id, n FROM t",
        "CREATE UNIQUE INDEX ON kept (id)",
        "ANALYZE",
    )
    for dataset, rows in (("public.seen", 4990), ("public.kept", 5000)):
        assert moving.unit(dataset).supported_modes == ("full",)
        first = moving.move(dataset, target_slice_bytes=SMALLEST_SLICE)
        assert (first.rows_inserted, first.slices_planned) == (rows, 1)
        assert moving.move(dataset).rows_deleted == rows, "without a key all is replaced"
    keyed = {"key_columns": ("id",), "target_name": "seen_by_key"}
    assert changed(moving.move("public.seen", **keyed)) == (4990, 0, 0)
    database.run("UPDATE t SET n = 7 WHERE id = 100")
    assert changed(moving.move("public.seen", **keyed)) == (0, 0, 1)


def test_a_table_without_columns_is_no_unit(shop):
    database, _, moving = shop
    database.run("CREATE TABLE nothing ()", "INSERT INTO nothing DEFAULT VALUES", "CREATE TABLE t (id int)")
    catalog = moving.source.collect_catalog("shop")
    assert [unit.unit_id for unit in moving.source.list_units(catalog)] == ["public.t"]


def test_the_plan_in_words(shop):
    database, _, moving = shop
    database.run(
        "CREATE TABLE t (a text, b int, body text STORAGE EXTERNAL, at date, PRIMARY KEY (a, b))",
        f"INSERT INTO t SELECT 'k', g, {NOISE.format(16)}, date '2024-01-01' FROM generate_series(1, 900) g",
        "ANALYZE t",
    )
    lines = explain(moving.plan("public.t", target_slice_bytes=SMALLEST_SLICE)).splitlines()
    assert lines[0].startswith("public.t: full, ")
    assert "split on (a, b)" in lines[1]
    assert "(-∞ … k, " in lines[2]
    assert lines[-1].endswith("… ∞)")
    assert "it fits one slice" in explain(moving.plan("public.t"))


def test_a_resumed_run_has_the_same_slices(shop):
    database, there, moving = shop
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, body text STORAGE EXTERNAL)",
        f"INSERT INTO t SELECT g, {NOISE.format(16)} FROM generate_series(1, 900) g",
        "ANALYZE t",
    )
    how = {"target_slice_bytes": SMALLEST_SLICE, "parallel_slices": 1}

    class StopsAtThird(SilentObserver):
        def upserted(self, piece, receipt) -> None:
            if piece.sequence == 2:
                run.stop()

    request = moving.request("public.t", **how)
    run = UnitRun(moving.source, moving.sink, moving.staging, request, observer=StopsAtThird())
    with pytest.raises(RunStopped):
        run.execute()
    frozen = moving.sink.last_run(request.ref)
    database.run(
        "INSERT INTO t SELECT g, 'later' FROM generate_series(901, 5000) g", "DELETE FROM t WHERE id = 1", "ANALYZE t"
    )
    summary = moving.move("public.t", **how)
    assert summary.run_id == frozen.run_id
    assert moving.sink.last_run(request.ref).plan.slices == frozen.plan.slices
    assert (summary.resumed, summary.slices_done_before) == (True, 3)
    assert summary.slices_done == summary.slices_planned - 3
    assert there.value("SELECT count(*)::bigint FROM t") == 4999
    assert moving.same(moving.plan("public.t"))


def test_what_makes_a_run_start_from_the_beginning(shop):
    database, _, moving = shop
    database.run("CREATE TABLE t (id int PRIMARY KEY, n int)")
    request = moving.request("public.t", resume_within_s=60)
    plan = moving.plan("public.t", resume_within_s=60)
    now = datetime.now(UTC)
    frozen = FrozenRun(ref=request.ref, run_id="r", epoch=1, plan=plan, started_at=now - timedelta(seconds=59))
    assert can_continue(frozen, request, now)
    assert not can_continue(frozen, request, now + timedelta(seconds=2))
    assert not can_continue(frozen, request.model_copy(update={"fresh": True}), now)
    assert not can_continue(frozen.model_copy(update={"finished_at": now}), request, now)
    for other in (
        moving.request("public.t", resume_within_s=60, filter=(Predicate(column="n", op="eq", value=1),)),
        moving.request("public.t", resume_within_s=60, cursor_columns=("n",), mode="incremental"),
        moving.request("public.t", resume_within_s=60, target_name="other"),
    ):
        assert not can_continue(frozen, other, now)
    database.run("ALTER TABLE t ADD COLUMN m int")
    assert not can_continue(frozen, moving.request("public.t", resume_within_s=60), now)


CURSORS = {
    "integer": ("1", "5", "7"),
    "bigint": ("-9223372036854775808", "0", "9223372036854775807"),
    "numeric": ("-1.5", "1.00", "1e30"),
    "numeric(12,3)": ("-1.5", "1.001", "999999999.999"),
    "date": ("4713-01-01 BC", "2024-02-29", "2024-03-01"),
    "timestamp": ("2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.000002", "294276-01-01"),
    "timestamptz": ("2024-01-01 00:00:00.000001+00", "2024-01-01 01:00:00.000002+01", "2024-01-01 00:00:00.000003+00"),
    "timestamptz(3)": ("2024-01-01 00:00:00.001+00", "2024-01-01 00:00:00.002+00", "2024-01-01 00:00:00.003+00"),
}


@pytest.mark.parametrize("kind", CURSORS)
def test_incremental_by_every_cursor(shop, kind):
    database, _, moving = shop
    low, middle, high = CURSORS[kind]
    endless = "integer" not in kind and "bigint" not in kind
    infinite = not kind.startswith(("integer", "bigint", "numeric("))
    database.run(
        f"CREATE TABLE t (id int PRIMARY KEY, c {kind}, n int DEFAULT 0)",
        f"INSERT INTO t (id, c) VALUES (1, '{low}'), (2, '{middle}'), (3, '{middle}'), (4, NULL)",
    )
    if infinite:
        database.run("INSERT INTO t (id, c) VALUES (5, 'infinity'), (6, '-infinity')")
    how = {"mode": "incremental", "cursor_columns": ("c",)}
    rows = 6 if infinite else 4
    assert changed(moving.move("public.t", **how)) == (rows, 0, 0)
    moving.settle("public.t", **how)
    assert moving.checkpoints["public.t"]["settled"] is not None
    quiet = moving.move("public.t", **how)
    assert changed(quiet) == (0, 0, 0)
    assert quiet.rows_read == rows - 1, "the ties at the boundary, and what no watermark can pass"
    database.run(
        "UPDATE t SET n = 1 WHERE id = 1",
        "UPDATE t SET n = 1 WHERE id > 3",
        f"INSERT INTO t (id, c) VALUES (7, '{middle}'), (8, '{high}')",
        "UPDATE t SET n = 2 WHERE id = 3",
    )
    assert changed(moving.move("public.t", **how)) == (2, rows - 2, 0)
    moving.settle("public.t", **how)
    assert endless or moving.move("public.t", **how).rows_read == 2
    assert changed(moving.move("public.t")) == (0, 1, 0), "row 1 changed without its cursor: a full run finds it"


def test_several_cursor_columns(shop):
    database, _, moving = shop
    database.run("CREATE TABLE t (id int PRIMARY KEY, made timestamptz, changed timestamptz)")
    database.run("INSERT INTO t VALUES (1, '2024-01-01', NULL), (2, '2024-01-02', '2024-01-03'), (3, NULL, NULL)")
    how = {"mode": "incremental", "cursor_columns": ("made", "changed")}
    moving.move("public.t", **how)
    moving.settle("public.t", **how)
    assert moving.checkpoints["public.t"]["settled"].startswith("2024-01-03")
    database.run("UPDATE t SET changed = '2024-01-04' WHERE id = 1", "INSERT INTO t VALUES (4, '2024-01-05', NULL)")
    assert changed(moving.move("public.t", **how)) == (1, 1, 0)
    database.run("UPDATE t SET made = '2024-01-06' WHERE id = 3")
    third = moving.move("public.t", **how)
    assert changed(third) == (0, 1, 0)


@pytest.mark.parametrize(
    "other",
    [
        {"cursor_columns": ("d",)},
        {"filter": (Predicate(column="id", op="ge", value=0),)},
        {"cursor_columns": ("c", "d")},
    ],
)
def test_a_checkpoint_of_another_question_reads_everything(shop, other):
    database, _, moving = shop
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, c int, d int)", "INSERT INTO t SELECT g, g, g FROM generate_series(1, 9) g"
    )
    how = {"mode": "incremental", "cursor_columns": ("c",)}
    moving.move("public.t", **how)
    moving.settle("public.t", **how)
    assert moving.move("public.t", **how).rows_read == 1
    assert moving.move("public.t", **{**how, **other}).rows_read == 9


def test_what_a_new_filter_lets_in_and_a_new_column_holds_arrives(shop):
    database, there, moving = shop
    database.run("CREATE TABLE t (id int PRIMARY KEY, c int)", "INSERT INTO t SELECT g, g FROM generate_series(1, 9) g")
    how = {"mode": "incremental", "cursor_columns": ("c",)}
    moving.move("public.t", **how, filter=(Predicate(column="id", op="ge", value=5),))
    assert changed(moving.move("public.t", **how)) == (4, 0, 0)
    database.run("ALTER TABLE t ADD COLUMN note text DEFAULT 'there'")
    assert changed(moving.move("public.t", **how)) == (0, 9, 0)
    assert there.value("SELECT count(*)::bigint FROM t WHERE note = 'there'") == 9


@pytest.mark.parametrize("edited", [{"settled": 5}, {"columns": ["c"], "settled": "not a number"}, {"value": "7"}])
def test_an_invalid_checkpoint_is_a_typed_error(shop, edited):
    database, _, moving = shop
    database.run("CREATE TABLE t (id int PRIMARY KEY, c int)", "INSERT INTO t VALUES (1, 1)")
    how = {"mode": "incremental", "cursor_columns": ("c",)}
    moving.move("public.t", **how)
    moving.checkpoints["public.t"] = {**moving.checkpoints["public.t"], **edited}
    with pytest.raises(IngestionError) as caught:
        moving.move("public.t", **how)
    assert not caught.value.retryable
    moving.checkpoints["public.t"] = None
    assert changed(moving.move("public.t", **how)) == (0, 0, 0)


def test_many_rows_with_one_cursor_value_are_still_divided(shop):
    database, _, moving = shop
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, c int, body text STORAGE EXTERNAL)",
        "INSERT INTO t VALUES (0, 1, '')",
    )
    how = {"mode": "incremental", "cursor_columns": ("c",), "target_slice_bytes": SMALLEST_SLICE}
    moving.move("public.t", **how)
    moving.settle("public.t", **how)
    database.run(f"INSERT INTO t SELECT g, 5, {NOISE.format(16)} FROM generate_series(1, 900) g", "ANALYZE t")
    summary = moving.move("public.t", **how)
    assert summary.strategy == "cursor-range"
    assert summary.slices_planned > 4
    assert changed(summary) == (900, 0, 0)


def test_incremental_without_a_key_is_refused_until_one_is_named(shop):
    database, _, moving = shop
    database.run("CREATE TABLE t (id int, c int, note text)", "INSERT INTO t VALUES (1, 1, ''), (2, 2, '')")
    with pytest.raises(ModeUnsupportedError):
        moving.move("public.t", mode="incremental", cursor_columns=("c",))
    with pytest.raises(ModeUnsupportedError):
        moving.move("public.t", mode="incremental", cursor_columns=("c",), key_columns=("no such",))
    with pytest.raises(CursorUnsupportedError):
        moving.move("public.t", mode="incremental", cursor_columns=("note",), key_columns=("id",))
    how = {"mode": "incremental", "cursor_columns": ("c",), "key_columns": ("id",)}
    assert changed(moving.move("public.t", **how)) == (2, 0, 0)
    database.run("UPDATE t SET c = 3 WHERE id = 1")
    assert changed(moving.move("public.t", **how)) == (0, 1, 0)


def test_a_keyless_run_with_a_cursor_that_is_resumed_keeps_all_rows(shop):
    """What a resumed run reads in addition must not take the place of what is there."""
    database, there, moving = shop
    database.run("CREATE TABLE t (id int, c int)", "INSERT INTO t SELECT g, g FROM generate_series(1, 9) g")
    request = moving.request("public.t", cursor_columns=("c",))

    class StopsAtEnd(SilentObserver):
        def upserted(self, piece, receipt) -> None:
            raise RunStopped

    with pytest.raises(RunStopped):
        UnitRun(moving.source, moving.sink, moving.staging, request, observer=StopsAtEnd()).execute()
    assert moving.execute(request).resumed
    assert there.value("SELECT count(*)::bigint FROM t") == 9


@settings(max_examples=3, deadline=None, derandomize=True)
@given(steps=st.lists(st.sampled_from(["insert", "update", "rekey", "delete"]), min_size=3, max_size=6))
def test_any_changes_are_followed_by_full_runs(postgres, steps):
    name = f"followed_{next(_numbers)}"
    url = postgres.create_database(name)
    with opened(url) as database, mover(url, url, target_schema="copy") as moving:
        database.run(
            "CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT g, g FROM generate_series(1, 20) g"
        )
        for number, step in enumerate(steps, 1):
            database.run(
                {
                    "insert": f"INSERT INTO t SELECT g, g FROM generate_series({number * 1000}, {number * 1000 + 5}) g",
                    "update": f"UPDATE t SET n = n + 1 WHERE id % 3 = {number % 3}",
                    "rekey": f"UPDATE t SET id = id + {number * 100} WHERE id = (SELECT min(id) FROM t)",
                    "delete": "DELETE FROM t WHERE id = (SELECT max(id) FROM t)",
                }[step]
            )
            moving.move("public.t")
            assert (
                database.value("SELECT count(*)::bigint FROM t s FULL JOIN copy.t c USING (id) WHERE s.* *<> c.*") == 0
            )
    postgres.drop_database(name)


_numbers = itertools.count(1)
