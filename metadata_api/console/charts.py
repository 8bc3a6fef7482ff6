"""Geometry of the console's drawings: where the bars of a plan and the boxes of a lineage stand. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_BARS = 200
WIDTH = 1_000
_BAR_HEIGHT, _LEAST_HEIGHT, _WIDEST = 96, 3, 120.0
_LANES = ("dataset", "column", "unit", "run", "cdm_column", "cdm_table", "endpoint")
"""Kinds of nodes from left to right; an endpoint that a dataset leads to is a sink."""
_OF_TABLES, _OF_COLUMNS = {"column", "cdm_column"}, {"unit", "run", "endpoint"}
"""What is left out of the picture of tables, and of that of columns."""
_BOX_WIDTH, _BOX_HEIGHT, _GAP_X, _GAP_Y = 190, 34, 70, 12


@dataclass(frozen=True)
class SliceBar:
    """One slice of a plan or run, in units of a drawing that is ``WIDTH`` wide and 100 high.

    Attributes:
        x: Left edge.
        width: Width.
        height: By its rows.
        state: ``planned``, ``done`` or ``gap``.
        title: For a person.
    """

    x: float
    width: float
    height: float
    state: str
    title: str

    @property
    def y(self) -> float:
        """Upper edge."""
        return 100 - self.height


def plan_bars(slices: Sequence[Mapping[str, Any]]) -> list[SliceBar]:
    """Bars for planned slices, or for slices of a run (with ``rows`` and ``gaps``); many slices share a bar."""
    if not slices:
        return []
    groups = _grouped(slices)
    largest = max((_rows(group) or 0 for group in groups), default=0) or 1
    step = min(WIDTH / len(groups), _WIDEST)
    gap = min(2.0, step * 0.15)
    return [
        SliceBar(
            x=round(number * step, 2),
            width=round(step - gap, 2),
            height=round(max(_LEAST_HEIGHT, _BAR_HEIGHT * (_rows(group) or 0) / largest), 2),
            state=_state(group),
            title=_title(group),
        )
        for number, group in enumerate(groups)
    ]


def _grouped(slices: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    per_bar = -(-len(slices) // MOST_BARS)
    return [[*slices[start : start + per_bar]] for start in range(0, len(slices), per_bar)]


def _rows(group: Sequence[Mapping[str, Any]]) -> float | None:
    found = [rows for each in group if (rows := rows_of(each)) is not None]
    return sum(found) if found else None


def rows_of(piece: Mapping[str, Any]) -> float | None:
    """Rows of a slice: those that arrived, else those that are expected, else the estimate."""
    for name in ("rows", "expectedRows", "plannedRows", "estimatedRows"):
        if piece.get(name) is not None:
            return float(piece[name])
    return None


def _state(group: Sequence[Mapping[str, Any]]) -> str:
    if any(each.get("gaps") for each in group):
        return "gap"
    return "done" if all(each.get("rows") is not None for each in group) else "planned"


def _title(group: Sequence[Mapping[str, Any]]) -> str:
    rows = _rows(group)
    names = str(group[0]["key"]) if len(group) == 1 else f"{group[0]['key']} … {group[-1]['key']}"
    return names if rows is None else f"{names}: {rows:,.0f} rows"


@dataclass(frozen=True)
class Box:
    """A node of a lineage."""

    id: str
    title: str
    kind: str
    x: int
    y: int
    width: int = _BOX_WIDTH
    height: int = _BOX_HEIGHT


@dataclass(frozen=True)
class Curve:
    """An edge of a lineage, as the path of an SVG."""

    path: str
    kind: str
    from_id: str
    to_id: str


@dataclass(frozen=True)
class LineageDrawing:
    """Boxes and curves, and how large the picture is."""

    boxes: list[Box]
    curves: list[Curve]
    width: int
    height: int


def lineage_drawing(graph: Mapping[str, Any], *, columns: bool) -> LineageDrawing:
    """The graph from left to right by kinds of nodes: tables and units, or with ``columns`` which is made of which."""
    nodes = [each for each in graph["nodes"] if each["nodeType"] not in (_OF_COLUMNS if columns else _OF_TABLES)]
    derived = [each for each in graph["edges"] if each["edgeType"] == "derived_from"]
    if columns and derived:  # a source column that nothing is made of only hides the others
        used = {end for each in derived for end in (each["fromId"], each["toId"])}
        nodes = [each for each in nodes if each["nodeType"] != "column" or each["id"] in used]
    lanes: dict[str, list[Mapping[str, Any]]] = {}
    for node in sorted(nodes, key=lambda each: (_lane(each["nodeType"]), each["title"])):
        lanes.setdefault(node["nodeType"], []).append(node)
    boxes = {
        node["id"]: Box(
            node["id"], node["title"], kind, 10 + number * (_BOX_WIDTH + _GAP_X), 10 + row * (_BOX_HEIGHT + _GAP_Y)
        )
        for number, (kind, lane) in enumerate(lanes.items())
        for row, node in enumerate(lane)
    }
    curves = [
        _curve(boxes[each["fromId"]], boxes[each["toId"]], each["edgeType"])
        for each in graph["edges"]
        if each["fromId"] in boxes and each["toId"] in boxes
    ]
    tallest = max((len(lane) for lane in lanes.values()), default=0)
    return LineageDrawing(
        [*boxes.values()],
        curves,
        max(1, len(lanes)) * (_BOX_WIDTH + _GAP_X) - _GAP_X + 20,
        tallest * (_BOX_HEIGHT + _GAP_Y) + 20,
    )


def _lane(kind: str) -> int:
    return _LANES.index(kind) if kind in _LANES else len(_LANES)


def _curve(start: Box, end: Box, kind: str) -> Curve:
    """From the nearer sides of the two, whichever stands to the left."""
    left, right = (start, end) if start.x <= end.x else (end, start)
    x1, y1 = left.x + left.width, left.y + left.height // 2
    x2, y2 = right.x, right.y + right.height // 2
    if left.x == right.x:
        x2 = right.x + right.width
    middle = (x1 + x2) // 2 if left.x != right.x else x1 + _GAP_X // 2
    return Curve(f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}", kind, start.id, end.id)
