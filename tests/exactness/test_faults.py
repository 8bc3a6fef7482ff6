"""Proof of "Done when" 5 for the databases: servers stop and start, connections are cut, at every awkward moment.

Whatever happens, the run ends right or ends with a typed error that may be retried; the next run over the same
endpoints goes on from the receipts, and both sides are equal. No failed run leaves a reader behind at the source.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from connectors.postgres import source as source_module
from contracts.errors import IngestionError, Retriable
from contracts.unit import UnitPolicy
from sandbox.faults import CuttableTcp
from sandbox.postgres import SandboxPostgres
from tests.exactness.executors import PROVE, each_on, short_on_threads
from tests.exactness.moving import (
    FEW,
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
from tests.exactness.surviving import AtUpserted, Once, code_of, readers_left, survives
from tests.exactness.worker import fuse_upserts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.postgres.session import Session
    from tests.exactness.executors import ExecutorName

_SLOW_COMMIT = """
CREATE FUNCTION nucleus.nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2.5); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON nucleus.receipts DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.slice_key = '00000') EXECUTE FUNCTION nucleus.nap();
"""


@pytest.fixture(scope="module")
def fragile() -> Iterator[SandboxPostgres]:
    """A server that tests stop and start."""
    with SandboxPostgres() as server:
        yield server


@pytest.fixture
def pair(postgres: SandboxPostgres, executor: ExecutorName) -> Iterator[Pair]:
    """Two databases on the server that stays up."""
    made = new_pair(postgres, rows=FEW, executor=executor)
    yield made
    drop_pair(made)


@short_on_threads
@pytest.mark.parametrize("how", ["immediate", "fast"])
@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_server_stops_and_starts(
    postgres: SandboxPostgres, fragile: SandboxPostgres, executor: ExecutorName, side: str, how: Any
) -> None:
    """In the middle of a run the source's or the sink's server goes away (a crash, a shutdown) and comes back."""
    servers = (fragile, postgres) if side == "source" else (postgres, fragile)
    pair = new_pair(*servers, rows=FEW, executor=executor)
    survives(Mover(pair), AtUpserted(Once(lambda: fragile.restart(how), 3)), f"{side} server, {how}")
    drop_pair(pair)


@short_on_threads
@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_server_stays_away(
    postgres: SandboxPostgres, fragile: SandboxPostgres, executor: ExecutorName, side: str
) -> None:
    """The server does not come back: a typed error within seconds; after its return the next run ends right."""
    servers = (fragile, postgres) if side == "source" else (postgres, fragile)
    pair = new_pair(*servers, rows=FEW, executor=executor)
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


@short_on_threads
@pytest.mark.parametrize("batches", [1, 4])
def test_cut_in_the_middle_of_copy_out(pair: Pair, monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    """The source's line breaks while a slice streams: nothing of the half slice is used."""
    monkeypatch.setattr(source_module, "BATCH_BYTES", 32 * 1024)
    pair.policy = UnitPolicy()
    with CuttableTcp(pair.server.port) as tcp:
        source = open_source(_through(pair.server.url(pair.source), pair.server, tcp))
        once, export = Once(tcp.cut, batches), source.export

        def cut_within(*arguments: Any) -> Iterator[Any]:
            for batch in export(*arguments):
                yield batch
                once.at("batch")

        source.export = cut_within  # type: ignore[method-assign, assignment]
        survives(Mover(pair, source=source), None, "COPY out")
    assert readers_left(pair) == "0"


@pytest.mark.parametrize("policy", ["first load", "changes"])
@pytest.mark.parametrize("batches", [1, 5])
def test_cut_in_the_middle_of_copy_in(pair: Pair, policy: str, batches: int) -> None:
    """The sink's line breaks with rows copied and no receipt: the transaction is gone, the slice is done again."""
    with CuttableTcp(pair.sink_server.port) as tcp:
        sink = open_sink(_through(pair.sink_server.url(pair.sink), pair.sink_server, tcp))
        if policy == "changes":
            first = Mover(pair)
            first.run()
            first.close()
            pair.write(f"UPDATE {TABLE} SET note = 'anew' WHERE id % 20 = 0")
        fuse_upserts(sink, Once(tcp.cut, batches))
        assert survives(Mover(pair, sink=sink), None, "COPY in") == "", "a retry of the slice must be enough"


@short_on_threads
@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "without a key"])
def test_cut_during_commit(pair: Pair, keyed: bool) -> None:
    """The line breaks when COMMIT is on its way and the server still works on it: only the receipts know.

    A trigger makes the commit of the first slice last for seconds, the retry comes after half of one: it must wait for
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
        assert survives(mover, None, "COMMIT") == "", "a retry of the slice must be enough"
    assert pair.receipts()["00000"] == 2


@short_on_threads
def test_lines_cut_while_nobody_used_them(pair: Pair) -> None:
    """Connections kept from the last run are dead when the next begins: that is no failure of the next run."""
    with CuttableTcp(pair.server.port) as tcp:
        source = open_source(_through(pair.server.url(pair.source), pair.server, tcp))
        sink = open_sink(_through(pair.sink_server.url(pair.sink), pair.server, tcp))
        mover = Mover(pair, source=source, sink=sink)
        mover.run()
        assert tcp.cut() >= 2, "both sides keep connections"
        assert mover.run().rows_unchanged == FEW
        mover.close()


@pytest.mark.parametrize(
    ("executor", "seed"),
    each_on(threads=[11, 12] if PROVE else [12], prefect=[11, 12] if PROVE else [11]),
    indirect=["executor"],
)
def test_cut_at_random(pair: Pair, seed: int) -> None:
    """Both lines break again and again at random moments; in between runs are tried until one ends right."""
    chance = seeded(seed)
    with CuttableTcp(pair.server.port) as tcp:
        source = open_source(_through(pair.server.url(pair.source), pair.server, tcp))
        sink = open_sink(_through(pair.sink_server.url(pair.sink), pair.server, tcp))
        mover, done = Mover(pair, source=source, sink=sink), threading.Event()
        cutter = threading.Thread(target=_cut_until, args=(tcp, chance, done))
        cutter.start()
        try:
            codes = [code_of(mover, None) for _ in range(6)]
        finally:
            done.set()
            cutter.join()
        print(f"seed {seed}, cut again and again: {codes}")
        mover.run()
        assert_equal(pair, seed)
        mover.close()


def _through(url: str, server: SandboxPostgres, tcp: CuttableTcp) -> str:
    return url.replace(f":{server.port}/", f":{tcp.port}/")


def _cut_until(tcp: CuttableTcp, chance: Any, done: threading.Event) -> None:
    while not done.wait(chance.uniform(0.2, 1.0)):
        tcp.cut()
