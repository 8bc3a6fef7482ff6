"""Openshelf as a source of pages."""

from __future__ import annotations

from connectors.http.paged import Account, Ask, Page, PagedSource, describe, source_only
from connectors.openshelf.client import OpenshelfClient
from connectors.openshelf.config import OpenshelfConfig
from connectors.openshelf.units import UNITS

DESCRIPTOR = describe(
    "openshelf",
    "Openshelf",
    "Books, authors and loans of a lending service, over REST v1.",
    OpenshelfConfig,
    UNITS,
    docs_url="docs/connectors/openshelf.md",
)


class OpenshelfSource(PagedSource[OpenshelfClient]):
    """Books, authors and loans."""

    descriptor = DESCRIPTOR
    units = UNITS

    def __init__(self, config: OpenshelfConfig) -> None:
        super().__init__(config, OpenshelfClient(config))

    def account(self) -> Account:
        """The account behind the token."""
        return self.client.me()

    def page(self, ask: Ask) -> Page:
        """One page of books, authors or loans."""
        lists = {"books": self.client.books, "authors": self.client.authors, "loans": self.client.loans}
        return lists[ask.unit](ask)


FACTORY = source_only(DESCRIPTOR, OpenshelfConfig, OpenshelfSource)
