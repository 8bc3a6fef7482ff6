"""What three authors write into the cells of the notebook that ``connector new`` gave them, from the documentation."""

from __future__ import annotations

from typing import NamedTuple

IMPORTS = """
from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from pydantic import Field, SecretStr

from connectors.http.paged import (
    Account,
    AnswerRule,
    ApiUnit,
    Column,
    JsonApi,
    LocalFilter,
    Page,
    PagedSettings,
    PagedSource,
    PageRequest,
    describe,
    in_zone,
    source_only,
)
"""
CLIENT = '''
"""Talks to the service's REST API: one method per list."""


class AcmeClient(JsonApi):
    """Requests to one service."""
{rules}
    def __init__(self, config: AcmeConfig) -> None:
        super().__init__(config, {{"Authorization": f"Bearer {{config.token.get_secret_value()}}"}})

    def me(self) -> Account:
        """The account behind the token."""
        me = self.get_json("/me")
        return Account(me["login"], version=me["api"])
{lists}
'''
UNITS = '''
"""The lists of the service."""

UNITS = (
{parents}    ApiUnit(
        "{list}",
        "{title}",
        columns=(
            Column("id", "int64"),
            Column("title"),
            Column("effort", "decimal(10,2)"),
            Column("votes", "int64"),
            Column("updated", "timestamptz"),
        ),
        primary_key=("id",),
        {unit}
    ),
)
'''
SOURCE = '''
"""The service as a source of pages."""

DESCRIPTOR = describe("acme", "Acme", "{title} of a service.", AcmeConfig, UNITS)


class AcmeSource(PagedSource[AcmeClient]):
    """{title}."""

    descriptor = DESCRIPTOR
    units = UNITS

    def __init__(self, config: AcmeConfig) -> None:
        super().__init__(config, AcmeClient(config))

    def account(self) -> Account:
        """The account behind the token."""
        return self.client.me()

    def page(self, request: PageRequest) -> Page:
        """One page."""
        return {{{methods}}}[request.unit](request)


FACTORY = source_only(DESCRIPTOR, AcmeConfig, AcmeSource)
'''
SYSTEM = '''
"""The service behind the connector, as checks see it."""

from datetime import timedelta
from typing import Any

from apis import TOKEN, {api}, made
from connector_kit.checks.local_system import LocalTestSystem
from connector_kit.checks.system import FieldLocation, PageLocation
from connector_kit.recording.page_shape import PageShape


class AcmeTestSystem(LocalTestSystem[{api}]):
    """A small service; after a check that changes it, a new one is started."""

    factory = FACTORY
    unit_id = "acme.{list}"
    pages = {location}
    fields = {{
        "text": FieldLocation("title", "title"),
        "decimal": FieldLocation("effort", "effort"),
        "integer": FieldLocation("votes", "votes"),
        {timestamp}
    }}
    settings = {settings}
    smallest_overlap = {{"overlap_s": 0}}
    buffered_rows = 100
    {unchecked}
    def start(self) -> {api}:
        """A new service."""
        return {api}()

    def config(self, url: str) -> dict[str, Any]:
        """The connector's config, with the service at ``url``."""
        return {{"base_url": url, "token": TOKEN}}

    def keys(self) -> set[str]:
        """Known from the service itself."""
        return {{str(key) for key in self.server.rows}}

    def change(self, count: int) -> set[str]:
        """An hour later."""
        api = self.server_to_change
        return api.edit(count, api.newest() + timedelta(hours=1))

    def change_late(self, seconds: float) -> str:
        """A change with a moment in the past."""
        api = self.server_to_change
        return next(iter(api.edit(1, api.newest() - timedelta(seconds=seconds))))

    def remove(self) -> str:
        """One of them."""
        return str(self.server_to_change.rows.pop(5)["id"])

    def grow(self, rows: int) -> None:
        """Many more, {where}."""
        api = self.server_to_change
        api.rows |= {{number: {{**made(1), "id": number}} for number in range(5_001, 5_001 + rows)}}
'''
TIMESTAMP = '"timestamp": FieldLocation("updated", "updated"),'
LINK_RULES = """
    rules = (
        AnswerRule(403, "wait", says="secondary rate limit", wait_header="X-RateLimit-Reset"),
        AnswerRule(400, "expired", says="cursor has expired"),
    )
"""
LINK_LIST = '''
    def issues(self, request: PageRequest) -> Page:
        """Issues by their last change; the address of the next page is in the header."""
        if isinstance(request.token, str):
            rows, following = self.get_linked(request.token)
        else:
            rows, following = self.get_linked("/issues", since=request.since, per_page=request.limit)
        return Page(rows, following)
'''
TREE_LISTS = '''
    def projects(self, request: PageRequest) -> Page:
        """All projects."""
        answer = self.get_json("/projects", cursor=request.token)
        return Page(answer["values"], answer["next"])

    def tasks(self, request: PageRequest) -> Page:
        """The tasks of a project."""
        project = (request.parent or {})["id"]
        answer = self.get_json(f"/projects/{project}/tasks", cursor=request.token)
        return Page([{**row, "project": project} for row in answer["values"]], answer["next"])
'''
TREE_PARENTS = '    ApiUnit("projects", "Projects", columns=(Column("id"), Column("name")), primary_key=("id",)),\n'
POSITION_LIST = '''
    def tickets(self, request: PageRequest) -> Page:
        """Tickets by their last change; the filter takes minutes of Berlin's wall clock."""
        start = int(request.token or 0)
        answer = self.get_json(
            "/tickets",
            **{"from": in_zone(request.since, "Europe/Berlin"), "until": in_zone(request.before, "Europe/Berlin")},
            startAt=start,
            maxResults=request.limit,
        )
        end = start + len(answer["tickets"])
        return Page(answer["tickets"], end if answer["tickets"] and end < answer["total"] else None, answer["total"])
'''


