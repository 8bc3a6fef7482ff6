"""What a config class asks for, as data for forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from connectors.config_fields import is_secret, spelled_name
from contracts.endpoint import FieldDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel, JsonValue
    from pydantic.fields import FieldInfo
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema


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
