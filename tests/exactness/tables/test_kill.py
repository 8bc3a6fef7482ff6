"""I3 for sources that are MariaDB or a SQLite file: killed anywhere, run again: equal, only unfinished slices redone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.exactness.chain import Chain
from tests.exactness.executors import PROVE
from tests.exactness.moving import Pair, drop_pair
from tests.exactness.tables.pairs import new_mariadb_pair, new_sqlite_pair, policy_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contracts.unit import IngestionMode
    from sandbox.mariadb import SandboxMariaDb
    from sandbox.postgres import SandboxPostgres

_CURSOR = {"cursor_columns": ("changed_at",)}
_KINDS: dict[str, tuple[IngestionMode, dict[str, tuple[str, ...]]]] = {
    "full": ("full", {}),
    "full with a cursor": ("full", _CURSOR),
    "incremental": ("incremental", _CURSOR),
}
_BOUNDARIES = (
    *("plan-made", "epoch-taken", "slice-exported", "part-written:1", "session-sealed", "before-upsert"),
    *("within-upsert", "receipt-filed", "receipt-committed", "receipt-committed:2"),
)
_CENSUS = ("census-begun", "census-done")
_LATE = ("finishing", "run-finished", "checkpoint-saved")
_RANDOM, _LONGEST_S = 10, 1.0


@pytest.fixture(params=["mariadb", "sqlite"])
def pair(request: pytest.FixtureRequest, postgres: SandboxPostgres, tmp_path: Path) -> Iterator[Pair]:
    """The source, filled, and an empty sink."""
    made: Pair
    if request.param == "mariadb":
        mariadb: SandboxMariaDb = request.getfixturevalue("mariadb")
        made = new_mariadb_pair(mariadb, postgres)
    else:
        made = new_sqlite_pair(tmp_path, postgres)
    yield made
    drop_pair(made)


@pytest.mark.slow(20)
@pytest.mark.timeout(900)
@pytest.mark.skipif(not PROVE, reason="the long form; tests/exactness/test_proof.py kills these in the suite")
@pytest.mark.parametrize("kind", _KINDS)
def test_killed_anywhere(pair: Pair, tmp_path: Path, kind: str) -> None:
    """At each boundary in turn and at random moments, the source changing in every pause."""
    mode, more = _KINDS[kind]
    pair.policy = policy_of(pair, **more)
    chain = Chain(pair, mode, tmp_path / "chain", seed=800)
    census = _CENSUS if mode == "full" else ()
    if mode == "incremental":
        chain.finish()
        pair.write(f"UPDATE public.moved SET note = 'changed', changed_at = {pair.now} WHERE id % 20 = 0")
    for boundary in (*_BOUNDARIES, *census, *_LATE):
        chain.kill_at(boundary)
        chain.disturb()
    for _ in range(_RANDOM):
        while not chain.kill_after(chain.chance.uniform(0.02, _LONGEST_S)):
            chain.disturb()
        chain.disturb()
    summary = chain.finish()
    assert summary["rows_read"] > 0
    print(f"\n{pair.source_maker}, {kind}: {chain.kills} kills, nothing lost, nothing doubled")
