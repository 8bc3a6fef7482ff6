"""Every type of PostgreSQL that a column can have, by family: edge values and a way to random ones.

Values are SQL expressions. A family is one table, so that many types cost one run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
ODD_SCHEMA = '"Odd.Schema ""quoted"""'
ODD_TYPE = f'{ODD_SCHEMA}."Type (3)"'
DECLARATIONS = (
    "CREATE SCHEMA made",
    f"CREATE SCHEMA {ODD_SCHEMA}",
    "CREATE TYPE made.mood AS ENUM ('low', 'so so', 'Über', 'it''s', 'a,b', '\"q\"', '')",
    f"CREATE TYPE {ODD_TYPE} AS ENUM ('x', 'y,z')",
    "CREATE DOMAIN made.percentage AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100)",
    "CREATE DOMAIN made.half AS made.percentage CHECK (VALUE <= 50)",
    "CREATE DOMAIN made.code AS char(4)",
    "CREATE DOMAIN made.spaced AS bpchar",
    "CREATE DOMAIN made.good_mood AS made.mood CHECK (VALUE <> 'low')",
    "CREATE DOMAIN made.moods AS made.mood[]",
    "CREATE DOMAIN made.matrix AS integer[]",
    'CREATE TYPE made.address AS (street text, "zip code" integer, tags text[], paid numeric(9,2))',
    "CREATE TYPE made.person AS (name text, home made.address, others made.address[], mood made.mood)",
    "CREATE DOMAIN made.home AS made.address CHECK ((VALUE).street <> 'nowhere')",
)


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def literals(*values: str) -> tuple[str, ...]:
    return tuple(quoted(value) for value in values)


@dataclass(frozen=True)
class Typed:
    """A type, its edge values and a strategy, all SQL expressions that can be cast to the type."""

    sql: str
    edges: tuple[str, ...]
    values: SearchStrategy[str] = field(default_factory=lambda: st.just("NULL"))


def _integers(bits: int) -> SearchStrategy[str]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1).map(lambda n: f"'{n}'")


def _floats(width: int) -> SearchStrategy[str]:
    return st.floats(width=width).map(lambda x: f"'{x!r}'")


def _decimals(whole: int, places: int) -> SearchStrategy[str]:
    digits = st.from_regex(rf"-?[0-9]{{0,{whole}}}\.[0-9]{{0,{places}}}", fullmatch=True)
    return digits.filter(lambda text: any(char.isdigit() for char in text)).map(quoted) | st.just("'NaN'")


def _array(of: str, items: SearchStrategy[str]) -> SearchStrategy[str]:
    listed = st.lists(items | st.just("NULL"), max_size=4)
    return listed.map(lambda values: f"ARRAY[{', '.join(values)}]::{of}[]")


_TEXTS = TEXT.map(quoted)
_DAYS = st.integers(-2_451_545, 2_145_031_948).map(lambda days: f"(date '2000-01-01' + {days})")
_NEAR_DAYS = st.integers(-40_000, 40_000).map(lambda days: f"(date '2000-01-01' + {days})")
_MICROS = st.integers(-211_813_488 * 10**9, 92 * 10**17)
_INSTANTS = _MICROS.map(
    lambda us: f"(timestamp '2000-01-01' + {us // 10**6} * interval '1 s' + {us % 10**6} * interval '1 us')"
)
_INTERVALS = st.tuples(
    st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**50), 2**50)
).map(lambda p: f"make_interval(months => {p[0]}, days => {p[1]}) + {p[2]} * interval '1 us'")
_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
_JSON = st.tuples(_JSON_VALUES, st.sampled_from([None, 1])).map(lambda p: quoted(json.dumps(p[0], indent=p[1])))
_COORDINATES = st.floats(width=64).map(repr)
_FINITE = st.floats(-1e100, 1e100).map(repr)
_POINTS = st.tuples(_COORDINATES, _COORDINATES).map(lambda p: f"'({p[0]},{p[1]})'")
_MOODS = st.sampled_from(["low", "so so", "Über", "it's", "a,b", '"q"', ""]).map(quoted)
_ADDRESSES = st.tuples(_TEXTS, _integers(32), _array("text", _TEXTS), _decimals(5, 2)).map(
    lambda p: f"ROW({p[0]}, {p[1]}, {p[2]}, {p[3]})::made.address"
)
_PEOPLE = st.tuples(_TEXTS, _ADDRESSES | st.just("NULL"), _array("made.address", _ADDRESSES), _MOODS).map(
    lambda p: f"ROW({p[0]}, {p[1]}, {p[2]}, {p[3]})::made.person"
)
_PAIRS = st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 10**6))


