"""One row dated ahead of the server's clock never hides the rows that are written after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.sql.settled import Watermark
from contracts.unit import UnitPolicy
from tests.exactness.moving import Mover, Pair, drop_pair, new_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.postgres import SandboxPostgres

TABLE = "public.dated"


@pytest.fixture
def pair(postgres: SandboxPostgres) -> Iterator[Pair]:
    """Two databases."""
    made = new_pair(postgres, rows=1)
    made.policy = UnitPolicy(cursor_columns=("at",))
    yield made
    drop_pair(made)


@pytest.mark.parametrize("ahead", ["'9999-12-31'", "now() + interval '3 days'"])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "timestamp(0)", "date"])
def test_rows_after_one_that_is_dated_ahead_arrive(pair: Pair, kind: str, ahead: str) -> None:
    """And the summary names the one that is read every time."""
    pair.write(f"CREATE TABLE {TABLE} (id int PRIMARY KEY, at {kind})")
    pair.write(f"INSERT INTO {TABLE} VALUES (1, now() - interval '1 year'), (2, {ahead})")
    mover = Mover(pair, table=TABLE)
    first = mover.run("incremental")
    settled = Watermark.model_validate(first.checkpoint_after).settled
    assert settled is not None
    assert settled < pair.write("SELECT now()")
    pair.write(f"INSERT INTO {TABLE} VALUES (3, now() - interval '1 day')")
    second = mover.run("incremental")
    mover.close()
    assert pair.look(f"SELECT string_agg(id::text, ' ' ORDER BY id) FROM {TABLE}") == "1 2 3"
    assert second.rows_inserted == 1
    assert len(second.notes) == 1
    assert second.notes[0].startswith(f"1 row(s) of {TABLE} are dated after the server's clock")


def test_a_saved_watermark_that_is_ahead_is_not_believed(pair: Pair) -> None:
    """Earlier versions saved such: what lies below it may never have been read."""
    pair.write(f"CREATE TABLE {TABLE} (id int PRIMARY KEY, at timestamptz)")
    pair.write(f"INSERT INTO {TABLE} VALUES (1, now()), (2, '9999-12-31')")
    mover = Mover(pair, table=TABLE)
    first = mover.run("incremental")
    saved = Watermark.model_validate(first.checkpoint_after)
    mover.checkpoint = saved.model_copy(update={"settled": "9999-12-31 00:00:00+00"}).model_dump(mode="json")
    pair.write(f"INSERT INTO {TABLE} VALUES (3, now())")
    mover.run("incremental")
    mover.close()
    assert pair.look(f"SELECT string_agg(id::text, ' ' ORDER BY id) FROM {TABLE}") == "1 2 3"


def test_a_row_without_a_date_ahead_leaves_no_note(pair: Pair) -> None:
    """Nothing is said when nothing is held."""
    mover = Mover(pair)
    pair.policy = UnitPolicy(cursor_columns=("changed_at",))
    assert mover.run("incremental").notes == ()
    mover.close()
