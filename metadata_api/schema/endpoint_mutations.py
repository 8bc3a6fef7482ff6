"""What admins may do with endpoints: register, change, test, collect, remove."""

from typing import TYPE_CHECKING, Any

import strawberry

from contracts.endpoint import ConnectionReport
from contracts.errors import IngestionError
from flows.operations import run_control
from flows.wiring import Workspace
from metadata_api import actions
from metadata_api.errors import MalformedError
from metadata_api.metadata_cache import read_endpoint
from metadata_api.registration import field_at_fault, filled, read_config, read_registration, try_connection
from metadata_api.schema.context import Context
from metadata_api.schema.endpoint_showing import CDM_SINK_LABEL, shown_endpoint
from metadata_api.schema.endpoint_types import (
    Diagnostic,
    MetadataCollectionRun,
    MetadataEndpoint,
    TestResult,
    collection_run,
)
from metadata_api.schema.inputs import EndpointInput, EndpointPatch, TestEndpointInput, UpdateEndpointInput

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON

Info = strawberry.Info[Context, None]


@strawberry.type
class EndpointMutations:
    """The part of Mutation that is about endpoints."""

    @strawberry.mutation
    def register_endpoint(self, info: Info, input: EndpointInput) -> MetadataEndpoint:  # noqa: A002
        """Keep a new endpoint; it is not contacted."""
        workspace = info.context.admin()
        made = read_registration(input.id or input.source_id, input.name, input.template_id, input.config)
        workspace.endpoints.add(made.endpoint_id, made.template_id, made.config)
        workspace.switches.switch(made.endpoint_id, on=input.enabled)
        _set_profile(workspace, made.endpoint_id, input)
        info.context.services.metadata.forget()
        return shown_endpoint(workspace, made.endpoint_id)

    @strawberry.mutation
    def update_endpoint(
        self,
        info: Info,
        input: UpdateEndpointInput | None = None,  # noqa: A002
        id: strawberry.ID | None = None,  # noqa: A002
        patch: EndpointPatch | None = None,
    ) -> MetadataEndpoint:
        """Change an endpoint; what is left out stays. A secret that would go elsewhere must be given again."""
        workspace = info.context.admin()
        endpoint_id = input.id if input is not None else id
        if endpoint_id is None:
            raise MalformedError("No endpoint is named", "Give input, or id and patch.")
        workspace.endpoints.template(endpoint_id)
        config = input.config if input is not None else patch and patch.config
        if config is not None:
            actions.update_endpoint(info.context.services, endpoint_id, read_config(config)[1])
        if input is not None and input.enabled is not None:
            run_control.switch_endpoint(workspace, endpoint_id, on=input.enabled)
        if patch is not None:
            _set_profile(workspace, endpoint_id, patch)
        info.context.services.metadata.forget()
        return shown_endpoint(workspace, endpoint_id)

    @strawberry.mutation
    def delete_endpoint(self, info: Info, id: strawberry.ID) -> bool:  # noqa: A002
        """Forget an endpoint; its state stays. False when there was none."""
        removed = run_control.remove_endpoint(info.context.admin(), id)
        info.context.services.metadata.forget()
        return removed

    @strawberry.mutation
    def test_endpoint(
        self,
        info: Info,
        id: strawberry.ID | None = None,  # noqa: A002
        input: TestEndpointInput | None = None,  # noqa: A002
    ) -> TestResult:
        """Prove, now, that the config of an endpoint works, or one that was not registered yet.

        What is wrong with the latter is told in diagnostics.
        """
        workspace = info.context.admin()
        if input is not None:
            return _tested(input)
        if id is None:
            raise MalformedError("No endpoint is named", "Give id, or input.")
        is_source = "source" in read_endpoint(workspace, id).about.roles
        return _passed((workspace.source(id) if is_source else workspace.sink(id)).test_connection())

    @strawberry.mutation
    def trigger_endpoint_collection(
        self,
        info: Info,
        endpoint_id: strawberry.ID,
        filters: JSON | None = None,
        schema_override: list[str] | None = None,
    ) -> MetadataCollectionRun:
        """Start the collection of the endpoint's catalog; all of it, so filters and schemaOverride are refused."""
        info.context.admin()
        if filters or schema_override:
            raise MalformedError(
                "A catalog is collected whole", "Leave filters and schemaOverride out; the endpoint's config limits it."
            )
        run = actions.collect(info.context.services, endpoint_id)
        return collection_run(endpoint_id, run, "The catalog is being collected")


def _set_profile(workspace: Workspace, endpoint_id: str, said: EndpointInput | EndpointPatch) -> None:
    """Keep what people call the endpoint; what nothing is said about stays."""
    given = {name: getattr(said, name) for name in ("name", "description", "domain", "labels")}
    changes = {name: value for name, value in given.items() if value is not strawberry.UNSET}
    if isinstance(said, EndpointInput) and not any(changes.values()):
        return
    if "labels" in changes:
        changes["labels"] = tuple(each for each in changes["labels"] or () if each != CDM_SINK_LABEL)
    held = workspace.profiles.profile(endpoint_id)
    workspace.profiles.save(endpoint_id, held.model_copy(update=changes))


def _tested(asked: TestEndpointInput) -> TestResult:
    try:
        return _passed(try_connection(asked.template_id, filled(read_config(asked.connection)[1])))
    except IngestionError as error:
        said = Diagnostic(
            level="ERROR", code=error.code, message=error.what, hint=error.next_step, field=field_at_fault(error)
        )
        return TestResult(ok=False, server_version="", account="", warnings=[], diagnostics=[said])


def _passed(report: ConnectionReport) -> TestResult:
    said = [Diagnostic(level="WARNING", code="W_CONNECTION", message=each) for each in report.warnings]
    return TestResult(
        ok=report.ok,
        server_version=report.server_version,
        account=report.account,
        warnings=[*report.warnings],
        diagnostics=said,
    )
