"""What mappers share: expressions over one frame of staged rows, and a model's columns made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdm_mappers.doc import BODY_CHARACTERS
from cdm_mappers.models import MODELS, schema_of
from contracts.mapping import DELETED_AT, INGESTED_AT, OWNER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.mapping import MapContext


class SourceRow:
    """Expressions over one frame of staged rows; ``row["name"]`` is the column, or null if it is missing."""

    def __init__(self, frame: pl.LazyFrame, context: MapContext, family: str) -> None:
        self._frame, self._context, self._family = frame, context, family
        self._columns = frozenset(frame.collect_schema().names())
        self._system = context.dataset.namespace

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that the rows have."""
        return self._columns

    @property
    def context(self) -> MapContext:
        """Where the rows come from."""
        return self._context

    def __getitem__(self, name: str) -> pl.Expr:
        return pl.col(name) if name in self._columns else pl.lit(None)

    def cdm(self, entity: str, *names: str, family: str | None = None) -> pl.Expr:
        """An id in the mapper's family, or in another; several columns joined by ``:``; null if one of them is."""
        native = pl.concat_str([self[name].cast(pl.String) for name in names], separator=":")
        return pl.lit(f"cdm:{family or self._family}:{entity}:{self._system}:") + native

    def person(self, name: str) -> pl.Expr:
        """The id of a person, which belongs to the work family whoever names it; null without an account."""
        return self.cdm("user", name, family="work")

    def same(self, *names: str) -> dict[str, pl.Expr]:
        """Columns that have the same name in the model."""
        return {name: self[name] for name in names}

    def json_object(self, names: tuple[str, ...]) -> pl.Expr:
        """Columns as a JSON object of texts."""
        return pl.struct(*(self[name].cast(pl.String).alias(name) for name in names)).struct.json_encode()

    def json_of(self, values: Mapping[str, pl.Expr]) -> pl.Expr:
        """Those that have a value as a JSON object, each with its own type; null if there are none."""
        parts = [_member(name, value) for name, value in values.items()]
        joined = pl.concat_str(parts, separator=",", ignore_nulls=True)
        return pl.when(joined != "").then(pl.lit("{") + joined + pl.lit("}"))

    def mapped(self, model_id: str, columns: Mapping[str, pl.Expr]) -> pl.LazyFrame:
        """A frame with the model's columns, in its order and with its types; what is not named is null.

        Raises:
            KeyError: The model has no column of a given name.
        """
        context = self._context
        schema = schema_of(MODELS[model_id])
        if strange := columns.keys() - schema.keys():
            raise KeyError(*sorted(strange))
        known: dict[str, pl.Expr] = {
            "source_system": pl.lit(self._system),
            "source_url": self["url"],
            "dataset_id": pl.lit(context.dataset.dataset_id),
            OWNER: pl.lit(context.endpoint_id),
            INGESTED_AT: pl.lit(context.ingested_at),
            DELETED_AT: pl.lit(None),
            **columns,
        }
        nothing = pl.lit(None)
        return self._frame.select(known.get(name, nothing).cast(dtype).alias(name) for name, dtype in schema.items())


def bounded_body(text: pl.Expr) -> tuple[pl.Expr, dict[str, pl.Expr]]:
    """An item's text, cut between two code points after BODY_CHARACTERS, and the property that says it was cut."""
    whole = text.cast(pl.String)
    cut = pl.when(whole.str.len_chars() > BODY_CHARACTERS).then(pl.lit(value=True))
    return whole.str.head(BODY_CHARACTERS), {"body_text_cut": cut}


def _member(name: str, value: pl.Expr) -> pl.Expr:
    """``"name":value`` as JSON text without its braces; null if there is no value."""
    encoded = pl.struct(value.alias(name)).struct.json_encode()
    return pl.when(value.is_not_null()).then(encoded.str.head(-1).str.tail(-1))
