"""What the models of every family share: the columns of identity and origin, and how a column or a model is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.mapping import DELETED_AT, INGESTED_AT, CdmColumn, CdmModel

if TYPE_CHECKING:
    from contracts.catalog import LogicalType

ANY_MODEL = "cdm.*"
"""What a column refers to that holds ids of several models."""


def column_of(
    name: str,
    kind: LogicalType,
    meaning: str,
    references: str | None = None,
    *,
    required: bool = False,
    version: bool = False,
) -> CdmColumn:
    """A column; it may be empty unless it is required."""
    return CdmColumn(
        name=name, logical_type=kind, meaning=meaning, references=references, nullable=not required, version=version
    )


_HEAD = (
    column_of("cdm_id", "string", "Identity of the row in the common model", required=True),
    column_of("source_system", "string", "Name of the system the row came from", required=True),
    column_of("source_id", "string", "The system's own stable id", required=True),
)
_TAIL = (
    column_of("source_url", "string", "Page a person opens"),
    column_of("dataset_id", "string", "Catalogued dataset the row came from", required=True),
    column_of("source_endpoint_id", "string", "Endpoint the row came from", required=True),
    column_of(INGESTED_AT, "timestamptz", "When the row was last written with new content", required=True),
    column_of(DELETED_AT, "timestamptz", "When the row was found gone at its source; empty while it lives"),
)
TIMES = (
    column_of("created_at", "timestamptz", "When it was made"),
    column_of("updated_at", "timestamptz", "When it was last changed", version=True),
)


def comment_of(model_id: str, item: str, user: str, *own: CdmColumn) -> CdmModel:
    """A comment on an item of some family; ``own`` columns stand between those that every comment has and the tail."""
    return model_of_columns(
        model_id,
        "A comment on an item",
        column_of("item_cdm_id", "string", "The item", item),
        column_of("author_cdm_id", "string", "Who wrote it; empty when nobody is named", user),
        column_of("body", "string", "Plain text"),
        *TIMES,
        column_of("visibility", "json", "Who may see it, as the source says; empty for everybody"),
        *own,
    )


def model_of_columns(model_id: str, meaning: str, *columns: CdmColumn) -> CdmModel:
    """A model with these columns between identity and origin."""
    return CdmModel(model_id=model_id, meaning=meaning, columns=(*_HEAD, *columns, *_TAIL))
