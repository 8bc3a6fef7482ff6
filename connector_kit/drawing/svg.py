"""A sheet to draw on: rectangles, lines, curves, text; then one SVG element as text."""

from __future__ import annotations

from connector_kit.drawing.drawing import INK, safe

DASHED, SOLID = "dashed", "solid"
"""Instead of a colour in a legend: an outline."""
CHARACTER_PX = 6.6
"""About how wide a character of 12 px is."""


class Sheet:
    """An SVG in the making. Lengths are pixels, from the top left.

    Args:
        width: Of the sheet.
        title: What a screen reader says.
    """

    def __init__(self, width: float, title: str) -> None:
        self.width, self.title = width, title
        self.height = 0.0
        self._parts: list[str] = []

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: str,
        *,
        alpha: float = 1.0,
        line: str = "",
        dashed: bool = False,
        tip: str = "",
    ) -> None:
        """A rectangle, filled with a colour (``none`` for an outline), with a tooltip."""
        stroke = f' stroke="{line}" stroke-opacity="0.55" stroke-width="1"' if line else ""
        dashes = ' stroke-dasharray="3 3"' if dashed else ""
        inside = f"<title>{safe(tip)}</title>" if tip else ""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" rx="2" fill="{colour}" '
            f'fill-opacity="{alpha:g}"{stroke}{dashes}>{inside}</rect>'
        )
        self.height = max(self.height, y + height)

    def line(self, x1: float, y1: float, x2: float, y2: float, *, alpha: float = 0.25, colour: str = INK) -> None:
        """A thin straight line."""
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-opacity="{alpha:g}" stroke-width="1"/>'
        )
        self.height = max(self.height, y1, y2)

    def curve(self, x1: float, y1: float, x2: float, y2: float, colour: str, *, alpha: float = 0.7) -> None:
        """From one side to the other, level at both ends."""
        bend = (x2 - x1) * 0.45
        self._parts.append(
            f'<path d="M{x1:.1f} {y1:.1f} C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}" '
            f'fill="none" stroke="{colour}" stroke-opacity="{alpha:g}" stroke-width="1.3"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "start",
        px: float = 12,
        alpha: float = 1.0,
        bold: bool = False,
        colour: str = INK,
        tip: str = "",
    ) -> None:
        """Words on a base line; ``anchor`` is start, middle or end."""
        weight = ' font-weight="600"' if bold else ""
        inside = f"<title>{safe(tip)}</title>" if tip else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{px:g}" fill="{colour}" '
            f'fill-opacity="{alpha:g}"{weight}>{safe(words)}{inside}</text>'
        )
        self.height = max(self.height, y + 4)

    def legend(self, y: float, entries: list[tuple[str, str]]) -> None:
        """Small squares with words, in a row: (colour, words), or ``DASHED`` or ``SOLID`` for an outline."""
        x = 0.0
        for colour, words in entries:
            outline = colour in {DASHED, SOLID}
            line = INK if outline else ""
            self.box(x, y, 10, 10, "none" if outline else colour, line=line, dashed=colour == DASHED)
            self.text(x + 15, y + 9, words, px=11, alpha=0.75)
            x += 15 + len(words) * 6.1 + 18

    def done(self) -> str:
        """The element."""
        height = self.height + 4
        family = "var(--jp-content-font-family,system-ui,-apple-system,'Segoe UI',sans-serif)"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {height:.0f}" '
            f'width="{self.width:.0f}" height="{height:.0f}" role="img" style="font-family:{family}">'
            f"<title>{safe(self.title)}</title>{''.join(self._parts)}</svg>"
        )


def shortened(words: str, width: float, px: float = 12) -> str:
    """As much of the words as fits into so many pixels."""
    most = max(1, int(width / (CHARACTER_PX * px / 12)))
    return words if len(words) <= most else f"{words[: most - 1]}…"


def ticks(top: float, most: int = 6) -> list[float]:
    """Round values from 0 up to ``top``, at most so many steps."""
    if top <= 0:
        return [0.0]
    step = 10.0**-9
    factors = (2.0, 2.5, 2.0)
    index = 0
    while top / step > most:
        step *= factors[index % 3]
        index += 1
    return [step * number for number in range(int(top / step) + 1)]
