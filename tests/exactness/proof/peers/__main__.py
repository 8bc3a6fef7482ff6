"""``python -m tests.exactness.proof.peers``: one kind of failure at a time, by us and by dlt, and what is lost.

Both read the same table incrementally by a column with the time of the change; rows are inserted and changed between
the runs, none is deleted. After each failure comes another run, as a schedule has it; at the end of each kind one goes
through undisturbed, and both sides are compared.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.table_copy import dlt_environment
from flows.stages import retries
from sandbox.postgres import SandboxPostgres
from tests.exactness.executors import QUICK_DELAYS_S
from tests.exactness.moving import Pair, new_pair
from tests.exactness.proof.peers.walk import DltPair, DltWalk
from tests.exactness.proof.tables import TableWalk
from tests.exactness.tables.pairs import policy_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.exactness.proof.tally import Tally

_MOST_TRIES = 40
_OURS_ALONE = {"run killed at a boundary", "staged file damaged"}
"""What needs our worker."""


def main() -> int:
    """1 when dlt cannot be installed here; the table says who lost what, and how often a kind could be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.exactness.proof.peers", description=__doc__)
    parser.add_argument("--failures", type=int, default=5, help="of each kind")
    parser.add_argument("--seed", type=int, default=1, help="of every draw")
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    options = parser.parse_args()
    retries.DELAYS_S = QUICK_DELAYS_S
    python = dlt_environment(Console())
    if python is None:
        print("dlt's environment cannot be made here")
        return 1
    print("| Failure, times | ours: lost | doubled | dlt: lost | doubled | a hand was needed |")
    print("|---|---:|---:|---:|---:|---|")
    for number, kind in enumerate(_kinds()):
        if options.only not in kind:
            continue
        ours, theirs = (_met(kind, options, number, peer) for peer in (None, python))
        broken = "; ".join(sorted({line[:160] for line in (*ours.broken, *theirs.broken)}))
        counted = f"{ours.failures[kind]} and {theirs.failures[kind]}"
        print(
            f"| {kind}, {counted} | {ours.rows_lost} | {ours.rows_doubled} | {theirs.rows_lost} | "
            f"{theirs.rows_doubled} | {broken} |",
            flush=True,
        )
    return 0


def _kinds() -> list[str]:
    with TemporaryDirectory() as folder, _walk(Path(folder) / "names", 0, None) as walk:
        return sorted(set(walk.kinds()) - _OURS_ALONE)


def _met(kind: str, options: argparse.Namespace, number: int, peer: Path | None) -> Tally:
    with (
        TemporaryDirectory(prefix="nucleus-peer-") as folder,
        _walk(Path(folder) / "walk", options.seed * 1000 + number, peer) as walk,
    ):
        first = walk.ready(walk.start())
        if walk.ended(first) != 0:
            raise RuntimeError(f"{walk.tally.place}: the first load, which nothing disturbs, failed: {first.said}")
        for _ in range(_MOST_TRIES):
            if walk.tally.failures[kind] >= options.failures:
                break
            walk.disturb()
            walk.tally.failures[kind] += walk.kinds()[kind]()
            walk.ended(walk.ready(walk.start()))  # the next one of a schedule
        walk.disturb()
        walk.recover()
        return walk.tally


@contextmanager
def _walk(folder: Path, seed: int, peer: Path | None) -> Iterator[TableWalk]:
    with SandboxPostgres() as source, SandboxPostgres() as sink:
        pair = new_pair(source, sink)
        pair.policy = policy_of(pair, cursor_columns=("changed_at",))
        if peer is None:
            yield TableWalk("ours", pair, "incremental", folder, seed)
        else:
            theirs = DltPair(**{each.name: getattr(pair, each.name) for each in fields(Pair)})
            yield DltWalk(theirs, folder, seed, peer)
        pair.drop()


if __name__ == "__main__":
    sys.exit(main())
