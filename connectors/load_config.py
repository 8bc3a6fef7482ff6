"""Configs from what an operator wrote: what is wrong with one, secrets left out."""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from connectors.config_fields import is_secret, spelled_name
from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def load_config(config_class: type[ConfigT], data: Mapping[str, Any], template_id: str) -> ConfigT:
    """The validated config of a template.

    Raises:
        ConfigInvalidError: Fields are unknown, missing or malformed; ``facts["fields"]`` maps each to what is
            wrong with it. Neither the error nor what it was raised from repeats a secret.
    """
    problems = _unknown(config_class, data)
    config = None
    try:
        config = config_class.model_validate({name: data[name] for name in data if name not in problems})
    except ValidationError as error:
        problems |= _malformed(error, secrets_in(config_class, data))
    # Outside the handler: pydantic's own error holds the input, and would travel along as context.
    if config is None or problems:
        raise ConfigInvalidError(
            f"The config of {template_id!r} cannot be used: " + "; ".join(map(": ".join, problems.items())),
            f"`nucleus template show {template_id}` lists the fields.",
            template_id=template_id,
            fields=problems,
        )
    return config


def secrets_in(config_class: type[BaseModel], data: Mapping[str, Any]) -> frozenset[str]:
    """The texts that are secret in the data of a config: values of secret fields, and passwords inside URLs."""
    fields = {spelled_name(name, field): field for name, field in config_class.model_fields.items()}
    fields |= config_class.model_fields
    secrets = {password for text in _texts(data) for password in _passwords(text)}
    for name in data.keys() & fields.keys():
        secrets.update(_secrets_in(fields[name].annotation, data[name]))
    return frozenset(secrets - {""})


def _unknown(config_class: type[BaseModel], data: Mapping[str, Any]) -> dict[str, str]:
    fields = config_class.model_fields
    known = {spelled_name(name, field): None for name, field in fields.items()}
    if config_class.model_config.get("populate_by_name") or config_class.model_config.get("validate_by_name"):
        known |= dict.fromkeys(fields)
    return {name: f"is not a field{_did_you_mean(name, known)}" for name in data if name not in known}


def _did_you_mean(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name.lower().replace("-", "_"), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _malformed(error: ValidationError, secrets: frozenset[str]) -> dict[str, str]:
    problems: dict[str, list[str]] = defaultdict(list)
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        where, what = ".".join(map(str, each["loc"])) or "config", _problem_text(each["type"], each["msg"])
        if any(secret in what for secret in secrets):
            what = "is not acceptable (why is not shown, because that repeats a secret)"
        problems[where].append(what)
    return {where: ", ".join(dict.fromkeys(reasons)) for where, reasons in problems.items()}


def _problem_text(kind: str, message: str) -> str:
    fixed = {"missing": "is required", "extra_forbidden": "is not a field"}
    plain = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return fixed.get(kind, plain.replace("Input should", "should", 1))


def _secrets_in(annotation: object, value: object) -> Iterator[str]:
    models = list(_models_in(annotation))
    if models and isinstance(value, Mapping):
        yield from (secret for model in models for secret in secrets_in(model, value))
    elif is_secret(annotation):
        yield from _texts(value)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models a value may be, in a union or alone; not those inside a list."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _models_in(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        yield from (model for part in get_args(annotation) for model in _models_in(part))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr | SecretBytes):
        yield from _texts(value.get_secret_value())
    elif isinstance(value, Mapping):
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, Collection) and not isinstance(value, str | bytes):
        yield from (text for part in value for text in _texts(part))
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _passwords(text: str) -> tuple[str, ...]:
    try:
        password = urlsplit(text).password if "://" in text else None
    except ValueError:
        return (text,)
    return () if password is None else (password, unquote(password))
