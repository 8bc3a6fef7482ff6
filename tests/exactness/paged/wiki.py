"""A wiki with a list of comments for each page, and none of all; and a connector for it, as an author would write it."""

from __future__ import annotations

import json
from typing import Any

from connectors.http.paged import (
    Account,
    ApiUnit,
    Column,
    JsonApi,
    Page,
    PagedSettings,
    PagedSource,
    PageRequest,
    describe,
    source_only,
)
from sandbox.http_service import HttpFaults, HttpReply, HttpService, IncomingRequest

Row = dict[str, Any]


class Wiki(HttpService[HttpFaults]):
    """Lists with bookmarks, ten rows each; comments do not say on which page they are."""

    def __init__(self, pages: int, latency_s: float = 0.0) -> None:
        super().__init__(HttpFaults(), latency_s)
        self.pages: dict[int, list[Row]] = {number: _comments(number) for number in range(1, pages + 1)}
        self.hidden: set[int] = set()
        """Pages whose comments nobody may read."""

    def reply(self, request: IncomingRequest) -> HttpReply:
        parts = request.path.strip("/").split("/")
        if parts == ["me"]:
            return _json({"name": "Author"})
        with self.lock:
            if len(parts) == 1:
                rows: list[Row] = [{"id": number, "title": f"Page {number}"} for number in self.pages]
            elif int(parts[1]) in self.hidden:
                return self.failed(403, "not for you")
            elif int(parts[1]) not in self.pages:
                return self.failed(404, "no such page")
            else:
                rows = [*self.pages[int(parts[1])]]
        start = int(request.query.get("after", ["/0"])[0].rpartition("/")[2])
        end = start + 10
        return _json({"results": rows[start:end], "after": f"{request.path}/{end}" if end < len(rows) else None})

    def failed(self, status: int, message: str) -> HttpReply:
        return HttpReply(json.dumps({"message": message}).encode(), status)

    def truth(self) -> set[tuple[Any, ...]]:
        """Page id, comment id, text."""
        return {(page, row["id"], row["text"]) for page, rows in self.pages.items() for row in rows}


UNITS = (
    ApiUnit("pages", "Pages", (Column("id", "int64"), Column("title")), primary_key=("id",)),
    ApiUnit(
        "comments",
        "Comments",
        (Column("page_id", "int64"), Column("id", "int64"), Column("text"), Column("likes", "int64")),
        primary_key=("id",),
        parent="pages",
    ),
)


class WikiSource(PagedSource[JsonApi]):
    """Pages, and the comments of each."""

    descriptor = describe("wiki", "Wiki", "Pages and comments", PagedSettings, UNITS)
    units = UNITS

    def __init__(self, config: PagedSettings) -> None:
        super().__init__(config, JsonApi(config, {}))

    def account(self) -> Account:
        return Account(self.client.get_json("/me")["name"], version="1")

    def page(self, request: PageRequest) -> Page:
        if request.parent is None:
            answer = self.client.get_json("/pages", after=request.token)
            return Page(answer["results"], answer["after"])
        page_id = request.parent["id"]
        answer = self.client.get_json(f"/pages/{page_id}/comments", after=request.token)
        return Page([{**row, "page_id": page_id} for row in answer["results"]], answer["after"])


FACTORY = source_only(WikiSource.descriptor, PagedSettings, WikiSource)


def _comments(page: int) -> list[Row]:
    return [
        {"id": 100 * page + number, "text": f"{number} on {page}", "likes": number} for number in range((page * 7) % 23)
    ]


def _json(answer: Row) -> HttpReply:
    return HttpReply(json.dumps(answer).encode())
