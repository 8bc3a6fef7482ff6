"""The schema: what was promised is what comes, and a system that changes its answers is noticed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from connector_kit.checks.check import CheckObservation, Group, failed, passed
from connector_kit.checks.expectations import describe_error, describe_fault, same_rows, same_rows_or_reported
from connector_kit.recording.faults import RespondWithStatus
from connector_kit.recording.messages import RecordedResponse
from connector_kit.recording.page_faults import EditField, EditRow
from connector_kit.recording.page_shape import GONE

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext
    from connector_kit.checks.rows import ReadResult
    from contracts.catalog import ColumnDescriptor, LogicalType
    from contracts.unit import EndpointUnitDescriptor

GROUP = Group("schema", "Schema")
_TYPES: dict[LogicalType, tuple[type[pl.DataType] | pl.DataType, ...]] = {
    "bool": (pl.Boolean(),),
    "int16": (pl.Int16(),),
    "int32": (pl.Int32(),),
    "int64": (pl.Int64(),),
    "float32": (pl.Float32(),),
    "float64": (pl.Float64(),),
    "string": (pl.String(),),
    "json": (pl.String(),),
    "uuid": (pl.String(),),
    "other": (pl.String(),),
    "binary": (pl.Binary(),),
    "date": (pl.Date(),),
    "time": (pl.Time(),),
    "timestamp": (pl.Datetime("us"),),
    "timestamptz": (pl.Datetime("us", "UTC"),),
}
"""The table of types; an interval's and an unscaled decimal's own ways are not looked at."""


def misfits(frame: pl.DataFrame, unit: EndpointUnitDescriptor) -> str:
    """What is wrong with a batch, in words; empty when nothing is."""
    if frame.columns != [column.name for column in unit.columns]:
        return f"columns {frame.columns}, in this order"
    for column in unit.columns:
        dtype = frame.schema[column.name]
        if not _fits(column, dtype):
            return (
                f"column {column.name} is declared {column.declared_type} ({column.logical_type}) and comes as {dtype}"
            )
        if not column.nullable and frame[column.name].null_count():
            return f"column {column.name} is declared not null and has nulls"
        if column.logical_type == "json" and not all(map(_is_json, frame[column.name].drop_nulls())):
            return f"column {column.name} is declared JSON and holds something else"
    return ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _fits(column: ColumnDescriptor, dtype: pl.DataType) -> bool:
    if column.logical_type == "decimal":
        scaled = column.precision is not None and column.scale is not None
        return dtype == (pl.Decimal(column.precision, column.scale or 0) if scaled else pl.String())
    return column.logical_type not in _TYPES or dtype in _TYPES[column.logical_type]


@GROUP.check("batches", "Every batch has the promised columns, in order, with the promised types", "I12")
def batches(context: CheckContext) -> CheckObservation:
    """All units, all batches of the first slices; null only where it is allowed."""
    sent, seen = "slices of every unit", 0
    expected = "in every batch: the unit's columns in order, each of its type, nulls only where they are allowed"
    with context.connected() as one:
        for unit in one.source.list_units(one.source.collect_catalog("checked")):
            plan = one.source.plan(one.request(unit))
            for piece in plan.slices[:4]:
                frames = one.slice(plan, piece).frames
                wrong = [line for frame in frames if (line := misfits(frame, unit))]
                if wrong or not frames:
                    problems = wrong[0] if wrong else "no batch at all, not even one that carries the columns"
                    return failed(sent, f"{unit.unit_id}: {problems}", expected)
                seen += len(frames)
    return passed(sent, f"so in {seen} batches", expected)


@GROUP.check("no-rows", "A slice without rows gives a batch with the columns", "I12")
def no_rows(context: CheckContext) -> CheckObservation:
    """All rows are taken out of the answers."""
    location = context.system.pages
    fault = EditRow(location.shape, lambda _row: None, "took out all rows", **location.request_filter)
    with context.connected(fault) as one:
        plan = one.plan()
        reading = one.read(plan)
    expected = "an empty batch with all columns and types, or a typed error"
    if reading.error is not None:
        return CheckObservation(
            bool(reading.error.next_step), describe_fault(fault), describe_error(reading.error), expected
        )
    for read in reading.slices.values():
        wrong = misfits(read.frames[0], plan.unit) if read.frames else "no batch"
        if wrong:
            return failed(describe_fault(fault), wrong, expected)
    return passed(describe_fault(fault), f"{len(reading.rows)} rows, and the columns", expected)


def _edited(context: CheckContext, name: str, value: Any, rows: int | None = None) -> tuple[str, ReadResult]:
    location = context.system.row_location
    fault = EditField(location.shape, name, value, rows, **location.request_filter)
    reading = context.read_with_fault(fault)
    return describe_fault(fault), reading


def _json_columns(context: CheckContext) -> list[str]:
    with context.connected() as one:
        return [column.name for column in one.unit.columns if column.logical_type == "json"]


@GROUP.check("new-field", "A new field in the responses changes no other column", "I12")
def new_field(context: CheckContext) -> CheckObservation:
    """Every row has one field more."""
    truth, loose = context.truth, _json_columns(context)
    sent, reading = _edited(context, "a_field_that_is_new", {"x": [1, None]})
    return same_rows(sent, truth, reading, loose)


@GROUP.check("field-gone", "A field that disappears from the responses becomes null or an error", "I12 I9")
def field_gone(context: CheckContext) -> CheckObservation:
    """No row has the text any more."""
    field = context.system.field("text")
    truth, loose = context.truth, _json_columns(context)
    sent, reading = _edited(context, field.json, GONE)
    without = {key: {**row, field.column: None} for key, row in truth.items()}
    return same_rows_or_reported(sent, without, reading, without=loose)


@GROUP.check("other-type", "A field of another type is an error or is kept exactly, never null", "I12 I9")
def other_type(context: CheckContext) -> CheckObservation:
    """A number where a text was, a text where a number was, an object where a moment was."""
    expected = "a typed error with a next step, or the value as exact text"
    problems = []
    for kind, value in (
        ("text", {"now": "an object"}),
        ("integer", "seventeen"),
        ("decimal", "much"),
        ("timestamp", "soon"),
    ):
        if kind not in context.system.fields:
            continue
        field = context.system.fields[kind]
        sent, reading = _edited(context, field.json, value, 1)
        if reading.error is not None:
            if not reading.error.next_step:
                return failed(sent, describe_error(reading.error), expected)
            problems.append(f"{kind}: {reading.error.code}")
            continue
        texts = [str(row[field.column]) for row in reading.rows.values() if row[field.column] is not None]
        right = any(word in text for text in texts for word in ("an object", "seventeen", "much", "soon"))
        if not right and not reading.gaps:
            return failed(sent, f"no error, and column {field.column} does not hold it", expected)
        problems.append(f"{kind}: kept")
    return passed("a field of another type", ", ".join(problems) or "the unit has no such field", expected)


@GROUP.check("no-key", "A row without its key is an error, not skipped", "I1 I9")
def no_key(context: CheckContext) -> CheckObservation:
    """The first row of each page has no key."""
    truth = context.truth
    sent, reading = _edited(context, context.system.row_location.key, GONE, 1)
    return same_rows_or_reported(sent, truth, reading)


@GROUP.check("null-key", "A row whose key is null is an error, not skipped", "I1 I9")
def null_key(context: CheckContext) -> CheckObservation:
    """The first row of each page has the key null."""
    truth = context.truth
    sent, reading = _edited(context, context.system.row_location.key, None, 1)
    return same_rows_or_reported(sent, truth, reading)


@GROUP.check("no-object", "A row that is not an object is an error, not skipped", "I1 I9")
def no_object(context: CheckContext) -> CheckObservation:
    """The first row of each page is a text."""
    truth = context.truth
    sent, reading = _edited(context, "", "not an object", 1)
    return same_rows_or_reported(sent, truth, reading)


@GROUP.check("other-shape", "A response of another shape is an error, not an empty page", "I1 I9")
def other_shape(context: CheckContext) -> CheckObservation:
    """200, and JSON that is no page."""
    location, truth = context.system.pages, context.truth
    outcome = passed("", "", "")
    bodies = (b"{}", b"[]", b"null", b'{"error": "come back tomorrow"}', b'"ok"')
    for body in bodies:
        if location.shape.rows(location.shape.opened(RecordedResponse(200, body=body))) is not None:
            continue  # a page without rows, where pages are lists
        reading = context.read_with_fault(
            RespondWithStatus(200, body=body, nth=2, times=None, **location.request_filter)
        )
        outcome = same_rows_or_reported(f"200 with {body.decode()} from the second page on", truth, reading)
        if not outcome.passed:
            return outcome
    return outcome
