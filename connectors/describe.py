"""What a config class asks for, as data for forms; and what is wrong with a config, secrets left out."""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from contracts.endpoint import FieldDescriptor
from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue
    from pydantic.config import JsonDict
    from pydantic.fields import FieldInfo
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

ConfigT = TypeVar("ConfigT", bound=BaseModel)
DESTINATION: JsonDict = {"destination": True}
"""``Field(json_schema_extra=DESTINATION)`` marks a field that decides where secrets go: host, URL, proxy, TLS."""

_UNITS = {"s": "seconds", "ms": "milliseconds", "bytes": "bytes"}
_INITIALS = {"api", "ca", "id", "ssl", "tls", "url"}
_WORDS = {  # by format, else by type
    "path": "path",
    "file-path": "path",
    "directory-path": "path",
    "date-time": "date and time",
    "date": "date",
    "duration": "duration",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "array": "list",
    "object": "map",
}


def fields_of(config_class: type[BaseModel]) -> tuple[FieldDescriptor, ...]:
    """One descriptor per field, in the order of the class.

    The type is in words (``whole number``, ``list of text``, ``choice``); the default is JSON, and None for a
    required or a secret field.
    """
    schema = config_class.model_json_schema(schema_generator=_FormSchema)
    models = schema.get("$defs", {})
    named = zip(config_class.model_fields.items(), schema["properties"].values(), strict=True)
    return tuple(_field(spelled_name(name, field), field, each, models) for (name, field), each in named)


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


class _FormSchema(GenerateJsonSchema):
    """JSON Schema for forms: bytes stay recognisable inside a secret, and a class without a schema is any value."""

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        return super().bytes_schema(schema) | {"contentMediaType": "application/octet-stream"}

    def handle_invalid_for_json_schema(self, _schema: object, _error_info: str) -> JsonSchemaValue:
        return {}


def _field(name: str, field: FieldInfo, schema: JsonSchemaValue, models: JsonSchemaValue) -> FieldDescriptor:
    secret = is_secret(field.annotation)
    alternatives = list(_alternatives(schema, models))
    return FieldDescriptor(
        name=name,
        title=field.title or _title(name),
        description=field.description or "",
        type=_in_words(schema, models),
        required=field.is_required(),
        secret=secret,
        default=None if secret else schema.get("default", _made_default(field)),
        choices=tuple(str(value) for each in alternatives for value in _choices(each)),
        destination=bool(schema.get("destination")),
    )


def _title(name: str) -> str:
    *words, last = name.split("_")
    unit = last in _UNITS and bool(words)
    spoken = [word.upper() if word in _INITIALS else word for word in (words if unit else [*words, last])]
    spoken[0] = spoken[0][:1].upper() + spoken[0][1:]
    return " ".join(spoken) + (f" ({_UNITS[last]})" if unit else "")


def _made_default(field: FieldInfo) -> JsonValue:
    # JSON Schema has no default for a factory: it may have effects or give another value each time. Plain types
    # (list, a model) do neither.
    factory = field.default_factory
    return to_jsonable_python(factory()) if isinstance(factory, type) else None


def _alternatives(schema: JsonSchemaValue, models: JsonSchemaValue) -> Iterator[JsonSchemaValue]:
    """What a value may be, references followed, without null."""
    if "$ref" in schema:
        schema = models[schema["$ref"].rpartition("/")[2]]
    for each in schema.get("anyOf") or schema.get("oneOf") or ():
        yield from _alternatives(each, models)
    if not schema.keys() & {"anyOf", "oneOf"} and schema.get("type") != "null":
        yield schema


def _choices(schema: JsonSchemaValue) -> list[object]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return [value for value in values if value is not None]


def _in_words(schema: JsonSchemaValue, models: JsonSchemaValue) -> str:
    words = [_one_in_words(each, models) for each in _alternatives(schema, models)]
    return " or ".join(dict.fromkeys(words)) or "nothing"


def _one_in_words(schema: JsonSchemaValue, models: JsonSchemaValue) -> str:
    if schema.get("writeOnly"):
        return "secret bytes" if "contentMediaType" in schema else "secret text"
    if schema.keys() & {"enum", "const"}:
        return "choice"
    if "properties" in schema:
        return f"object ({', '.join(schema['properties'])})"
    inside = [each for each in (*schema.get("prefixItems", ()), _items(schema)) if each]
    parts = " or ".join(dict.fromkeys(_in_words(each, models) for each in inside))
    words = _WORDS.get(schema.get("format", "")) or _WORDS.get(schema.get("type", ""), "any value")
    return f"{words} of {parts}" if parts else words


def _items(schema: JsonSchemaValue) -> JsonSchemaValue | None:
    items = schema.get("items", schema.get("additionalProperties"))
    return items if isinstance(items, dict) else None


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


def secrets_in(config_class: type[BaseModel], data: Mapping[str, Any]) -> frozenset[str]:
    """The texts that are secret in the data of a config: values of secret fields, and passwords inside URLs."""
    fields = {spelled_name(name, field): field for name, field in config_class.model_fields.items()}
    fields |= config_class.model_fields
    secrets = {password for text in _texts(data) for password in _passwords(text)}
    for name in data.keys() & fields.keys():
        secrets.update(_secrets_in(fields[name].annotation, data[name]))
    return frozenset(secrets - {""})


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