class Authored(NamedTuple):
    """A connector as cells: the source of each by its tag."""

    unit: str
    cells: dict[str, str]


def _authored(api: str, listed: str, **words: str) -> Authored:
    given = {
        "rules": "",
        "parents": "",
        "timestamp": TIMESTAMP,
        "where": "with one moment",
        "unit": "",
        "unchecked": "",
        **words,
    }
    given |= {"api": api, "list": listed, "title": listed.capitalize()}
    cells = {"client": CLIENT, "units": UNITS, "source": SOURCE, "checks": SYSTEM}
    filled = {tag: text.format(**given).strip("\n") for tag, text in cells.items()}
    return Authored(listed, {"imports": IMPORTS.strip("\n"), **filled})


AUTHORED = {
    "link": _authored(
        "LinkApi", "issues", rules=LINK_RULES, lists=LINK_LIST, unit='cursor="updated",',
        methods='"issues": self.client.issues', settings='{"page_size": 20}',
        location='PageLocation("/issues", PageShape("", link=True), expired=(400, b\'{"message": "the cursor has expired"}\'))',
    ),
    "tree": _authored(
        "TreeApi", "tasks", lists=TREE_LISTS, parents=TREE_PARENTS, unit='parent="projects",', timestamp="",
        unchecked='unchecked = {"acme.projects": "the tasks are read through them"}\n',
        methods='"projects": self.client.projects, "tasks": self.client.tasks', where="in one project",
        settings='{"slice_parents": 4}', location='PageLocation("/tasks", PageShape("values", next="next"))',
    ),
    "position": _authored(
        "PositionApi", "tickets", lists=POSITION_LIST, methods='"tickets": self.client.tickets',
        unit='cursor="updated",\n        windows=True,\n        filter=LocalFilter("Europe/Berlin"),',
        settings='{"page_size": 20, "slice_rows": 40}',
        location='PageLocation("/tickets", PageShape("tickets", offset="startAt"), total="total")',
    ),
}  # fmt: skip
