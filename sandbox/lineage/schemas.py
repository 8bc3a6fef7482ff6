"""Whether an event is what OpenLineage's schemas ask for.

The library's wheel has no JSON schemas, but the classes that its authors generate from them: from these the schemas are
made again here. They are stricter in one thing: what the standard does not name is refused, so that a slip of a name is
seen. Which key each facet has is not in the classes; it is as the standard's documents name it.
"""

from __future__ import annotations

import importlib
import pkgutil
import typing
from datetime import datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import attr
import jsonschema
from openlineage.client import generated
from openlineage.client.generated.base import RunEvent

_FORMATS = {"runId": "uuid", "eventTime": "date-time", "uri": "uri"} | dict.fromkeys(
    ("producer", "_producer", "schemaURL", "_schemaURL"), "uri"
)
_ALWAYS = {"producer", "_producer", "schemaURL", "_schemaURL", "eventType"}
"""Required, though the classes have defaults. An event without a type is allowed by the standard, and none of ours."""
_KEYS = {
    "columnLineage": "ColumnLineageDatasetFacet",
    "dataQualityAssertions": "DataQualityAssertionsDatasetFacet",
    "dataSource": "DatasourceDatasetFacet",
    "errorMessage": "ErrorMessageRunFacet",
    "inputStatistics": "InputStatisticsInputDatasetFacet",
    "jobType": "JobTypeJobFacet",
    "outputStatistics": "OutputStatisticsOutputDatasetFacet",
    "parent": "ParentRunFacet",
    "processing_engine": "ProcessingEngineRunFacet",
    "schema": "SchemaDatasetFacet",
    "tags": "TagsRunFacet",
}
_checker = jsonschema.FormatChecker(formats=())


def problem_of(event: dict[str, Any]) -> str | None:
    """What is wrong with an event or one of its facets, with where; None for a valid event."""
    problem = _problem(RunEvent, event)
    if problem is not None:
        return problem
    datasets = [*event.get("inputs", ()), *event.get("outputs", ())]
    held = [(holder, "facets") for holder in (event["run"], event["job"], *datasets)]
    held += [(dataset, kind) for dataset in datasets for kind in ("inputFacets", "outputFacets")]
    facets = [pair for holder, kind in held for pair in holder.get(kind, {}).items()]
    problems = (_facet_problem(key, facet) for key, facet in facets)
    return next(filter(None, problems), None)


def _facet_problem(key: str, facet: dict[str, Any]) -> str | None:
    kind = _by_url().get(facet.get("_schemaURL", ""))
    if kind is None or _KEYS.get(key) != kind.__name__:
        return f"facet {key}: {facet.get('_schemaURL')} is not its schema"
    problem = _problem(kind, facet)
    return problem and f"facet {key}: {problem}"


def _problem(kind: type, value: Any) -> str | None:
    validator = jsonschema.Draft202012Validator(_schema(kind), format_checker=_checker)
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    return error and f"{error.json_path}: {error.message}"


@cache
def _by_url() -> dict[str, type]:
    """By schema URL, every class of the package."""
    modules = [
        importlib.import_module(f"{generated.__name__}.{each.name}")
        for each in pkgutil.iter_modules(generated.__path__)
    ]
    kinds = [each for module in modules for each in vars(module).values() if attr.has(each)]
    return {kind._get_schema(): kind for kind in kinds if hasattr(kind, "_get_schema")}  # noqa: SLF001 - the library's


@cache
def _schema(kind: type) -> dict[str, Any]:
    shapes: dict[str, Any] = {}
    return {**_shape(kind, shapes), "$defs": shapes}


def _shape(kind: type, shapes: dict[str, Any]) -> dict[str, Any]:
    """A reference to the class's schema, which is put among the shapes: some classes hold themselves."""
    if kind.__qualname__ not in shapes:
        shapes[kind.__qualname__] = None
        hints, fields = typing.get_type_hints(kind), attr.fields(kind)
        properties = {each.name: _typed(hints[each.name], each.name, shapes) for each in fields}
        required = {each.name for each in fields if each.default is attr.NOTHING} | properties.keys() & _ALWAYS
        shapes[kind.__qualname__] = {
            "type": "object",
            "properties": properties,
            "required": sorted(required),
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{kind.__qualname__}"}


def _typed(hint: Any, name: str, shapes: dict[str, Any]) -> dict[str, Any]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, UnionType}:
        (hint,) = (each for each in inner if each is not type(None))  # what is None is left out of the JSON
        return _typed(hint, name, shapes)
    if origin is list:
        return {"type": "array", "items": _typed(inner[0], "", shapes)}
    if origin is dict:
        is_facets = name.lower().endswith("facets")  # each is checked by its own schema
        return {"type": "object", **({} if is_facets else {"additionalProperties": _typed(inner[1], "", shapes)})}
    if attr.has(hint):
        return _shape(hint, shapes)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [each.value for each in hint]}
    plain = {str: "string", int: "integer", bool: "boolean", float: "number"}.get(hint)
    shape: dict[str, Any] = {} if plain is None else {"type": plain}
    return shape | ({"format": _FORMATS[name]} if name in _FORMATS else {})


@_checker.checks("uuid", ValueError)
def _is_uuid(text: object) -> bool:
    return str(UUID(str(text))) == text


@_checker.checks("date-time", ValueError)
def _is_time(text: object) -> bool:
    return datetime.fromisoformat(str(text)).tzinfo is not None


@_checker.checks("uri")
def _is_uri(text: object) -> bool:
    return bool(urlsplit(str(text)).scheme) and not set(str(text)) & set(' <>"{}|\\^`')
