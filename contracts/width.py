"""Datasets that have more columns than a sink's table can have."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

RAW = "raw"
"""The JSON column in which a source keeps whole payloads, beside the columns made of them."""


@runtime_checkable
class SupportsColumnLimit(Protocol):
    """The sink's tables have a greatest number of columns."""

    most_columns: ClassVar[int]
