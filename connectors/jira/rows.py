"""Payloads as rows: every payload is kept as received, read once, and becomes one row of its dataset's columns.

A column whose value is missing is null; a row is never dropped. NUL characters, which databases cannot hold in text,
become U+FFFD in the normalised columns; ``raw`` keeps the payload with its escapes as received.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from connectors.http.errors import unexpected_payload
from connectors.jira.adf import plain_text
from connectors.jira.units import custom_fields

if TYPE_CHECKING:
    from contracts.catalog import DatasetDescriptor

_NULL = b"null"
_TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "json": pl.String(),
    "bool": pl.Boolean(),
    "int64": pl.Int64(),
    "date": pl.Date(),
    "timestamptz": pl.Datetime("us", "UTC"),
}
Columns = dict[str, list[Any]]
Lister = Callable[[Sequence[Any], Sequence[msgspec.Raw]], Columns]


class _Reference(msgspec.Struct, gc=False):
    id: str | None = None
    name: str | None = None
    key: str | None = None


class _Category(msgspec.Struct, gc=False):
    key: str | None = None
    name: str | None = None


class _Status(msgspec.Struct, gc=False):
    id: str | None = None
    name: str | None = None
    statusCategory: _Category | None = None  # noqa: N815 - Jira's name


class _UserRef(msgspec.Struct, gc=False):
    accountId: str | None = None  # noqa: N815 - Jira's name


_SYSTEM: list[tuple[str, Any, Any]] = [
    *((name, str | None, None) for name in ("summary", "created", "updated", "resolutiondate", "duedate")),
    *((name, _Reference | None, None) for name in ("project", "issuetype", "priority", "resolution", "parent")),
    *((name, _UserRef | None, None) for name in ("reporter", "assignee", "creator")),
    ("status", _Status | None, None),
    *((name, msgspec.Raw, msgspec.Raw(_NULL)) for name in ("description", "labels")),
]


class _ChildPayload(msgspec.Struct, gc=False):
    """A comment or a worklog."""

    id: str
    self_: str | None = msgspec.field(name="self", default=None)
    author: _UserRef | None = None
    updateAuthor: _UserRef | None = None  # noqa: N815 - Jira's name
    body: msgspec.Raw = msgspec.Raw(_NULL)
    comment: msgspec.Raw = msgspec.Raw(_NULL)
    visibility: msgspec.Raw = msgspec.Raw(_NULL)
    created: str | None = None
    updated: str | None = None
    started: str | None = None
    timeSpent: str | None = None  # noqa: N815 - Jira's name
    timeSpentSeconds: int | None = None  # noqa: N815 - Jira's name
    jsdPublic: bool | None = None  # noqa: N815 - Jira's name


class _ProjectPayload(msgspec.Struct, gc=False):
    id: str
    key: str | None = None
    name: str | None = None
    description: str | None = None
    lead: _UserRef | None = None
    projectTypeKey: str | None = None  # noqa: N815 - Jira's name
    projectCategory: _Category | None = None  # noqa: N815 - Jira's name
    isPrivate: bool | None = None  # noqa: N815 - Jira's name
    archived: bool | None = None


class _AccountPayload(msgspec.Struct, gc=False):
    accountId: str  # noqa: N815 - Jira's name
    accountType: str | None = None  # noqa: N815 - Jira's name
    displayName: str | None = None  # noqa: N815 - Jira's name
    emailAddress: str | None = None  # noqa: N815 - Jira's name
    active: bool | None = None
    timeZone: str | None = None  # noqa: N815 - Jira's name


_children = msgspec.json.Decoder(_ChildPayload).decode
_project = msgspec.json.Decoder(_ProjectPayload).decode
_account = msgspec.json.Decoder(_AccountPayload).decode


class IssueReader:
    """Reads issue payloads of one dataset: its custom fields are part of the shape."""

    def __init__(self, dataset: DatasetDescriptor, base_url: str) -> None:
        self._dataset, self._base_url = dataset, base_url
        self._custom = [field.field_id for field in custom_fields(dataset)]
        custom = [(name, msgspec.Raw, msgspec.Raw(_NULL)) for name in self._custom]
        fields = msgspec.defstruct("Fields", [*_SYSTEM, *custom], gc=False)
        kind = msgspec.defstruct("Issue", [("id", str), ("key", str), ("fields", fields)], gc=False)
        self._decode: Callable[[Any], Any] = msgspec.json.Decoder(kind).decode

    def frame(self, payloads: Sequence[msgspec.Raw]) -> pl.DataFrame:
        """One row per issue."""
        issues = [self._decode(payload) for payload in payloads]
        rows = [issue.fields for issue in issues]
        columns: Columns = {
            "id": [issue.id for issue in issues],
            "key": [issue.key for issue in issues],
            "project_id": [_part(row.project, "id") for row in rows],
            "project_key": [_part(row.project, "key") for row in rows],
            "issue_type_id": [_part(row.issuetype, "id") for row in rows],
            "issue_type": [_part(row.issuetype, "name") for row in rows],
            "status_id": [_part(row.status, "id") for row in rows],
            "status": [_part(row.status, "name") for row in rows],
            "status_category": [_part(_part(row.status, "statusCategory"), "key") for row in rows],
            "priority_id": [_part(row.priority, "id") for row in rows],
            "priority": [_part(row.priority, "name") for row in rows],
            "resolution": [_part(row.resolution, "name") for row in rows],
            "summary": [row.summary for row in rows],
            "description": [_text(row.description) for row in rows],
            "description_text": [plain_text(bytes(row.description)) for row in rows],
            "labels": [_text(row.labels) for row in rows],
            "reporter_id": [_part(row.reporter, "accountId") for row in rows],
            "assignee_id": [_part(row.assignee, "accountId") for row in rows],
            "creator_id": [_part(row.creator, "accountId") for row in rows],
            "parent_id": [_part(row.parent, "id") for row in rows],
            "parent_key": [_part(row.parent, "key") for row in rows],
            "created": [row.created for row in rows],
            "updated": [row.updated for row in rows],
            "resolved": [row.resolutiondate for row in rows],
            "due_date": [row.duedate for row in rows],
            "url": [f"{self._base_url}/browse/{issue.key}" for issue in issues],
            **{name: [_text(getattr(row, name)) for row in rows] for name in self._custom},
            "raw": [_text(payload) for payload in payloads],
        }
        return framed(self._dataset, columns)


class Parent(msgspec.Struct, frozen=True):
    """The issue a child hangs on."""

    issue_id: str
    key: str | None
    project_key: str | None


class ChildReader:
    """Reads comments or worklogs with the issue they hang on."""

    def __init__(self, dataset: DatasetDescriptor, base_url: str) -> None:
        self._dataset, self._base_url = dataset, base_url
        self._focus = "focusedCommentId" if dataset.name == "comments" else "focusedWorklogId"

    def frame(self, children: Sequence[tuple[Parent, msgspec.Raw]]) -> pl.DataFrame:
        """One row per child."""
        parents = [parent for parent, _ in children]
        rows = [_children(payload) for _, payload in children]
        every: Columns = {
            "id": [row.id for row in rows],
            "issue_id": [parent.issue_id for parent in parents],
            "issue_key": [parent.key for parent in parents],
            "project_key": [parent.project_key for parent in parents],
            "author_id": [_part(row.author, "accountId") for row in rows],
            "update_author_id": [_part(row.updateAuthor, "accountId") for row in rows],
            "body": [_text(row.body) for row in rows],
            "body_text": [plain_text(bytes(row.body)) for row in rows],
            "comment": [_text(row.comment) for row in rows],
            "comment_text": [plain_text(bytes(row.comment)) for row in rows],
            "started": [row.started for row in rows],
            "created": [row.created for row in rows],
            "updated": [row.updated for row in rows],
            "time_spent": [row.timeSpent for row in rows],
            "time_spent_seconds": [row.timeSpentSeconds for row in rows],
            "visibility": [_text(row.visibility) for row in rows],
            "jsd_public": [row.jsdPublic for row in rows],
            "url": [
                f"{self._base_url}/browse/{parent.key}?{self._focus}={row.id}"
                for parent, row in zip(parents, rows, strict=True)
            ],
            "raw": [_text(payload) for _, payload in children],
        }
        return framed(self._dataset, {column.name: every[column.name] for column in self._dataset.columns})


def projects(dataset: DatasetDescriptor, payloads: Sequence[msgspec.Raw], base_url: str) -> pl.DataFrame:
    """One row per project."""
    rows = [_project(payload) for payload in payloads]
    columns: Columns = {
        "id": [row.id for row in rows],
        "key": [row.key for row in rows],
        "name": [row.name for row in rows],
        "description": [row.description for row in rows],
        "lead_id": [_part(row.lead, "accountId") for row in rows],
        "project_type": [row.projectTypeKey for row in rows],
        "category": [_part(row.projectCategory, "name") for row in rows],
        "is_private": [row.isPrivate for row in rows],
        "archived": [row.archived for row in rows],
        "url": [f"{base_url}/browse/{row.key}" if row.key else None for row in rows],
        "raw": [_text(payload) for payload in payloads],
    }
    return framed(dataset, columns)


def users(dataset: DatasetDescriptor, payloads: Sequence[msgspec.Raw], base_url: str) -> pl.DataFrame:
    """One row per account; an e-mail address that is not shown is null."""
    rows = [_account(payload) for payload in payloads]
    columns: Columns = {
        "account_id": [row.accountId for row in rows],
        "account_type": [row.accountType for row in rows],
        "display_name": [row.displayName for row in rows],
        "email": [row.emailAddress or None for row in rows],
        "active": [row.active for row in rows],
        "time_zone": [row.timeZone for row in rows],
        "url": [f"{base_url}/jira/people/{row.accountId}" for row in rows],
        "raw": [_text(payload) for payload in payloads],
    }
    return framed(dataset, columns)


def framed(dataset: DatasetDescriptor, columns: Columns) -> pl.DataFrame:
    """The columns in the dataset's order and types; moments in UTC with microseconds.

    Raises:
        SourceValueError: A moment or a date is not written as documented; the error names the column, not the value.
    """
    kinds = {column.name: column.logical_type for column in dataset.columns}
    texts = {"timestamptz", "date"}
    schema = {name: pl.String() if kind in texts else _TYPES[kind] for name, kind in kinds.items()}
    frame = pl.DataFrame({name: columns[name] for name in kinds}, schema=schema)
    try:
        return frame.with_columns(_normalised(name, kind) for name, kind in kinds.items())
    except pl.exceptions.PolarsError as error:
        raise unexpected_payload(
            dataset.dataset_id, str(error).partition(" for ")[0]
        ) from None  # polars shows the values


def _normalised(name: str, kind: str) -> pl.Expr:
    column = pl.col(name)
    if kind == "timestamptz":
        return column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC")
    if kind == "date":
        return column.str.to_date("%Y-%m-%d")
    if kind == "string":
        return column.str.replace_all("\0", "\ufffd", literal=True)
    return column


def _part(value: Any, name: str) -> Any:
    return None if value is None else getattr(value, name)


def _text(raw: msgspec.Raw) -> str | None:
    payload = bytes(raw)
    return None if payload == _NULL else payload.decode()
