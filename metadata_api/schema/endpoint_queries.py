"""What may be asked about endpoints and their templates."""

import strawberry

from contracts.errors import EndpointUnknownError
from flows.blocks.types import REGISTRY, factory_of
from metadata_api.errors import MalformedError
from metadata_api.schema.context import Context
from metadata_api.schema.endpoint_showing import labels_of, shown_endpoint, shown_endpoints, shown_template
from metadata_api.schema.endpoint_types import MetadataEndpoint, MetadataEndpointTemplate

Info = strawberry.Info[Context, None]
MOST_ENDPOINTS = 500
"""In one page."""


@strawberry.type
class EndpointQueries:
    """The part of Query that is about endpoints."""

    @strawberry.field
    def metadata_endpoint_templates(self, family: str | None = None) -> list[MetadataEndpointTemplate]:
        """Kinds of endpoints that can be registered."""
        return _templates(family)

    @strawberry.field
    def endpoint_templates(self, family: str | None = None) -> list[MetadataEndpointTemplate]:
        """The same under its older name."""
        return _templates(family)

    @strawberry.field
    def metadata_endpoints(self, info: Info) -> list[MetadataEndpoint]:
        """Every registered endpoint."""
        workspace = info.context.workspace
        return shown_endpoints(workspace, [*workspace.endpoints.list()])

    @strawberry.field
    def endpoints(
        self,
        info: Info,
        project_slug: str | None = None,  # noqa: ARG002 - there is one project
        capability: str | None = None,
        search: str | None = None,
        first: int | None = 50,
        after: strawberry.ID | None = None,
    ) -> list[MetadataEndpoint]:
        """Registered endpoints by id, at most 500.

        The text is looked for in id, name, description, domain and labels; ``after`` is an id.
        """
        wanted = MOST_ENDPOINTS if first is None else first
        if not 0 < wanted <= MOST_ENDPOINTS:
            raise MalformedError("A page has between 1 and 500 endpoints", "Give first in these limits.")
        workspace, text = info.context.workspace, (search or "").lower()
        profiles = workspace.profiles.list()
        found = []
        for each in workspace.endpoints.list():
            about, profile = factory_of(each.template_id).descriptor, profiles.get(each.endpoint_id)
            words = [each.endpoint_id, about.vendor, *labels_of(about, profile)]
            words += [profile.name or "", profile.description or "", profile.domain or ""] if profile else []
            fits = (capability in {None, *about.capabilities}) and (after is None or each.endpoint_id > after)
            if fits and text in "\n".join(words).lower():
                found.append(each)
        return shown_endpoints(workspace, found[:wanted], profiles)

    @strawberry.field
    def metadata_endpoint(self, info: Info, id: strawberry.ID) -> MetadataEndpoint | None:  # noqa: A002
        """One endpoint, or null."""
        return _endpoint(info, id)

    @strawberry.field
    def endpoint(self, info: Info, id: strawberry.ID) -> MetadataEndpoint | None:  # noqa: A002
        """One endpoint, or null."""
        return _endpoint(info, id)

    @strawberry.field
    def endpoint_by_source_id(self, info: Info, source_id: str) -> MetadataEndpoint | None:
        """One endpoint, or null; its source id is its id."""
        return _endpoint(info, source_id)


def _endpoint(info: Info, endpoint_id: str) -> MetadataEndpoint | None:
    try:
        return shown_endpoint(info.context.workspace, endpoint_id)
    except EndpointUnknownError:
        return None


def _templates(family: str | None) -> list[MetadataEndpointTemplate]:
    wanted = None if family is None else family.lower()
    return [shown_template(each) for each in REGISTRY.descriptors() if wanted in {None, each.family}]
