"""What a request says about an endpoint, in this API's own form or in that of the platform's console."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.load_config import load_config
from contracts.errors import ConfigInvalidError, IngestionError
from flows.blocks.types import MASK, factory_of
from metadata_api.errors import MalformedError

if TYPE_CHECKING:
    from contracts.endpoint import ConnectionReport, EndpointFactory


class Registration(NamedTuple):
    """A new endpoint."""

    endpoint_id: str
    template_id: str
    config: dict[str, Any]


def read_registration(
    endpoint_id: str | None, name: str | None, template_id: str | None, config: object
) -> Registration:
    """The endpoint that is described.

    Args:
        endpoint_id: Its id; made from the name when it is left out.
        name: What people call it.
        template_id: Its template; may stand in the config instead.
        config: Fields of the template, or ``{templateId, parameters}``.

    Raises:
        MalformedError: It has neither id nor name, no template, or a config that is no object.
        ConfigInvalidError: A field holds a secret as it was shown.
    """
    named, fields = read_config(config)
    template = template_id or named
    if template is None:
        raise MalformedError("No template is named", "Give templateId; metadataEndpointTemplates lists them.")
    chosen = endpoint_id or id_of(name or "")
    if not chosen:
        raise MalformedError("The endpoint has neither id nor name", "Give one of them.")
    refuse_masks(fields)
    return Registration(chosen, template, fields)


def read_config(config: object) -> tuple[str | None, dict[str, Any]]:
    """Template, if it is named, and fields of a config; a text that a form left empty is no field.

    Raises:
        MalformedError: It is no JSON object.
    """
    said = read_object(config)
    if not isinstance(said.get("parameters"), dict):
        return None, said
    template = said.get("templateId")
    return template if isinstance(template, str) else None, filled(said["parameters"])


def read_object(value: object) -> dict[str, Any]:
    """A JSON object; raises MalformedError for anything else."""
    if not isinstance(value, dict):
        raise MalformedError("config and policy are JSON objects", "Send an object.")
    return dict(value)


def refuse_masks(config: dict[str, Any]) -> None:
    """Raise ConfigInvalidError for a secret as it was shown: nobody's password is eight stars."""
    masks = [name for name, value in config.items() if value == MASK]
    if masks:
        raise ConfigInvalidError(
            f"{', '.join(masks)[:200]} is a mask, not a value",
            "Give the secret itself; a change may leave out what stays.",
        )


def filled(form: dict[str, Any]) -> dict[str, Any]:
    """The fields of a form that somebody filled in."""
    return {name: value for name, value in form.items() if value not in (None, "")}


def id_of(name: str) -> str:
    """``Shop (EU)`` is registered as ``shop-eu``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def try_connection(template_id: str, config: dict[str, Any]) -> ConnectionReport:
    """Connect with a config that nobody saved.

    Raises:
        EndpointUnknownError: There is no such template.
        ConfigInvalidError: The fields make no config.
        IngestionError: The system cannot be reached or refuses the account.
    """
    factory = factory_of(template_id)
    refuse_masks(config)
    endpoint = _opened(factory, load_config(factory.config_class, config, template_id))
    with closing(endpoint):
        return endpoint.test_connection()  # type: ignore[no-any-return]


def field_at_fault(error: IngestionError) -> str | None:
    """The first field of a form that the error is about, if it is about one."""
    fields = error.facts.get("fields")
    return next(iter(fields), None) if isinstance(fields, dict) else None


def _opened(factory: EndpointFactory, config: Any) -> Any:
    return factory.source(config) if "source" in factory.descriptor.roles else factory.sink(config)
