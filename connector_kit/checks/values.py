"""Values that do not survive a careless reader."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector_kit.checks.check import Group, Outcome, failed
from connector_kit.checks.rows import difference, same, shown
from connector_kit.checks.verdicts import in_words
from connector_kit.tape.pages import EditRow
from connector_kit.tape.shape import GONE, get, put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.checks.bench import Bench
    from connector_kit.checks.lab import Place
    from contracts.errors import IngestionError

GROUP = Group("rows", "Values")
_HUGE = "0123456789 äöü " * 100_000
_NUL = "before\0after"


def one_value(bench: Bench, place: Place, value: Any) -> tuple[Any, IngestionError | None, str]:
    """Put a value into one row: what comes out in its column, or the error; and what else changed, in words."""
    spot, truth = bench.lab.row_spot, bench.truth
    target = sorted(truth)[len(truth) // 2]

    def edit(row: Any) -> Any:
        return put(row, place.json, value) if str(get(row, spot.key)) == target else row

    spoil = EditRow(spot.shape, edit, f"{place.json} set", path=spot.path, method=spot.method)
    with bench.connected() as one:
        plan = bench.plan(one)
        one.tape.spoil = spoil
        reading = one.read(plan)
        loose = [column.name for column in plan.unit.columns if column.logical_type == "json"]
    if reading.error is not None:
        return None, reading.error, ""
    if reading.gaps:
        return None, None, f"a gap: {reading.gaps[0]}"
    if target not in reading.rows:
        return None, None, f"row {target} is missing"
    return reading.rows[target][place.column], None, difference(truth, reading.rows, [*loose, place.column])


def _exactly(bench: Bench, kind: str, value: Any, wanted: Sequence[Any], told: str, *, refusable: bool) -> Outcome:
    """The value comes out as one of those wanted; or an error says that it does not fit."""
    place = bench.lab.place(kind)
    sent = f"{told} in field {place.json}"
    right = " or ".join(shown(one) for one in wanted)
    expected = (
        f"{right}{', or' if wanted and refusable else ''}{' a typed error with a next step' if refusable else ''}"
    )
    found, error, other = one_value(bench, place, value)
    if error is not None:
        return Outcome(refusable and bool(error.next_step), sent, in_words(error), expected)
    if other:
        return failed(sent, other, expected)
    return Outcome(any(same(found, one) for one in wanted), sent, shown(found), expected)


@GROUP.check("decimals", "Decimals keep every digit and are never floats", "I12")
def decimals(bench: Bench) -> Outcome:
    """As many digits as the column holds."""
    place = bench.lab.place("decimal")
    with bench.connected() as one:
        column = one.unit.dataset.column(place.column)
    if column is None or column.logical_type != "decimal":
        declared = "no column" if column is None else f"declared {column.declared_type}"
        return failed(f"decimals in field {place.json}", f"column {place.column}: {declared}", "a decimal column")
    digits = ("1234567890" * 4)[: column.precision or 30]
    value = Decimal(digits).scaleb(-(column.scale if column.scale is not None else 15))
    wanted = [value] if column.precision is not None else [str(value)]
    return _exactly(bench, "decimal", value, wanted, f"the number {value}", refusable=False)


@GROUP.check("decimal-digits", "A decimal with more digits than its column is an error, and not rounded", "I12")
def decimal_digits(bench: Bench) -> Outcome:
    """Digits behind the last one that fits."""
    place = bench.lab.place("decimal")
    with bench.connected() as one:
        column = one.unit.dataset.column(place.column)
    scale = column.scale if column is not None and column.scale is not None else 20
    value = Decimal(1) + Decimal(5).scaleb(-scale - 1)
    return _exactly(bench, "decimal", value, [value, str(value)], f"the number {value}", refusable=True)


@GROUP.check("integers", "Whole numbers above 2^53 keep every digit", "I12")
def integers(bench: Bench) -> Outcome:
    """2^53 + 1, which no float holds."""
    value = 2**53 + 1
    return _exactly(bench, "integer", value, [value, str(value)], f"the number {value}", refusable=True)


@GROUP.check("integer-too-large", "A whole number that does not fit is an error, and not wrapped around", "I12")
def integer_too_large(bench: Bench) -> Outcome:
    """2^63, one more than 64 bits hold."""
    value = 2**63
    return _exactly(bench, "integer", value, [value, str(value)], f"the number {value}", refusable=True)


@GROUP.check("nan", "NaN where a number belongs is NaN or an error, and not nothing", "I12")
def nan(bench: Bench) -> Outcome:
    """A bare NaN, as some servers write it."""
    kind = "float" if "float" in bench.lab.places else "decimal"
    wanted = [float("nan"), "NaN"]
    return _exactly(bench, kind, float("nan"), wanted, "NaN, which is no JSON,", refusable=True)


@GROUP.check("floats", "Floats come out as the nearest float", "I12")
def floats(bench: Bench) -> Outcome:
    """0.30000000000000004."""
    value = 0.1 + 0.2
    return _exactly(bench, "float", value, [value], f"the number {value!r}", refusable=False)


@GROUP.check("nul", "NUL characters do not reach staging, and cost no row", "I12")
def nul(bench: Bench) -> Outcome:
    """A text with a NUL in its middle."""
    place = bench.lab.place("text")
    sent, expected = (
        f"a text with a NUL in field {place.json}",
        "the text without the NUL, both halves; or a typed error",
    )
    found, error, other = one_value(bench, place, _NUL)
    if error is not None:
        return Outcome(bool(error.next_step), sent, in_words(error), expected)
    right = isinstance(found, str) and "\0" not in found and found.startswith("before") and found.endswith("after")
    return Outcome(right and not other, sent, other or shown(found), expected)


@GROUP.check("surrogates", "Half a surrogate pair costs no row", "I12")
def surrogates(bench: Bench) -> Outcome:
    """A text that no encoding of Unicode holds."""
    place = bench.lab.place("text")
    sent, expected = (
        f"a text with half a surrogate pair in field {place.json}",
        "text that can be encoded; or a typed error",
    )
    found, error, other = one_value(bench, place, "before\ud83dafter")
    if error is not None:
        return Outcome(bool(error.next_step), sent, in_words(error), expected)
    right = isinstance(found, str) and found.startswith("before") and found.endswith("after")
    right = right and not any("\ud800" <= char <= "\udfff" for char in found)
    return Outcome(right and not other, sent, other or shown(found), expected)


@GROUP.check("unicode", "Text keeps its characters, composed or not", "I12")
def unicode(bench: Bench) -> Outcome:
    """Emoji of several code points, combining marks, right-to-left marks, spaces at both ends."""
    value = " 👩‍👩‍👧 e\u0301 é \u200f\u05d0\u2028\t\\ \"' "
    return _exactly(bench, "text", value, [value], "a text of many scripts", refusable=False)


@GROUP.check("huge", "A huge text comes out whole", "I12")
def huge(bench: Bench) -> Outcome:
    """A million and a half characters."""
    return _exactly(bench, "text", _HUGE, [_HUGE], f"a text of {len(_HUGE)} characters", refusable=True)


@GROUP.check("empty", "An empty text stays empty, and does not become null", "I12")
def empty(bench: Bench) -> Outcome:
    """The empty text."""
    return _exactly(bench, "text", "", [""], "an empty text", refusable=False)


@GROUP.check("null", "Null stays null, and does not become a text", "I12")
def null(bench: Bench) -> Outcome:
    """Null."""
    return _exactly(bench, "text", None, [None], "null", refusable=True)


@GROUP.check("absent", "A value that is absent in one row is null there", "I12")
def absent(bench: Bench) -> Outcome:
    """One row lacks the field."""
    return _exactly(bench, "text", GONE, [None], "nothing", refusable=True)
