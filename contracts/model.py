"""The one pydantic base of every contract: frozen, closed, JSON round-trip."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

Json = dict[str, JsonValue]
"""A JSON object whose meaning belongs to the room that wrote it."""


class Contract(BaseModel):
    """A frozen value that survives ``model_dump_json`` and back, and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
