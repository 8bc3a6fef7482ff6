"""What a config class asks for, as data for forms; and what is wrong with a config, secrets left out."""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter, ValidationError

from contracts.endpoint import FieldDescriptor
from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue
    from pydantic.fields import FieldInfo

ConfigT = TypeVar("ConfigT", bound=BaseModel)

_UNITS = {"s": "seconds", "ms": "milliseconds", "bytes": "bytes"}
_INITIALS = {"api", "ca", "id", "ssl", "tls", "url"}
_WORDS: tuple[tuple[type, str], ...] = (  # the first that fits: bool is an int, datetime a date
    (SecretStr, "secret text"),
    (SecretBytes, "secret bytes"),
    (bool, "true or false"),
    (int, "whole number"),
    (float, "number"),
    (PurePath, "path"),
    (datetime, "date and time"),
    (date, "date"),
    (timedelta, "duration"),
    (str, "text"),
)


def fields_of(config_class: type[BaseModel]) -> tuple[FieldDescriptor, ...]:
    """One descriptor per field, in the order of the class.

    The type is in words (``whole number``, ``list of text``, ``choice``); the default is JSON, and None for a
    required or a secret field.
    """
    return tuple(_field(spelled_name(name, field), field) for name, field in config_class.model_fields.items())


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
        problems |= _malformed(error, _secrets(config_class, data))
    # Outside the handler: pydantic's own error holds the input, and would travel along as context.
    if config is None or problems:
        raise ConfigInvalidError(
            f"The config of {template_id!r} cannot be used: " + "; ".join(map(": ".join, problems.items())),
            f"`nucleus template show {template_id}` lists the fields.",
            template_id=template_id,
            fields=problems,
        )
    return config


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


def _field(name: str, field: FieldInfo) -> FieldDescriptor:
    secret = is_secret(field.annotation)
    return FieldDescriptor(
        name=name,
        title=field.title or _title(name),
        description=field.description or "",
        type=_in_words(field.annotation),
        required=field.is_required(),
        secret=secret,
        default=None if secret else _default(field),
        choices=tuple(_choices(field.annotation)),
    )


def _title(name: str) -> str:
    *words, last = name.split("_")
    unit = last in _UNITS and bool(words)
    spoken = [word.upper() if word in _INITIALS else word for word in (words if unit else [*words, last])]
    spoken[0] = spoken[0][:1].upper() + spoken[0][1:]
    return " ".join(spoken) + (f" ({_UNITS[last]})" if unit else "")


def _default(field: FieldInfo) -> JsonValue:
    # Factories other than plain types (list, a model) may have effects or give another value each time.
    factory = field.default_factory
    if field.is_required() or (factory is not None and not isinstance(factory, type)):
        return None
    value = field.get_default(call_default_factory=True)
    return TypeAdapter[Any](Any).dump_python(value, mode="json")  # type: ignore[no-any-return]


def _alternatives(annotation: object) -> list[object]:
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return [each for part in get_args(annotation) for each in _alternatives(part)]
    return [] if annotation is type(None) else [annotation]


def _choices(annotation: object) -> Iterator[str]:
    for kind in _alternatives(annotation):
        if get_origin(kind) is Literal:
            yield from (str(value) for value in get_args(kind) if value is not None)
        elif isinstance(kind, type) and issubclass(kind, Enum):
            yield from (str(member.value) for member in kind)


def _in_words(annotation: object) -> str:
    words = [_one_in_words(kind) for kind in _alternatives(annotation)]
    return " or ".join(dict.fromkeys(words)) or "nothing"


def _one_in_words(kind: object) -> str:
    origin, inside = get_origin(kind) or kind, [part for part in get_args(kind) if part is not Ellipsis]
    if origin is Literal or (isinstance(origin, type) and issubclass(origin, Enum)):
        return "choice"
    if not isinstance(origin, type):
        return "any value"
    if issubclass(origin, BaseModel):
        return f"object ({', '.join(spelled_name(*each) for each in origin.model_fields.items())})"
    named = next((words for known, words in _WORDS if issubclass(origin, known)), None)
    return named or _collection_in_words(origin, inside)


def _collection_in_words(origin: type, inside: list[object]) -> str:
    if issubclass(origin, Mapping):
        return f"map of {_in_words(inside[1])}" if len(inside) == 2 else "map"
    if issubclass(origin, Collection):
        parts = dict.fromkeys(_in_words(part) for part in inside)
        return f"list of {' or '.join(parts)}" if parts else "list"
    return origin.__name__


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
    found: dict[str, list[str]] = defaultdict(list)
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        where, what = ".".join(map(str, each["loc"])) or "config", _said(each["type"], each["msg"])
        if any(secret in what for secret in secrets):
            what = "is not acceptable (why is not shown, because that repeats a secret)"
        found[where].append(what)
    return {where: ", ".join(dict.fromkeys(said)) for where, said in found.items()}


def _said(kind: str, message: str) -> str:
    fixed = {"missing": "is required", "extra_forbidden": "is not a field"}
    plain = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return fixed.get(kind, plain.replace("Input should", "should", 1))


def _secrets(config_class: type[BaseModel], data: Mapping[str, Any]) -> frozenset[str]:
    fields = {spelled_name(name, field): field for name, field in config_class.model_fields.items()}
    fields |= config_class.model_fields
    found = {password for text in _texts(data) for password in _passwords(text)}
    for name in data.keys() & fields.keys():
        found.update(_secrets_in(fields[name].annotation, data[name]))
    return frozenset(found - {""})


def _secrets_in(annotation: object, value: object) -> Iterator[str]:
    models = [kind for kind in _alternatives(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    if models and isinstance(value, Mapping):
        yield from (secret for model in models for secret in _secrets(model, value))
    elif is_secret(annotation):
        yield from _texts(value)


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
