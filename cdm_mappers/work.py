"""The work family as data: projects, users, items, comments and worklogs of any tracker.

Ids are ``cdm:work:<entity>:<source system>:<id>``. A source system's name contains no colon, so everything after the
fourth colon is the source's own id, whatever it contains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.mapping import DELETED_AT, INGESTED_AT, CdmColumn, CdmModel

if TYPE_CHECKING:
    from contracts.catalog import LogicalType

_PROJECT, _USER, _ITEM = "cdm.work.project", "cdm.work.user", "cdm.work.item"


def _column(
    name: str,
    kind: LogicalType,
    meaning: str,
    references: str | None = None,
    *,
    required: bool = False,
    version: bool = False,
) -> CdmColumn:
    return CdmColumn(
        name=name, logical_type=kind, meaning=meaning, references=references, nullable=not required, version=version
    )


_HEAD = (
    _column("cdm_id", "string", "Identity of the row in the common model", required=True),
    _column("source_system", "string", "Name of the system the row came from", required=True),
    _column("source_id", "string", "The system's own stable id", required=True),
)
_TAIL = (
    _column("source_url", "string", "Page a person opens"),
    _column("dataset_id", "string", "Catalogued dataset the row came from", required=True),
    _column("source_endpoint_id", "string", "Endpoint the row came from", required=True),
    _column(INGESTED_AT, "timestamptz", "When the row was last written with new content", required=True),
    _column(DELETED_AT, "timestamptz", "When the row was found gone at its source; empty while it lives"),
)
_TIMES = (
    _column("created_at", "timestamptz", "When it was made"),
    _column("updated_at", "timestamptz", "When it was last changed", version=True),
)


def _model(model_id: str, meaning: str, *columns: CdmColumn) -> CdmModel:
    return CdmModel(model_id=model_id, meaning=meaning, columns=(*_HEAD, *columns, *_TAIL))


WORK = (
    _model(
        "cdm.work.comment",
        "A comment on an item",
        _column("item_cdm_id", "string", "The item", _ITEM),
        _column("author_cdm_id", "string", "Who wrote it; empty when nobody is named", _USER),
        _column("body", "string", "Plain text"),
        *_TIMES,
        _column("visibility", "json", "Who may see it, as the source says; empty for everybody"),
    ),
    _model(
        _ITEM,
        "A piece of work: an issue, a task, a ticket",
        _column("source_issue_key", "string", "The key people use; it changes when the item moves", version=True),
        _column("project_cdm_id", "string", "The project", _PROJECT, version=True),
        _column("reporter_cdm_id", "string", "Who reported it", _USER),
        _column("assignee_cdm_id", "string", "Who works on it", _USER),
        _column("parent_cdm_id", "string", "The item it is part of", _ITEM),
        _column("issue_type", "string", "Kind of work, in the source's words"),
        _column("status", "string", "State, in the source's words", version=True),
        _column("status_category", "string", "new, indeterminate or done"),
        _column("priority", "string", "Urgency, in the source's words"),
        _column("summary", "string", "One line"),
        _column("description", "string", "Plain text"),
        _column("labels", "json", "Array of text"),
        *_TIMES,
        _column("closed_at", "timestamptz", "When it was resolved"),
        _column("properties", "json", "Custom fields by id: {name, type, value}; empty ones are left out"),
        _column("raw_source", "json", "What identifies the item at its source; no texts, no attachments"),
    ),
    _model(
        _PROJECT,
        "What items belong to",
        _column("source_project_key", "string", "The key people use"),
        _column("name", "string", "Name"),
        _column("description", "string", "Plain text"),
        _column("url", "string", "Page of the project"),
    ),
    _model(
        _USER,
        "A person or an app",
        _column("source_user_id", "string", "Account at the source"),
        _column("display_name", "string", "Name as shown"),
        _column("email", "string", "Address, where the source shows it"),
        _column("active", "bool", "Whether the account can be used"),
    ),
    _model(
        "cdm.work.worklog",
        "Time spent on an item",
        _column("item_cdm_id", "string", "The item", _ITEM),
        _column("author_cdm_id", "string", "Who worked", _USER),
        _column("started_at", "timestamptz", "When the work began"),
        _column("time_spent_seconds", "int64", "Seconds"),
        _column("comment", "string", "Plain text"),
        *_TIMES,
        _column("visibility", "json", "Who may see it, as the source says; empty for everybody"),
    ),
)
"""Ordered by id."""
