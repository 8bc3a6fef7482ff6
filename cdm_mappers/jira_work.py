"""Maps Jira rows to the work family with polars expressions only; a missing column counts as null.

Custom field columns contain JSON as received; the catalog has their names and types. ``properties`` is built as text
from both, so that no value is parsed and serialised again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from cdm_mappers.row import SourceRow
from contracts.catalog import ColumnDescriptor

if TYPE_CHECKING:
    from contracts.mapping import MapContext

_RAW_KEYS = ("id", "key", "project_id", "project_key", "issue_type_id", "status_id", "priority_id", "parent_id")
_CUSTOM = "customfield_"


def item(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``jira.issues`` to ``cdm.work.item``. The id contains the key, so that a moved issue gets a new id."""
    row = _Row(frame, context)
    return row.mapped(
        "cdm.work.item",
        {
            "cdm_id": row.cdm("item", "key"),
            "source_id": row["id"],
            "source_issue_key": row["key"],
            "project_cdm_id": row.cdm("project", "project_key"),
            "reporter_cdm_id": row.cdm("user", "reporter_id"),
            "assignee_cdm_id": row.cdm("user", "assignee_id"),
            "parent_cdm_id": row.cdm("item", "parent_key"),
            **{
                name: row[name] for name in ("issue_type", "status", "status_category", "priority", "summary", "labels")
            },
            "description": row["description_text"],
            "created_at": row["created"],
            "updated_at": row["updated"],
            "closed_at": row["resolved"],
            "properties": row.properties(),
            "raw_source": row.json_object(_RAW_KEYS),
        },
    )


def project(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``jira.projects`` to ``cdm.work.project``."""
    row = _Row(frame, context)
    plain = {name: row[name] for name in ("name", "description", "url")}
    ids = {"cdm_id": row.cdm("project", "key"), "source_id": row["id"], "source_project_key": row["key"]}
    return row.mapped("cdm.work.project", ids | plain)


def user(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``jira.users`` to ``cdm.work.user``; an empty email address becomes null."""
    row = _Row(frame, context)
    return row.mapped(
        "cdm.work.user",
        {
            "cdm_id": row.cdm("user", "account_id"),
            "source_id": row["account_id"],
            "source_user_id": row["account_id"],
            "display_name": row["display_name"],
            "email": pl.when(row["email"] != "").then(row["email"]),
            "active": row["active"],
        },
    )


def comment(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``jira.comments`` to ``cdm.work.comment``."""
    row = _Row(frame, context)
    return row.mapped(
        "cdm.work.comment",
        {
            "cdm_id": row.cdm("comment", "id"),
            "source_id": row["id"],
            "item_cdm_id": row.cdm("item", "issue_key"),
            "author_cdm_id": row.cdm("user", "author_id"),
            "body": row["body_text"],
            "created_at": row["created"],
            "updated_at": row["updated"],
            "visibility": row["visibility"],
        },
    )


def worklog(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``jira.worklogs`` to ``cdm.work.worklog``."""
    row = _Row(frame, context)
    return row.mapped(
        "cdm.work.worklog",
        {
            "cdm_id": row.cdm("worklog", "id"),
            "source_id": row["id"],
            "item_cdm_id": row.cdm("item", "issue_key"),
            "author_cdm_id": row.cdm("user", "author_id"),
            "started_at": row["started"],
            "time_spent_seconds": row["time_spent_seconds"],
            "comment": row["comment_text"],
            "created_at": row["created"],
            "updated_at": row["updated"],
            "visibility": row["visibility"],
        },
    )


class _Row(SourceRow):
    """A row of the tracker, with custom fields."""

    def __init__(self, frame: pl.LazyFrame, context: MapContext) -> None:
        super().__init__(frame, context, "work")

    def properties(self) -> pl.Expr:
        """Custom fields that have a value, as ``{id: {name, type, value}}``; null if there are none."""
        parts = [_property(column) for column in self._custom()]
        if not parts:
            return pl.lit(None)
        joined = pl.concat_str(parts, separator=",", ignore_nulls=True)
        return pl.when(joined != "").then(pl.lit("{") + joined + pl.lit("}"))

    def _custom(self) -> list[ColumnDescriptor]:
        """Custom field columns of the frame in the catalog's order, then those that the catalog lacks, by name.

        Rows that were staged before the catalog was last collected may have a field that it no longer lists.
        """
        known = [one for one in self.context.dataset.columns if one.name.startswith(_CUSTOM)]
        present = {name for name in self.columns if name.startswith(_CUSTOM)}
        stray = sorted(present - {one.name for one in known})
        unlisted = [ColumnDescriptor(name=name, logical_type="json", declared_type="unknown") for name in stray]
        return [one for one in known if one.name in present] + unlisted


def _property(column: ColumnDescriptor) -> pl.Expr:
    """``"customfield_1":{"name":…,"type":…,"value":…}`` of one column; null if it has no value."""
    name = column.name if column.comment is None else column.comment
    described = f'"name":{json.dumps(name)},"type":{json.dumps(column.declared_type)}'
    value = pl.col(column.name).cast(pl.String)
    has_value = ~value.str.strip_chars().is_in(["", "null"])
    return pl.when(has_value).then(pl.lit(f'{json.dumps(column.name)}:{{{described},"value":') + value + pl.lit("}"))
