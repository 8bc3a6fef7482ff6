"""Ranges of a key near a target size, from a sample of its rows: what every database with ordered keys shares."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.model import Json

MAX_SLICES = 10_000
SINGLE_SLACK = 1.5
"""A unit up to this many times the target stays in one slice: a second slice would be a sliver."""

Key = tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """Sampled rows in key order.

    Attributes:
        keys: Text of the key columns.
        weights: Bytes of each row.
    """

    keys: list[Key]
    weights: list[int]


def split_points(sample: Sample, slices: int) -> list[Key]:
    """At most ``slices - 1`` distinct keys, in order, that divide the sample's weight evenly."""
    total = sum(sample.weights)
    points: list[Key] = []
    passed, wanted = 0, 1
    for key, weight in zip(sample.keys, sample.weights, strict=True):
        if wanted < slices and passed * slices >= total * wanted and key != sample.keys[0]:
            if not points or key != points[-1]:
                points.append(key)
            while wanted < slices and passed * slices >= total * wanted:
                wanted += 1
        passed += weight
    return points


def slices_wanted(size_bytes: int, target_bytes: int) -> int:
    """How many slices a range of that size is split into."""
    if size_bytes <= target_bytes * SINGLE_SLACK:
        return 1
    return min(MAX_SLICES, -(-size_bytes // target_bytes))


def ranges(columns: Sequence[str], points: Sequence[Key]) -> list[Json]:
    """Half-open ranges that are disjoint and cover everything, as slice params."""
    edges: list[Key | None] = [None, *points, None]
    return [_range(columns, lower, upper) for lower, upper in pairwise(edges)]


def _range(columns: Sequence[str], lower: Key | None, upper: Key | None) -> Json:
    params: Json = {"columns": [*columns], "lower": None, "upper": None, "explain": _words(lower, upper)}
    if lower is not None:
        params["lower"] = [*lower]
    if upper is not None:
        params["upper"] = [*upper]
    return params


def numbered(
    params: Sequence[Json], rows: int | None, size_bytes: int | None, prefix: str = ""
) -> tuple[IngestionSlice, ...]:
    """Slices from params, keyed by position, with an even share of the estimates."""
    share = max(len(params), 1)
    return tuple(
        IngestionSlice(
            key=f"{prefix}{index:05d}",
            sequence=index,
            params=piece,
            estimated_rows=rows // share if rows is not None else None,
            estimated_bytes=size_bytes // share if size_bytes is not None else None,
        )
        for index, piece in enumerate(params)
    )


def _words(lower: Key | None, upper: Key | None) -> str:
    left = f"[{', '.join(lower)}" if lower is not None else "(-∞"
    right = ", ".join(upper) if upper is not None else "∞"
    return f"{left} … {right})"
