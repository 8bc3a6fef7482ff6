"""Endpoints and templates as GraphQL types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import strawberry

from contracts.errors import CatalogMissingError
from flows.blocks.types import factory_of
from metadata_api.metadata_cache import descriptor
from metadata_api.schema.endpoint_types import (
    MetadataEndpoint,
    MetadataEndpointCapability,
    MetadataEndpointField,
    MetadataEndpointFieldValueType,
    MetadataEndpointRequirementOption,
    MetadataEndpointTemplate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.catalog import CatalogSnapshot
    from contracts.endpoint import EndpointDescriptor, FieldDescriptor
    from flows.blocks.endpoints import EndpointEntry
    from flows.wiring import Workspace
    from state.profiles import EndpointProfile

CDM_SINK_LABEL = "sink:cdm"
"""By this label the platform's console knows the endpoints that take rows of common models."""
_KINDS = MetadataEndpointFieldValueType
_BY_NAME = {"port": _KINDS.PORT, "host": _KINDS.HOSTNAME, "base_url": _KINDS.URL, "url": _KINDS.URL}
_BY_WORDS = {
    "secret": _KINDS.PASSWORD,
    "choice": _KINDS.ENUM,
    "whole number": _KINDS.NUMBER,
    "number": _KINDS.NUMBER,
    "true or false": _KINDS.BOOLEAN,
    "list": _KINDS.LIST,
    "map": _KINDS.JSON,
    "object": _KINDS.JSON,
}
_SEMANTICS = {"host": "HOST", "port": "PORT", "database": "DATABASE", "user": "USERNAME", "password": "PASSWORD"}


def shown_template(about: EndpointDescriptor) -> MetadataEndpointTemplate:
    """A template; the defaults of secret fields are left out by the descriptor already."""
    port = next((each.default for each in about.fields if each.name == "port"), None)
    return MetadataEndpointTemplate(
        id=strawberry.ID(about.template_id),
        family=about.family,
        vendor=about.vendor,
        title=about.title,
        description=about.description,
        fields=[_field(each) for each in about.fields],
        capabilities=[MetadataEndpointCapability(key=each, label=_spoken(each)) for each in about.capabilities],
        capability_keys=[*about.capabilities],
        roles=[*about.roles],
        selectors=[*about.selectors],
        auth_modes=[*about.auth_modes],
        docs_url=about.docs_url,
        categories=[*about.roles],
        default_port=port if isinstance(port, int) else None,
    )


def shown_endpoint(workspace: Workspace, endpoint_id: str) -> MetadataEndpoint:
    """The endpoint with its secrets masked; raises EndpointUnknownError."""
    descriptor(workspace, endpoint_id)
    entry = next(each for each in workspace.endpoints.list() if each.endpoint_id == endpoint_id)
    return _shown(workspace, entry, workspace.profiles.profile(endpoint_id))


def shown_endpoints(
    workspace: Workspace, entries: list[EndpointEntry], profiles: Mapping[str, EndpointProfile] | None = None
) -> list[MetadataEndpoint]:
    """These endpoints with their secrets masked."""
    profiles = workspace.profiles.list() if profiles is None else profiles
    return [_shown(workspace, each, profiles.get(each.endpoint_id)) for each in entries]


def labels_of(about: EndpointDescriptor, profile: EndpointProfile | None) -> list[str]:
    """What somebody set, and what the template says."""
    said = (CDM_SINK_LABEL,) if "sink.cdm" in about.capabilities else ()
    return [*dict.fromkeys((*(profile.labels if profile else ()), *said))]


def _shown(workspace: Workspace, entry: EndpointEntry, profile: EndpointProfile | None) -> MetadataEndpoint:
    about = factory_of(entry.template_id).descriptor
    try:
        catalog: CatalogSnapshot | None = workspace.catalogs.load(entry.endpoint_id)
    except CatalogMissingError:
        catalog = None
    return MetadataEndpoint(
        id=strawberry.ID(entry.endpoint_id),
        template_id=entry.template_id,
        family=about.family,
        vendor=about.vendor,
        enabled=workspace.switches.is_on(entry.endpoint_id),
        roles=[*about.roles],
        capabilities=[*about.capabilities],
        config=entry.fields,
        catalog_version=None if catalog is None else catalog.version,
        collected_at=None if catalog is None else catalog.collected_at,
        name=(profile and profile.name) or entry.endpoint_id,
        description=None if profile is None else profile.description,
        domain=(profile and profile.domain) or about.vendor,
        labels=labels_of(about, profile),
        url=_address(about.vendor, entry.fields),
        detected_version=(catalog and catalog.source_version) or None,
        source_id=entry.endpoint_id,
    )


def _address(vendor: str, fields: dict[str, Any]) -> str:
    if fields.get("base_url"):
        return str(fields["base_url"])
    if not fields.get("host"):
        return ""
    return f"{vendor}://{fields['host']}:{fields.get('port')}/{fields.get('database')}"


def _field(held: FieldDescriptor) -> MetadataEndpointField:
    plain = held.default if held.default is None or isinstance(held.default, str) else json.dumps(held.default)
    return MetadataEndpointField(
        name=held.name,
        title=held.title,
        description=held.description,
        type=held.type,
        required=held.required,
        secret=held.secret,
        default=held.default,
        choices=[*held.choices],
        key=held.name,
        label=held.title,
        value_type=_kind(held),
        sensitive=held.secret,
        default_value=plain,
        options=[MetadataEndpointRequirementOption(label=each, value=each) for each in held.choices],
        semantic=_SEMANTICS.get(held.name, "GENERIC"),
    )


def _kind(held: FieldDescriptor) -> MetadataEndpointFieldValueType:
    by_words = next((kind for words, kind in _BY_WORDS.items() if held.type.startswith(words)), _KINDS.STRING)
    return by_words if held.secret else _BY_NAME.get(held.name, by_words)


def _spoken(capability: str) -> str:
    return capability.replace(".", " ").replace("_", " ").capitalize()
