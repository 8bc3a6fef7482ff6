"""I3 for tables of files: killed anywhere, then run again: equal to the source, only unfinished slices redone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.unit import UnitPolicy
from tests.exactness.chain import Chain
from tests.exactness.executors import PROVE
from tests.exactness.lake.folders import FolderPair
from tests.exactness.lake.warehouses import WarehousePair, new_lake_pair
from tests.exactness.moving import EIGHTH_BYTES, drop_pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contracts.unit import IngestionMode
    from sandbox.postgres import SandboxPostgres

_PLAIN = UnitPolicy(target_slice_bytes=EIGHTH_BYTES)
_WITH_CURSOR = UnitPolicy(target_slice_bytes=EIGHTH_BYTES, cursor_columns=("changed_at",))
_KINDS: dict[str, tuple[IngestionMode, UnitPolicy]] = {
    "full": ("full", _PLAIN),
    "full with a cursor": ("full", _WITH_CURSOR),
    "incremental": ("incremental", _WITH_CURSOR),
}
_BOUNDARIES = (
    *("plan-made", "epoch-taken", "before-upsert", "within-upsert", "receipt-filed", "receipt-committed"),
    *("within-upsert:4", "receipt-filed:2", "receipt-committed:2"),
)
_CENSUS = ("census-begun", "census-filed", "census-done")
_LATE = ("finishing", "run-finished", "checkpoint-saved")
_RANDOM = 15
_LONGEST_S = 2.5


@pytest.fixture(params=[WarehousePair, FolderPair])
def sink_kind(request: pytest.FixtureRequest) -> type[WarehousePair]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=_KINDS if PROVE else ["full with a cursor"])
def chain(
    request: pytest.FixtureRequest, sink_kind: type[WarehousePair], postgres: SandboxPostgres, tmp_path: Path
) -> Iterator[Chain]:
    mode, policy = _KINDS[request.param]
    pair = new_lake_pair(sink_kind, postgres, tmp_path / "warehouse")
    pair.policy = policy
    yield Chain(pair, mode, tmp_path, seed=600)
    assert pair.strays() == set()
    drop_pair(pair)


@pytest.mark.slow(20)
def test_killed_at_every_boundary(chain: Chain) -> None:
    """A kill at each boundary in turn, the source changing in every pause."""
    census = _CENSUS if chain.mode == "full" else ()
    short = ("within-upsert", "receipt-filed", "census-filed", "run-finished")
    for boundary in (*_BOUNDARIES, *census, *_LATE) if PROVE else short:
        chain.kill_at(boundary)
        chain.disturb()
    chain.finish()


@pytest.mark.slow(10)
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROVE, reason="the long form; tests/exactness/test_proof.py kills these in the suite")
def test_killed_at_random_moments(chain: Chain) -> None:
    """Kills from outside; a process quicker than its killer does not count."""
    for _ in range(_RANDOM):
        while not chain.kill_after(chain.chance.uniform(0.02, _LONGEST_S)):
            chain.disturb()
        chain.disturb()
    chain.finish()
