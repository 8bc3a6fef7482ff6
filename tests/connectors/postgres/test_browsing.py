"""Rows of a sink for people: in pages, searched, filtered, and only those that are alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from contracts import errors
from contracts.browsing import RowPage, SupportsLandedRows
from contracts.unit import Predicate
from tests.conformance.sink_suite import begin, keys_of, plan_of, write

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = [(number, f"it's <{number}> %", number * 10) for number in range(1, 8)]
ODD = {"id": "int64", "shown": "string", 'quo"te': "string"}


@pytest.fixture
def sink(database: str) -> Iterator[PostgresSink]:
    made = PostgresSink(PostgresConfig(url=database))  # type: ignore[arg-type]
    yield made
    made.close()


def ids(sink: PostgresSink, plan, **page) -> list[str]:
    return sink.landed_rows(plan, RowPage(**page))["id"].to_list()


def test_pages_are_in_the_order_of_the_key_and_every_value_is_text(sink: PostgresSink) -> None:
    assert isinstance(sink, SupportsLandedRows)
    plan = plan_of()
    write(sink, plan, ROWS)
    assert ids(sink, plan, limit=3) == ["1", "2", "3"]
    assert ids(sink, plan, limit=3, offset=6) == ["7"]
    assert ids(sink, plan, limit=3, offset=60) == []
    assert sink.landed_rows(plan, RowPage(limit=1)).rows() == [("1", "it's <1> %", "10")]


def test_search_and_conditions(sink: PostgresSink) -> None:
    plan = plan_of()
    write(sink, plan, [*ROWS, (8, None, None)])
    assert ids(sink, plan, search="IT'S <5>") == ["5"]
    assert ids(sink, plan, search="70") == ["7"]
    assert ids(sink, plan, search="%_nothing'--") == []
    where = (Predicate(column="changed", op="ge", value=60), Predicate(column="name", op="is_not_null"))
    assert ids(sink, plan, where=where) == ["6", "7"]
    for wrong in (Predicate(column="none", op="eq", value=1), Predicate(column="changed", op="eq", value=[1])):
        with pytest.raises(errors.FilterNotSupportedError):
            ids(sink, plan, where=(wrong,))


def test_rows_that_are_gone_are_not_shown_and_a_missing_table_is_said(sink: PostgresSink) -> None:
    plan = plan_of(on_gone="tombstone", max_delete_fraction=1.0)
    with pytest.raises(errors.SinkNotProvisionedError):
        sink.landed_rows(plan, RowPage())
    write(sink, plan, ROWS)
    sink.remove(begin(sink, plan), plan, keys_of([1, 2]))
    assert ids(sink, plan) == ["3", "4", "5", "6", "7"]


def test_odd_names(sink: PostgresSink) -> None:
    plan = plan_of(ODD)
    write(sink, plan, [(1, "a", "b"), (2, "c", "d")], {"id": pl.Int64, "shown": pl.String, 'quo"te': pl.String})
    assert ids(sink, plan, search="d") == ["2"]
    assert sink.landed_rows(plan, RowPage(limit=1)).columns == [*ODD]


def test_a_look_writes_nothing_and_gives_up(sink: PostgresSink, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of()
    write(sink, plan, ROWS)
    monkeypatch.setattr("connectors.postgres.browsing._search", lambda _: ["pg_sleep(5) IS NULL"])
    monkeypatch.setattr("connectors.postgres.browsing.TIMEOUT_S", 0.2)
    with pytest.raises(errors.IngestionError):
        sink.landed_rows(plan, RowPage())
    monkeypatch.undo()
    assert ids(sink, plan, limit=1) == ["1"]
