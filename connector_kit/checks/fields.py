"""Every field of a row, one after the other; and the rows that the system itself knows of."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from connector_kit.checks.check import CheckObservation, failed
from connector_kit.checks.expectations import describe_error, describe_fault
from connector_kit.checks.rows import same, shown
from connector_kit.checks.system import SkippedError
from connector_kit.checks.values import GROUP
from connector_kit.recording.page_faults import EditRow
from connector_kit.recording.page_shape import get

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_kit.checks.context import CheckContext
    from connector_kit.checks.rows import ReadResult

_LONG = "0123456789 äöü " * 8_000
_MOST_FIELDS = 25


@GROUP.check("true", "Rows are what the system itself knows of them", "I1 I12")
def true(context: CheckContext) -> CheckObservation:
    """An undisturbed read against ``true_rows()`` of the test system, in the columns that it names."""
    known = context.system.true_rows()
    if not known:
        raise SkippedError("the test system has no true_rows(): nothing but the connector says what is in the rows")
    with context.connected() as one:
        reading = one.read(one.plan())
    sent, expected = f"{len(known)} rows, as the system holds them", "the same keys and values"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    if missing := sorted(known.keys() ^ reading.rows.keys()):
        return failed(sent, f"row {missing[0]} is on one side only, and {len(missing) - 1} more", expected)
    for key, row in known.items():
        for column, value in row.items():
            if not same(reading.rows[key][column], value):
                came = shown(reading.rows[key][column])
                return failed(sent, f"row {key}, {column}: {came} instead of {shown(value)}", expected)
    return CheckObservation(passed=True, sent=sent, received="the same", expected=expected)


@GROUP.check("nulls", "A null in any field is null or a typed error, and changes nothing else", "I12 I1")
def nulls(context: CheckContext) -> CheckObservation:
    """Each field of the rows is null in a row of its own; then alone, where that was refused."""
    fields = _fields(context)
    together = _with_fields(context, dict.fromkeys(fields), fields)
    expected = "null in the columns of that field, or a typed error with a next step; every other value as it was"
    for name, field in fields.items():
        alone = together if together.reading.error is None else _with_fields(context, {name: None}, fields)
        read = alone.reading
        if read.error is not None:
            if not read.error.next_step:
                return failed(f"null in field {name}", describe_error(read.error), expected)
        elif not read.gaps and (wrong := _not_null(context, field, read)):
            return failed(f"null in field {name}", wrong, expected)
    return CheckObservation(passed=True, sent=together.sent, received="null, or refused", expected=expected)


@GROUP.check("long-texts", "A long text comes out whole in every text column", "I12")
def long_texts(context: CheckContext) -> CheckObservation:
    """Each text field holds 120,000 characters in a row of its own."""
    fields = {name: field for name, field in _fields(context).items() if field.column is not None}
    if not fields:
        raise SkippedError("no field of the rows is a text column as it is")
    changed = _with_fields(context, dict.fromkeys(fields, _LONG), fields)
    reading, expected = changed.reading, "the whole text in each column, or a typed error with a next step"
    if reading.error is not None or reading.gaps:
        right = reading.error is None or bool(reading.error.next_step)
        received = describe_error(reading.error) if reading.error else f"a gap: {reading.gaps[0]}"
        return CheckObservation(right, changed.sent, received, expected)
    for name, field in fields.items():
        value = reading.rows.get(field.key, {}).get(str(field.column))
        if value != _LONG:
            sent = f"{len(_LONG)} characters in field {name}"
            return failed(sent, f"column {field.column}: {shown(value)}", expected)
    return CheckObservation(passed=True, sent=changed.sent, received="whole", expected=expected)


def _not_null(context: CheckContext, field: _WireField, reading: ReadResult) -> str:
    """Which column of the row is neither what it was nor null, in words; or that the row is missing."""
    if field.key not in reading.rows:
        return f"row {field.key} is missing"
    before, loose = context.truth[field.key], _json_columns(context)
    for name, value in reading.rows[field.key].items():
        kept = name != field.column and same(value, before[name])
        if name not in loose and value is not None and not kept:
            return f"row {field.key}, {name}: {shown(value)} instead of null"
    return ""


def _json_columns(context: CheckContext) -> set[str]:
    with context.connected() as one:
        return {column.name for column in one.unit.columns if column.logical_type == "json"}


class _WireField(NamedTuple):
    """A field of the rows on the wire: the text column that holds it alone and as it is, and a row that has a value."""

    column: str | None
    key: str


def _fields(context: CheckContext) -> dict[str, _WireField]:
    """Top-level fields of the rows on the wire, without key and moment; each with the text column that holds it."""
    system, truth = context.system, context.truth
    location, samples = system.row_location, dict[str, Any]()

    def watch(row: Any) -> Any:
        if isinstance(row, dict):
            samples[str(get(row, location.key))] = row
        return row

    with context.connected() as one:
        plan = context.plan(one)
        one.proxy.fault = EditRow(location.shape, watch, "looked", **location.request_filter)
        one.read(plan)
        texts = [column.name for column in one.unit.columns if column.logical_type == "string"]
    kept = {key: row for key, row in samples.items() if key in truth}
    used = {place.json.partition(".")[0] for kind, place in system.fields.items() if kind == "timestamp"}
    names = dict.fromkeys(name for row in kept.values() for name in row)
    chosen = [name for name in names if name not in {location.key.partition(".")[0], *used}][:_MOST_FIELDS]
    if not chosen or len(truth) < 2 * len(chosen):
        raise SkippedError("no rows with fields went through the proxy, or too few to change each in a row of its own")
    columns = {name: _text_column(name, texts, kept, truth) for name in chosen}
    claimed = Counter(columns.values())
    free, fields = sorted(kept), dict[str, _WireField]()
    for name, column in columns.items():
        key = next((one for one in free if kept[one].get(name) is not None), None)
        if key is not None:
            free.remove(key)
            fields[name] = _WireField(column if claimed[column] == 1 else None, key)
    return fields


def _text_column(name: str, texts: list[str], kept: Mapping[str, Any], truth: Mapping[str, Any]) -> str | None:
    """The column that holds the field's text as it is, in every row, and nothing where the field is missing."""
    sent = {key: row.get(name) for key, row in kept.items()}
    if len({text for text in sent.values() if isinstance(text, str)}) < 2:
        return None  # too little to tell columns apart
    return next((one for one in texts if all(truth[key][one] == text for key, text in sent.items())), None)


class _ChangedRows(NamedTuple):
    """What was sent, and what came."""

    sent: str
    reading: ReadResult


def _with_fields(context: CheckContext, values: Mapping[str, Any], fields: Mapping[str, _WireField]) -> _ChangedRows:
    """The rows, each field with its value in a row of its own."""
    location = context.system.row_location
    field_of = {fields[name].key: name for name in values}

    def edit(row: Any) -> Any:
        name = field_of.get(str(get(row, location.key)))
        return row if name is None or not isinstance(row, dict) else {**row, name: values[name]}

    fault = EditRow(location.shape, edit, f"changed {', '.join(values)}", **location.request_filter)
    reading = context.read_with_fault(fault)
    return _ChangedRows(describe_fault(fault), reading)
