"""What the API shows. Secrets are never in it: fields of endpoints come masked."""
# ruff: noqa: D101 - the description is what clients read

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import strawberry

from metadata_api.schema.vendor_filters import WithFilters

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON


@strawberry.enum
class IngestionState(Enum):
    """Where a unit stands."""

    IDLE = "IDLE"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FAILED = "FAILED"
    SUCCEEDED = "SUCCEEDED"


@strawberry.type(description="One field of an endpoint's config, for forms.")
class EndpointField:
    name: str
    title: str
    description: str
    type: str
    required: bool
    secret: bool
    default: JSON | None
    choices: list[str]


@strawberry.type(description="A kind of endpoint that can be registered.")
class EndpointTemplate:
    id: strawberry.ID
    family: str
    vendor: str
    title: str
    description: str
    fields: list[EndpointField]
    capabilities: list[str]
    roles: list[str]
    selectors: list[str]
    auth_modes: list[str]
    docs_url: str


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


@strawberry.type(description="One column of a dataset.")
class DatasetColumn:
    name: str
    logical_type: str
    declared_type: str
    nullable: bool
    comment: str | None


@strawberry.type(description="A dataset of an endpoint's catalog; its id is `<endpoint>/<dataset>`.")
class MetadataDataset:
    id: strawberry.ID
    endpoint_id: strawberry.ID
    dataset_id: str
    kind: str
    namespace: str
    name: str
    labels: list[str]
    primary_key: list[str]
    comment: str | None
    rows_estimate: float | None
    bytes_estimate: float | None
    columns: list[DatasetColumn]


@strawberry.type(description="A catalogued dataset that can be ingested.")
class IngestionUnit:
    endpoint_id: strawberry.ID
    unit_id: strawberry.ID
    dataset_id: strawberry.ID
    kind: str
    display_name: str
    stats: JSON | None
    driver_id: str
    sink_id: str | None
    default_mode: str
    supported_modes: list[str]
    supported_run_modes: list[str]
    default_policy: JSON
    default_schedule_kind: str
    default_schedule_interval_minutes: int | None
    cdm_model_id: str | None


@strawberry.type(description="An endpoint that takes rows.")
class IngestionSink:
    id: strawberry.ID
    endpoint_id: strawberry.ID
    template_id: str
    display_name: str
    supported_cdm_models: list[str]
    provisioned_cdm_models: list[str]


@strawberry.type(name="IngestionError", description="Why a run failed.")
class ErrorDetail:
    code: str
    message: str
    retryable: bool
    hint: str


@strawberry.type(description="Where one unit stands in one sink.")
class IngestionStatus:
    endpoint_id: strawberry.ID
    unit_id: strawberry.ID
    sink_id: str | None
    state: IngestionState
    last_run_id: str | None
    last_run_at: datetime | None
    last_error: str | None
    last_error_detail: ErrorDetail | None
    stats: JSON | None
    checkpoint: JSON | None


@strawberry.type(description="What an operator set for one unit.")
class IngestionUnitConfig(WithFilters):
    id: strawberry.ID
    endpoint_id: strawberry.ID
    dataset_id: strawberry.ID
    unit_id: strawberry.ID
    enabled: bool
    run_mode: str
    mode: str
    sink_id: str | None
    sink_endpoint_id: strawberry.ID | None
    schedule_kind: str
    schedule_interval_minutes: int | None
    schedule_cron: str | None
    policy: JSON
    last_status: IngestionStatus | None


@strawberry.type(description="What became of an action.")
class IngestionActionResult:
    ok: bool
    run_id: str | None
    state: IngestionState | None
    message: str | None


@strawberry.type(description="A connection that works, and what it talks to.")
class EndpointTestResult:
    ok: bool
    server_version: str
    account: str
    warnings: list[str]


@strawberry.type(description="The first rows of a dataset; no order is promised.")
class DatasetPreview:
    columns: list[str]
    rows: list[JSON]
