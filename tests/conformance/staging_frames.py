"""Frames that are hard to carry exactly, and the comparison that notices."""

from __future__ import annotations

import struct
from decimal import Decimal

import polars as pl

_I32 = [-(2**31), -(2**31) + 1, -1, 0, 2**31 - 2, 2**31 - 1, None]
_I64 = [-(2**63), -(2**63) + 1, -1, 0, 2**63 - 2, 2**63 - 1, None]
# What Postgres's infinities become when an Arrow reader adds the 30 years between the two epochs and wraps.
_WRAPPED_DAYS = 10_957
_WRAPPED_US = 946_684_800_000_000
_I32_WRAPPED = [-(2**31) + _WRAPPED_DAYS - 1, 2**31 - _WRAPPED_DAYS]
_I64_WRAPPED = [-(2**63) + _WRAPPED_US - 1, 2**63 - _WRAPPED_US]
_FLOATS = [float("nan"), float("inf"), float("-inf"), -0.0, 0.0, 5e-324, None]


def extreme_frame() -> pl.DataFrame:
    """Shape: 9 rows; a column per type at the ends of its range, with NULLs."""
    columns = {**_times(), **_numbers(), **_bytes(), **_nested()}
    return pl.DataFrame({name: _nine(one) for name, one in columns.items()})


def identical(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    """Same columns in order, same dtypes, same values bit for bit (NaN equals NaN, -0.0 differs from 0.0)."""
    if left.schema != right.schema or left.columns != right.columns or left.height != right.height:
        return False
    return all(
        one.equals(other, check_dtypes=True, null_equal=True) and _bits(one) == _bits(other)
        for one, other in zip(left, right, strict=True)
    )


def _bits(series: pl.Series) -> list[bytes | None]:
    # Many temporal values have no Python object, so they are compared as the integers they are.
    if series.dtype.is_temporal():
        return [repr(value).encode() for value in series.to_physical().to_list()]
    if series.dtype.is_float():
        return [None if value is None else struct.pack("<d", value) for value in series.to_list()]
    return []


def _nine(series: pl.Series) -> pl.Series:
    return series.extend_constant(None, 9 - len(series))


def _times() -> dict[str, pl.Series]:
    days = pl.Series(_I32 + _I32_WRAPPED, dtype=pl.Int32)
    ticks = pl.Series(_I64 + _I64_WRAPPED, dtype=pl.Int64)
    zones = (None, "UTC", "Europe/Berlin")
    stamps = {f"dt_{unit}_{zone}": ticks.cast(pl.Datetime(unit, zone)) for unit in ("ms", "us", "ns") for zone in zones}
    spans = {f"span_{unit}": ticks.cast(pl.Duration(unit)) for unit in ("ms", "us", "ns")}
    time = pl.Series([0, 1, 86_399_999_999_999], dtype=pl.Int64).cast(pl.Time)
    return {"date": days.cast(pl.Date), "time": time, **stamps, **spans}


def _numbers() -> dict[str, pl.Series]:
    signed = {
        f"i{k}": pl.Series([-(2 ** (k - 1)), 2 ** (k - 1) - 1], dtype=getattr(pl, f"Int{k}"))
        for k in (8, 16, 32, 64, 128)
    }
    unsigned = {f"u{k}": pl.Series([0, 2**k - 1], dtype=getattr(pl, f"UInt{k}")) for k in (8, 16, 32, 64)}
    decimals = {
        f"dec_{p}_{s}": _decimal(p, s) for p, s in ((1, 0), (9, 2), (18, 18), (20, 5), (38, 0), (38, 19), (38, 38))
    }
    floats = {"f64": pl.Series(_FLOATS), "f32": pl.Series(_FLOATS, dtype=pl.Float32)}
    return {**signed, **unsigned, **decimals, **floats, "bool": pl.Series([True, False, None])}


def _decimal(precision: int, scale: int) -> pl.Series:
    ends = [Decimal((sign, (9,) * precision, -scale)) for sign in (0, 1)]
    return pl.Series([*ends, Decimal((0, (1,), -scale)), Decimal(0), None], dtype=pl.Decimal(precision, scale))


def _bytes() -> dict[str, pl.Series]:
    texts = ["", "\0", "naïve 漢字 🧊 \u202e", "x" * 100_000, "'\"\\\r\n\t", None]
    return {
        "text": pl.Series(texts),
        "binary": pl.Series([b"", b"\0", bytes(range(256)), b"\xff" * 70_000, None]),
        "category": pl.Series(["a", "", "b", None, "a"]).cast(pl.Categorical),
        "enum": pl.Series(["low", "high", None], dtype=pl.Enum(["low", "high"])),
        "nothing": pl.Series([None, None], dtype=pl.Null),
    }


def _nested() -> dict[str, pl.Series]:
    pair = pl.Struct({"a": pl.Int64, "b": pl.List(pl.String)})
    return {
        "list": pl.Series([[1, None], [], None, [None]], dtype=pl.List(pl.Int64)),
        "list_list": pl.Series([[[1, None], [], None], [], None, [[]]], dtype=pl.List(pl.List(pl.Int32))),
        "list_date": pl.Series([_I32, [], None], dtype=pl.List(pl.Int32)).cast(pl.List(pl.Date)),
        "list_stamp": pl.Series([_I64, [], None], dtype=pl.List(pl.Int64)).cast(pl.List(pl.Datetime("us", "UTC"))),
        "list_binary": pl.Series([[b"", b"\0", None], [], None], dtype=pl.List(pl.Binary)),
        "list_float": pl.Series([[float("nan"), None], [], None], dtype=pl.List(pl.Float64)),
        "list_decimal": pl.Series([[Decimal("-1.50"), None], None], dtype=pl.List(pl.Decimal(38, 2))),
        "array": pl.Series([[1, None], None, [3, 4]], dtype=pl.Array(pl.Int16, 2)),
        "struct": pl.Series([{"a": 1, "b": ["x", None]}, None, {"a": None, "b": None}], dtype=pair),
        "list_struct": pl.Series([[{"a": 1, "b": []}, None], [], None], dtype=pl.List(pair)),
    }
