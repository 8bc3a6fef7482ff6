"""What a Jira site holds: datasets with their columns, and which of them are units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.catalog import ColumnDescriptor, DatasetDescriptor, LogicalType
from contracts.unit import EndpointUnitDescriptor, UnitPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.catalog import CatalogSnapshot


@dataclass(frozen=True)
class Entity:
    """One dataset of every site.

    Attributes:
        name: Without ``jira.``.
        key: Columns that identify a row.
        columns: Logical type by column name, in order; ``text`` for plain strings.
        cdm_model_id: Common model its rows can be mapped to.
        by_issue: True for what is found through issues: it can be read incrementally and in slices.
        comment: What a row is.
    """

    name: str
    key: str
    columns: dict[str, LogicalType]
    comment: str
    cdm_model_id: str | None = None
    by_issue: bool = False
    is_unit: bool = True


def _columns(spec: str) -> dict[str, LogicalType]:
    """``name:type`` words; a bare name is a string."""
    parts = (word.partition(":") for word in spec.split())
    return {name: (kind or "string") for name, _, kind in parts}  # type: ignore[misc]


_CHILD = "id issue_id issue_key project_key author_id update_author_id"
ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        Entity(
            "projects",
            "id",
            _columns(
                "id key name description lead_id project_type category is_private:bool archived:bool url raw:json"
            ),
            "A project",
            "cdm.work.project",
        ),
        Entity(
            "users",
            "account_id",
            _columns("account_id account_type display_name email active:bool time_zone url raw:json"),
            "An account, inactive ones and apps too",
            "cdm.work.user",
        ),
        Entity(
            "issues",
            "id",
            _columns(
                "id key project_id project_key issue_type_id issue_type status_id status status_category priority_id "
                "priority resolution summary description:json description_text labels:json reporter_id assignee_id "
                "creator_id parent_id parent_key created:timestamptz updated:timestamptz resolved:timestamptz "
                "due_date:date url raw:json"
            ),
            "An issue with its fields; its id stays, its key changes when it moves",
            "cdm.work.item",
            by_issue=True,
        ),
        Entity(
            "comments",
            "id",
            _columns(
                f"{_CHILD} body:json body_text created:timestamptz updated:timestamptz visibility:json "
                "jsd_public:bool url raw:json"
            ),
            "A comment on an issue",
            "cdm.work.comment",
            by_issue=True,
        ),
        Entity(
            "worklogs",
            "id",
            _columns(
                f"{_CHILD} comment:json comment_text started:timestamptz created:timestamptz updated:timestamptz "
                "time_spent time_spent_seconds:int64 visibility:json url raw:json"
            ),
            "Time logged on an issue",
            "cdm.work.worklog",
            by_issue=True,
        ),
        Entity("statuses", "id", _columns("id name category scope:json raw:json"), "A status", is_unit=False),
        Entity("priorities", "id", _columns("id name raw:json"), "A priority", is_unit=False),
        Entity("issue_types", "id", _columns("id name subtask:bool scope:json raw:json"), "A type", is_unit=False),
        Entity("fields", "id", _columns("id name custom:bool schema:json raw:json"), "A field", is_unit=False),
        Entity(
            "api_surface",
            "operation",
            _columns("operation path limit_rows:int64 used_for"),
            "What this connector asks of the API",
            is_unit=False,
        ),
    )
}


@dataclass(frozen=True)
class CustomField:
    """A custom field of the site; ``kind`` in words: ``number``, ``array of option``."""

    field_id: str
    name: str
    kind: str


def datasets(source_system: str, fields: Sequence[CustomField], issues: int | None) -> tuple[DatasetDescriptor, ...]:
    """All datasets, ordered by id."""
    made = [_dataset(source_system, entity, fields if entity.name == "issues" else ()) for entity in ENTITIES.values()]
    counted = [one.model_copy(update={"rows_estimate": issues}) if one.name == "issues" else one for one in made]
    return tuple(sorted(counted, key=lambda dataset: dataset.dataset_id))


def units_of(catalog: CatalogSnapshot, parallel: int) -> tuple[EndpointUnitDescriptor, ...]:
    """One unit per ingestable dataset of the catalog."""
    found = ((dataset, ENTITIES.get(dataset.dataset_id.removeprefix("jira."))) for dataset in catalog.datasets)
    return tuple(
        EndpointUnitDescriptor(
            unit_id=dataset.dataset_id,
            dataset=dataset,
            kind=dataset.dataset_id,
            display_name=dataset.dataset_id,
            primary_key=dataset.primary_key,
            cursor_candidates=("updated",) if entity.by_issue else (),
            supported_modes=("full", "incremental") if entity.by_issue else ("full",),
            cdm_model_id=entity.cdm_model_id,
            default_policy=UnitPolicy(parallel_slices=parallel),
        )
        for dataset, entity in found
        if entity is not None and entity.is_unit
    )


def custom_fields(dataset: DatasetDescriptor) -> tuple[CustomField, ...]:
    """The custom fields among a dataset's columns."""
    return tuple(
        CustomField(column.name, column.name if column.comment is None else column.comment, column.declared_type)
        for column in dataset.columns
        if column.name.startswith("customfield_")
    )


def _dataset(source_system: str, entity: Entity, fields: Sequence[CustomField]) -> DatasetDescriptor:
    columns = [
        ColumnDescriptor(name=name, logical_type=kind, declared_type=kind, nullable=name != entity.key)
        for name, kind in entity.columns.items()
    ]
    extra = [
        ColumnDescriptor(name=one.field_id, logical_type="json", declared_type=one.kind, comment=one.name)
        for one in sorted(fields, key=lambda one: one.field_id)
    ]
    # The raw payload stays last: people look at the columns before it.
    return DatasetDescriptor(
        dataset_id=f"jira.{entity.name}",
        kind="entity",
        namespace=source_system,
        name=entity.name,
        columns=(*columns[:-1], *extra, columns[-1]),
        primary_key=(entity.key,),
        comment=entity.comment,
    )
