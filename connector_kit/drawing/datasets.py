"""What an endpoint is, what it holds, and what of it can be moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connector_kit.drawing.drawing import Drawing
from connector_kit.drawing.table import record, table
from connector_kit.drawing.values import NOTHING, TableCell, cell, chips, code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

    from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
    from contracts.endpoint import ConnectionReport, EndpointDescriptor
    from contracts.mapping import CdmModel
    from contracts.unit import EndpointUnitDescriptor


def endpoint(descriptor: EndpointDescriptor) -> Drawing:
    """What a template is and can do, and the fields of its config."""
    facts = {
        "template": code(descriptor.template_id),
        "what": TableCell(descriptor.description, wrap=True),
        "roles": chips(descriptor.roles),
        "can": TableCell(chips(descriptor.capabilities).text, chips(descriptor.capabilities).html, wrap=True),
        "logs in by": chips(descriptor.auth_modes) if descriptor.auth_modes else NOTHING,
    }
    rows = [
        (
            code(field.name),
            "required" if field.required else "",
            "secret" if field.secret else "",
            NOTHING if field.required or field.default is None else cell(field.default, 24, exact=True),
            TableCell(field.description, wrap=True),
        )
        for field in descriptor.fields
    ]
    head = record(facts, title=descriptor.title)
    return Drawing(
        head.inner + "<div style='height:10px'></div>" + table(("field", "", "", "default", "meaning"), rows).body,
        f"{head.text}\n{table(('field', '', '', 'default', 'meaning'), rows).text}",
    )


def config(values: BaseModel) -> Drawing:
    """A config that is in use: what was set, secrets hidden."""
    given = {name: getattr(values, name) for name in type(values).model_fields if name in values.model_fields_set}
    return settings(given, title=type(values).__name__)


def settings(values: Mapping[str, Any], title: str = "") -> Drawing:
    """Names and values; a ``SecretStr`` stays a secret."""
    return record({n: "•" * 8 if isinstance(v, SecretStr) else v for n, v in values.items()}, title=title)


def connection(report: ConnectionReport) -> Drawing:
    """What answered, and as whom."""
    facts = {"server": report.server_version, "account": report.account, **report.details}
    facts_shown = {name: value for name, value in facts.items() if value not in {"", None}}
    return record(facts_shown, title="It answers", note="; ".join(report.warnings))


def catalog(snapshot: CatalogSnapshot) -> Drawing:
    """Every dataset of a snapshot, one a line."""
    rows = [
        (
            code(one.dataset_id),
            one.kind,
            len(one.columns),
            ", ".join(one.primary_key) or NOTHING,
            NOTHING if one.rows_estimate is None else one.rows_estimate,
            TableCell(one.comment or "", wrap=True),
        )
        for one in snapshot.datasets
    ]
    return table(
        ("dataset", "kind", "columns", "key", "rows|about", "meaning"),
        rows,
        title=f"Catalog of {snapshot.endpoint_id}: {len(rows)} datasets",
        note=f"Version {snapshot.version}: it changes when the structure does, not when rows come and go.",
    )


def columns(dataset: DatasetDescriptor | EndpointUnitDescriptor) -> Drawing:
    """The columns of a dataset or unit: the source's own types beside the neutral ones."""
    candidates = getattr(dataset, "cursor_candidates", ())
    rows = [
        (
            code(one.name),
            _neutral(one),
            code(one.declared_type),
            "" if one.nullable else "never null",
            chips(_roles(one, dataset.primary_key, candidates)),
            TableCell(one.comment or "", wrap=True),
        )
        for one in dataset.columns
    ]
    return table(
        ("column", "type", "at the source", "", "role", "meaning"), rows, title=f"Columns of {dataset.dataset_id}"
    )


def units(descriptors: Iterable[EndpointUnitDescriptor]) -> Drawing:
    """Units, one a line: how each can be read, and what it can be mapped to."""
    rows = [
        (
            code(one.unit_id),
            one.display_name,
            chips(one.supported_modes),
            ", ".join(one.primary_key) or NOTHING,
            TableCell(", ".join(one.cursor_candidates), wrap=True),
            code(one.cdm_model_id) if one.cdm_model_id else NOTHING,
        )
        for one in descriptors
    ]
    return table(("unit", "title", "modes", "key", "cursor|candidates", "common model"), rows, title="Units")


def model(one: CdmModel) -> Drawing:
    """A common model: its columns and what each means."""
    rows = [
        (
            code(column.name),
            column.logical_type,
            "" if column.nullable else "never null",
            code(column.references) if column.references else NOTHING,
            TableCell(column.meaning, wrap=True),
        )
        for column in one.columns
    ]
    title = f"{one.model_id}, version {one.version}: {one.meaning}"
    return table(("column", "type", "", "refers to", "meaning"), rows, title=title)


def _neutral(column: ColumnDescriptor) -> str:
    if column.logical_type == "decimal" and column.precision is not None:
        return f"decimal({column.precision}, {column.scale or 0})"
    return column.logical_type


def _roles(column: ColumnDescriptor, key: tuple[str, ...], candidates: tuple[str, ...]) -> list[str]:
    return [name for name, on in (("key", column.name in key), ("cursor", column.name in candidates)) if on]
