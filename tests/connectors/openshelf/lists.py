"""The other lists of the lending service as labs."""

from __future__ import annotations

from connector_kit.checks.lab import Place, Spot
from connector_kit.tape.shape import PageShape
from tests.connectors.openshelf.lab import OpenshelfLab


class LoansLab(OpenshelfLab):
    """Cursors, one slice."""

    unit_id, kind = "openshelf.loans", "loans"
    pages = Spot("/v1/loans", PageShape("data", next="next_cursor"), total="total")
    places = {
        "text": Place("reader", "reader"),
        "decimal": Place("fine", "fine"),
        "integer": Place("book_id", "book_id"),
        "moment": Place("updated_at", "updated_at"),
    }


class AuthorsLab(OpenshelfLab):
    """Numbered pages, no cursor."""

    unit_id, kind = "openshelf.authors", "authors"
    pages = Spot("/v1/authors", PageShape("items", page="page", pages="pages"))
    places = {"text": Place("name", "name")}
