"""Proof of I3: ``kill -9`` anywhere, then run again: nothing lost, nothing doubled, only unfinished slices redone.

Every kill is a real SIGKILL of a real process. The source changes between a kill and the next process. After each
kill the receipts of finished slices still carry the epoch that wrote them; at the end of each chain the sink equals
the source row for row; staged leftovers are overwritten with rubbish, so whoever read one would fail.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

import pytest

from connectors.postgres.copy_encoder import ENCODER, PGPQ
from contracts.unit import UnitPolicy
from tests.exactness.chain import Chain
from tests.exactness.executors import PROVE, short_on_threads
from tests.exactness.moving import EIGHTH_BYTES, TABLE, drop_pair, new_pair
from tests.exactness.worker import BOUNDARIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contracts.unit import IngestionMode
    from sandbox.postgres import SandboxPostgres
    from tests.exactness.executors import ExecutorName

KILLS_AT_RANDOM: dict[ExecutorName, int] = {"threads": 5 if PROVE else 3, "prefect": 5 if PROVE else 2}
"""For each kind of run."""
LONGEST_S: dict[ExecutorName, float] = {"threads": 0.35, "prefect": 1.4}
"""About what such a run takes."""
PLAIN = UnitPolicy(target_slice_bytes=EIGHTH_BYTES)
WITH_CURSOR = UnitPolicy(target_slice_bytes=EIGHTH_BYTES, cursor_columns=("changed_at",))
CENSUS = tuple(name for name in BOUNDARIES if name.startswith("census"))

# Those that leave no receipt come first, so that slices are left for those that need one to pass by.
EARLY = (
    *("plan-made", "epoch-taken", "slice-exported", "part-written:1", "manifest-written", "session-sealed"),
    *("before-upsert", "within-upsert", "receipt-filed", "part-written:3"),
    *("receipt-committed", "session-consumed", "within-upsert:4", "receipt-committed:2"),
)
SOME = ("plan-made", "part-written:3", "before-upsert", "within-upsert", "receipt-filed", "receipt-committed:2")
LATE = ("finishing", "run-finished", "checkpoint-saved")
SCENARIOS: dict[str, tuple[IngestionMode, UnitPolicy, tuple[str, ...]]] = {
    "full": ("full", PLAIN, (*EARLY, *CENSUS, *LATE)),
    "full with a cursor": ("full", WITH_CURSOR, (*SOME, *CENSUS, *LATE)),
    "incremental": ("incremental", WITH_CURSOR, (*SOME, "epoch-taken", "session-sealed", *LATE)),
}
SHORT: dict[str, tuple[str, ...]] = {
    "full": (
        *("plan-made", "slice-exported", "part-written:1", "session-sealed", "within-upsert", "session-consumed"),
        *(*CENSUS, "finishing", "run-finished"),
    ),
    "full with a cursor": ("epoch-taken", "part-written:3", "before-upsert", "receipt-committed:2"),
    "incremental": ("manifest-written", "part-written:3", "receipt-filed", "checkpoint-saved"),
}
"""Each boundary once over the three chains; each in every chain that passes it under `make prove`."""
SHORT_ON_PREFECT: dict[str, tuple[str, ...]] = {
    "full": ("part-written:1", "session-consumed", "census-filed", "run-finished"),
    "full with a cursor": ("part-written:3", "receipt-committed:2"),
    "incremental": ("part-written:3", "receipt-filed", "checkpoint-saved"),
}
"""A kill there costs the start of a flow run: some of each kind, all under `make prove`."""


def test_every_boundary_is_covered() -> None:
    """The chains below name every boundary that the worker knows."""
    for chains in ([boundaries for _, _, boundaries in SCENARIOS.values()], SHORT.values()):
        assert {boundary.partition(":")[0] for boundaries in chains for boundary in boundaries} == set(BOUNDARIES)
    assert SHORT.keys() == SHORT_ON_PREFECT.keys() == SCENARIOS.keys()


@pytest.mark.slow(40)
@pytest.mark.timeout(240)
def test_killed_at_every_boundary(postgres: SandboxPostgres, executor: ExecutorName, tmp_path: Path) -> None:
    """One chain per kind of run, a kill at each boundary in turn, the source changing in every pause."""

    short = SHORT if executor == "threads" else SHORT_ON_PREFECT

    def walk(number: int, name: str) -> None:
        mode, policy, boundaries = SCENARIOS[name]
        for chain in _chain(postgres, executor, tmp_path / str(number), mode, policy, seed=100 + number):
            for boundary in boundaries if PROVE else short[name]:
                chain.kill_at(boundary)
                chain.disturb()
            chain.finish()
            states = Counter(chain.sessions().values())
            assert states["open"] >= 1, "some kill must have left an unsealed session"

    _side_by_side(walk)


@pytest.mark.slow(15)
@pytest.mark.timeout(240)
def test_killed_at_random_moments(postgres: SandboxPostgres, executor: ExecutorName, tmp_path: Path) -> None:
    """The same with kills from outside after random delays; a process quicker than its killer does not count."""

    def walk(number: int, name: str) -> None:
        mode, policy, _ = SCENARIOS[name]
        for chain in _chain(postgres, executor, tmp_path / str(number), mode, policy, seed=200 + number):
            for _ in range(KILLS_AT_RANDOM[executor]):
                while not chain.kill_after(chain.chance.uniform(0.02, LONGEST_S[executor])):
                    chain.disturb()
                chain.disturb()
            chain.finish()

    _side_by_side(walk)


@pytest.mark.timeout(240)
def test_killed_while_pgpq_writes(postgres: SandboxPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other encoder has a connection of its own: its rows, too, are there with their receipt or not at all."""
    monkeypatch.setenv(ENCODER, PGPQ)
    for chain in _chain(postgres, "threads", tmp_path, "full", WITH_CURSOR, seed=600):
        for boundary in ("within-upsert", "receipt-filed", "within-upsert:2", "receipt-committed:2"):
            chain.kill_at(boundary)
            chain.disturb()
        chain.finish()


