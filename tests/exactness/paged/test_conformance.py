"""The comments of a wiki, whose lists hang on its pages, under the conformance kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_kit.checks.local_system import LocalTestSystem
from connector_kit.checks.pytest_suite import ConnectorSuite
from connector_kit.checks.system import FieldLocation, PageLocation
from connector_kit.recording.page_shape import PageShape
from tests.exactness.paged.wiki import FACTORY, Wiki

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar


class WikiCommentsTestSystem(LocalTestSystem[Wiki]):
    """A wiki with one long list of comments and many short ones."""

    factory = FACTORY
    unit_id = "wiki.comments"
    pages = PageLocation("/comments", PageShape("results", next="after"))
    fields: ClassVar[Mapping[str, FieldLocation]] = {
        "text": FieldLocation("text", "text"),
        "integer": FieldLocation("likes", "likes"),
    }

    def start(self) -> Wiki:
        wiki = Wiki(pages=30)
        wiki.pages[7] = [{"id": 700 + number, "text": f"{number} in a long list", "likes": 0} for number in range(61)]
        return wiki.start()

    def config(self, url: str) -> dict[str, Any]:
        # One at a time: a request that is under way cannot obey a Retry-After that another one receives.
        return {"base_url": url, "slice_parents": 6, "concurrency": 1}

    def keys(self) -> set[str]:
        return {str(number) for _, number, _ in self.server.truth()}

    def change(self, count: int) -> set[str]:
        pages = self.server_to_change.pages
        for row in pages[7][:count]:
            row["text"] = "changed"
        return {str(row["id"]) for row in pages[7][:count]}

    def grow(self, rows: int) -> None:
        """In the long list."""
        self.server_to_change.pages[7] = [{"id": 70_000 + number, "text": "one of many"} for number in range(rows)]

    def remove(self) -> str:
        return str(self.server_to_change.pages[7].pop(30)["id"])


class TestWikiComments(ConnectorSuite):
    """Lists that hang on pages."""

    system_class = WikiCommentsTestSystem
    only = ("plan", "pages", "resume", "memory", "errors.keys")
