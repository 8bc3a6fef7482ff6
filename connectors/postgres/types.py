"""How every PostgreSQL type travels: the one module that decides (the table is ``docs/types.md``).

Reading: each declared type has a *route*: an SQL expression to select, and what is made of the column afterwards.

``native``   as the driver reads it: booleans, integers, floats, text, varchar, char(n), name, bytea
``moment``   date, timestamp, timestamptz: native, with ±infinity moved to the ends of the staged integer
``scaled``   numeric(p ≤ 18, s): an exact scaled bigint that becomes a Decimal here (the driver's own numeric is three
             times slower); a slice that holds NaN is read again as ``text``
``text``     everything else: the type's own text, which PostgreSQL reads back unchanged

Two things do not stay what they were. Names of objects (regclass and its like, aclitem) mean something in their own
database only: the sink keeps them as text. A domain over ``bpchar`` without a length loses trailing blanks.

Writing: a staged column goes *direct* into a column by binary COPY when its bytes can be put into the type's wire
format here, or through a work table of a plain type and a cast in SQL.

Sources: PostgreSQL manual, "Binary Format" of COPY and chapter 8 "Data Types"; measured in ``benchmarks/``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from connectors.postgres.sql import ident

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.catalog import ColumnDescriptor, LogicalType

Route = Literal["native", "moment", "scaled", "text"]

UNIX_TO_PG_DAYS = 10_957
UNIX_TO_PG_US = 946_684_800_000_000
MAX_SCALED_PRECISION = 18

_LOGICAL: dict[str, LogicalType] = {
    "boolean": "bool", "smallint": "int16", "integer": "int32", "bigint": "int64", "real": "float32",
    "double precision": "float64", "numeric": "decimal", "text": "string", "character varying": "string",
    "character": "string", "bpchar": "string", "name": "string", "bytea": "binary", "date": "date", "time": "time",
    "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz", "interval": "interval",
    "json": "json", "jsonb": "json", "uuid": "uuid",
}  # fmt: skip
_DECLARED: dict[LogicalType, str] = {
    "bool": "boolean", "int16": "smallint", "int32": "integer", "int64": "bigint", "float32": "real",
    "float64": "double precision", "decimal": "numeric", "string": "text", "binary": "bytea", "date": "date",
    "time": "time without time zone", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "interval": "interval", "json": "json", "uuid": "uuid", "other": "text",
}  # fmt: skip
_NATIVE = {"boolean", "smallint", "integer", "bigint", "real", "double precision", "text", "character varying",
           "character", "bpchar", "name", "bytea"}  # fmt: skip
_MOMENTS = {"date", "timestamp without time zone", "timestamp with time zone"}
_DTYPES: dict[str, pl.DataType] = {
    "boolean": pl.Boolean(), "smallint": pl.Int16(), "integer": pl.Int32(), "bigint": pl.Int64(), "real": pl.Float32(),
    "double precision": pl.Float64(), "bytea": pl.Binary(), "date": pl.Date(),
    "timestamp without time zone": pl.Datetime("us"), "timestamp with time zone": pl.Datetime("us", "UTC"),
}  # fmt: skip
_STRINGS = {"text", "character varying", "character", "bpchar", "name", "json"}
_NAMES = {"regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator",
          "regproc", "regprocedure", "regrole", "regtype", "aclitem"}  # fmt: skip
_CURSORS = {"smallint", "integer", "bigint", "numeric", *_MOMENTS}


def base_type(declared_type: str) -> str:
    """``numeric(15,2)`` -> ``numeric``; ``timestamp(3) with time zone`` -> ``timestamp with time zone``."""
    return re.sub(r"\s*\([^)]*\)", "", declared_type)


def modifiers(declared_type: str) -> tuple[int, ...]:
    """The numbers in parentheses: ``numeric(15,2)`` -> (15, 2); none -> ()."""
    match = re.search(r"\(([-\d,\s]+)\)", declared_type)
    return tuple(int(part) for part in match.group(1).split(",")) if match else ()


def logical_type(declared_type: str) -> LogicalType:
    """The neutral type a declared type stands for; ``other`` for what only text can carry."""
    base = base_type(declared_type)
    return _LOGICAL.get("time" if base == "time without time zone" else base, "other")


def declared_type(column: ColumnDescriptor, dialect: str) -> str:
    """The type a sink column gets: the source's own words in our dialect, the neutral type's otherwise."""
    if dialect == "postgres":
        array = "[]" if column.declared_type.endswith("[]") else ""
        return f"text{array}" if column.declared_type.removesuffix("[]") in _NAMES else column.declared_type
    if column.logical_type == "decimal" and column.precision is not None:
        return f"numeric({column.precision},{column.scale or 0})"
    return _DECLARED[column.logical_type]


def can_be_cursor(declared_type: str) -> bool:
    """True for integers, numeric, date and the two timestamps: types whose order is the order of change."""
    return base_type(declared_type) in _CURSORS


def has_infinity(declared_type: str) -> bool:
    """True when the type has ``infinity`` (and, for numeric, NaN above it): values no watermark may reach."""
    return base_type(declared_type) in (*_MOMENTS, "numeric")


def is_moment(declared_type: str) -> bool:
    """True for dates and timestamps: values that the server's clock can be compared with."""
    return base_type(declared_type) in _MOMENTS


