"""Talks to Openshelf's REST API v1: one method per list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.http.paged import Account, Ask, JsonApi, Page

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

    def books(self, ask: Ask) -> Page:
        """Books by their last change."""
        answer = self.get_json(
            "/v1/books",
            updated_since=ask.since,
            updated_before=ask.before,
            limit=ask.limit,
            cursor=ask.token,
            fields="id" if ask.keys_only else None,
        )
        return Page(answer["data"], answer["next_cursor"], answer["total"])

    def loans(self, ask: Ask) -> Page:
        """Loans by their last change; the API takes no end of the stretch of time."""
        answer = self.get_json("/v1/loans", updated_since=ask.since, limit=ask.limit, cursor=ask.token)
        return Page(answer["data"], answer["next_cursor"], answer["total"])

    def authors(self, ask: Ask) -> Page:
        """Authors, 50 to a numbered page."""
        number = int(ask.token or 1)
        answer = self.get_json("/v1/authors", page=number)
        return Page(answer["items"], number + 1 if number < answer["pages"] else None)
