"""Maps Jira rows to the work family with polars expressions only; a missing column counts as null.

Custom field columns contain JSON as received; the catalog has their names and types. ``properties`` is built as text
from both, so that no value is parsed and serialised again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from cdm_mappers.models import MODELS, schema_of
from contracts.catalog import ColumnDescriptor
from contracts.mapping import DELETED_AT, INGESTED_AT, OWNER

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class _Row:
    """Expressions over one frame of staged rows; ``row["name"]`` is the column, or null if it is missing."""

    def __init__(self, frame: pl.LazyFrame, context: MapContext) -> None:
        self._frame, self._context = frame, context
        self._columns = frozenset(frame.collect_schema().names())
        self._system = context.dataset.namespace

    def __getitem__(self, name: str) -> pl.Expr:
        return pl.col(name) if name in self._columns else pl.lit(None)

    def cdm(self, entity: str, name: str) -> pl.Expr:
        """An id in the work family; null if the source's id is null."""
        return pl.lit(f"cdm:work:{entity}:{self._system}:") + self[name].cast(pl.String)

    def json_object(self, names: tuple[str, ...]) -> pl.Expr:
        """Columns as a JSON object."""
        return pl.struct(*(self[name].cast(pl.String).alias(name) for name in names)).struct.json_encode()

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
        known = [one for one in self._context.dataset.columns if one.name.startswith(_CUSTOM)]
        present = {name for name in self._columns if name.startswith(_CUSTOM)}
        stray = sorted(present - {one.name for one in known})
        unlisted = [ColumnDescriptor(name=name, logical_type="json", declared_type="unknown") for name in stray]
        return [one for one in known if one.name in present] + unlisted

    def mapped(self, model_id: str, columns: Mapping[str, pl.Expr]) -> pl.LazyFrame:
        """A frame with the model's columns, in its order and with its types."""
        context = self._context
        known: dict[str, pl.Expr] = {
            "source_system": pl.lit(self._system),
            "source_url": self["url"],
            "dataset_id": pl.lit(context.dataset.dataset_id),
            OWNER: pl.lit(context.endpoint_id),
            INGESTED_AT: pl.lit(context.ingested_at),
            DELETED_AT: pl.lit(None),
            **columns,
        }
        schema = schema_of(MODELS[model_id])
        return self._frame.select(known[name].cast(dtype).alias(name) for name, dtype in schema.items())


def _property(column: ColumnDescriptor) -> pl.Expr:
    """``"customfield_1":{"name":…,"type":…,"value":…}`` of one column; null if it has no value."""
    name = column.name if column.comment is None else column.comment
    described = f'"name":{json.dumps(name)},"type":{json.dumps(column.declared_type)}'
    value = pl.col(column.name).cast(pl.String)
    has_value = ~value.str.strip_chars().is_in(["", "null"])
    return pl.when(has_value).then(pl.lit(f'{json.dumps(column.name)}:{{{described},"value":') + value + pl.lit("}"))
