"""Values that do not survive a careless reader."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector_kit.checks.check import CheckObservation, Group, failed
from connector_kit.checks.expectations import describe_error
from connector_kit.checks.rows import difference, same, shown
from connector_kit.recording.page_faults import EditRow
from connector_kit.recording.page_shape import GONE, get, put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.checks.context import CheckContext
    from connector_kit.checks.system import FieldLocation
    from contracts.errors import IngestionError

GROUP = Group("rows", "Values")
_HUGE = "0123456789 äöü " * 100_000
_NUL = "before\0after"


def one_value(context: CheckContext, field: FieldLocation, value: Any) -> tuple[Any, IngestionError | None, str]:
    """Put a value into one row: what comes out in its column, or the error; and what else changed, in words."""
    location, truth = context.system.row_location, context.truth
    target = sorted(truth)[len(truth) // 2]

    def edit(row: Any) -> Any:
        return put(row, field.json, value) if str(get(row, location.key)) == target else row

    fault = EditRow(location.shape, edit, f"{field.json} set", **location.request_filter)
    with context.connected() as one:
        plan = context.plan(one)
        one.proxy.fault = fault
        reading = one.read(plan)
        loose = [column.name for column in plan.unit.columns if column.logical_type == "json"]
    if reading.error is not None:
        return None, reading.error, ""
    if reading.gaps:
        return None, None, f"a gap: {reading.gaps[0]}"
    if target not in reading.rows:
        return None, None, f"row {target} is missing"
    return reading.rows[target][field.column], None, difference(truth, reading.rows, [*loose, field.column])


def _exactly(
    context: CheckContext, kind: str, value: Any, wanted: Sequence[Any], description: str, *, refusable: bool
) -> CheckObservation:
    """The value comes out as one of those wanted; or an error says that it does not fit."""
    field = context.system.field(kind)
    sent = f"{description} in field {field.json}"
    right = " or ".join(shown(one) for one in wanted)
    expected = (
        f"{right}{', or' if wanted and refusable else ''}{' a typed error with a next step' if refusable else ''}"
    )
    stored, error, other = one_value(context, field, value)
    if error is not None:
        return CheckObservation(refusable and bool(error.next_step), sent, describe_error(error), expected)
    if other:
        return failed(sent, other, expected)
    return CheckObservation(any(same(stored, one) for one in wanted), sent, shown(stored), expected)


@GROUP.check("decimals", "Decimals keep every digit and are never floats", "I12")
def decimals(context: CheckContext) -> CheckObservation:
    """As many digits as the column holds."""
    field = context.system.field("decimal")
    with context.connected() as one:
        column = one.unit.dataset.column(field.column)
    if column is None or column.logical_type != "decimal":
        declared = "no column" if column is None else f"declared {column.declared_type}"
        return failed(f"decimals in field {field.json}", f"column {field.column}: {declared}", "a decimal column")
    digits = ("1234567890" * 4)[: column.precision or 30]
    value = Decimal(digits).scaleb(-(column.scale if column.scale is not None else 15))
    wanted = [value] if column.precision is not None else [str(value)]
    return _exactly(context, "decimal", value, wanted, f"the number {value}", refusable=False)


@GROUP.check("decimal-digits", "A decimal with more digits than its column is an error, not rounded", "I12")
def decimal_digits(context: CheckContext) -> CheckObservation:
    """Digits behind the last one that fits."""
    field = context.system.field("decimal")
    with context.connected() as one:
        column = one.unit.dataset.column(field.column)
    scale = column.scale if column is not None and column.scale is not None else 20
    value = Decimal(1) + Decimal(5).scaleb(-scale - 1)
    return _exactly(context, "decimal", value, [value, str(value)], f"the number {value}", refusable=True)


@GROUP.check("integers", "Integers above 2^53 keep every digit", "I12")
def integers(context: CheckContext) -> CheckObservation:
    """2^53 + 1, which no float holds."""
    value = 2**53 + 1
    return _exactly(context, "integer", value, [value, str(value)], f"the number {value}", refusable=True)


@GROUP.check("integer-too-large", "An integer that does not fit is an error, not wrapped around", "I12")
def integer_too_large(context: CheckContext) -> CheckObservation:
    """2^63, one more than 64 bits hold."""
    value = 2**63
    return _exactly(context, "integer", value, [value, str(value)], f"the number {value}", refusable=True)


@GROUP.check("zero", "Zero stays zero and does not become null", "I12")
def zero(context: CheckContext) -> CheckObservation:
    """0, in the first field of numbers that the test system names."""
    kind = next((one for one in ("integer", "float") if one in context.system.fields), "decimal")
    return _exactly(context, kind, 0, [0, Decimal(0), "0"], "the number 0", refusable=False)


@GROUP.check("null-moment", "A row without a moment of change is not lost", "I1 I12")
def null_moment(context: CheckContext) -> CheckObservation:
    """One row's moment is null."""
    return _exactly(context, "timestamp", None, [None], "null", refusable=True)


