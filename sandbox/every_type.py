"""A table with a column of every built-in type: first rows at the edges of each type, random ones after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.postgres import SandboxPostgres

TABLE = "sandbox.every_type"


@dataclass(frozen=True)
class TypedColumn:
    """One nullable column: SQL type, literals of its edge values (NULL is one more), a random expression.

    The expression may use `i`, the row's number, and is cast to the type.
    """

    name: str
    sql_type: str
    edges: tuple[str, ...]
    random: str
    probe: str | None = None
    """SQL that fails where the server does not have this type."""


_TEXT_EDGES = (
    "",
    "plain",
    "ümläut ß €",
    "日本語 🚀",
    " spaces  kept ",
    "line\nbreak\ttab",
    'quote " backslash \\ NULL',
    "x",
)
_FAR = "294276-12-31"
_WORD = "substr(md5(random()::text), 1, (random() * 20)::int)"
_DAYS = "date '1900-01-01' + (random() * 80000)::int"
_INSTANT = "timestamp '1950-01-01' + random() * interval '150 years'"
_NUMBER = "((random() - 0.5) * 1e9)"
_POINT = "point(random() * 100, random() * -100)"

COLUMNS: tuple[TypedColumn, ...] = (
    TypedColumn("a_smallint", "smallint", ("-32768", "32767", "0"), "(random() - 0.5) * 60000"),
    TypedColumn("an_integer", "integer", ("-2147483648", "2147483647", "0"), "(random() - 0.5) * 4e9"),
    TypedColumn("a_bigint", "bigint", ("-9223372036854775808", "9223372036854775807"), "(random() - 0.5) * 1.8e19"),
    TypedColumn("a_real", "real", ("NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38"), _NUMBER),
    TypedColumn(
        "a_double",
        "double precision",
        ("NaN", "Infinity", "-Infinity", "-0", "5e-324", "0.1"),
        f"{_NUMBER} * 1e30",
    ),
    TypedColumn("a_numeric", "numeric", ("NaN", "Infinity", "-Infinity", "1e-40", "9" * 60, "0.10"), f"{_NUMBER} / 3"),
    TypedColumn("a_numeric_15_2", "numeric(15,2)", ("NaN", "9999999999999.99", "-9999999999999.99", "0"), _NUMBER),
    TypedColumn("a_numeric_38_10", "numeric(38,10)", ("NaN", "9" * 28 + "." + "9" * 10, "-0.0000000001"), _NUMBER),
    TypedColumn("a_numeric_5_m2", "numeric(5,-2)", ("9999900", "-9999900", "0"), "(random() - 0.5) * 1e6"),
    TypedColumn("a_text", "text", (*_TEXT_EDGES, "x" * 100_000), "repeat(md5(random()::text), (random() * 5)::int)"),
    TypedColumn("a_varchar", "varchar(40)", _TEXT_EDGES, _WORD),
    TypedColumn("a_char", "char(8)", ("", "a", "exactly8", "ü"), "substr(md5(random()::text), 1, 6)"),
    TypedColumn("an_internal_char", '"char"', ("", "a", "\\377"), "chr(97 + (random() * 25)::int)"),
    TypedColumn("a_name", "name", ("", "n" * 63, "Ünïcode"), _WORD),
    TypedColumn("a_bytea", "bytea", ("\\x", "\\x00", "\\xdeadbeef00ff"), "sha256(random()::text::bytea)"),
    TypedColumn("a_boolean", "boolean", ("true", "false"), "random() < 0.5"),
    TypedColumn("a_uuid", "uuid", ("0" * 32, "f" * 32), "gen_random_uuid()"),
    TypedColumn("a_date", "date", ("infinity", "-infinity", "4713-01-01 BC", "5874897-12-31", "0001-01-01"), _DAYS),
    TypedColumn("a_time", "time", ("00:00", "24:00", "23:59:59.999999"), _INSTANT),
    TypedColumn("a_timetz", "timetz", ("00:00+15:59", "24:00-15:59", "12:34:56.789+05:30"), f"({_INSTANT})::time"),
    TypedColumn(
        "a_timestamp",
        "timestamp",
        ("infinity", "-infinity", f"{_FAR} 23:59:59.999999", "4713-01-01 BC"),
        _INSTANT,
    ),
    TypedColumn("a_timestamp_3", "timestamp(3)", ("infinity", "2000-01-01 00:00:00.001"), _INSTANT),
    TypedColumn(
        "a_timestamptz",
        "timestamptz",
        ("infinity", "-infinity", f"{_FAR} 23:59:59+00", "4713-01-01 BC"),
        _INSTANT,
    ),
    TypedColumn(
        "an_interval",
        "interval",
        (
            "0",
            "infinity",
            "-infinity",
            "1 year 2 mons -3 days 04:05:06.789",
            "-178000000 years",
            "2147483647 days",
        ),
        "random() * interval '10 years' + interval '1 month' * (random() * 9)::int",
    ),
    TypedColumn(
        "a_json",
        "json",
        ("null", '{"b":  1, "a": [1, 2.50, "ü"], "a": 2}', '""'),
        "json_build_object('i', i)",
    ),
    TypedColumn(
        "a_jsonb",
        "jsonb",
        ("null", '{"n": 12345678901234567890.1}', "[]", '{"": {}}'),
        "to_jsonb(md5(i::text))",
    ),
    TypedColumn("a_jsonpath", "jsonpath", ("$", "$.a[*] ? (@ > 1)"), "'$.k' || i"),
    TypedColumn(
        "some_integers",
        "integer[]",
        ("{}", "{1,NULL,3}", "{{1,2},{3,NULL}}", "[0:1]={7,8}"),
        "array[i, NULL, -i]",
    ),
    TypedColumn(
        "some_texts",
        "text[]",
        ("{}", '{"a,b","NULL",NULL,"","\\"q\\"","\\\\"}', "{{a,b},{c,d}}"),
        "array[md5(i::text)]",
    ),
    TypedColumn("some_numerics", "numeric(10,2)[]", ("{1.10,NaN,NULL}", "{{{0.01}}}"), f"array[{_NUMBER} / 1000]"),
    TypedColumn("some_timestamptzs", "timestamptz[]", ("{infinity,NULL}", "{}"), f"array[{_INSTANT}]"),
    TypedColumn("an_enum", "sandbox.mood", ("low", "so so", "Über"), "(array['low', 'so so', 'Über'])[1 + i % 3]"),
    TypedColumn("some_enums", "sandbox.mood[]", ('{low,NULL,"so so"}', "{}"), "array['low']"),
    TypedColumn("a_domain", "sandbox.percentage", ("0", "100", "33.33"), "random() * 100"),
    TypedColumn(
        "a_composite",
        "sandbox.address",
        ('("5th, ""Avenue""",10001,"{a,b}")', "(,,)", '("",0,{})'),
        "row(md5(i::text), i, array['x'])",
    ),
    TypedColumn("an_int4range", "int4range", ("empty", "(,)", "[1,5)", "[-2147483648,)"), "int4range(i, i + 9)"),
    TypedColumn("an_int8range", "int8range", ("empty", "(,5]"), "int8range(i, i + 9)"),
    TypedColumn("a_numrange", "numrange", ("empty", "(0.1,NaN]", "[1,1]"), "numrange(i, i + 0.5, '[]')"),
    TypedColumn(
        "a_daterange",
        "daterange",
        ("empty", "[-infinity,infinity]", "[2024-02-29,)"),
        f"daterange({_DAYS}, NULL)",
    ),
    TypedColumn(
        "a_tsrange",
        "tsrange",
        ("empty", '[2000-01-01,"2000-01-01 00:00:00.000001"]'),
        f"tsrange({_INSTANT}, NULL)",
    ),
    TypedColumn("a_tstzrange", "tstzrange", ("empty", "(,infinity]"), f"tstzrange({_INSTANT}, NULL)"),
    TypedColumn(
        "an_int4multirange",
        "int4multirange",
        ("{}", "{[1,3),[5,9)}", "{(,)}"),
        "int4multirange(int4range(i, i + 1))",
    ),
    TypedColumn("a_tstzmultirange", "tstzmultirange", ("{}", "{[2000-01-01,2001-01-01),[2002-01-01,)}"), "'{}'"),
    TypedColumn("an_inet", "inet", ("0.0.0.0/0", "192.168.1.5/24", "::1", "2001:db8::/32"), "inet '10.0.0.0' + i"),
    TypedColumn(
        "a_cidr",
        "cidr",
        ("0.0.0.0/0", "192.168.0.0/16", "2001:db8::/32"),
        "set_masklen(inet '10.0.0.0' + i, 32)",
    ),
    TypedColumn("a_macaddr", "macaddr", ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"), "substr(md5(i::text), 1, 12)"),
    TypedColumn("a_macaddr8", "macaddr8", ("08:00:2b:01:02:03:04:05",), "substr(md5(i::text), 1, 16)"),
    TypedColumn("a_bit", "bit(10)", ("0000000000", "1111111111"), "(i % 1024)::bit(10)"),
    TypedColumn("a_varbit", "varbit", ("", "1", "0" * 70), "i::bit(20)"),
    TypedColumn(
        "a_money",
        "money",
        ("-92233720368547758.08", "92233720368547758.07", "0"),
        "(random() * 1e6)::numeric",
    ),
    TypedColumn("a_tsvector", "tsvector", ("", "'a':1A,3B 'it''s':2"), "to_tsvector('simple', md5(i::text))"),
    TypedColumn("a_tsquery", "tsquery", ("", "'a' & !'b' <2> 'c'"), "plainto_tsquery('simple', 'x' || i)"),
    TypedColumn("a_point", "point", ("(NaN,Infinity)", "(0,-0)"), _POINT),
    TypedColumn("a_line", "line", ("{1,-1,0.1}",), f"line({_POINT}, point(i, 1000))"),
    TypedColumn("a_lseg", "lseg", ("[(0,0),(1e300,1)]",), f"lseg({_POINT}, {_POINT})"),
    TypedColumn("a_box", "box", ("(1,1),(0,0)",), f"box({_POINT}, {_POINT})"),
    TypedColumn("a_path", "path", ("[(0,0),(1,1)]", "((0,0),(1,0),(1,1))"), "path '((0,0),(2,2))'"),
    TypedColumn("a_polygon", "polygon", ("((0,0),(1,0),(1,1))",), f"polygon(box({_POINT}, {_POINT}))"),
    TypedColumn("a_circle", "circle", ("<(0,0),0>", "<(1,-1),1e10>"), f"circle({_POINT}, random())"),
    TypedColumn("a_pg_lsn", "pg_lsn", ("0/0", "FFFFFFFF/FFFFFFFF"), "'0/' || to_hex(i)"),
    TypedColumn("an_oid", "oid", ("0", "4294967295"), "i"),
    TypedColumn("an_xml", "xml", ("<a/>", "<a b='ü'>t</a>"), "('<i>' || i || '</i>')::xml", probe="SELECT '<a/>'::xml"),
    TypedColumn(
        "an_hstore",
        "hstore",
        ("", '"a"=>NULL, "b c"=>"d"'),
        "hstore('k', i::text)",
        probe="CREATE EXTENSION IF NOT EXISTS hstore",
    ),
)

