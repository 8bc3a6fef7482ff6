"""JSON values as column values: exact, or refused. Nothing is rounded, guessed or shortened.

The types a column can have: ``string``, ``bool``, ``int16``, ``int32``, ``int64``, ``float64``, ``decimal`` (any
digits, staged as text), ``decimal(p,s)``, ``date``, ``timestamptz`` (ISO 8601 text), ``epoch_s`` and ``epoch_ms``
(numbers; moments too), ``uuid``, ``json``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

if TYPE_CHECKING:
    from contracts.catalog import LogicalType

Convert = Callable[[Any], Any]
MOST_DIGITS = 38
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = pl.Datetime("us", "UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])
_KINDS = {str: "a text", bool: "true or false", dict: "an object", list: "a list", int: "a number", Decimal: "a number"}
_encode_json = msgspec.json.Encoder(decimal_format="number").encode


class UnfitError(ValueError):
    """A value has no faithful reading as the column's type; the text says in words why."""


class Type(NamedTuple):
    """A column type, ready to use."""

    logical: LogicalType
    dtype: pl.DataType
    convert: Convert
    """Gives the value for a polars Series of ``dtype``; UnfitError says what does not fit."""
    precision: int | None = None
    scale: int | None = None


def type_of(declared: str, zone: str | None = None) -> Type:
    """The type that a word names.

    Args:
        declared: One of the words above.
        zone: Where clocks stood that wrote moments without an offset (``Europe/Berlin``).

    Raises:
        ValueError: There is no such type.
    """
    if declared == "timestamptz":
        return Type("timestamptz", _MOMENT, _moment_in(ZoneInfo(zone)) if zone else _moment)
    if declared in _PLAIN:
        return _PLAIN[declared]
    match = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", declared)
    if not match:
        raise ValueError(f"there is no column type {declared!r}; there are {', '.join(_PLAIN)}, decimal(p,s)")
    precision, scale = int(match[1]), int(match[2])
    if not 0 < precision <= MOST_DIGITS or scale > precision:
        raise ValueError(f"{declared}: at most {MOST_DIGITS} digits, and not more behind the point than in all")
    return Type("decimal", pl.Decimal(precision, scale), _scaled(precision, scale), precision, scale)


def as_json(value: Any) -> str:
    """JSON text of a decoded value; numbers with all their digits, halves of surrogate pairs as U+FFFD."""
    try:
        return _encode_json(value).decode()
    except UnicodeEncodeError:
        return _encode_json(_without_halves(value)).decode()


def _what_was_found(value: Any) -> str:
    return f"{_KINDS.get(type(value), type(value).__name__)} was found"


def _text(value: Any) -> str:
    if isinstance(value, str):
        # Databases cannot hold NUL in text.
        whole = _whole(value)
        return whole.replace("\0", "\ufffd") if "\0" in whole else whole
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise UnfitError(f"a text is expected, {_what_was_found(value)}")


def _whole(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # halves of surrogate pairs; two that belong together become one character
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, list):
        return [_without_halves(one) for one in value]
    if isinstance(value, dict):
        return {_whole(name): _without_halves(one) for name, one in value.items()}
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise UnfitError(f"true or false is expected, {_what_was_found(value)}")


def _decimal(value: Any) -> Decimal:
    """Numbers, and texts that hold one: many services write exact numbers so."""
    if isinstance(value, float):
        raise UnfitError("a float was found: it has lost digits already; decode with get_json")
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise UnfitError(f"a number is expected, {_what_was_found(value)}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise UnfitError("a number is expected, another text was found") from error
    if not number.is_finite():
        raise UnfitError("a number is expected, NaN or infinity was found")
    return number


def _integer(bits: int) -> Convert:
    limit = 1 << (bits - 1)

    def convert(value: Any) -> int:
        number = value if type(value) is int else _decimal(value)
        if number != int(number) or not -limit <= number < limit:
            raise UnfitError(f"a whole number of {bits} bits is expected, another number was found")
        return int(number)

    return convert


def _scaled(precision: int, scale: int) -> Convert:
    unit = Decimal(1).scaleb(-scale)

    def convert(value: Any) -> Decimal:
        number = _decimal(value)
        try:
            exact = number.quantize(unit, context=_EXACT)
        except (Inexact, InvalidOperation) as error:
            raise UnfitError(f"the number does not fit decimal({precision},{scale})") from error
        if abs(exact.scaleb(scale, context=_EXACT)) >= 10**precision:
            raise UnfitError(f"the number does not fit decimal({precision},{scale})")
        return exact

    return convert


def _float(value: Any) -> float:
    return value if isinstance(value, float) else float(_decimal(value))


def _date(value: Any) -> date:
    # Only this form: a moment has no date before its zone is known.
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise UnfitError(f"a date like 2025-01-31 is expected, {_what_was_found(value)}")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise UnfitError("a date like 2025-01-31 is expected, another text was found") from error


def _iso(value: Any) -> datetime:
    if not isinstance(value, str):
        raise UnfitError(f"a moment in ISO 8601 is expected, {_what_was_found(value)}")
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise UnfitError("a moment in ISO 8601 is expected, another text was found") from error


def _moment(value: Any) -> datetime:
    moment = _iso(value)
    if moment.tzinfo is None:
        raise UnfitError("the moment has no offset: give the column its zone")
    return _utc(moment)


def _moment_in(zone: ZoneInfo) -> Convert:
    def convert(value: Any) -> datetime:
        moment = _iso(value)
        return _utc(moment.replace(tzinfo=zone) if moment.tzinfo is None else moment)

    return convert


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise UnfitError("the moment is outside the years 1 to 9999") from error


def _epoch(per_second: int) -> Convert:
    def convert(value: Any) -> datetime:
        number = _decimal(value)
        try:
            return _EPOCH + timedelta(microseconds=int(number * (1_000_000 // per_second)))
        except OverflowError as error:
            raise UnfitError("the moment is outside the years 1 to 9999") from error

    return convert


def _uuid(value: Any) -> str:
    if not isinstance(value, str):
        raise UnfitError(f"a UUID is expected, {_what_was_found(value)}")
    try:
        return str(UUID(value))
    except ValueError as error:
        raise UnfitError("a UUID is expected, another text was found") from error


_PLAIN: dict[str, Type] = {
    "string": Type("string", pl.String(), _text),
    "bool": Type("bool", pl.Boolean(), _boolean),
    "int16": Type("int16", pl.Int16(), _integer(16)),
    "int32": Type("int32", pl.Int32(), _integer(32)),
    "int64": Type("int64", pl.Int64(), _integer(64)),
    "float64": Type("float64", pl.Float64(), _float),
    "decimal": Type("decimal", pl.String(), lambda value: str(_decimal(value))),
    "date": Type("date", pl.Date(), _date),
    "timestamptz": Type("timestamptz", _MOMENT, _moment),
    "epoch_s": Type("timestamptz", _MOMENT, _epoch(1)),
    "epoch_ms": Type("timestamptz", _MOMENT, _epoch(1_000)),
    "uuid": Type("uuid", pl.String(), _uuid),
    "json": Type("json", pl.String(), as_json),
}
