"""Bugs of schemas and values."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from datetime import UTC
from decimal import Decimal

from connectors.http import json_api, reading, rows, values
from connectors.http.rows import RowReader
from connectors.openshelf import source
from connectors.openshelf.client import OpenshelfClient
from connectors.openshelf.source import OpenshelfSource
from tests.connector_kit.mutants.planting import Mutant, answering, around, put, reading_values


def _column(name, **fields):
    """Another column in the place of one of the books'."""

    def plant(patch):
        books, *others = source.UNITS
        columns = tuple(replace(one, **fields) if one.name == name else one for one in books.columns)
        patch.setattr(OpenshelfSource, "units", (replace(books, columns=columns), *others))

    return plant


def _converted(word, convert):
    """Another reading of a type."""
    plain = values._PLAIN

    def plant(patch):
        patch.setattr(values, "_PLAIN", {**plain, word: plain[word]._replace(convert=convert)})

    return plant


def _text(change):
    return _converted("string", lambda value: change(values._text(value)))


def _raw_text(value):
    return value if isinstance(value, str) else str(value)


def _whole_only(ask, page):
    kept = [row for row in page.rows if "\\ud" not in json.dumps(row.get("title"), ensure_ascii=True)]
    return replace(page, rows=kept, total=None)


def _nulls_pass(patch):
    _column("price", nullable=False)(patch)

    def change(original, self, row, cell):
        return None if rows._at(row, cell.path) is None else original(self, row, cell)

    reading_values(change)(patch)


def _wrong_is_null(original, self, row, cell):
    try:
        return original(self, row, cell)
    except Exception:
        return None


def _null_is_text(original, self, row, cell):
    found = original(self, row, cell)
    return "" if found is None and cell.column.type == "string" else found


def _utc_if_naive(value):
    moment = values._iso(value)
    return values._utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _our_clock(value):
    return values._utc(values._iso(value)).astimezone().replace(tzinfo=UTC)


def _rounded(precision, scale):
    return lambda value: round(values._decimal(value), scale)


def _wrapped(value):
    return (int(value) + 2**63) % 2**64 - 2**63


def _lenient(body):
    return json.loads(body, parse_float=Decimal, parse_constant=lambda _name: None)


def _strict(ask, page):
    return replace(
        page, rows=[row for row in page.rows if not isinstance(row, dict) or "a_field_that_is_new" not in row]
    )


def _with_key(ask, page):
    return replace(
        page, rows=[row for row in page.rows if not isinstance(row, dict) or row.get("id") is not None], total=None
    )


def _objects(ask, page):
    return replace(page, rows=[row for row in page.rows if isinstance(row, dict)], total=None)


def _lists(original, self, ask):
    try:
        return original(self, ask)
    except (KeyError, TypeError):
        return source.Page([])


def _reversed(original, self, rows_of):
    return original(self, rows_of).select(list(self.schema)[::-1])


def _as_before(patch):
    """What a row lacks is what the row before had."""
    before = {}

    def change(original, self, row, cell):
        found = original(self, row, cell)
        if cell.column.name == "title":
            found = before["title"] = found if "title" in row else before.get("title")
        return found

    reading_values(change)(patch)


def _kept_title(patch):
    """Rows are completed from what an earlier reading saw."""
    known = {}

    def change(original, self, row, cell):
        found = original(self, row, cell)
        if cell.column.name != "title":
            return found
        return known.setdefault(row.get("id"), found) if found is None else known.update({row["id"]: found}) or found

    reading_values(change)(patch)


MUTANTS = (
    Mutant("a float where a decimal is", "rows.decimals", _column("price", type="float64")),
    Mutant("numbers are decoded as floats", "rows.decimals", put(json_api, "decoded", json.loads)),
    Mutant("decimals are rounded", "rows.decimal-digits", put(values, "_scaled", _rounded)),
    Mutant("whole numbers go through floats", "rows.integers", _converted("int64", lambda value: int(float(value)))),
    Mutant("whole numbers wrap around", "rows.integer-too-large", _converted("int64", _wrapped)),
    Mutant("NaN becomes null", "rows.nan", put(json_api, "decoded", _lenient)),
    Mutant("floats are rounded", "rows.floats", _converted("float64", lambda value: float(f"{float(value):.6f}"))),
    Mutant("NUL is passed on", "rows.nul", _converted("string", _raw_text)),
    Mutant("rows with half a surrogate pair are left out", "rows.surrogates", answering(_whole_only)),
    Mutant("text is normalised", "rows.unicode", _text(lambda text: unicodedata.normalize("NFC", text))),
    Mutant("text is stripped", "rows.unicode", _text(str.strip)),
    Mutant("text is cut", "rows.huge", _text(lambda text: text[:65_536])),
    Mutant("an empty text becomes null", "rows.empty", _text(lambda text: text or None)),
    Mutant("null becomes a text", "rows.null", reading_values(_null_is_text)),
    Mutant("the zone is ignored", "clock.zones", put(values, "_moment", lambda value: values._iso(value).replace(tzinfo=UTC))),
    Mutant("a moment without a zone is UTC's", "clock.naive", put(values, "_moment", _utc_if_naive)),
    Mutant("moments are this machine's", "clock.our-zone", put(values, "_moment", _our_clock)),
    Mutant("the edge of the calendar is an untyped error", "clock.edge", put(values, "_utc", lambda moment: moment.astimezone(UTC))),
    Mutant("not null, and a null comes", "schema.batches", _nulls_pass),
    Mutant("columns come in another order", "schema.batches", around(RowReader, "frame", _reversed)),
    Mutant("a new field costs the row", "schema.new-field", answering(_strict)),
    Mutant("what does not fit becomes null", "schema.other-type", reading_values(_wrong_is_null)),
    Mutant("rows without a key are left out", "schema.no-key", answering(_with_key)),
    Mutant("rows whose key is null are left out", "schema.null-key", answering(_with_key)),
    Mutant("rows that are no objects are left out", "schema.no-object", answering(_objects)),
    Mutant("an answer of another shape is an empty page", "schema.other-shape", around(OpenshelfClient, "books", _lists)),
    Mutant("an answer of another shape is an untyped error", "schema.other-shape", put(reading, "_SHAPE", ())),
    Mutant("a value that is absent is the row's before", "rows.absent", _as_before),
    Mutant("a field that is gone has the old value", "schema.field-gone", _kept_title),
)  # fmt: skip
