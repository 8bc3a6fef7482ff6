"""One field of a config class: how an operator spells it, and whether it is secret or says where secrets go."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, SecretBytes, SecretStr

if TYPE_CHECKING:
    from pydantic.config import JsonDict
    from pydantic.fields import FieldInfo

DESTINATION: JsonDict = {"destination": True}
"""``Field(json_schema_extra=DESTINATION)`` marks a field that decides where secrets go: host, URL, proxy, TLS."""


def spelled_name(name: str, field: FieldInfo) -> str:
    """What an operator writes for the field: its alias where it has one."""
    if isinstance(field.validation_alias, str):
        return field.validation_alias
    return field.alias or name


def is_secret(annotation: object) -> bool:
    """True when a secret type occurs anywhere in the annotation, also inside lists and nested models."""
    if isinstance(annotation, type) and issubclass(annotation, (SecretStr, SecretBytes)):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(is_secret(field.annotation) for field in annotation.model_fields.values())
    return any(is_secret(part) for part in get_args(annotation))
