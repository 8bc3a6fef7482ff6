"""The table of a common model: the statements that make it, widen it and describe it. Pure: text from the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connectors.postgres.sql import ident, literal
from connectors.postgres.types import declared_type
from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.errors import SinkSchemaConflictError
from contracts.mapping import DELETED_AT, IDENTITY

if TYPE_CHECKING:
    from contracts.mapping import CdmColumn, CdmModel

_MARK = re.compile(r"\[(cdm\.[a-z_.]+) v(\d+)\]$")


def columns_of(model: CdmModel) -> dict[str, str]:
    """Declared type by column name; JSON as ``json``, which keeps text as it came, escapes of NUL included."""
    return {column.name: declared_type(_described(column), "") for column in model.columns}


def statements(model: CdmModel, table: str, existing: dict[str, str]) -> list[str]:
    """What makes the table fit, in order; empty when it does. Columns a person added are left alone.

    Raises:
        SinkSchemaConflictError: A column has another type.
    """
    wanted = columns_of(model)
    if not existing:
        return [_create(model, table, wanted), *_indexes(model, table), *_comments(model, table, list(wanted))]
    bad = [
        f"{name} is {existing[name]}, not {kind}" for name, kind in wanted.items() if existing.get(name, kind) != kind
    ]
    if bad:
        raise SinkSchemaConflictError(
            f"{table} cannot hold {model.model_id}: {'; '.join(bad)}",
            "Rename or remove the table, or give the endpoint another table_prefix; nothing was changed.",
            table=table,
            conflicts=bad,
        )
    added = [name for name in wanted if name not in existing]
    lines = [f"ALTER TABLE {table} ADD COLUMN {ident(name)} {wanted[name]}" for name in added]
    return [*lines, *_comments(model, table, added)] if added else []


def version_in(comment: str | None) -> int:
    """The model's version a table's comment tells; 0 when it tells none."""
    match = _MARK.search(comment or "")
    return int(match.group(2)) if match else 0


def dataset_of(model: CdmModel, schema: str, name: str) -> DatasetDescriptor:
    """The table as a catalogued dataset."""
    return DatasetDescriptor(
        dataset_id=f"{schema}.{name}",
        kind="table",
        namespace=schema,
        name=name,
        columns=tuple(_described(column) for column in model.columns),
        primary_key=model.key,
        comment=model.meaning,
        dialect="postgres",
        labels=(f"cdm_model:{model.model_id}",),
    )


def _described(column: CdmColumn) -> ColumnDescriptor:
    plain = ColumnDescriptor(name=column.name, logical_type=column.logical_type, declared_type="")
    return plain.model_copy(
        update={"declared_type": declared_type(plain, ""), "nullable": column.nullable, "comment": column.meaning}
    )


def _create(model: CdmModel, table: str, wanted: dict[str, str]) -> str:
    required = {column.name for column in model.columns if not column.nullable}
    lines = [f"{ident(name)} {kind}{' NOT NULL' if name in required else ''}" for name, kind in wanted.items()]
    key = ", ".join(ident(name) for name in model.key)
    return f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(lines)}, PRIMARY KEY ({key}))"


def _indexes(model: CdmModel, table: str) -> list[str]:
    names = {column.name for column in model.columns}
    referring = [(column.name,) for column in model.columns if column.references]
    groups = [IDENTITY, *referring, *([("updated_at",)] if "updated_at" in names else [])]
    made = [f"CREATE INDEX ON {table} ({', '.join(ident(name) for name in group)})" for group in groups]
    return [*made, f"CREATE INDEX ON {table} ({ident(DELETED_AT)}) WHERE {ident(DELETED_AT)} IS NOT NULL"]


def _comments(model: CdmModel, table: str, names: list[str]) -> list[str]:
    meaning = {
        column.name: column.meaning + (f" ({column.references})" if column.references else "")
        for column in model.columns
    }
    mark = f"{model.meaning} [{model.model_id} v{model.version}]"
    lines = [f"COMMENT ON COLUMN {table}.{ident(name)} IS {literal(meaning[name])}" for name in names]
    return [*lines, f"COMMENT ON TABLE {table} IS {literal(mark)}"]
