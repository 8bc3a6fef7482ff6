"""What goes in comes out: every type from a table through staging to a table, and nothing changes on the way.

Compared in three ways: by binary image (``*<>``) where source and sink are schemas of one database, by the text
that COPY gives, and by the content hashes of both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.postgres.copy_encoder import DRIVER, ENCODER, PGPQ
from contracts.errors import SinkSchemaConflictError
from sandbox.every_type import create_every_type
from tests.connectors.postgres.moving import Database, changed, mover, opened
from tests.connectors.postgres.type_families import DECLARATIONS, FAMILIES, Typed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.postgres import SandboxPostgres
    from tests.connectors.postgres.moving import TableIngestion


class TypesSystem:
    """One database with a source schema and a copy, and a second database that starts empty."""

    def __init__(self, postgres: SandboxPostgres, here: str, there: str) -> None:
        self.postgres = postgres
        self.here, self.there = here, there
        self.database = Database(postgres.url(here))

    def make(self, name: str, types: Sequence[Typed], rows: Sequence[Sequence[str]]) -> str:
        columns = ", ".join(f"c{i} {one.sql}" for i, one in enumerate(types))
        self.database.run(
            f"DROP TABLE IF EXISTS shop.{name}, copy.{name}",
            f"CREATE TABLE shop.{name} (id integer PRIMARY KEY, {columns})",
        )
        if rows:
            listed = ", ".join(
                f"({i}, {', '.join(f'({v})::{one.sql}' for v, one in zip(row, types, strict=True))})"
                for i, row in enumerate(rows)
            )
            self.database.run(f"INSERT INTO shop.{name} VALUES {listed}")
        return f"shop.{name}"

    def differing(self, name: str) -> int:
        """Rows whose binary image is not the same on both sides, or that one side lacks."""
        sql = f"SELECT count(*)::bigint FROM shop.{name} s FULL JOIN copy.{name} t USING (id) WHERE s.* *<> t.*"
        return int(self.database.value(sql))

    def copied(self, database: str, table: str) -> str:
        return self.postgres.psql(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT", database)


@pytest.fixture(scope="module")
def lab(postgres: SandboxPostgres) -> Iterator[TypesSystem]:
    here, there = "types_here", "types_there"
    postgres.create_database(here)
    postgres.create_database(there)
    made = TypesSystem(postgres, here, there)
    made.database.run("CREATE SCHEMA shop", "CREATE SCHEMA copy", *DECLARATIONS)
    yield made
    made.database.close()
    postgres.drop_database(here)
    postgres.drop_database(there)


@pytest.fixture(scope="module")
def across(lab: TypesSystem) -> Iterator[TableIngestion]:
    with mover(lab.postgres.url(lab.here), lab.postgres.url(lab.there)) as made:
        yield made


@pytest.fixture(scope="module")
def beside(lab: TypesSystem) -> Iterator[TableIngestion]:
    with mover(lab.postgres.url(lab.here), lab.postgres.url(lab.here), target_schema="copy") as made:
        yield made


@pytest.fixture(params=(DRIVER, PGPQ))
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What encodes the rows of a COPY."""
    monkeypatch.setenv(ENCODER, request.param)


def edge_rows(types: Sequence[Typed]) -> list[list[str]]:
    """A row for each edge, the shorter columns padded with NULL, and a row of NULLs."""
    count = 1 + max(len(one.edges) for one in types)
    return [[one.edges[i] if i < len(one.edges) else "NULL" for one in types] for i in range(count)]


@pytest.mark.parametrize("family", FAMILIES)
def test_edges_arrive_by_text_and_hash_in_a_database_that_has_no_types(lab, across, family):
    dataset = lab.make(family, FAMILIES[family], edge_rows(FAMILIES[family]))
    first = across.move(dataset)
    assert changed(first) == (len(edge_rows(FAMILIES[family])), 0, 0)
    assert lab.copied(lab.there, dataset) == lab.copied(lab.here, dataset)
    assert across.same(across.plan(dataset))
    again = across.move(dataset)
    assert changed(again) == (0, 0, 0)
    assert again.rows_unchanged == first.rows_inserted


@pytest.mark.parametrize("family", FAMILIES)
def test_edges_arrive_with_the_same_image(lab, beside, encoder, family):
    dataset = lab.make(family, FAMILIES[family], edge_rows(FAMILIES[family]))
    beside.move(dataset)
    assert lab.differing(family) == 0
    assert changed(beside.move(dataset)) == (0, 0, 0)
    lab.database.run(f"UPDATE copy.{family} SET c0 = NULL")
    assert beside.move(dataset).rows_updated > 0
    assert lab.differing(family) == 0


