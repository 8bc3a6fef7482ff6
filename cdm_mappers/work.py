"""The work family as data: projects, users, items, comments and worklogs of any tracker.

Ids are ``cdm:work:<entity>:<source system>:<id>``. A source system's name contains no colon, so everything after the
fourth colon is the source's own id, whatever it contains.
"""

from __future__ import annotations

from cdm_mappers.columns import TIMES, column_of, comment_of, model_of_columns

_PROJECT, _USER, _ITEM = "cdm.work.project", "cdm.work.user", "cdm.work.item"

WORK = (
    comment_of("cdm.work.comment", _ITEM, _USER),
    model_of_columns(
        _ITEM,
        "A piece of work: an issue, a task, a ticket",
        column_of("source_issue_key", "string", "The key people use; it changes when the item moves", version=True),
        column_of("project_cdm_id", "string", "The project", _PROJECT, version=True),
        column_of("reporter_cdm_id", "string", "Who reported it", _USER),
        column_of("assignee_cdm_id", "string", "Who works on it", _USER),
        column_of("parent_cdm_id", "string", "The item it is part of", _ITEM),
        column_of("issue_type", "string", "Kind of work, in the source's words"),
        column_of("status", "string", "State, in the source's words", version=True),
        column_of("status_category", "string", "new, indeterminate or done"),
        column_of("priority", "string", "Urgency, in the source's words"),
        column_of("summary", "string", "One line"),
        column_of("description", "string", "Plain text"),
        column_of("labels", "json", "Array of text"),
        *TIMES,
        column_of("closed_at", "timestamptz", "When it was resolved"),
        column_of("properties", "json", "Custom fields by id: {name, type, value}; empty ones are left out"),
        column_of("raw_source", "json", "What identifies the item at its source; no texts, no attachments"),
    ),
    model_of_columns(
        _PROJECT,
        "What items belong to",
        column_of("source_project_key", "string", "The key people use"),
        column_of("name", "string", "Name"),
        column_of("description", "string", "Plain text"),
        column_of("url", "string", "Page of the project"),
    ),
    model_of_columns(
        _USER,
        "A person or an app",
        column_of("source_user_id", "string", "Account at the source"),
        column_of("display_name", "string", "Name as shown"),
        column_of("email", "string", "Address, where the source shows it"),
        column_of("active", "bool", "Whether the account can be used"),
    ),
    model_of_columns(
        "cdm.work.worklog",
        "Time spent on an item",
        column_of("item_cdm_id", "string", "The item", _ITEM),
        column_of("author_cdm_id", "string", "Who worked", _USER),
        column_of("started_at", "timestamptz", "When the work began"),
        column_of("time_spent_seconds", "int64", "Seconds"),
        column_of("comment", "string", "Plain text"),
        *TIMES,
        column_of("visibility", "json", "Who may see it, as the source says; empty for everybody"),
    ),
)
"""Ordered by id."""
