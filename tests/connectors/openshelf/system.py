"""The lending service behind the connector, as checks see it: its books, and what may happen to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from connector_kit.checks.local_system import LocalTestSystem
from connector_kit.checks.system import FieldLocation, PageLocation
from connector_kit.recording.page_shape import PageShape
from connectors.openshelf.source import FACTORY
from sandbox.openshelf import SandboxOpenshelf, ShelfSite
from sandbox.openshelf.site import Kind, moments


class OpenshelfTestSystem(LocalTestSystem[SandboxOpenshelf]):
    """Books: cursors, windows of time, every kind of value. After a check that changes it, a new service is started."""

    factory = FACTORY
    unit_id = "openshelf.books"
    kind: Kind = "books"
    pages = PageLocation("/v1/books", PageShape("data", next="next_cursor"), total="total")
    fields = {
        "text": FieldLocation("title", "title"),
        "decimal": FieldLocation("price", "price"),
        "integer": FieldLocation("author_id", "author_id"),
        "float": FieldLocation("rating", "rating"),
        "timestamp": FieldLocation("updated_at", "updated_at"),
    }
    settings = {"slice_rows": 40, "page_size": 20}
    smallest_overlap = {"overlap_s": 0}
    buffered_rows = 60

    def start(self) -> SandboxOpenshelf:
        """A new service."""
        return SandboxOpenshelf(ShelfSite(books=130, authors=120, loans=130)).start()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its token, should the config stop to call it secret."""
        return (self.server.token,)

    def config(self, url: str) -> dict[str, Any]:
        """The connector's config, with the service at ``url``."""
        return {"base_url": url, "token": self.server.token}

    def keys(self) -> set[str]:
        """Known from the service itself."""
        return {str(row["id"]) for row in self.server.site.rows(self.kind)}

    def true_rows(self) -> dict[str, dict[str, Any]]:
        """Books, in columns that are not what the field of their name says."""
        if self.kind != "books":
            return {}
        return {
            str(row["id"]): {
                "title": row["title"],
                "author_id": row["author_id"],
                "pages": row["pages"],
                "publisher": (row["publisher"] or {}).get("name"),
                "updated_at": datetime.fromisoformat(row["updated_at"]).astimezone(UTC),
            }
            for row in self.server.site.rows("books")
        }

    def change(self, count: int) -> set[str]:
        """An hour later, those that changed longest ago."""
        site = self.server_to_change.site
        site.pass_time(3600)
        keys = [key for _, key in site.changed(self.kind, None, None)][:count]
        for key in keys:
            site.edit(self.kind, key, **{self.fields["text"].json: "changed"})
        return {str(key) for key in keys}

    def change_late(self, seconds: float) -> str:
        """A change with a moment in the past."""
        site = self.server_to_change.site
        rows = site.rows(self.kind)
        moment = max(moments(rows)) - timedelta(seconds=seconds)
        site.edit(self.kind, rows[0]["id"], moment=moment, **{self.fields["text"].json: "late"})
        return str(rows[0]["id"])

    def remove(self) -> str:
        """One of them."""
        site = self.server_to_change.site
        key = site.rows(self.kind)[4]["id"]
        site.remove(self.kind, key)
        return str(key)
