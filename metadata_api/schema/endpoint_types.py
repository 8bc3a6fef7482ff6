"""Endpoints, their templates and collections as the API shows them. Secrets are never in it: they come masked."""
# ruff: noqa: D101 - the description is what clients read

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import strawberry

from flows.prefect_api.collection_runs import collections_of
from flows.prefect_api.runs import Run
from metadata_api.results import unit_state
from metadata_api.schema.context import Context
from metadata_api.schema.types import IngestionActionResult, IngestionState

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON

Info = strawberry.Info[Context, None]
MOST_RUNS = 50


@strawberry.enum
class MetadataEndpointFieldValueType(Enum):
    """What a form asks for."""

    STRING = "STRING"
    PASSWORD = "PASSWORD"  # noqa: S105 - the platform's name of a kind of field
    NUMBER = "NUMBER"
    BOOLEAN = "BOOLEAN"
    URL = "URL"
    HOSTNAME = "HOSTNAME"
    PORT = "PORT"
    JSON = "JSON"
    ENUM = "ENUM"
    LIST = "LIST"
    TEXT = "TEXT"


@strawberry.enum
class MetadataCollectionStatus(Enum):
    """Where a collection of a catalog stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


_STATUS = {
    "SCHEDULED": MetadataCollectionStatus.QUEUED,
    "PENDING": MetadataCollectionStatus.QUEUED,
    "PAUSED": MetadataCollectionStatus.QUEUED,
    "RUNNING": MetadataCollectionStatus.RUNNING,
    "CANCELLING": MetadataCollectionStatus.RUNNING,
    "COMPLETED": MetadataCollectionStatus.SUCCEEDED,
}
"""By the type of a flow run's state; the others have failed."""


@strawberry.type(description="One value that a field can take.")
class MetadataEndpointRequirementOption:
    label: str
    value: str
    description: str | None = None


@strawberry.type(description="When a form shows a field.")
class MetadataEndpointFieldVisibilityRule:
    field: str
    values: list[str]


@strawberry.type(description="One field of an endpoint's config, for forms; key is name, label is title.")
class MetadataEndpointField:
    name: str
    title: str
    description: str
    type: str
    required: bool
    secret: bool
    default: JSON | None
    choices: list[str]
    key: str
    label: str
    value_type: MetadataEndpointFieldValueType
    sensitive: bool
    default_value: str | None
    options: list[MetadataEndpointRequirementOption]
    semantic: str | None = None
    placeholder: str | None = None
    help_text: str | None = None
    regex: str | None = None
    min: int | None = None
    max: int | None = None
    advanced: bool | None = None
    depends_on: str | None = None
    depends_value: str | None = None
    visible_when: list[MetadataEndpointFieldVisibilityRule] | None = None


@strawberry.type(description="Something that endpoints of a template can do.")
class MetadataEndpointCapability:
    key: str
    label: str
    description: str | None = None


@strawberry.type(description="How a form could build a URL; templates here have fields instead.")
class MetadataEndpointConnection:
    url_template: str | None
    default_verb: str | None


@strawberry.type(description="One way to find an endpoint's version.")
class MetadataEndpointProbingMethod:
    key: str
    label: str
    strategy: str
    statement: str | None
    description: str | None
    requires: list[str] | None
    returns_version: bool | None
    returns_capabilities: list[str] | None


@strawberry.type(description="How an endpoint's version is found; testEndpoint finds it here.")
class MetadataEndpointProbingPlan:
    methods: list[MetadataEndpointProbingMethod]
    fallback_message: str | None


@strawberry.type(description="A kind of endpoint that can be registered.")
class MetadataEndpointTemplate:
    id: strawberry.ID
    family: str
    vendor: str
    title: str
    description: str
    fields: list[MetadataEndpointField]
    capabilities: list[MetadataEndpointCapability]
    capability_keys: list[str]
    roles: list[str]
    selectors: list[str]
    auth_modes: list[str]
    docs_url: str
    categories: list[str]
    default_port: int | None
    domain: str | None = None
    protocols: list[str] = strawberry.field(default_factory=list)
    versions: list[str] = strawberry.field(default_factory=list)
    descriptor_version: str | None = None
    min_version: str | None = None
    max_version: str | None = None
    driver: str | None = None
    agent_prompt: str | None = None
    default_labels: list[str] = strawberry.field(default_factory=list)
    sample_config: JSON | None = None
    connection: MetadataEndpointConnection | None = None
    probing: MetadataEndpointProbingPlan | None = None
    extras: JSON | None = None


@strawberry.type(description="One collection of an endpoint's catalog.")
class MetadataCollectionRun(IngestionActionResult):
    id: strawberry.ID
    endpoint_id: strawberry.ID
    status: MetadataCollectionStatus
    requested_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error: str | None
    collection_id: strawberry.ID | None = None
    requested_by: str | None = None
    workflow_id: str | None = None
    filters: JSON | None = None


def last_collections(context: Context, endpoint_id: str, limit: int) -> list[MetadataCollectionRun]:
    """The latest collections of the endpoint's catalog, newest first; between 1 and 50."""
    found = collections_of(context.workspace.plane, endpoint_id, min(MOST_RUNS, max(1, limit)))
    return [collection_run(endpoint_id, each) for each in found]


def collection_run(endpoint_id: str, run: Run, words: str | None = None) -> MetadataCollectionRun:
    """A flow run of ``collect-catalog``; ``words`` for whoever started it."""
    status = _STATUS.get(run.state, MetadataCollectionStatus.FAILED)
    return MetadataCollectionRun(
        ok=status is not MetadataCollectionStatus.FAILED,
        run_id=run.run_id,
        state=IngestionState(unit_state(run)),
        message=words,
        id=strawberry.ID(run.run_id),
        endpoint_id=strawberry.ID(endpoint_id),
        status=status,
        requested_at=run.began_at or run.state_at,
        started_at=run.began_at,
        completed_at=run.ended_at,
        error=run.message or "The run failed" if status is MetadataCollectionStatus.FAILED else None,
    )


@strawberry.type(description="A registered endpoint; secrets read ********.")
class MetadataEndpoint:
    id: strawberry.ID
    template_id: str
    family: str
    vendor: str
    enabled: bool
    roles: list[str]
    capabilities: list[str]
    config: JSON
    catalog_version: str | None
    collected_at: datetime | None
    name: str
    description: str | None
    domain: str | None
    labels: list[str]
    url: str
    detected_version: str | None
    source_id: str
    project_id: str | None = None
    verb: str = "GET"
    auth_policy: str | None = None
    version_hint: str | None = None
    delegated_connected: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    deletion_reason: str | None = None
    is_deleted: bool = False

    @strawberry.field
    def runs(self, info: Info, limit: int | None = None) -> list[MetadataCollectionRun]:
        """The latest collections of its catalog, newest first."""
        return last_collections(info.context, self.id, 5 if limit is None else limit)


@strawberry.type(description="Something that testEndpoint found.")
class Diagnostic:
    level: str
    code: str
    message: str
    hint: str | None = None
    field: str | None = None


@strawberry.type(description="Whether a connection works, and what it talks to.")
class TestResult:
    ok: bool
    server_version: str
    account: str
    warnings: list[str]
    diagnostics: list[Diagnostic]