@short_on_threads
def test_killed_before_the_checkpoint_is_saved(
    postgres: SandboxPostgres, executor: ExecutorName, tmp_path: Path
) -> None:
    """I4: the run is finished in the sink, its checkpoint is lost: the next run reads the same rows and writes none."""
    for chain in _chain(postgres, executor, tmp_path, "incremental", WITH_CURSOR, seed=300):
        chain.kill_at("run-finished")
        summary = chain.finish()
        assert summary["rows_inserted"] == summary["rows_updated"] == 0
        assert summary["rows_unchanged"] == summary["rows_read"] > 0


@short_on_threads
def test_keys_that_move_between_slices_while_nobody_reads(
    postgres: SandboxPostgres, executor: ExecutorName, tmp_path: Path
) -> None:
    """I1: rows leave an unread range for one that was read; the census names them and a repair slice brings them.

    Five of eight receipts, two slices at a time: one of the first two ranges was read, the last one was not. What ends
    the run after a kill at its very end counts the repair slice among those that were done before.
    """
    for chain in _chain(postgres, executor, tmp_path, "full", PLAIN, seed=400):
        chain.kill_at("receipt-committed:5")
        read = min(int(key) for key in chain.pair.receipts())
        moved = f"UPDATE {TABLE} SET id = id - 199999 + {read * 25_000} WHERE id >= 199900"
        chain.pair.write(moved)
        chain.kill_at("finishing")
        chain.finish()
        assert [key for key in chain.pair.receipts() if key.startswith("repair-")]


@short_on_threads
def test_updates_in_the_pause_are_caught_up(postgres: SandboxPostgres, executor: ExecutorName, tmp_path: Path) -> None:
    """With a cursor, a finished slice's rows that changed in the pause come by the catch-up slice."""
    for chain in _chain(postgres, executor, tmp_path, "full", WITH_CURSOR, seed=500):
        chain.kill_at("receipt-committed:3")
        read = 25_000 * min(int(key) for key in chain.pair.receipts())  # others may have been quicker than the first
        rows = f"id >= {read} AND id < {read + 1000}"
        chain.pair.write(f"UPDATE {TABLE} SET note = 'anew', changed_at = clock_timestamp() WHERE {rows}")
        summary = chain.finish()
        assert "catch-up-2" in chain.pair.receipts()
        assert summary["rows_updated"] >= 99


def test_there_are_enough_kills() -> None:
    """The tests above kill at least 50 processes on threads, and 60 on each executor under `make prove`.

    Each fails when one of its kills does.
    """
    at_boundaries = sum(len(boundaries) for _, _, boundaries in SCENARIOS.values())
    at_random = KILLS_AT_RANDOM["threads"] * len(SCENARIOS)
    print(f"\nkills: {at_boundaries} at boundaries, {at_random} at random moments, 3 more")
    assert at_boundaries + at_random + 3 >= (60 if PROVE else 50)


def _chain(
    postgres: SandboxPostgres,
    executor: ExecutorName,
    folder: Path,
    mode: IngestionMode,
    policy: UnitPolicy,
    *,
    seed: int,
) -> Iterator[Chain]:
    """A chain over fresh databases; an incremental one has done its first load and finds a large delta."""
    pair = new_pair(postgres, executor=executor)
    pair.policy = policy
    if executor == "prefect":
        pair.register()
    chain = Chain(pair, mode, folder, seed)
    if mode == "incremental":
        chain.finish()
        pair.write(f"UPDATE {TABLE} SET note = note || '+', changed_at = clock_timestamp() WHERE id % 20 = 0; ANALYZE")
    yield chain
    print(f"seed {seed}: {chain.kills} kills, lock free after {chain.slowest_unlock_s:.3f} s at most")
    drop_pair(pair)


def _side_by_side(walk: Callable[[int, str], None]) -> None:
    """Every scenario, two at a time: as many as there are cores where this must run."""
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(copy_context().run, walk, number, name) for number, name in enumerate(SCENARIOS)]:
            future.result()
