"""Every common model, by id, and its columns as polars types."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import polars as pl

from cdm_mappers.doc import DOC
from cdm_mappers.work import WORK
from contracts.errors import CdmModelUnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.catalog import LogicalType
    from contracts.mapping import CdmModel

MODELS: Mapping[str, CdmModel] = MappingProxyType({model.model_id: model for model in (*DOC, *WORK)})
_TYPES: Mapping[LogicalType, pl.DataType] = MappingProxyType(
    {
        "string": pl.String(),
        "json": pl.String(),
        "uuid": pl.String(),
        "other": pl.String(),
        "bool": pl.Boolean(),
        "int16": pl.Int16(),
        "int32": pl.Int32(),
        "int64": pl.Int64(),
        "float32": pl.Float32(),
        "float64": pl.Float64(),
        "binary": pl.Binary(),
        "timestamptz": pl.Datetime("us", "UTC"),
        "timestamp": pl.Datetime("us"),
        "date": pl.Date(),
        "time": pl.Time(),
    }
)


def model_of(model_id: str) -> CdmModel:
    """The model of that id.

    Raises:
        CdmModelUnsupportedError: There is no such model; the error lists the existing ones.
    """
    if model_id not in MODELS:
        raise CdmModelUnsupportedError(
            f"There is no common model {model_id!r}",
            f"Use one of: {', '.join(MODELS)}.",
            cdm_model_id=model_id,
            known=list(MODELS),
        )
    return MODELS[model_id]


def dtype_of(kind: LogicalType) -> pl.DataType:
    """The polars type of a logical type. Timestamps have microseconds, and UTC if zoned; JSON is text.

    Raises:
        KeyError: For ``decimal`` and ``interval``, because a column of a model does not state their precision.
    """
    return _TYPES[kind]


def schema_of(model: CdmModel) -> dict[str, pl.DataType]:
    """Column names and polars types, in the model's order."""
    return {column.name: dtype_of(column.logical_type) for column in model.columns}
