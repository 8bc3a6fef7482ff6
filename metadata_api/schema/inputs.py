"""What the API takes. A field that is left out changes nothing; null puts it back to its default."""
# ruff: noqa: D101 - the description is what clients read

from typing import TYPE_CHECKING, Any

import strawberry

from metadata_api.schema.vendor_filters import WithFilterInputs

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON


@strawberry.input(description="A new endpoint. Secrets are fields of config; they are never shown again.")
class RegisterEndpointInput:
    id: strawberry.ID
    template_id: str
    config: JSON
    enabled: bool = True


@strawberry.input(description="Changes to an endpoint: fields of config replace those of that name.")
class UpdateEndpointInput:
    id: strawberry.ID
    config: JSON | None = None
    enabled: bool | None = None


@strawberry.input(description="What to set for one unit.")
class IngestionUnitConfigInput(WithFilterInputs):
    endpoint_id: strawberry.ID
    unit_id: strawberry.ID
    enabled: bool | None = strawberry.UNSET
    run_mode: str | None = strawberry.UNSET
    mode: str | None = strawberry.UNSET
    sink_id: str | None = strawberry.UNSET
    sink_endpoint_id: strawberry.ID | None = strawberry.UNSET
    schedule_kind: str | None = strawberry.UNSET
    schedule_interval_minutes: int | None = strawberry.UNSET
    schedule_cron: str | None = strawberry.UNSET
    policy: JSON | None = strawberry.UNSET


@strawberry.input(description="Which common model's table to make, and where.")
class ProvisionCdmSinkInput:
    sink_endpoint_id: strawberry.ID
    cdm_model_id: str
