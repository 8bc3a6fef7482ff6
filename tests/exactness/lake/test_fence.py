"""I11 for tables of files: when the lock fails, the epoch is the fence: an overtaken run writes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from contracts.errors import RunSupersededError
from tests.exactness.lake.folders import FolderPair
from tests.exactness.lake.warehouses import WarehousePair, new_lake_pair
from tests.exactness.moving import FEW, Mover, assert_equal, drop_pair
from tests.exactness.test_fence import Gate

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.postgres import SandboxPostgres

_PATIENCE_S = 90.0


@pytest.mark.parametrize("kind", [WarehousePair, FolderPair])
@pytest.mark.parametrize("fresh", [False, True], ids=["continued", "planned anew"])
def test_an_overtaken_run_writes_nothing(
    postgres: SandboxPostgres, tmp_path: Path, kind: type[WarehousePair], fresh: bool
) -> None:
    """The old run has lost its lock and stands between two slices; a new run begins and ends; the old one wakes up."""
    pair = new_lake_pair(kind, postgres, tmp_path / "warehouse", rows=FEW)
    gate, old, new = Gate("upserted"), Mover(pair), Mover(pair)
    old.sink.exclusive = lambda _: nullcontext()
    try:
        with ThreadPoolExecutor(1) as pool:
            overtaken = pool.submit(old.run, "full", gate)
            assert gate.arrived.wait(_PATIENCE_S)
            pair.write("UPDATE public.moved SET note = 'newer' WHERE id % 70 = 0")
            assert new.run(fresh=fresh).epoch == 2
            after = pair.both(), pair.receipts()
            gate.opened_now.set()
            with pytest.raises(RunSupersededError):
                overtaken.result(_PATIENCE_S)
        assert (pair.both(), pair.receipts()) == after
        if fresh:
            assert_equal(pair, "none")
    finally:
        gate.opened_now.set()
        old.close()
        new.close()
        drop_pair(pair)
