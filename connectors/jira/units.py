"""What a Jira site holds: datasets with their columns, and which of them are units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connectors.http import units as http_units
from connectors.http.units import ApiUnit, Column
from contracts.unit import UnitPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.catalog import CatalogSnapshot, DatasetDescriptor
    from contracts.unit import EndpointUnitDescriptor

VENDOR = "jira"


class JiraUnit(ApiUnit):
    """A list of the site. Any column but the key may lack a value: the site filters by ``updated`` on its own side."""

    @property
    def required(self) -> tuple[str, ...]:
        """The key."""
        return self.primary_key


def _columns(spec: str) -> tuple[Column, ...]:
    """``name:type`` words; a bare name is a string."""
    parts = (word.partition(":") for word in spec.split())
    return tuple(Column(name, kind or "string") for name, _, kind in parts)


def _list(name: str, key: str, columns: str, description: str, cdm_model_id: str | None = None) -> JiraUnit:
    """A list that the API returns in full."""
    title = f"{VENDOR}.{name}"
    return JiraUnit(name, title, _columns(columns), (key,), cdm_model_id=cdm_model_id, description=description)


def _by_issue(name: str, columns: str, description: str, cdm_model_id: str) -> JiraUnit:
    """What is found through issues: it can be read incrementally and in slices."""
    return replace(_list(name, "id", columns, description, cdm_model_id), cursor="updated")


_CHILD = "id issue_id issue_key project_key author_id update_author_id"
ISSUES = _by_issue(
    "issues",
    "id key project_id project_key issue_type_id issue_type status_id status status_category priority_id priority "
    "resolution summary description:json description_text labels:json reporter_id assignee_id creator_id parent_id "
    "parent_key created:timestamptz updated:timestamptz resolved:timestamptz due_date:date url raw:json",
    "An issue with its fields; its id stays, its key changes when it moves",
    "cdm.work.item",
)
UNITS = (
    _list(
        "projects",
        "id",
        "id key name description lead_id project_type category is_private:bool archived:bool url raw:json",
        "A project",
        "cdm.work.project",
    ),
    _list(
        "users",
        "account_id",
        "account_id account_type display_name email active:bool time_zone url raw:json",
        "An account, inactive ones and apps too",
        "cdm.work.user",
    ),
    ISSUES,
    _by_issue(
        "comments",
        f"{_CHILD} body:json body_text created:timestamptz updated:timestamptz visibility:json jsd_public:bool url "
        "raw:json",
        "A comment on an issue",
        "cdm.work.comment",
    ),
    _by_issue(
        "worklogs",
        f"{_CHILD} comment:json comment_text started:timestamptz created:timestamptz updated:timestamptz time_spent "
        "time_spent_seconds:int64 visibility:json url raw:json",
        "Time logged on an issue",
        "cdm.work.worklog",
    ),
)
_CATALOGUED = (
    _list("statuses", "id", "id name category scope:json raw:json", "A status"),
    _list("priorities", "id", "id name raw:json", "A priority"),
    _list("issue_types", "id", "id name subtask:bool scope:json raw:json", "A type"),
    _list("fields", "id", "id name custom:bool schema:json raw:json", "A field"),
    _list(
        "api_surface",
        "operation",
        "operation path limit_rows:int64 used_for",
        "What this connector asks of the API",
    ),
)
_FOUND_BY_ISSUE = frozenset(unit.name for unit in UNITS if unit.cursor)


@dataclass(frozen=True)
class CustomField:
    """A custom field of the site; ``kind`` in words: ``number``, ``array of option``."""

    field_id: str
    name: str
    kind: str


def is_found_by_issue(dataset: DatasetDescriptor) -> bool:
    """True for what is found through issues; other units are listed in full."""
    return dataset.name in _FOUND_BY_ISSUE


def datasets(source_system: str, fields: Sequence[CustomField], issues: int | None) -> tuple[DatasetDescriptor, ...]:
    """All datasets, ordered by id."""
    every = [_with_custom(unit, fields) if unit is ISSUES else unit for unit in (*UNITS, *_CATALOGUED)]
    made = http_units.datasets(VENDOR, source_system, every)
    return tuple(one.model_copy(update={"rows_estimate": issues}) if one.name == "issues" else one for one in made)


def units_of(catalog: CatalogSnapshot, parallel: int) -> tuple[EndpointUnitDescriptor, ...]:
    """One unit per ingestable dataset of the catalog."""
    return http_units.units_of(catalog, VENDOR, UNITS, UnitPolicy(parallel_slices=parallel))


def custom_fields(dataset: DatasetDescriptor) -> tuple[CustomField, ...]:
    """The custom fields among a dataset's columns."""
    return tuple(
        CustomField(column.name, column.name if column.comment is None else column.comment, column.declared_type)
        for column in dataset.columns
        if column.name.startswith("customfield_")
    )


def _with_custom(unit: ApiUnit, fields: Sequence[CustomField]) -> ApiUnit:
    """The raw payload stays last: people look at the columns before it."""
    extra = [
        Column(one.field_id, "json", comment=one.name, declared=one.kind)
        for one in sorted(fields, key=lambda one: one.field_id)
    ]
    return replace(unit, columns=(*unit.columns[:-1], *extra, unit.columns[-1]))