@GROUP.check("nan", "NaN in a number column is NaN or an error, never null", "I12")
def nan(context: CheckContext) -> CheckObservation:
    """A bare NaN, as some servers write it."""
    kind = "float" if "float" in context.system.fields else "decimal"
    wanted = [float("nan"), "NaN"]
    return _exactly(context, kind, float("nan"), wanted, "NaN, which is no JSON,", refusable=True)


@GROUP.check("floats", "Floats come out as the nearest float", "I12")
def floats(context: CheckContext) -> CheckObservation:
    """0.30000000000000004."""
    value = 0.1 + 0.2
    return _exactly(context, "float", value, [value], f"the number {value!r}", refusable=False)


@GROUP.check("nul", "NUL characters do not reach staging and lose no row", "I12")
def nul(context: CheckContext) -> CheckObservation:
    """A text with a NUL in its middle."""
    field = context.system.field("text")
    sent, expected = (
        f"a text with a NUL in field {field.json}",
        "the text without the NUL, both halves; or a typed error",
    )
    stored, error, other = one_value(context, field, _NUL)
    if error is not None:
        return CheckObservation(bool(error.next_step), sent, describe_error(error), expected)
    right = isinstance(stored, str) and "\0" not in stored and stored.startswith("before") and stored.endswith("after")
    return CheckObservation(right and not other, sent, other or shown(stored), expected)


@GROUP.check("surrogates", "A lone surrogate loses no row", "I12")
def surrogates(context: CheckContext) -> CheckObservation:
    """A text that no encoding of Unicode holds."""
    field = context.system.field("text")
    sent, expected = (
        f"a text with half a surrogate pair in field {field.json}",
        "text that can be encoded; or a typed error",
    )
    stored, error, other = one_value(context, field, "before\ud83dafter")
    if error is not None:
        return CheckObservation(bool(error.next_step), sent, describe_error(error), expected)
    right = isinstance(stored, str) and stored.startswith("before") and stored.endswith("after")
    right = right and not any("\ud800" <= char <= "\udfff" for char in stored)
    return CheckObservation(right and not other, sent, other or shown(stored), expected)


@GROUP.check("unicode", "Text keeps its characters, composed or decomposed", "I12")
def unicode(context: CheckContext) -> CheckObservation:
    """Emoji of several code points, combining marks, right-to-left marks, spaces at both ends."""
    value = " 👩‍👩‍👧 e\u0301 é \u200f\u05d0\u2028\t\\ \"' "
    return _exactly(context, "text", value, [value], "a text of many scripts", refusable=False)


@GROUP.check("huge", "A huge text comes out whole", "I12")
def huge(context: CheckContext) -> CheckObservation:
    """A million and a half characters."""
    return _exactly(context, "text", _HUGE, [_HUGE], f"a text of {len(_HUGE)} characters", refusable=True)


@GROUP.check("empty", "An empty text stays empty and does not become null", "I12")
def empty(context: CheckContext) -> CheckObservation:
    """The empty text."""
    return _exactly(context, "text", "", [""], "an empty text", refusable=False)


@GROUP.check("null", "Null stays null and does not become text", "I12")
def null(context: CheckContext) -> CheckObservation:
    """Null."""
    return _exactly(context, "text", None, [None], "null", refusable=True)


@GROUP.check("absent", "A value that is absent in one row is null there", "I12")
def absent(context: CheckContext) -> CheckObservation:
    """One row lacks the field."""
    return _exactly(context, "text", GONE, [None], "nothing", refusable=True)
