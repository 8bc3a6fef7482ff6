"""What the registry needs of a source of pages: its descriptor, and the object that builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.describe import fields_of
from connectors.http.units import check_parents
from contracts.endpoint import Capability, EndpointDescriptor
from contracts.errors import EndpointUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

    from connectors.http.units import ApiUnit
    from contracts.endpoint import SinkEndpoint, SourceEndpoint


def describe(
    vendor: str,
    title: str,
    description: str,
    config_class: type[BaseModel],
    units: Sequence[ApiUnit],
    *,
    auth_modes: tuple[str, ...] = ("token",),
    docs_url: str = "",
    capabilities: tuple[Capability, ...] = (),
    **more: tuple[str, ...],
) -> EndpointDescriptor:
    """The descriptor of template ``http.<vendor>``; what it is capable of follows from the units.

    ``capabilities`` are those that the source has besides, ``more`` its ``aliases`` and ``selectors`` if it has any.
    Parents of units are selectors, whose options are the parents that there are.

    Raises:
        ValueError: A unit's parent is no unit, or its key cannot be a part of a request; or ``narrowing`` names no
            field of the settings.
    """
    check_parents(units)
    if unknown := sorted(set(getattr(config_class, "narrowing", ())) - set(config_class.model_fields)):
        raise ValueError(f"{config_class.__name__}.narrowing: there is no field {unknown[0]}")
    parents = sorted({unit.parent for unit in units if unit.parent is not None})
    if parents:
        capabilities = tuple(dict.fromkeys((*capabilities, "ingest.filter_options")))
        more["selectors"] = tuple(dict.fromkeys((*more.get("selectors", ()), *parents)))
    incremental: tuple[Capability, ...] = ("ingest.incremental",) if any(unit.cursor for unit in units) else ()
    return EndpointDescriptor(
        template_id=f"http.{vendor}",
        family="http",
        vendor=vendor,
        title=title,
        description=description,
        fields=fields_of(config_class),
        capabilities=(
            "metadata.collect", "metadata.preview", "ingest.full", *incremental, "ingest.delete_detection",
            *capabilities,
        ),
        roles=("source",),
        docs_url=docs_url,
        auth_modes=auth_modes,
        **more,
    )  # fmt: skip


class SourceOnly:
    """An ``EndpointFactory`` of a template that is no sink."""

    def __init__(
        self, descriptor: EndpointDescriptor, config_class: type[BaseModel], make: Callable[[Any], SourceEndpoint]
    ) -> None:
        self.descriptor, self.config_class, self._make = descriptor, config_class, make

    def source(self, config: Any) -> SourceEndpoint:
        """A source over a validated config."""
        return self._make(config)

    def sink(self, config: Any) -> SinkEndpoint:
        """Always refused."""
        raise EndpointUnknownError(
            f"Template {self.descriptor.template_id} is a source only ({type(config).__name__} was given)",
            "Use an endpoint of another template as the sink.",
            template_id=self.descriptor.template_id,
        )


source_only = SourceOnly
"""``FACTORY = source_only(DESCRIPTOR, AcmeConfig, AcmeSource)``"""
