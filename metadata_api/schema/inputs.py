"""What the API takes. A field that is left out changes nothing; null puts it back to its default."""
# ruff: noqa: D101 - the description is what clients read

from typing import TYPE_CHECKING, Any

import strawberry

from metadata_api.schema.vendor_filters import WithFilterInputs

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON


@strawberry.input(
    description="A new endpoint. Its template and config are given as templateId and config, or within config as "
    "templateId and parameters; its id as id or sourceId, or made from its name. Secrets are fields of config, and "
    "never shown again. The template decides verb, url, authPolicy and capabilities."
)
class EndpointInput:
    id: strawberry.ID | None = None
    template_id: str | None = None
    config: JSON | None = None
    enabled: bool = True
    source_id: str | None = None
    project_slug: str | None = None
    name: str | None = None
    description: str | None = None
    domain: str | None = None
    labels: list[str] | None = None
    verb: str | None = None
    url: str | None = None
    auth_policy: str | None = None
    capabilities: list[str] | None = None


@strawberry.input(description="Changes to an endpoint: fields of config replace those of that name.")
class UpdateEndpointInput:
    id: strawberry.ID
    config: JSON | None = None
    enabled: bool | None = None


@strawberry.input(
    description="Changes to an endpoint: what is left out stays. config as for a new endpoint; the template decides "
    "verb, url, authPolicy and capabilities."
)
class EndpointPatch:
    name: str | None = strawberry.UNSET
    description: str | None = strawberry.UNSET
    domain: str | None = strawberry.UNSET
    labels: list[str] | None = strawberry.UNSET
    config: JSON | None = None
    verb: str | None = None
    url: str | None = None
    auth_policy: str | None = None
    capabilities: list[str] | None = None


@strawberry.input(description="A connection to test before it is registered; type is not used.")
class TestEndpointInput:
    template_id: str
    type: str
    connection: JSON
    capabilities: list[str] | None = None


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
