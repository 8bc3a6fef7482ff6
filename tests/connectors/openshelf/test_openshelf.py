from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.openshelf import SandboxOpenshelf, ShelfFaults, ShelfSite
from tests.conformance.api_source_suite import ApiSourceSuite
from tests.connectors.openshelf.moving import source_of

if TYPE_CHECKING:
    from connectors.openshelf.source import OpenshelfSource


class Lab:
    """A small service."""

    unit_id = "openshelf.books"

    def __init__(self, server: SandboxOpenshelf) -> None:
        self.server, self.site, self.secret = server, server.site, server.token

    def source(self) -> OpenshelfSource:
        return source_of(self.server)

    def broken_sources(self):
        yield "E_SOURCE_AUTH", source_of(self.server, token=self.secret + "x")
        with SandboxOpenshelf(ShelfSite(books=1)) as gone:
            url = gone.url
        yield "E_SOURCE_UNREACHABLE", source_of(self.server, base_url=url, max_tries=2)

    def keys(self) -> set[str]:
        return {str(row["id"]) for row in self.site.rows("books")}

    def change(self, count: int) -> set[str]:
        self.site.pass_time(3600)
        changed = [row["id"] for row in self.site.rows("books")[:count]]
        for key in changed:
            self.site.edit("books", key, title="changed")
        return {str(key) for key in changed}

    def remove(self) -> str:
        key = self.site.rows("books")[4]["id"]
        self.site.remove("books", key)
        return str(key)

    def expire(self) -> None:
        self.server.expired = True

    def spoil(self, share: float) -> None:
        part = share / 4
        self.server.faults = ShelfFaults(seed=5, throttled=part, failing=part, cut=part, corrupt=part)


class TestOpenshelfSource(ApiSourceSuite):
    @pytest.fixture
    def lab(self):
        with SandboxOpenshelf(ShelfSite(books=150, authors=70, loans=30)) as server:
            yield Lab(server)