def route(declared_type: str) -> Route:
    """How a column of that type is read."""
    base = base_type(declared_type)
    if base in _NATIVE:
        return "native"
    if base in _MOMENTS:
        return "moment"
    if base == "numeric" and _scale_of(declared_type) is not None:
        return "scaled"
    return "text"


def _scale_of(declared_type: str) -> tuple[int, int] | None:
    numbers = modifiers(declared_type)
    if not numbers or numbers[0] > MAX_SCALED_PRECISION:
        return None
    scale = numbers[1] if len(numbers) > 1 else 0
    return (numbers[0], scale) if 0 <= scale <= numbers[0] else None


def select_expression(name: str, declared: str, *, exact: bool = False) -> str:
    """What to select for a column. ``exact`` reads scaled numerics as text, for slices that hold NaN."""
    how = route(declared)
    column = ident(name)
    if how == "scaled" and not exact:
        scale = (_scale_of(declared) or (0, 0))[1]
        return f"({column} * 1{'0' * scale})::bigint AS {column}" if scale else f"{column}::bigint AS {column}"
    return f"{column}::text AS {column}" if how in ("text", "scaled") else column


def staged(frame: pl.DataFrame, types: Mapping[str, str], *, exact: bool = False) -> pl.DataFrame:
    """The frame as it goes to staging. Shape: same rows, same columns, in the same order."""
    expressions = [_staged_column(frame, name, types[name], exact=exact) for name in frame.columns]
    return frame.with_columns([expression for expression in expressions if expression is not None])


def _staged_column(frame: pl.DataFrame, name: str, declared: str, *, exact: bool) -> pl.Expr | None:
    how = route(declared)
    if how == "scaled" and not exact:
        precision, scale = _scale_of(declared) or (18, 0)
        unit = pl.lit(f"0.{'0' * (scale - 1)}1" if scale else "1").cast(pl.Decimal(18, scale))
        return (pl.col(name).cast(pl.Decimal(18, 0)) * unit).cast(pl.Decimal(precision, scale)).alias(name)
    if how == "moment":
        return _swap_infinities(frame[name])
    return None


def _swap_infinities(moments: pl.Series) -> pl.Expr | None:
    """Exchange the wrapped ±infinity with the ends of the integer; doing it twice gives the column back.

    The driver adds the distance between the two epochs modulo 2^n, so PostgreSQL's infinities (the ends of its own
    integer) arrive in the middle of the past. At the ends they sort where they belong and stay unambiguous.
    """
    bits, shift = (32, UNIX_TO_PG_DAYS) if moments.dtype == pl.Date else (64, UNIX_TO_PG_US)
    top, bottom = (1 << (bits - 1)) - 1, -(1 << (bits - 1))
    wrapped = {top: bottom + shift - 1, bottom: bottom + shift}
    physical = moments.to_physical()
    lowest, highest = physical.min(), physical.max()
    if lowest is None or (int(lowest) > wrapped[bottom] and int(highest) < top):  # type: ignore[arg-type]
        return None
    column = pl.col(moments.name).to_physical()
    pairs = {**wrapped, **{value: key for key, value in wrapped.items()}}
    swapped = column.replace(list(pairs.keys()), list(pairs.values()))
    return swapped.cast(moments.dtype).alias(moments.name)