@pytest.mark.parametrize("family", FAMILIES)
@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_random_values(lab, beside, encoder, family, data):
    types = FAMILIES[family]
    row = st.tuples(*(st.just("NULL") | one.values for one in types))
    rows = data.draw(st.lists(row, min_size=24, max_size=24))
    dataset = lab.make(f"random_{family}", types, rows)
    assert changed(beside.move(dataset, fresh=True)) == (len(rows), 0, 0)
    assert lab.differing(f"random_{family}") == 0
    assert beside.same(beside.plan(dataset))
    assert changed(beside.move(dataset)) == (0, 0, 0)


CHANGES = (
    ("numeric", "1.0", "1.00"),
    ("numeric", "NaN", "Infinity"),
    ("numeric(15,2)", "1.10", "NaN"),
    ("numeric(15,2)", "NaN", "1.10"),
    ("numeric[]", "{1.0}", "{1.00}"),
    ("double precision", "0.0", "-0.0"),
    ("real", "0.0", "-0.0"),
    ("point", "(0,0)", "(-0,0)"),
    ("json", '{"a":1}', '{"a": 1}'),
    ("json", '{"a":1,"b":2}', '{"b":2,"a":1}'),
    ("jsonb", "1.0", "1.00"),
    ("interval", "1 mon", "30 days"),
    ("interval", "1 day", "24:00"),
    ("timetz", "12:00+00", "13:00+01"),
    ("character varying(9)", "a", "a "),
    ("bpchar", "a", "a "),
    ("text", "a", "A"),
    ("text", "é", "e\u0301"),
    ("text", "", None),
    ("text", None, ""),
    ("integer[]", "{1,2}", "[0:1]={1,2}"),
    ("integer[]", "{}", None),
    ("integer[]", "{NULL}", "{}"),
    ("inet", "10.0.0.1", "10.0.0.1/31"),
    ("int4range", "[1,2)", "empty"),
    ("numrange", "[1.0,2]", "[1.00,2]"),
    ("bit varying", "01", "010"),
    ("timestamptz", "infinity", "294276-12-31 23:59:59.999999+00"),
    ("date", "-infinity", "4714-11-24 BC"),
    ("polygon", "((0,0),(1,0),(1,1))", "((1,0),(1,1),(0,0))"),
    ("made.address", "(a,1,{},1.00)", "(a,1,,1.00)"),
    ("made.percentage", "50", "50.01"),
)


def test_a_change_of_one_value_arrives_however_small(lab, beside):
    """Two values that are equal and not the same differ at the source, so they must differ in the sink."""
    types = [Typed(kind, ()) for kind, _, _ in CHANGES]
    before, after = ([quoted(c[i]) if c[i] is not None else "NULL" for c in CHANGES] for i in (1, 2))
    # Row i holds every "before" but has "after" in column i alone once the source has changed.
    dataset = lab.make("changes", types, [before] * len(types))
    beside.move(dataset)
    for i, value in enumerate(after):
        lab.database.run(f"UPDATE shop.changes SET c{i} = ({value})::{types[i].sql} WHERE id = {i}")
    assert changed(beside.move(dataset)) == (0, len(types), 0)
    assert lab.differing("changes") == 0
    assert changed(beside.move(dataset)) == (0, 0, 0)


def test_the_sandbox_table_of_every_type(lab, across):
    create_every_type(lab.postgres, lab.here, rows=300)
    first = across.move("sandbox.every_type", target_slice_bytes=64 * 1024)
    assert first.rows_inserted == 300
    assert first.slices_done > 1
    assert lab.copied(lab.there, "sandbox.every_type") == lab.copied(lab.here, "sandbox.every_type")
    assert across.same(across.plan("sandbox.every_type"))
    assert changed(across.move("sandbox.every_type")) == (0, 0, 0)


def test_generated_and_identity_columns_arrive_as_plain_ones(lab, beside):
    lab.database.run(
        "CREATE TABLE shop.made_columns (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, other int "
        "GENERATED BY DEFAULT AS IDENTITY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED, "
        "thrice int GENERATED ALWAYS AS (n * 3) VIRTUAL, stamp timestamptz DEFAULT now())",
        "INSERT INTO shop.made_columns (n) SELECT g FROM generate_series(1, 9) g",
    )
    assert beside.move("shop.made_columns").rows_inserted == 9
    lab.database.run("UPDATE shop.made_columns SET n = -1 WHERE id = 4")
    assert changed(beside.move("shop.made_columns")) == (0, 1, 0)
    copied = lab.database.rows("SELECT n, twice, thrice FROM copy.made_columns WHERE id = 4")
    assert copied == [(-1, -2, -3)]


