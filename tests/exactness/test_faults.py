"""Proof of "Done when" 5 for the databases: servers stop and start, connections are cut, at every awkward moment.

Whatever happens, the run ends right or ends with a typed error that may be retried; the next run over the same
endpoints goes on from the receipts, and both sides are equal. No failed run leaves a reader behind at the source.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from connectors.postgres import source as source_module
from contracts.errors import IngestionError, Retriable, SinkUnreachableError
from contracts.unit import UnitPolicy
from flows.stages.run import SilentObserver
from sandbox.faults import CuttableTcp
from sandbox.postgres import SandboxPostgres
from tests.exactness.moving import (
    TABLE,
    Mover,
    Pair,
    assert_equal,
    drop_pair,
    new_pair,
    open_sink,
    open_source,
    seeded,
)
from tests.exactness.worker import FusedReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.postgres.client import Session

COUNTS: Counter[str] = Counter()
_SLOW_COMMIT = """
CREATE FUNCTION nucleus.nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.0); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON nucleus.receipts DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.slice_key = '00000') EXECUTE FUNCTION nucleus.nap();
"""


class Once:
    """Does something the given time a place is passed, and never again. Also a fuse: see ``worker``."""

    def __init__(self, action: Callable[[], object], occurrence: int) -> None:
        self._action, self._left = action, occurrence
        self._lock = threading.Lock()

    def at(self, place: str) -> None:
        """Count, and act when it is time."""
        with self._lock:
            self._left -= 1
            now = self._left == 0
        if now:
            self._action()


class AtUpserted(SilentObserver):
    """Acts when slices are in the sink."""

    def __init__(self, once: Once) -> None:
        self._once = once

    def upserted(self, piece: Any, receipt: Any) -> None:
        """One more."""
        self._once.at("upserted")


@pytest.fixture(scope="module")
def fragile() -> Iterator[SandboxPostgres]:
    """A server that tests stop and start."""
    with SandboxPostgres() as server:
        yield server


@pytest.fixture
def pair(postgres: SandboxPostgres) -> Iterator[Pair]:
    """Two databases on the server that stays up."""
    made = new_pair(postgres)
    yield made
    drop_pair(made)


@pytest.mark.parametrize("how", ["immediate", "fast"])
@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_server_stops_and_starts(postgres: SandboxPostgres, fragile: SandboxPostgres, side: str, how: Any):
    """In the middle of a run the source's or the sink's server goes away (a crash, a shutdown) and comes back."""
    pair = new_pair(fragile, postgres) if side == "source" else new_pair(postgres, fragile)
    _survives(Mover(pair), AtUpserted(Once(lambda: fragile.restart(how), 3)), f"{side} server, {how}")
    drop_pair(pair)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_server_stays_away(postgres: SandboxPostgres, fragile: SandboxPostgres, side: str):
    """The server does not come back: a typed error within seconds; after its return the next run ends right."""
    pair = new_pair(fragile, postgres) if side == "source" else new_pair(postgres, fragile)
    mover = Mover(pair)
    with pytest.raises(IngestionError) as caught:
        mover.run("full", AtUpserted(Once(lambda: fragile.stop("immediate"), 3)))
    assert isinstance(caught.value, Retriable), caught.value.code
    with pytest.raises(IngestionError) as caught:
        mover.run()
    assert caught.value.code == f"E_{side.upper()}_UNREACHABLE"
    fragile.start()
    summary = mover.run()
    assert summary.resumed
    assert summary.slices_done_before >= 3
    assert_equal(pair, "none")
    mover.close()
    drop_pair(pair)


@pytest.mark.parametrize("batches", [1, 4, 12])
def test_cut_in_the_middle_of_copy_out(pair: Pair, monkeypatch: pytest.MonkeyPatch, batches: int):
    """The source's line breaks while a slice streams: nothing of the half slice is used."""
    monkeypatch.setattr(source_module, "BATCH_BYTES", 64 * 1024)
    pair.policy = UnitPolicy()
    with CuttableTcp(pair.server.port) as tcp:
        source = open_source(_through(pair.server.url(pair.source), pair.server, tcp))
        once, export = Once(tcp.cut, batches), source.export

        def cut_within(*arguments: Any) -> Iterator[Any]:
            for batch in export(*arguments):
                yield batch
                once.at("batch")

        source.export = cut_within  # type: ignore[method-assign, assignment]
        _survives(Mover(pair, source=source), None, "COPY out")
    assert _readers_left(pair) == "0"