@dataclass(frozen=True)
class ColumnWrite:
    """How one staged column is written to one column of a table.

    Attributes:
        encoded: The polars expression whose bytes binary COPY accepts for ``work_type``.
        work_type: The column's type in a work table.
        cast: SQL that turns the work column into the target's type; None when it already is.
    """

    name: str
    encoded: pl.Expr
    work_type: str
    cast: str | None

    @property
    def direct(self) -> bool:
        """True when COPY may go straight into the target."""
        return self.cast is None


def column_write(name: str, dtype: pl.DataType, target_type: str) -> ColumnWrite:
    """The way from a staged dtype to a declared type."""
    base = base_type(target_type)
    if base == "numeric" and modifiers(target_type) and dtype.base_type() == pl.Decimal:
        return ColumnWrite(name, pl.col(name), target_type, None)
    if dtype == pl.String and base in (*_STRINGS, "jsonb", "uuid"):
        return ColumnWrite(name, _text_encoded(name, base), target_type, None)
    if _DTYPES.get(base) == dtype:
        return ColumnWrite(name, _encoded(name, dtype), target_type, None)
    work_type = _work_type(dtype)
    return ColumnWrite(name, _encoded(name, dtype), work_type, f"{ident(name)}::{target_type}")


def _text_encoded(name: str, base: str) -> pl.Expr:
    column = pl.col(name)
    if base == "jsonb":
        return pl.concat_str([pl.lit("\x01"), column]).alias(name)  # jsonb_recv: one version byte, then the text
    if base == "uuid":
        return column.str.replace_all("-", "", literal=True).str.decode("hex").alias(name)
    return column


def _encoded(name: str, dtype: pl.DataType) -> pl.Expr:
    """Moments as PostgreSQL's own integers, so that values the driver would refuse (infinity) pass unchanged."""
    column = pl.col(name)
    if dtype == pl.Date:
        return (_unswapped(column.to_physical(), 32, UNIX_TO_PG_DAYS)).alias(name)
    if dtype.base_type() == pl.Datetime:
        return (_unswapped(column.cast(pl.Datetime("us")).to_physical(), 64, UNIX_TO_PG_US)).alias(name)
    if dtype.base_type() in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    return column


def _unswapped(physical: pl.Expr, bits: int, shift: int) -> pl.Expr:
    top, bottom = (1 << (bits - 1)) - 1, -(1 << (bits - 1))
    kind = pl.Int32 if bits == 32 else pl.Int64
    shifted = physical - pl.lit(shift, dtype=kind)
    ends = {top: top, bottom: bottom, bottom + shift - 1: top - shift, bottom + shift: bottom - shift + (1 << bits)}
    special = physical.is_in(list(ends))
    return pl.when(special).then(physical.replace_strict(ends, default=None, return_dtype=kind)).otherwise(shifted)


def _work_type(dtype: pl.DataType) -> str:
    for declared, known in _DTYPES.items():
        if known == dtype:
            return declared
    if isinstance(dtype, pl.Decimal):
        # The driver leaves trailing zeros out (1.10 arrives as 1.1): a column that has a scale brings them back.
        return f"numeric({dtype.precision},{dtype.scale})"
    if dtype.base_type() == pl.Datetime:
        return "timestamp with time zone" if getattr(dtype, "time_zone", None) else "timestamp without time zone"
    if dtype.base_type() in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    if dtype in (pl.Int8(), pl.UInt8()):
        return "smallint"
    raise TypeError(f"no work table type for {dtype}")
