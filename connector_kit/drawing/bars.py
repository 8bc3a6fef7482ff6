"""Bars beside each other: what was expected as an outline, what came as a filled part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_kit.drawing.drawing import GREY, INK, Drawing
from connector_kit.drawing.svg import CHARACTER_PX, DASHED, SOLID, Sheet, shortened, ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINE_PX, _BAR_PX = 24.0, 14.0
_OUTLINES = ((True, SOLID, "promised"), (False, DASHED, "estimated"))
_INDEX_PX, _WIDEST_LABEL_PX = 30.0, 360.0


@dataclass(frozen=True)
class Part:
    """A filled part of a bar."""

    amount: float
    colour: str
    words: str
    """What it stands for, for legend and tooltip."""


@dataclass(frozen=True)
class Bar:
    """One line of the chart.

    Attributes:
        label: On the left.
        parts: Filled, one after the other.
        outline: How long the bar should be; None: unknown.
        firm: False: the outline is an estimate, and is dashed.
        caption: On the right.
        tip: Where the pointer rests.
        caption_colour: Of the words on the right.
        index: A number before the label.
    """

    label: str
    parts: tuple[Part, ...] = ()
    outline: float | None = None
    firm: bool = True
    caption: str = ""
    tip: str = ""
    caption_colour: str = INK
    index: str = ""


def bars(
    lines: Sequence[Bar],
    axis: str,
    *,
    title: str = "",
    note: str = "",
    width: float = 900.0,
) -> Drawing:
    """A chart of bars.

    Args:
        lines: From top to bottom.
        axis: What is counted.
        title: One line above.
        note: One line below.
        width: Of the whole chart, in pixels.
    """
    label_px = min(_WIDEST_LABEL_PX, max([len(line.label) for line in lines], default=0) * CHARACTER_PX + 14)
    label_px += _INDEX_PX if any(line.index for line in lines) else 0
    caption_px = max([len(line.caption) for line in lines], default=0) * 6.4 + 14
    plot_px = width - label_px - caption_px
    longest = max([_length(line) for line in lines], default=0.0) or 1.0
    sheet = Sheet(width, title or axis)
    bottom = len(lines) * _LINE_PX + 4
    for at in ticks(longest):
        x = label_px + at / longest * plot_px
        sheet.line(x, 0, x, bottom, alpha=0.14)
        sheet.text(x, bottom + 13, f"{at:,.10g}", anchor="middle", px=10.5, alpha=0.6)
    sheet.text(width, bottom + 31, axis, anchor="end", px=10.5, alpha=0.6)
    for index, line in enumerate(lines):
        _draw(sheet, line, index * _LINE_PX, label_px, plot_px / longest)
    every = [(line, part) for line in lines for part in line.parts]
    entries = {part.words: part.colour for line, part in every if part.amount and part.words not in {line.label, axis}}
    legend = [(colour, words) for words, colour in entries.items()]
    outlined = {line.firm for line in lines if line.outline is not None}
    legend += [(shade, words) for firm, shade, words in _OUTLINES if firm in outlined]
    if legend:
        sheet.legend(bottom + 22, legend)
    return Drawing(sheet.done(), _plain(lines), title, note)


def _length(line: Bar) -> float:
    return max(sum(part.amount for part in line.parts), line.outline or 0.0)


def _draw(sheet: Sheet, line: Bar, y: float, left: float, scale: float) -> None:
    top, base = y + (_LINE_PX - _BAR_PX) / 2, y + _LINE_PX / 2 + 4
    start = _INDEX_PX if line.index else 0.0
    sheet.text(start - 8, base, line.index, anchor="end", alpha=0.55)
    sheet.text(start, base, shortened(line.label, left - start - 12), tip=line.tip or line.label)
    x = left
    for part in line.parts:
        if part.amount:
            width = max(part.amount * scale, 1.5)
            sheet.box(x, top, width, _BAR_PX, part.colour, alpha=0.9, tip=f"{part.words}: {part.amount:,.10g}")
            x += width
    if line.outline is not None:
        sheet.box(left, top - 1.5, line.outline * scale, _BAR_PX + 3, GREY, alpha=0.13, line=INK, dashed=not line.firm)
    end = max(x, left + (line.outline or 0.0) * scale)
    sheet.text(end + 8, base, line.caption, colour=line.caption_colour)


def _plain(lines: Sequence[Bar]) -> str:
    width = max([len(line.label) for line in lines], default=0)
    longest = max([_length(line) for line in lines], default=0.0) or 1.0
    made = []
    for line in lines:
        filled = round(sum(part.amount for part in line.parts) / longest * 30)
        wanted = round((line.outline or 0.0) / longest * 30)
        bar = ("█" * filled).ljust(wanted, "░").ljust(30)
        made.append(f"{line.index:>3} {line.label.ljust(width)}  {bar}  {line.caption}".rstrip())
    return "\n".join(made)
