"""One row per key: what is written when rows of a slice share one, and when none do."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.lake.difference import last_of_each_key

NUMBERS = st.one_of(st.integers(-3, 3), st.none())
FLOATS = st.sampled_from([None, -1.0, -0.0, 0.0, 1.0, float("nan"), float("inf")])
TEXTS = st.sampled_from(["", "a", "B", "b", "é"])
ROWS = st.lists(st.tuples(NUMBERS, FLOATS, TEXTS, NUMBERS), max_size=12)
COLUMNS = {"number": pl.Int64, "ratio": pl.Float64, "text": pl.String, "seen": pl.Int64}


def frame_of(rows: list[tuple[int | None, float | None, str, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS, orient="row").with_row_index("at")


@given(ROWS, st.sampled_from([["number"], ["text"], ["ratio"], ["number", "text"], ["text", "ratio", "number"]]))
def test_no_key_is_left_twice_and_none_is_lost(
    rows: list[tuple[int | None, float | None, str, int | None]], key: list[str]
):
    frame = frame_of(rows)
    kept = last_of_each_key(frame, key, ["seen"])
    ordered = frame.sort("seen", nulls_last=False, maintain_order=True)
    expected = ordered.unique(subset=key, keep="last", maintain_order=True)
    assert kept.sort("at").equals(expected.sort("at"))


@pytest.mark.parametrize("step", [1, -1])
def test_rows_whose_keys_differ_are_not_copied(step: int):
    frame = frame_of([(number, None, "", 0) for number in range(5)])[::step]
    assert last_of_each_key(frame, ["number"], []) is frame