_DECLARATIONS = """
CREATE SCHEMA IF NOT EXISTS sandbox;
CREATE TYPE sandbox.mood AS ENUM ('low', 'so so', 'Über');
CREATE DOMAIN sandbox.percentage AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE sandbox.address AS (street text, zip integer, tags text[]);
"""


def create_every_type(postgres: SandboxPostgres, database: str, rows: int) -> tuple[TypedColumn, ...]:
    """Create and fill `sandbox.every_type`; returns its nullable columns, those this server knows.

    Shape: `id bigint` (identity, primary key), one column per `TypedColumn`, and the generated columns
    `id_doubled` and `text_length`. Edge rows come first: one for each edge value and one of NULLs, then
    random ones up to `rows` in all (there are never fewer than the edge rows).

    Raises:
        RuntimeError: the table exists.
    """
    columns = tuple(column for column in COLUMNS if _known(postgres, database, column))
    postgres.psql(_DECLARATIONS + _table(columns), database)
    edges = 1 + max(len(column.edges) for column in columns)
    inserts = [_edge_row(columns, number) for number in range(edges)]
    postgres.psql("\n".join([*inserts, _random_rows(columns, edges + 1, rows), f"ANALYZE {TABLE};"]), database)
    return columns


def _known(postgres: SandboxPostgres, database: str, column: TypedColumn) -> bool:
    try:
        postgres.psql(column.probe or "", database)
    except RuntimeError:
        return False
    return True


def _table(columns: tuple[TypedColumn, ...]) -> str:
    parts = [
        "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        *(f"{column.name} {column.sql_type}" for column in columns),
        "id_doubled bigint GENERATED ALWAYS AS (id * 2) STORED",
        "text_length integer GENERATED ALWAYS AS (length(a_text)) STORED",
    ]
    return f"CREATE TABLE {TABLE} ({', '.join(parts)});"


def _edge_row(columns: tuple[TypedColumn, ...], number: int) -> str:
    values = [_literal(column.edges[number]) if number < len(column.edges) else "NULL" for column in columns]
    return f"INSERT INTO {TABLE} ({_names(columns)}) VALUES ({', '.join(values)});"


def _random_rows(columns: tuple[TypedColumn, ...], first: int, last: int) -> str:
    values = ", ".join(f"CASE WHEN random() < 0.9 THEN ({column.random})::{column.sql_type} END" for column in columns)
    return f"INSERT INTO {TABLE} ({_names(columns)}) SELECT {values} FROM generate_series({first}, {last}) AS i;"


def _names(columns: tuple[TypedColumn, ...]) -> str:
    return ", ".join(column.name for column in columns)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
