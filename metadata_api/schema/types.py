"""Units, sinks and states as the API shows them."""
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


@strawberry.type(
    description="A catalogued dataset that can be ingested. defaultMode and supportedModes are run modes, FULL and "
    "INCREMENTAL; sinkId is the unit's own, else the default one, else empty."
)
class IngestionUnit:
    endpoint_id: strawberry.ID
    unit_id: strawberry.ID
    dataset_id: strawberry.ID
    kind: str
    display_name: str
    stats: JSON | None
    driver_id: str
    sink_id: str
    default_mode: str
    supported_modes: list[str]
    supported_run_modes: list[str]
    default_data_mode: str
    supported_data_modes: list[str]
    default_policy: JSON
    default_schedule_kind: str
    default_schedule_interval_minutes: int | None
    cdm_model_id: str | None
    selectors: list[str]


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


@strawberry.type(
    description="Where one unit stands in one sink; sinkId is empty when it has none; waiting: what its next run needs."
)
class IngestionStatus:
    endpoint_id: strawberry.ID
    unit_id: strawberry.ID
    sink_id: str
    state: IngestionState
    last_run_id: str | None
    last_run_at: datetime | None
    last_error: str | None
    last_error_detail: ErrorDetail | None
    stats: JSON | None
    checkpoint: JSON | None
    waiting: str | None = None


@strawberry.type(description="What an operator set for one unit; sinkId is empty when it has none.")
class IngestionUnitConfig(WithFilters):
    id: strawberry.ID
    endpoint_id: strawberry.ID
    dataset_id: strawberry.ID
    unit_id: strawberry.ID
    enabled: bool
    run_mode: str
    mode: str
    sink_id: str
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