def test_names_that_mean_something_in_one_database_only_become_text(lab, across):
    kinds = ("regclass", "regtype", "regproc", "regprocedure", "regoper", "regoperator", "regrole", "regnamespace")
    values = ("shop.base", "integer", "pg_catalog.now", "pg_catalog.abs(integer)", "pg_catalog.||/")
    rest = ("pg_catalog.+(integer,integer)", "postgres", "shop")
    lab.database.run("CREATE TABLE shop.base (id int)")
    types = [Typed(kind, ()) for kind in (*kinds, "regclass[]", "aclitem")]
    row = [quoted(value) for value in (*values, *rest, "{shop.base,NULL}", "postgres=r/postgres")]
    dataset = lab.make("reg", types, [row])
    assert across.move(dataset).rows_inserted == 1
    assert changed(across.move(dataset)) == (0, 0, 0)
    with opened(lab.postgres.url(lab.there)) as there:
        (row,) = there.rows("SELECT c0, c1, c3, c8::text FROM shop.reg")
    assert row == ("shop.base", "integer", "abs(integer)", "{shop.base,NULL}")


PROBES = {
    "xml": ("", "xml", "<a b='ü'>t</a>"),
    "hstore": ("CREATE EXTENSION hstore SCHEMA public", "public.hstore", '"a"=>NULL, "b c"=>"d"'),
    "citext": ("CREATE EXTENSION citext SCHEMA public", "public.citext", "Abc"),
    "vector": ("CREATE EXTENSION vector SCHEMA public", "public.vector(3)", "[1,2.5,-3]"),
}


@pytest.mark.parametrize("kind", PROBES)
def test_types_that_not_every_server_has(lab, across, kind, record_property):
    """On a server that lacks the type this proves that it does (see the property in the report), and no more."""
    prepare, declared, value = PROBES[kind]
    try:
        for database in (lab.here, lab.there):
            lab.postgres.psql(f"{prepare}; SELECT {quoted(value)}::{declared}", database)
    except RuntimeError as lacking:
        record_property("lacking", str(lacking))
        assert any(sign in str(lacking) for sign in ("is not available", "unsupported XML", "could not open"))
        return
    dataset = lab.make(f"probe_{kind}", [Typed(declared, ())], [[quoted(value)], ["NULL"]])
    assert across.move(dataset).rows_inserted == 2
    assert lab.copied(lab.there, dataset) == lab.copied(lab.here, dataset)
    assert changed(across.move(dataset)) == (0, 0, 0)


def test_a_type_of_an_extension_that_the_sink_lacks_is_named(lab, two_databases):
    source, sink = two_databases
    with opened(source) as database, mover(source, sink) as moving:
        database.run(
            "CREATE TYPE public.span AS RANGE (subtype = time)", "CREATE TABLE t (id int PRIMARY KEY, s public.span)"
        )
        with pytest.raises(SinkSchemaConflictError, match=r"public\.span"):
            moving.move("public.t")


def test_an_enum_grows_and_a_composite_may_not(two_databases):
    source, sink = two_databases
    with opened(source) as database, opened(sink) as there, mover(source, sink) as moving:
        database.run(
            "CREATE TYPE public.mood AS ENUM ('low', 'high')",
            "CREATE TYPE public.pair AS (a int)",
            "CREATE TABLE t (id int PRIMARY KEY, m public.mood)",
            "CREATE TABLE u (id int PRIMARY KEY, p public.pair)",
            "INSERT INTO t VALUES (1, 'low')",
            "INSERT INTO u VALUES (1, ROW(1))",
        )
        moving.move("public.t")
        moving.move("public.u")
        database.run("ALTER TYPE public.mood ADD VALUE 'so so' AFTER 'low'", "INSERT INTO t VALUES (2, 'so so')")
        assert changed(moving.move("public.t")) == (1, 0, 0)
        assert there.rows(
            "SELECT string_agg(e::text, '|' ORDER BY e) FROM unnest(enum_range(NULL::public.mood)) e"
        ) == [("low|so so|high",)]
        database.run("ALTER TYPE public.pair ADD ATTRIBUTE b text CASCADE")
        with pytest.raises(SinkSchemaConflictError, match=r"public\.pair"):
            moving.move("public.u")


@pytest.mark.parametrize("special", ["NaN", "7.00"])
def test_numerics_keep_their_trailing_zeros_in_a_wider_sink(two_databases, encoder, special):
    source, sink = two_databases
    with opened(source) as database, opened(sink) as there, mover(source, sink) as moving:
        database.run("CREATE TABLE t (id int PRIMARY KEY, n numeric(15,2), m numeric(15,2))")
        database.run(f"INSERT INTO t VALUES (1, 1.10, '{special}'), (2, 0, -5), (3, 100, 1e12)")
        there.run("CREATE TABLE t (id int PRIMARY KEY, n numeric, m numeric(30,2))")
        moving.move("public.t")
        assert there.rows("SELECT n::text FROM t ORDER BY id") == [("1.10",), ("0.00",), ("100.00",)]
        assert moving.same(moving.plan("public.t"))
        assert changed(moving.move("public.t")) == (0, 0, 0)
