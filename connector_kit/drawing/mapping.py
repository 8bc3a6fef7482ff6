"""A source's row beside the common row that a mapper makes of it, and which column comes from which.

Nothing has to be declared for that: a mapper is pure, so it is run again with one source column emptied at a time,
and what changes in the common rows came from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from connector_kit.drawing.drawing import AMBER, BLUE, GREEN, VIOLET, Drawing
from connector_kit.drawing.svg import Sheet, shortened
from connector_kit.drawing.values import NULL, cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contracts.mapping import CdmMapper, MapContext

_WIDTH, _LINE_PX = 960.0, 19.0
_NAME_PX, _VALUE_PX, _BETWEEN_PX = 150.0, 190.0, 270.0
_COLOURS = (BLUE, GREEN, AMBER, VIOLET)
_WIDEST = 40


def mapping(rows: pl.DataFrame, mapper: CdmMapper, context: MapContext, row: int = 0) -> Drawing:
    """One row before and after its mapper, with a line from each source column to what it feeds.

    Args:
        rows: Staged rows; the more of them, the surer it is that every dependency shows.
        mapper: Source rows to common rows.
        context: What the mapper may know besides.
        row: Which of the rows is written out.
    """
    made = mapper(rows.lazy(), context).collect()
    feeds = dependencies(rows, mapper, context)
    used = [name for name in rows.columns if feeds[name]]
    unused = [name for name in rows.columns if not feeds[name]]
    left = [*used, *(name for name in unused if rows[name].null_count() < rows.height)]
    sheet = Sheet(_WIDTH, "Source columns and the common columns they feed")
    middle, right = _NAME_PX + _VALUE_PX, _NAME_PX + _VALUE_PX + _BETWEEN_PX
    targets = {name: index for index, name in enumerate(made.columns)}
    for index, name in enumerate(left):
        shade = _COLOURS[index % len(_COLOURS)]
        for target in feeds[name]:
            sheet.curve(middle + 6, _middle(index), right - 6, _middle(targets[target]), shade)
    _column(sheet, rows, left, 0.0, row, faint=set(left) - set(used))
    fed = {target for targets in feeds.values() for target in targets}
    if empty := rows.width - len(left):
        sheet.text(0, len(left) * _LINE_PX + 14, f"… and {empty} that are empty in all of these rows", alpha=0.45)
    _column(sheet, made, made.columns, right, row, faint=set(made.columns) - fed)
    plain = "\n".join(f"{name} -> {', '.join(feeds[name])}" for name in used)
    title = f"{context.dataset.dataset_id}: one row, {len(used)} of {rows.width} columns feed {len(fed)} common ones"
    note = "Faint on the left: used by nothing here. Faint on the right: from the context, or constant."
    return Drawing(sheet.done(), plain, title, note)


def dependencies(rows: pl.DataFrame, mapper: CdmMapper, context: MapContext) -> Mapping[str, Sequence[str]]:
    """Source column to the common columns that change when it is emptied. A column that is empty anyway feeds none."""
    before = mapper(rows.lazy(), context).collect()
    return {name: _changed(before, mapper(_without(rows, name).lazy(), context).collect()) for name in rows.columns}


def _without(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name))


def _changed(before: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    return [name for name in before.columns if not before[name].equals(after[name])]


def _middle(index: int) -> float:
    return index * _LINE_PX + _LINE_PX / 2


def _column(sheet: Sheet, rows: pl.DataFrame, names: Sequence[str], x: float, row: int, *, faint: set[str]) -> None:
    for index, name in enumerate(names):
        base, alpha = index * _LINE_PX + 14, 0.45 if name in faint else 1.0
        value = cell(rows[name][row], _WIDEST, exact=True)
        sheet.text(x, base, shortened(name, _NAME_PX - 8), alpha=alpha, tip=name)
        shade = 0.3 if value is NULL else 0.7 * alpha
        sheet.text(x + _NAME_PX, base, shortened(value.text, _VALUE_PX, 11), px=11, alpha=shade, tip=value.text)
