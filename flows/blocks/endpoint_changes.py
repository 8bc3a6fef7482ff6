"""Changes to a registered endpoint: what is left out stays, but no saved secret is sent anywhere new.

Whoever may change an endpoint may also have it tested, and a test logs in. If a secret stayed when the host changed, it
could be read at a host of one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.load_config import load_config, secrets_in
from contracts.errors import ConfigInvalidError
from flows.blocks.types import factory_of, plain_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contracts.endpoint import EndpointFactory, FieldDescriptor


def changed_config(template_id: str, held: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the held config with the changes in their places; null restores a field's default.

    Raises:
        ConfigInvalidError: The fields do not make a config; or a changed one decides where a secret goes, and the
            secret was not given again.
    """
    factory = factory_of(template_id)
    before = _present(plain_fields(held))
    merged = _present({**before, **changes})
    after = _present(plain_fields(load_config(factory.config_class, merged, template_id)))
    moved_by = [field.name for field in _destinations(factory) if before.get(field.name) != after.get(field.name)]
    if moved_by and (kept := _kept_secrets(factory, before, after, changes)):
        raise ConfigInvalidError(
            f"{', '.join(moved_by)} cannot be changed alone: the saved {', '.join(kept)} would be sent elsewhere",
            f"Give {', '.join(kept)} again in the same change.",
            fields=dict.fromkeys(kept, "must be given again"),
        )
    return merged


def _destinations(factory: EndpointFactory) -> Iterable[FieldDescriptor]:
    """The fields that decide where secrets go; in a template that marks none, each of them may."""
    fields = factory.descriptor.fields
    return [each for each in fields if each.destination] or fields


def _kept_secrets(
    factory: EndpointFactory, before: Mapping[str, Any], after: Mapping[str, Any], changes: Mapping[str, Any]
) -> list[str]:
    given = secrets_in(factory.config_class, changes)
    # The credentials of a proxy go to the proxy, wherever the other fields point.
    secret = [each.name for each in factory.descriptor.fields if each.secret and not each.destination]
    same = [name for name in secret if name in after and after[name] == before.get(name)]
    return [name for name in same if not secrets_in(factory.config_class, {name: after[name]}) <= given]


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