@pytest.mark.parametrize("policy", ["first load", "changes"])
@pytest.mark.parametrize("batches", [1, 5, 9])
def test_cut_in_the_middle_of_copy_in(pair: Pair, policy: str, batches: int):
    """The sink's line breaks with rows copied and no receipt: the transaction is gone, the slice is done again."""
    with CuttableTcp(pair.sink_server.port) as tcp:
        sink = open_sink(_through(pair.sink_server.url(pair.sink), pair.sink_server, tcp))
        if policy == "changes":
            first = Mover(pair)
            first.run()
            first.close()
            pair.write(f"UPDATE {TABLE} SET note = 'anew' WHERE id % 30 = 0")
        once, upsert = Once(tcp.cut, batches), sink.upsert
        sink.upsert = lambda run, plan, piece, reader: upsert(run, plan, piece, FusedReader(reader, once))  # type: ignore
        assert _survives(Mover(pair, sink=sink), None, "COPY in") == "", "a retry of the slice must be enough"


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "without a key"])
def test_cut_during_commit(pair: Pair, keyed: bool):
    """The line breaks when COMMIT is on its way and the server still works on it: only the receipts know.

    A trigger makes the commit of the first slice last a second, the retry comes after half of one: it must wait for
    the outcome and not write the rows a second time.
    """
    if not keyed:
        pair.write(f"ALTER TABLE {TABLE} DROP CONSTRAINT moved_pkey")
    with CuttableTcp(pair.sink_server.port) as tcp:
        sink = open_sink(_through(pair.sink_server.url(pair.sink), pair.sink_server, tcp))
        mover = Mover(pair, sink=sink)
        mover.run()
        pair.write(f"UPDATE {TABLE} SET note = 'anew' WHERE id % 3 = 0")
        pair.look(_SLOW_COMMIT)
        file = sink._ledger.file

        def cut_after_filing(session: Session, run: Any, receipt: Any) -> None:
            file(session, run, receipt)
            if receipt.slice_key == "00000":
                threading.Timer(0.2, tcp.cut).start()

        sink._ledger.file = cut_after_filing  # type: ignore[method-assign]
        assert _survives(mover, None, "COMMIT") == "", "a retry of the slice must be enough"
    assert pair.receipts()["00000"] == 2


@pytest.mark.parametrize("seed", [11, 12])
def test_cut_at_random(pair: Pair, seed: int):
    """Both lines break again and again at random moments; in between runs are tried until one ends right."""
    chance = seeded(seed)
    with CuttableTcp(pair.server.port) as tcp:
        source = open_source(_through(pair.server.url(pair.source), pair.server, tcp))
        sink = open_sink(_through(pair.sink_server.url(pair.sink), pair.server, tcp))
        mover, done = Mover(pair, source=source, sink=sink), threading.Event()
        cutter = threading.Thread(target=_cut_until, args=(tcp, chance, done))
        cutter.start()
        codes: list[str] = []
        try:
            for _ in range(6):
                codes.append(_code_of(mover, None))
        finally:
            done.set()
            cutter.join()
        assert _code_of(mover, None) == "", codes
        COUNTS["cuts at random"] += len(codes)
        assert_equal(pair, seed)
        mover.close()


def test_what_was_survived():
    """Prints the counts."""
    print(f"\nfaults survived: {dict(COUNTS)}; rows lost: 0")


def _survives(mover: Mover, observer: Any, fault: str) -> str:
    """A run that meets the fault ends right or with a retriable error; the next one ends right, and all is equal.

    Returns:
        The code of the error, or nothing when the run ended right in spite of the fault.
    """
    code = _code_of(mover, observer)
    before = mover.pair.receipts() if code else {}
    if code:
        summary = mover.run()
        assert summary.slices_done_before == len(before), fault
        assert {key: mover.pair.receipts()[key] for key in before} == before, fault
    assert_equal(mover.pair, fault)
    assert _readers_left(mover.pair) == "0", fault
    mover.close()
    COUNTS[f"{fault}: {code or 'ended right'}"] += 1
    return code


def _code_of(mover: Mover, observer: Any) -> str:
    try:
        mover.run("full", observer)
    except IngestionError as error:
        assert isinstance(error, Retriable), f"{error.code}: {error}"
        assert not isinstance(error, SinkUnreachableError) or error.next_step
        return error.code
    return ""


def _through(url: str, server: SandboxPostgres, tcp: CuttableTcp) -> str:
    return url.replace(f":{server.port}/", f":{tcp.port}/")


def _readers_left(pair: Pair) -> str:
    """Readers of ours that are still in a statement or a transaction at the source."""
    question = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' \
        AND application_name LIKE '%nucleus-reader'"
    deadline = time.monotonic() + 3.0
    while (left := pair.write(question)) != "0" and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _cut_until(tcp: CuttableTcp, chance: Any, done: threading.Event) -> None:
    while not done.wait(chance.uniform(0.05, 0.5)):
        tcp.cut()