def _ranges(kind: str, wrap: str = "{}") -> SearchStrategy[str]:
    def text(pair: tuple[int, int]) -> str:
        low, high = (wrap.format(n) for n in (pair[0], pair[0] + pair[1]))
        return f"{kind}({low}, {high})"

    return _PAIRS.map(text)


NUMBERS = (
    Typed("boolean", literals("true", "false"), st.sampled_from(["true", "false"])),
    Typed("smallint", literals("-32768", "32767", "0"), _integers(16)),
    Typed("integer", literals("-2147483648", "2147483647", "0"), _integers(32)),
    Typed("bigint", literals("-9223372036854775808", "9223372036854775807"), _integers(64)),
    Typed(
        "real",
        literals("NaN", "Infinity", "-Infinity", "-0", "0", "1e-45", "1.1754944e-38", "3.4028235e38", "0.1"),
        _floats(32),
    ),
    Typed(
        "double precision",
        literals("NaN", "Infinity", "-Infinity", "-0", "0", "5e-324", "2.2250738585072014e-308", "0.1"),
        _floats(64),
    ),
    Typed("oid", literals("0", "2147483648", "4294967295"), st.integers(0, 2**32 - 1).map(lambda n: f"'{n}'")),
    Typed(
        "money",
        literals("-92233720368547758.08", "92233720368547758.07", "0", "-0.01"),
        st.integers(-(10**15), 10**15).map(lambda n: f"'{n}'::numeric / 100"),
    ),
)
NUMERICS = (
    Typed(
        "numeric",
        literals("NaN", "Infinity", "-Infinity", "1e-40", "9" * 200, "0.10", "0.100", "-0.0", "1e1000", "1e-16383"),
        _decimals(60, 40),
    ),
    Typed("numeric(15,2)", literals("NaN", "9999999999999.99", "-9999999999999.99", "0", "0.01"), _decimals(13, 2)),
    Typed("numeric(18,18)", literals("NaN", "0." + "9" * 18, "-0." + "0" * 17 + "1"), _decimals(0, 18)),
    Typed("numeric(18,0)", literals("NaN", "9" * 18, "-" + "9" * 18), _decimals(18, 0)),
    Typed("numeric(19,4)", literals("NaN", "9" * 15 + ".9999", "-1"), _decimals(15, 4)),
    Typed("numeric(38,10)", literals("NaN", "9" * 28 + "." + "9" * 10, "-0.0000000001"), _decimals(28, 10)),
    Typed("numeric(5,-2)", literals("NaN", "9999900", "-9999900", "0", "149"), _decimals(6, 0)),
    Typed("numeric(3,5)", literals("NaN", "0.00999", "-0.00001", "0"), st.integers(-999, 999).map(lambda n: f"{n}e-5")),
    Typed("numeric(1000,500)", literals("NaN", "9" * 500 + "." + "9" * 500, "1e-500"), _decimals(90, 90)),
    Typed("numeric(1,0)", literals("NaN", "9", "-9", "0"), st.integers(-9, 9).map(str)),
)
_SPACED = literals("", " ", "a", " a ", "a  ", "ü  ", "日本", 'q " \\ ', "\t\n")
TEXTS = (
    Typed("text", literals("", " a ", "ümläut", "日本語 🚀", "\\N", "\\.", "NULL", "a\r\nb\tc", "x" * 100_000), _TEXTS),
    Typed("character varying(40)", _SPACED, _TEXTS),
    Typed("character varying", _SPACED, _TEXTS),
    Typed("character(8)", _SPACED, TEXT.map(lambda text: quoted(text[:8]))),
    Typed("character(1)", literals("", "ü", " "), st.sampled_from("abü ").map(quoted)),
    Typed("bpchar", _SPACED, _TEXTS),
    Typed('"char"', literals("", "a", "\\377", "\\200"), st.sampled_from("aZ~ ").map(quoted)),
    Typed("name", literals("", "n" * 63, "Ünïcode", " a "), TEXT.map(lambda text: quoted(text[:15]))),
    Typed("bytea", literals("\\x", "\\x00", "\\xdeadbeef00ff", "\\x5c"), st.binary().map(lambda b: f"'\\x{b.hex()}'")),
)
_FAR = literals(
    "infinity", "-infinity", "294276-12-31 23:59:59.999999", "4714-11-24 00:00 BC", "0001-01-01", "1970-01-01"
)
MOMENTS = (
    Typed("date", literals("infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "0001-01-01 BC"), _DAYS),
    Typed("timestamp", (*_FAR, "'1999-12-31 23:59:59.999999'"), _INSTANTS),
    Typed("timestamp(3)", ("'infinity'", "'2000-01-01 00:00:00.001'"), _INSTANTS),
    Typed("timestamptz", (*_FAR, "'2024-03-31 02:30:00.000001+05:45'"), _INSTANTS),
    Typed("timestamptz(0)", ("'-infinity'", "'2000-01-01 00:00:01-11'"), _INSTANTS),
    Typed("time", literals("00:00", "24:00", "23:59:59.999999"), _INSTANTS),
    Typed("time(2)", literals("00:00", "24:00", "23:59:59.99"), _INSTANTS),
    Typed("timetz", literals("00:00+15:59:59", "24:00-15:59:59", "12:34:56.789+05:30"), _INSTANTS.map("({})::time".format)),
    Typed("timetz(1)", literals("24:00+00", "12:34:56.7-03"), _INSTANTS.map("({})::time".format)),
    Typed(
        "interval",
        literals(
            "0", "infinity", "-infinity", "1 year 2 mons -3 days 04:05:06.789", "-178000000 years", "2147483647 days",
            "-1 mon +1 day -00:00:00.000001", "2562047788:00:54.775807", "30 days", "1 mon", "24:00",
        ),
        _INTERVALS,
    ),
    Typed("interval year to month", literals("-7 years 3 mons", "infinity"), _INTERVALS),
    Typed("interval day to second(2)", literals("1 12:00:00.25", "-infinity"), _INTERVALS),
)  # fmt: skip
DOCUMENTS = (
    Typed(
        "json", literals("null", '{"b":  1, "a": [1, 2.50, "ü"], "a": 2}', '""', '"\\u0000"', "1e400", "\n[ ]"), _JSON
    ),
    Typed("jsonb", literals("null", '{"n": 12345678901234567890.10}', "[]", '{"": {}}', "1E400", '"\\ud83d\\ude80"')),
    Typed("jsonpath", literals("$", "$.a[*] ? (@ > 1)", 'strict $."ü"')),
    Typed("tsvector", literals("", "'a':1A,3B 'it''s':2", "'x y':16383D")),
    Typed("tsquery", literals("", "'a' & !'b' <2> 'c'", "'a':*AB | 'it''s'")),
    Typed("uuid", literals("0" * 32, "f" * 32), st.uuids().map(lambda uuid: f"'{uuid}'")),
)
ARRAYS = (
    Typed("integer[]", literals("{}", "{1,NULL,3}", "{{1,2},{3,NULL}}", "[2:3]={1,2}", "[-1:0][2:2]={{1},{2}}"), _array("integer", _integers(32))),
    Typed("text[]", literals("{}", '{"a,b","NULL",NULL,"","\\"q\\"","\\\\"," "}', "{{a,b},{c,d}}"), _array("text", _TEXTS)),
    Typed("boolean[][]", literals("{t,f,NULL}", "{{t},{f}}"), _array("boolean", st.sampled_from(["true", "false"]))),
    Typed("numeric(10,2)[]", literals("{1.10,NaN,NULL}", "{{{0.01}}}"), _array("numeric(10,2)", _decimals(7, 2))),
    Typed("double precision[]", literals("{NaN,-0,Infinity,NULL}", "{5e-324}"), _array("float8", _floats(64))),
    Typed("real[]", literals("{0.1,1e-45}"), _array("float4", _floats(32))),
    Typed("timestamptz[]", literals("{infinity,NULL,-infinity}", "{}"), _array("timestamptz", _INSTANTS)),
    Typed("date[]", literals("{infinity,4714-11-24 BC}"), _array("date", _DAYS)),
    Typed("interval[]", literals("{infinity,1 mon,30 days}"), _array("interval", _INTERVALS)),
    Typed("character(3)[]", literals("{a,\"b  \",NULL}"), _array("char(3)", st.sampled_from(["'a'", "' ü'"]))),
    Typed("bpchar[]", literals('{"a  ",NULL}')),
    Typed("bytea[]", ("ARRAY['\\x00', '\\x5c', NULL]::bytea[]",), _array("bytea", st.binary(max_size=9).map(lambda b: f"'\\x{b.hex()}'"))),
    Typed("json[]", ("ARRAY['{\"a\":  1}', 'null', NULL]::json[]",), _array("json", _JSON)),
    Typed("jsonb[]", ("ARRAY['{\"a\":  1}', 'null', NULL]::jsonb[]",)),
    Typed("uuid[]", literals("{00000000-0000-0000-0000-000000000000,NULL}"), _array("uuid", st.uuids().map(lambda u: f"'{u}'"))),
    Typed("name[]", literals('{a,"b c"}')),
    Typed("int4range[]", ("ARRAY['empty', '(,)', '[1,2)']::int4range[]",)),
    Typed("point[]", ("ARRAY['(NaN,-0)']::point[]",), _array("point", _POINTS)),
    Typed("box[]", ("ARRAY['(1,1),(0,0)']::box[]",)),
)  # fmt: skip
MADE = (
    Typed("made.mood", literals("low", "so so", "Über", "it's", "a,b", '"q"', ""), _MOODS),
    Typed("made.mood[]", ("ARRAY['low', NULL, 'a,b', '\"q\"', '']::made.mood[]", "'{}'"), _array("made.mood", _MOODS)),
    Typed(ODD_TYPE, literals("x", "y,z")),
    Typed(f"{ODD_TYPE}[]", ("ARRAY['x', 'y,z']",)),
    Typed("made.percentage", literals("0", "100", "33.33"), st.integers(0, 10_000).map(lambda n: f"{n} / 100.0")),
    Typed("made.percentage[]", literals("{0,NULL,12.30}")),
    Typed("made.half", literals("0", "50", "33.30")),
    Typed("made.code", literals("", "ab", "abcd", "ü")),
    Typed("made.spaced", literals("", "ab", " ab")),  # trailing blanks would be lost: see connectors/postgres/types.py
    Typed("made.good_mood", literals("so so", "a,b")),
    Typed("made.moods", ("ARRAY['low', NULL, 'a,b']::made.mood[]", "'{}'"), _array("made.mood", _MOODS)),
    Typed("made.matrix", literals("{{1,2},{3,NULL}}", "[2:3]={1,2}"), _array("integer", _integers(32))),
    Typed("made.address", literals('("5th, ""Avenue""",10001,"{a,b}",1.10)', "(,,,)", '("",0,{},NaN)'), _ADDRESSES),
    Typed("made.address[]", ("ARRAY[ROW('a', 1, '{x,\"y,z\"}', 1), NULL]::made.address[]",), _array("made.address", _ADDRESSES)),
    Typed("made.person", ("ROW('n', ROW('a \"b\"', 1, '{x}', 1.00), ARRAY[ROW('c', 2, NULL, 2)::made.address], 'a,b')",), _PEOPLE),
    Typed("made.home", ("ROW('a', 1, '{}', 1)::made.address",), _ADDRESSES),
)  # fmt: skip
RANGES = (
    Typed("int4range", literals("empty", "(,)", "[1,5)", "[-2147483648,)"), _ranges("int4range")),
    Typed("int8range", literals("empty", "(,5]"), _ranges("int8range")),
    Typed("numrange", literals("empty", "(0.1,NaN]", "[1,1]", "[1.0,1.00]", "(-Infinity,Infinity)"), _ranges("numrange", "{} / 8.0")),
    Typed("daterange", literals("empty", "[-infinity,infinity]", "[2024-02-29,)"), _ranges("daterange", "date '2000-01-01' + {} / 100")),
    Typed("tsrange", literals("empty", '[2000-01-01,"2000-01-01 00:00:00.000001"]', "[-infinity,infinity)")),
    Typed("tstzrange", literals("empty", "(,infinity]", '["2000-01-01 00:00:00.5+01",)')),
    Typed("int4multirange", literals("{}", "{[1,3),[5,9)}", "{(,)}"), _ranges("int4range").map("int4multirange({})".format)),
    Typed("int8multirange", literals("{}", "{(,9)}")),
    Typed("nummultirange", literals("{}", "{[1.0,1.00],(2,3]}")),
    Typed("datemultirange", literals("{}", "{[2000-01-01,infinity]}")),
    Typed("tsmultirange", literals("{}", "{[2000-01-01,2001-01-01)}")),
    Typed("tstzmultirange", literals("{}", "{[2000-01-01,2001-01-01),[2002-01-01,)}")),
)  # fmt: skip
NETWORK = (
    Typed("inet", literals("0.0.0.0/0", "192.168.1.5/24", "10.0.0.1", "::1", "2001:db8::/32"), st.ip_addresses().map(lambda ip: f"'{ip}'")),
    Typed("cidr", literals("0.0.0.0/0", "192.168.0.0/16", "10.0.0.1/32", "2001:db8::/32"), st.ip_addresses().map(lambda ip: f"'{ip}'")),
    Typed("macaddr", literals("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"), st.binary(min_size=6, max_size=6).map(lambda b: f"'{b.hex()}'")),
    Typed("macaddr8", literals("08:00:2b:01:02:03:04:05"), st.binary(min_size=8, max_size=8).map(lambda b: f"'{b.hex()}'")),
    Typed("bit(10)", literals("0000000000", "1111111111"), st.integers(0, 1023).map(lambda n: f"({n})::bit(10)")),
    Typed("bit varying(9)", literals("", "1", "000000001"), st.from_regex(r"[01]{0,9}", fullmatch=True).map(quoted)),
    Typed("bit varying", literals("", "1", "0" * 70), st.from_regex(r"[01]{0,40}", fullmatch=True).map(quoted)),
)  # fmt: skip
GEOMETRY = (
    Typed("point", literals("(NaN,Infinity)", "(0,-0)", "(5e-324,0.1)"), _POINTS),
    Typed("line", literals("{1,-1,0.1}"), st.tuples(_FINITE, _FINITE).map(lambda p: f"'{{1,{p[0]},{p[1]}}}'")),
    Typed("lseg", literals("[(0,0),(1e300,-Infinity)]"), st.tuples(_POINTS, _POINTS).map(lambda p: f"lseg({p[0]}, {p[1]})")),
    Typed("box", literals("(1,1),(0,0)", "(Infinity,NaN),(0,-0)")),
    Typed("path", literals("[(0,0),(1,1)]", "((0,0),(1,0),(NaN,1))"), st.lists(st.tuples(_COORDINATES, _COORDINATES), min_size=1, max_size=4).map(lambda ps: quoted("[" + ",".join(f"({x},{y})" for x, y in ps) + "]"))),
    Typed("polygon", literals("((0,0),(1,0),(1,1))", "((NaN,Infinity))")),
    Typed("circle", literals("<(0,0),0>", "<(1,-1),1e10>", "<(NaN,-Infinity),Infinity>")),
)  # fmt: skip
SYSTEM = (
    Typed("pg_lsn", literals("0/0", "FFFFFFFF/FFFFFFFF"), st.integers(0, 2**64 - 1).map(lambda n: f"'{n >> 32:X}/{n & 0xFFFFFFFF:X}'")),
    Typed("xid", literals("0", "4294967295")),
    Typed("xid8", literals("0", "18446744073709551615"), st.integers(0, 2**64 - 1).map(lambda n: f"'{n}'")),
    Typed("cid", literals("0", "4294967295")),
    Typed("tid", literals("(0,0)", "(4294967295,65535)")),
    Typed("pg_snapshot", literals("10:20:10,14,15", "9223372036854775807:9223372036854775807:")),
    Typed("txid_snapshot", literals("10:20:10,14,15")),
    Typed("int2vector", literals("1 2 -3", "")),
    Typed("oidvector", literals("1 4294967295", "")),
    Typed("refcursor", literals("c", "odd \"name\"")),
)  # fmt: skip

FAMILIES: dict[str, tuple[Typed, ...]] = {
    "numbers": NUMBERS, "numerics": NUMERICS, "texts": TEXTS, "moments": MOMENTS, "documents": DOCUMENTS,
    "arrays": ARRAYS, "made": MADE, "ranges": RANGES, "network": NETWORK, "geometry": GEOMETRY, "system": SYSTEM,
}  # fmt: skip
