"""The other lists of the lending service as systems."""

from __future__ import annotations

from connector_kit.checks.system import FieldLocation, PageLocation
from connector_kit.recording.page_shape import PageShape
from tests.connectors.openshelf.system import OpenshelfTestSystem


class LoansTestSystem(OpenshelfTestSystem):
    """Cursors, one slice."""

    unit_id, kind = "openshelf.loans", "loans"
    pages = PageLocation("/v1/loans", PageShape("data", next="next_cursor"), total="total")
    fields = {
        "text": FieldLocation("reader", "reader"),
        "decimal": FieldLocation("fine", "fine"),
        "integer": FieldLocation("book_id", "book_id"),
        "timestamp": FieldLocation("updated_at", "updated_at"),
    }


class AuthorsTestSystem(OpenshelfTestSystem):
    """Numbered pages, no cursor."""

    unit_id, kind = "openshelf.authors", "authors"
    pages = PageLocation("/v1/authors", PageShape("items", page="page", pages="pages"))
    fields = {"text": FieldLocation("name", "name")}
