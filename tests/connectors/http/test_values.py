"""JSON values as column values: exact, or refused with words and without the value."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from connectors.http.json_api import decoded
from connectors.http.rows import RowReader
from connectors.http.units import ApiUnit, Column
from connectors.http.values import type_of
from contracts.errors import SourceValueError


def read(declared: str, body: str, **more):
    """The value of a column whose JSON is ``body``, after a frame of the declared type held it."""
    unit = ApiUnit("u", "U", (Column("id"), Column("x", declared, **more)), ("id",))
    frame = RowReader(unit).frame([{"id": "1", "x": decoded(body.encode())}])
    assert frame.schema["x"] == type_of(declared).dtype
    return frame["x"][0]


@pytest.mark.parametrize(
    ("declared", "body", "value"),
    [
        ("string", '"Ñandú 砂"', "Ñandú 砂"),
        ("string", '"a\\u0000b"', "a\ufffdb"),
        ("string", '"half \\ud83d pair"', "half \ufffd pair"),
        ("string", '"whole \\ud83d\\ude00 pair"', "whole 😀 pair"),
        ("string", "12345678901234567890123", "12345678901234567890123"),
        ("string", '""', ""),
        ("bool", "false", False),
        ("int16", "-32768", -32768),
        ("int64", "9223372036854775807", 9223372036854775807),
        ("int64", "17.0", 17),
        ("int64", '"17"', 17),
        ("float64", "0.1", 0.1),
        ("float64", "3", 3.0),
        ("decimal(10,2)", "12.30", Decimal("12.30")),
        ("decimal(10,2)", "12.300", Decimal("12.30")),
        ("decimal(10,2)", '"-0.05"', Decimal("-0.05")),
        ("decimal(38,10)", "1234567890123456789012345678.0123456789", Decimal("1234567890123456789012345678.0123456789")),
        ("decimal(6,0)", "1E+5", Decimal(100000)),
        ("decimal", "12345678901234567890.123456789012345678901234567890", "12345678901234567890.123456789012345678901234567890"),
        ("date", '"2024-02-29"', date(2024, 2, 29)),
        ("timestamptz", '"2025-03-30T01:30:00.123456+05:30"', datetime(2025, 3, 29, 20, 0, 0, 123456, UTC)),
        ("timestamptz", '"2025-01-01 00:00:00Z"', datetime(2025, 1, 1, tzinfo=UTC)),
        ("epoch_s", "1735689600.25", datetime(2025, 1, 1, 0, 0, 0, 250000, UTC)),
        ("epoch_ms", "-1", datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)),
        ("uuid", '"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"', "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("json", '{"b": 12.30, "a": [null, true]}', '{"b":12.30,"a":[null,true]}'),
        ("json", '"half \\ud83d"', '"half \ufffd"'),
        ("json", '"a\\u0000"', '"a\\u0000"'),
    ],
)  # fmt: skip
def test_exact(declared, body, value):
    assert read(declared, body) == value


@pytest.mark.parametrize(
    ("declared", "body"),
    [
        ("string", "true"), ("string", "[]"), ("bool", "1"), ("bool", '"true"'),
        ("int16", "32768"), ("int32", "2147483648"), ("int64", "9223372036854775808"), ("int64", "1.5"),
        ("int64", "true"), ("int64", '"abc"'), ("float64", '"NaN"'), ("decimal(4,2)", "100.00"),
        ("decimal(4,2)", "1.005"), ("decimal", '"Infinity"'), ("decimal(4,2)", '"NaN"'), ("decimal(4,2)", "1e999999"),
        ("date", '"2024-02-30"'), ("date", '"2024-02-03T00:00:00Z"'), ("date", "20240203"),
        ("timestamptz", '"2025-01-01T00:00:00"'), ("timestamptz", '"2025-01-01"'), ("timestamptz", '"soon"'),
        ("timestamptz", "1735689600"), ("timestamptz", '"0001-01-01T00:00:00+05:00"'), ("epoch_s", "1e15"),
        ("uuid", '"secret-4711"'), ("uuid", "5"),
    ],
)  # fmt: skip
def test_refused(declared, body):
    with pytest.raises(SourceValueError) as caught:
        read(declared, body)
    assert caught.value.facts["column"] == "x"
    assert "u 1: column x" in str(caught.value)


@pytest.mark.parametrize(
    "declared", ["bool", "int64", "float64", "decimal", "decimal(4,2)", "date", "timestamptz", "uuid"]
)
def test_what_was_found_is_not_repeated(declared):
    with pytest.raises(SourceValueError) as caught:
        read(declared, '"hunter2-4711"')
    assert "hunter2" not in f"{caught.value} {caught.value.to_json()}", "it may be private"


def test_a_float_where_a_decimal_belongs_is_refused():
    unit = ApiUnit("u", "U", (Column("id"), Column("x", "decimal(10,2)")), ("id",))
    with pytest.raises(SourceValueError, match="get_json"):
        RowReader(unit).frame([{"id": "1", **json.loads('{"x": 12.30}')}])


@pytest.mark.parametrize(
    ("text", "utc_hour"), [("2025-07-01T12:00:00", 10), ("2025-01-01T12:00:00", 11), ("2025-01-01T12:00:00Z", 12)]
)
def test_a_zone_makes_a_naive_moment_readable(text, utc_hour):
    assert read("timestamptz", json.dumps(text), zone="Europe/Berlin").hour == utc_hour


@pytest.mark.parametrize("body", ["NaN", "[Infinity]", '{"a": 1', "", "\xff", "[" * 100_000 + "]" * 100_000])
def test_what_is_no_json_is_a_value_error(body):
    with pytest.raises(ValueError):  # noqa: PT011 - any; the client asks again
        decoded(body.encode("latin-1"))


def test_pointers():
    columns = (
        Column("id"),
        Column("city", at="/publisher/city"),
        Column("second", at="/tags/1/name"),
        Column("slash", at="/a~1b/~0"),
        Column("raw", "json", at=""),
    )
    row = {"id": "1", "publisher": {"city": "Jena"}, "tags": [{}, {"name": "maps"}], "a/b": {"~": "odd"}}
    frame = RowReader(ApiUnit("u", "U", columns, ("id",))).frame([row, {"id": "2", "publisher": None, "tags": "none"}])
    assert frame.drop("raw").rows() == [("1", "Jena", "maps", "odd"), ("2", None, None, None)]
    assert json.loads(frame["raw"][0]) == row


def test_a_missing_value_is_null_or_refused():
    unit = ApiUnit("u", "U", (Column("id"), Column("must", nullable=False), Column("may")), ("id",))
    assert RowReader(unit).frame([{"id": "1", "must": "x"}])["may"].to_list() == [None]
    for row in ({"id": "1"}, {"must": "x"}, {"id": None, "must": "x"}, {"id": "1", "must": None}):
        with pytest.raises(SourceValueError, match="none was found"):
            RowReader(unit).frame([row])


def test_no_rows_still_have_the_schema():
    unit = ApiUnit("u", "U", (Column("id", "int64"), Column("x", "decimal(5,1)")), ("id",))
    assert RowReader(unit).frame([]).schema == {"id": pl.Int64(), "x": pl.Decimal(5, 1)}
    assert RowReader(unit, keys_only=True).frame([{"id": 1}]).columns == ["id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": (Column("id"), Column("id")), "primary_key": ("id",)},
        {"columns": (Column("id"),), "primary_key": ()},
        {"columns": (Column("id"),), "primary_key": ("key",)},
        {"columns": (Column("id"),), "primary_key": ("id",), "cursor": "updated"},
        {"columns": (Column("id"),), "primary_key": ("id",), "cursor": "id"},
        {"columns": (Column("id"),), "primary_key": ("id",), "windows": True},
        {"columns": (Column("id", "number"),), "primary_key": ("id",)},
        {"columns": (Column("id", "decimal(39,2)"),), "primary_key": ("id",)},
        {"columns": (Column("id", "decimal(2,3)"),), "primary_key": ("id",)},
    ],
)
def test_a_unit_that_makes_no_sense_is_refused_at_once(wrong):
    with pytest.raises(ValueError, match=r"unit u|column type|digits"):
        ApiUnit("u", "U", **wrong)
