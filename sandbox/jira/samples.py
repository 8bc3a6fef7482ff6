"""Values that real sites hold: documents with every node, custom fields of every type, awkward names. Deterministic."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

Json = dict[str, Any]

FIELDS: tuple[Json, ...] = tuple(
    {
        "id": f"customfield_{number}",
        "key": f"customfield_{number}",
        "name": name,
        "custom": True,
        "navigable": True,
        "searchable": True,
        "clauseNames": [f"cf[{number}]", name],
        "schema": {**schema, "custom": "com.example:field", "customId": number},
    }
    for number, name, schema in (
        (10010, "Sprint", {"type": "array", "items": "json"}),
        (10011, "Epic Link", {"type": "any"}),
        (10016, 'Story "points"', {"type": "number"}),
        (10020, "Team", {"type": "string"}),
        (10021, "Notes", {"type": "string"}),
        (10022, "Severity", {"type": "option"}),
        (10023, "Platforms", {"type": "array", "items": "option"}),
        (10024, "Reviewer", {"type": "user"}),
        (10025, "Approvers", {"type": "array", "items": "user"}),
        (10026, "Go live", {"type": "date"}),
        (10027, "Starts", {"type": "datetime"}),
        (10028, "Area", {"type": "option-with-child"}),
        (10029, "Tags", {"type": "array", "items": "string"}),
        (10030, "Group", {"type": "group"}),
        (10031, "Versions", {"type": "array", "items": "version"}),
        (10032, "Team", {"type": "string"}),  # the name is not unique
    )
)
STATUSES = (
    ("1", "To Do", "new"),
    ("2", "In Progress", "indeterminate"),
    ("3", 'Waiting for "legal"', "indeterminate"),
    ("4", "Back\\slash", "indeterminate"),
    ("5", "Done", "done"),
    ("10001", "Done", "done"),  # a team-managed project's own
)
PRIORITIES = (("1", "Highest"), ("3", "Medium"), ("5", "Lowest"))
TYPES = (("10000", "Epic", False), ("10001", "Story", False), ("10002", "Sub-task", True))


def text(words: str, *marks: str) -> Json:
    """An inline text node."""
    return {"type": "text", "text": words, **({"marks": [{"type": mark} for mark in marks]} if marks else {})}


def paragraph(*content: Json) -> Json:
    """A paragraph; an empty one has no content."""
    return {"type": "paragraph", **({"content": list(content)} if content else {})}


def document(*content: Json) -> Json:
    """A complete document."""
    return {"type": "doc", "version": 1, "content": list(content)}


def _item(words: str) -> Json:
    return {"type": "listItem", "content": [paragraph(text(words))]}


def _row(kind: str, *cells: str) -> Json:
    return {
        "type": "tableRow",
        "content": [{"type": kind, "attrs": {}, "content": [paragraph(text(c))]} for c in cells],
    }


def documents(which: int) -> Json | None:
    """One of a dozen documents; together they hold every node."""
    made: tuple[Json | None, ...] = (
        document(paragraph(text(f"Plain words of {which}."))),
        document(paragraph(text("bold", "strong"), text(" and "), text("code", "code")), paragraph()),
        document({"type": "heading", "attrs": {"level": 2}, "content": [text("Heading")]}, {"type": "rule"}),
        document({"type": "bulletList", "content": [_item("one"), _item("two")]}),
        document({"type": "orderedList", "attrs": {"order": 3}, "content": [_item("three"), _item("four")]}),
        document({"type": "codeBlock", "attrs": {"language": "sql"}, "content": [text("SELECT 'a\\b';\nSELECT 2")]}),
        document({"type": "panel", "attrs": {"panelType": "info"}, "content": [paragraph(text("Mind this."))]}),
        document({"type": "table", "content": [_row("tableHeader", "h1", "h2"), _row("tableCell", "c1", "c2")]}),
        document(paragraph({"type": "mention", "attrs": {"id": "acc-1", "text": "@Ann"}}, text(" naïve 漢字 🧊"))),
        document(
            paragraph(
                {"type": "emoji", "attrs": {"shortName": ":smile:", "text": "😄"}},
                {"type": "hardBreak"},
                {"type": "date", "attrs": {"timestamp": "1700000000000"}},
                {"type": "status", "attrs": {"text": "LATE", "color": "red"}},
                {"type": "inlineCard", "attrs": {"url": "https://example.com/a?b=c"}},
            )
        ),
        document({"type": "blockquote", "content": [paragraph(text("quoted"))]}),
        document(),
        None,
    )
    return made[which % len(made)]


def custom_values(which: int, person: Json | None) -> Json:
    """Values of the custom fields of one issue; every third is empty."""
    option = {"self": "x", "value": f"Option {which % 4}", "id": str(100 + which % 4)}
    values: tuple[Any, ...] = (
        [{"id": which % 9, "name": "Sprint", "state": "active", "startDate": "2024-01-01T00:00:00.000Z"}],
        f"OPS-{which}",
        float(which % 13) / 2,
        f"team {which % 5}",
        documents(which + 1),
        option,
        [option, {**option, "id": "999"}],
        person,
        [person] if person else [],
        "2024-02-29",
        "2024-03-31T01:30:00.000+0100",
        {**option, "child": {"value": "child", "id": "7"}},
        ["a b", 'quote "', "back\\slash"],
        {"name": "developers", "groupId": "g-1"},
        [{"id": "1", "name": "1.0", "released": False}],
        None,
    )
    # Fields that a test adds to the site's own have no values.
    return {
        field["id"]: None if (which + index) % 3 == 0 else value
        for index, (field, value) in enumerate(zip_longest(FIELDS, values))
    }


def person(number: int) -> dict[str, Any]:
    """An account; some are apps, former users, or without an address."""
    kind = "app" if number % 11 == 10 else "customer" if number % 7 == 6 else "atlassian"
    made: dict[str, Any] = {
        "accountId": f"557058:{number:08x}-aaaa",
        "accountType": kind,
        "displayName": "Former user" if number % 9 == 8 else f"Person {number}",
        "active": number % 9 != 8,
        "timeZone": "Europe/Berlin",
    }
    if number % 3 == 0:
        made["emailAddress"] = f"person{number}@example.com"
    elif number % 3 == 1:
        made["emailAddress"] = None if number % 2 else ""
    return made


def project(index: int, key: str) -> dict[str, Any]:
    """A project, live and visible."""
    return {
        "id": str(10_000 + index),
        "key": key,
        "name": f"Project {key}",
        "description": f"About {key}" if index % 2 == 0 else "",
        "projectTypeKey": "software",
        "style": "next-gen" if index % 2 else "classic",
        "isPrivate": False,
        "archived": False,
        "hidden": False,
        "next": 0,
    }
