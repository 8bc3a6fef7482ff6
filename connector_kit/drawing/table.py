"""Tables: rows of any values under headings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connector_kit.drawing.drawing import Drawing, safe
from connector_kit.drawing.values import TableCell, cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "", note: str = "") -> Drawing:
    """A table. A heading ``name|small print`` has a second line; a column of numbers is aligned to the right."""
    made = [[cell(value) for value in row] for row in rows]
    numeric = [_is_numeric([row[index] for row in made]) for index in range(len(headings))]
    head = "".join(_heading(one, numeric[index]) for index, one in enumerate(headings))
    lines = [[replace(one, number=side) for one, side in zip(row, numeric, strict=True)] for row in made]
    body = "".join(f"<tr>{''.join(_cell(one) for one in line)}</tr>" for line in lines)
    html = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    plain = _plain([[one.replace("|", " ") for one in headings], *([one.text for one in row] for row in made)])
    return Drawing(html, plain, title, note)


def record(values: Mapping[str, Any], *, title: str = "", note: str = "") -> Drawing:
    """Names and values, one pair a line."""
    made = [(name, cell(value, 110)) for name, value in values.items()]
    body = "".join(
        f'<tr><td class="nk-name">{safe(name)}</td>{_cell(replace(one, number=False))}</tr>' for name, one in made
    )
    html = f"<table><tbody>{body}</tbody></table>"
    return Drawing(html, _plain([[name, one.text] for name, one in made]), title, note)


def _is_numeric(cells: list[TableCell]) -> bool:
    filled = [one for one in cells if one.text not in {"", "null"}]
    return bool(filled) and all(one.number for one in filled)


def _heading(text: str, numeric: bool) -> str:  # noqa: FBT001 - one of two looks
    name, _, small = text.partition("|")
    under = f"<small>{safe(small)}</small>" if small else ""
    return f'<th class="{"nk-num" if numeric else ""}">{safe(name)}{under}</th>'


def _cell(one: TableCell) -> str:
    look = " ".join(name for name, on in (("nk-num", one.number), ("nk-wrap", one.wrap)) if on)
    return f'<td class="{look}">{one.markup}</td>'


def _plain(lines: list[list[str]]) -> str:
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))] if lines else []
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
