"""The lending service as a lab, one for each of its lists."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connector_kit.checks.lab import Lab, Place, Spot
from connector_kit.tape.shape import PageShape
from connectors.openshelf.source import FACTORY
from sandbox.openshelf import SandboxOpenshelf, ShelfSite
from sandbox.openshelf.site import Kind, moments


class ShelfLab(Lab):
    """Owns a small service; every check gets a new one."""

    factory = FACTORY
    kind: Kind
    settings = {"slice_rows": 40, "page_size": 20}
    held_rows = 60
    smallest_overlap = {"overlap_s": 0}

    steady = True

    def __init__(self) -> None:
        super().__init__()
        self._server: SandboxOpenshelf | None = None
        self._changed = False

    @property
    def server(self) -> SandboxOpenshelf:
        assert self._server is not None
        return self._server

    @property
    def upstream(self) -> str:
        return self.server.url

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.server.token,)

    def config(self, url: str) -> dict[str, Any]:
        return {"base_url": url, "token": self.server.token}

    def reset(self) -> None:
        if self._server is not None and not self._changed:
            return
        self.close()
        self._changed = False
        self._server = SandboxOpenshelf(ShelfSite(books=130, authors=120, loans=130)).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def keys(self) -> set[str]:
        return {str(row["id"]) for row in self.server.site.rows(self.kind)}

    def change(self, count: int) -> set[str]:
        site = self._site_to_change()
        site.pass_time(3600)
        keys = [key for _, key in site.changed(self.kind, None, None)][:count] or sorted(map(int, self.keys()))[:count]
        for key in keys:
            site.edit(self.kind, key, **self.change_to)
        return {str(key) for key in keys}

    change_to: dict[str, Any]

    def remove(self) -> str:
        site = self._site_to_change()
        key = site.rows(self.kind)[4]["id"]
        site.remove(self.kind, key)
        return str(key)

    def _site_to_change(self) -> ShelfSite:
        self._changed = True
        return self.server.site


class BooksLab(ShelfLab):
    """Cursors, windows of time, every kind of value."""

    unit_id, kind = "openshelf.books", "books"
    pages = Spot("/v1/books", PageShape("data", next="next_cursor"), total="total")
    places = {
        "text": Place("title", "title"),
        "decimal": Place("price", "price"),
        "integer": Place("author_id", "author_id"),
        "float": Place("rating", "rating"),
        "moment": Place("updated_at", "updated_at"),
    }
    change_to = {"title": "changed"}

    def change_late(self, seconds: float) -> str:
        site = self._site_to_change()
        rows = site.rows("books")
        newest = max(moments(rows))
        site.edit("books", rows[0]["id"], title="late", moment=newest - timedelta(seconds=seconds))
        return str(rows[0]["id"])


class LoansLab(ShelfLab):
    """Cursors, one slice."""

    unit_id, kind = "openshelf.loans", "loans"
    pages = Spot("/v1/loans", PageShape("data", next="next_cursor"), total="total")
    places = {
        "text": Place("reader", "reader"),
        "decimal": Place("fine", "fine"),
        "integer": Place("book_id", "book_id"),
        "moment": Place("updated_at", "updated_at"),
    }
    change_to = {"reader": "changed"}


class AuthorsLab(ShelfLab):
    """Numbered pages, no cursor."""

    unit_id, kind = "openshelf.authors", "authors"
    pages = Spot("/v1/authors", PageShape("items", page="page", pages="pages"))
    places = {"text": Place("name", "name")}
    change_to = {"name": "changed"}
