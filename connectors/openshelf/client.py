"""Talks to Openshelf's REST API v1: one method per list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.http.paged import Account, JsonApi, Page, PageRequest

if TYPE_CHECKING:
    from connectors.openshelf.config import OpenshelfConfig


class OpenshelfClient(JsonApi):
    """Questions to one service."""

    def __init__(self, config: OpenshelfConfig) -> None:
        super().__init__(config, {"Authorization": f"Bearer {config.token.get_secret_value()}"})

    def me(self) -> Account:
        """The account behind the token."""
        me = self.get_json("/v1/me")
        return Account(me["name"], version=me["api"], details={"plan": me["plan"]})

    def books(self, request: PageRequest) -> Page:
        """Books by their last change."""
        answer = self.get_json(
            "/v1/books",
            updated_since=request.since,
            updated_before=request.before,
            limit=request.limit,
            cursor=request.token,
            fields="id" if request.keys_only else None,
        )
        return Page(answer["data"], answer["next_cursor"], answer["total"])

    def loans(self, request: PageRequest) -> Page:
        """Loans by their last change; the API takes no end of the stretch of time."""
        answer = self.get_json("/v1/loans", updated_since=request.since, limit=request.limit, cursor=request.token)
        return Page(answer["data"], answer["next_cursor"], answer["total"])

    def authors(self, request: PageRequest) -> Page:
        """Authors, 50 to a numbered page."""
        number = int(request.token or 1)
        answer = self.get_json("/v1/authors", page=number)
        return Page(answer["items"], number + 1 if number < answer["pages"] else None)
