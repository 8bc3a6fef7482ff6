"""The webhook's body: JSON without surprises, then fields in camelCase of which unknown ones are refused."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from contracts.unit import DataMode, IngestionMode
from metadata_api.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_DEEP = 16
RESERVED = "__prefect_kind"
"""Prefect renders parameters that hold this key (templates, variables): a caller's JSON must not."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class IngestionRequest(BaseModel):
    """One request to ingest a unit."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, hide_input_in_errors=True
    )

    endpoint_id: Id = Field(description="The source.")
    unit_id: Id = Field(description="A unit of its catalog.")
    sink_id: Id | None = Field(None, description="Where the rows go; the unit's own sink when both are left out.")
    sink_endpoint_id: Id | None = Field(None, description="The same, as an endpoint id; must agree with sinkId.")
    staging_provider_id: Id | None = Field(None, description="A staging block; the default area when left out.")
    run_mode: IngestionMode | None = Field(None, description="full or incremental; the unit's own when left out.")
    data_mode: DataMode | None = Field(None, description="raw or cdm; the unit's own when left out.")
    filter: dict[str, JsonValue] | list[dict[str, JsonValue]] | None = Field(
        None, description="Selectors by name, or a list of {column, op, value}, whichever the source has."
    )
    policy: dict[str, JsonValue] | None = Field(None, description="Fields of the unit's policy for this run.")
    checkpoint: dict[str, JsonValue] | None = Field(None, description="Where the run begins, in the source's own form.")
    callback_url: Annotated[str, StringConstraints(min_length=8, max_length=2000)] | None = Field(
        None, description="Told how the run ended."
    )
    idempotency_key: Id | None = Field(None, description="The same key gives the same run.")


def read_request(body: bytes) -> IngestionRequest:
    """The request in a body.

    Raises:
        MalformedError: It is not JSON, or a field is missing, unknown or malformed; values are not repeated.
    """
    data = read_json(body)
    try:
        return IngestionRequest.model_validate(data)
    except ValidationError as error:
        problems = _problems(error)
    raise MalformedError(f"The request cannot be used: {problems}", "docs/metadata-api.md lists the fields.")


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object that any later step can take: finite numbers, valid text, each name once, not too deep.

    Raises:
        MalformedError: It is something else.
    """
    try:
        data = json.loads(body, object_pairs_hook=_once_each, parse_constant=_no_constant)
        _look(data, 0)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _NotUsableError) else "it is not JSON"
        raise MalformedError(f"The body cannot be read: {why}", "Send one JSON object in UTF-8.") from None
    if not isinstance(data, dict):
        raise MalformedError("The body is not a JSON object", "Send one JSON object in UTF-8.")
    return data


class _NotUsableError(ValueError):
    """The text is one of ours and repeats nothing of the body."""


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _NotUsableError("a name stands twice in an object")
    return made


def _no_constant(_: str) -> Any:
    raise _NotUsableError("numbers are finite")


def _look(value: Any, depth: int) -> None:
    if depth > MOST_DEEP:
        raise _NotUsableError(f"it is nested more than {MOST_DEEP} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise _NotUsableError("numbers are finite")
    if isinstance(value, int) and value.bit_length() > 64:
        raise _NotUsableError("whole numbers have at most 64 bits")
    if isinstance(value, str):
        _look_at_text(value)
    for part in _inside(value):
        _look(part, depth + 1)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        if RESERVED in value:
            raise _NotUsableError(f"the name {RESERVED} is reserved")
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else ()


def _look_at_text(text: str) -> None:
    if "\x00" in text:
        raise _NotUsableError("text holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _NotUsableError("text holds half of a character") from None


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{_place(each['loc'])}: {each['msg']}" for each in found[:10])


def _place(loc: tuple[int | str, ...]) -> str:
    """The field; a name the caller made up is cut, so that an answer stays small."""
    return ".".join(str(part)[:60] for part in loc[:4])
