"""Openshelf as a source of pages."""

from __future__ import annotations

from connectors.http.paged import Account, Page, PagedSource, PageRequest, describe, source_only
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

    def page(self, request: PageRequest) -> Page:
        """One page of books, authors or loans."""
        lists = {"books": self.client.books, "authors": self.client.authors, "loans": self.client.loans}
        return lists[request.unit](request)


FACTORY = source_only(DESCRIPTOR, OpenshelfConfig, OpenshelfSource)
