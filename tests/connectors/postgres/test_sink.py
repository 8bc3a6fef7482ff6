from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import polars as pl
import pytest

from connectors.postgres.config import PostgresConfig
from connectors.postgres.session import Session
from connectors.postgres.sink import PostgresSink
from connectors.postgres.sql import ident, qualified
from contracts import errors
from tests.conformance.sink_suite import REF, SinkSuite, keys_of, plan_of, reader_of, write
from tests.connectors.postgres.moving import Database

if TYPE_CHECKING:
    from collections.abc import Iterator


def table_of(plan) -> str:
    policy, dataset = plan.policy, plan.unit.dataset
    return qualified(policy.target_namespace or dataset.namespace, policy.target_name or dataset.name)


def make_role(database: Database, role: str) -> None:
    """Unless there is one: roles belong to the server, which other tests of this process use too."""
    database.run(f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN END $$")


class PostgresSinkSystem:
    """One database, looked at by a superuser."""

    def __init__(self, url: str, postgres) -> None:
        self.url = url
        self.postgres = postgres
        self.database = Database(url)

    def sink(self, **fields) -> PostgresSink:
        return PostgresSink(PostgresConfig(url=self.url).model_copy(update=fields))

    def restricted_sink(self) -> PostgresSink:
        make_role(self.database, "guest LOGIN PASSWORD 'guest'")
        return self.sink(user="guest", password=PostgresConfig(password="guest").password)

    def rows(self, plan):
        names = ", ".join(ident(column.name) for column in plan.unit.columns)
        with_cursor = Database(self.url)
        try:
            return with_cursor.rows(f"SELECT {names} FROM {table_of(plan)} ORDER BY 1")
        finally:
            with_cursor.close()

    def versions(self, plan):
        first = ident(plan.unit.columns[0].name)
        return dict(self.database.rows(f"SELECT {first}, xmin::text || ctid::text FROM {table_of(plan)}"))

    def make_without_key(self, plan) -> None:
        # Unique, but the columns may be NULL: nothing ON CONFLICT could find a NULL by.
        self.database.run(
            "CREATE SCHEMA suite", f"CREATE TABLE {table_of(plan)} (id bigint UNIQUE, name text, changed bigint)"
        )

    def drop(self, plan) -> None:
        self.database.run(f"DROP TABLE {table_of(plan)}")

    def cut_before_commit(self, write):
        raised: list[BaseException] = []

        def attempt() -> None:
            try:
                write()
            except BaseException as error:
                raised.append(error)

        writer = threading.Thread(target=attempt)
        # Whoever files a receipt waits here, with its rows written.
        self.database.run("BEGIN", "LOCK TABLE nucleus.receipts IN SHARE MODE")
        writer.start()
        deadline = time.monotonic() + 20
        victims = "SELECT pid FROM pg_locks WHERE relation = 'nucleus.receipts'::regclass AND NOT granted"
        while not self.database.rows(victims) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.database.rows(f"SELECT pg_terminate_backend(pid) FROM ({victims}) v")
        self.database.run("COMMIT")
        writer.join()
        return raised[0] if raised else None


@pytest.fixture(scope="module")
def place(postgres) -> Iterator[PostgresSinkSystem]:
    made = PostgresSinkSystem(postgres.create_database("sink_suite"), postgres)
    yield made
    made.database.close()
    postgres.drop_database("sink_suite")


class TestPostgresSink(SinkSuite):
    @pytest.fixture
    def lab(self, place) -> PostgresSinkSystem:
        place.database.run("DROP SCHEMA IF EXISTS nucleus, suite CASCADE")
        return place


def test_a_column_that_must_be_wider_under_a_view(place):
    place.database.run("DROP SCHEMA IF EXISTS nucleus, suite CASCADE")
    sink, wider = place.sink(), plan_of({"id": "int64", "n": "int64"})
    write(sink, plan_of({"id": "int64", "n": "int32"}), [(1, 5)], {"id": pl.Int64, "n": pl.Int32})
    place.database.run(
        "CREATE VIEW suite.seen AS SELECT n FROM suite.things",
        "CREATE MATERIALIZED VIEW suite.kept AS TABLE suite.things",
    )
    with pytest.raises(errors.SinkSchemaConflictError) as caught:
        sink.provision(wider)
    assert caught.value.facts["views"] == ["suite.kept", "suite.seen"]
    assert "n must become bigint, but is read by suite.kept, suite.seen" in caught.value.what
    assert "DROP MATERIALIZED VIEW suite.kept; DROP VIEW suite.seen" in caught.value.next_step
    place.database.run(
        "DROP VIEW suite.seen",
        "DROP MATERIALIZED VIEW suite.kept",
        "CREATE POLICY several ON suite.things USING (n > 1)",
    )
    with pytest.raises(errors.SinkSchemaConflictError, match="policy several on table") as caught:
        sink.provision(wider)
    assert "Drop what depends" in caught.value.next_step
    place.database.run("DROP POLICY several ON suite.things")
    assert sink.provision(wider) == ('ALTER TABLE "suite"."things" ALTER COLUMN "n" TYPE bigint',)
    sink.close()


def plan_for(unit_id: str, **policy):
    """A plan of another unit for the table of the suite."""
    plan = plan_of(**policy)
    return plan.model_copy(update={"unit": plan.unit.model_copy(update={"unit_id": unit_id})})


def begun(sink, unit_id: str, **policy):
    """The unit's run into the table of the suite, begun."""
    plan = plan_for(unit_id, **policy)
    sink.provision(plan)
    return plan, sink.begin_run(REF.model_copy(update={"unit_id": unit_id}), "one", plan)


def test_one_of_two_units_that_want_a_new_table_gets_it(place):
    place.database.run("DROP SCHEMA IF EXISTS nucleus, suite CASCADE")
    sinks, together = [place.sink(), place.sink()], threading.Barrier(2)

    def start(number: int) -> str:
        together.wait()
        try:
            begun(sinks[number], f"unit {number}")
        except errors.SinkOwnerError as error:
            return str(error.facts["owner_unit_id"])
        return "mine"

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(start, (0, 1)))
    for sink in sinks:
        sink.close()
    winner = told.index("mine")
    assert told[1 - winner] == f"unit {winner}"


def test_a_run_whose_table_was_taken_over_writes_and_removes_nothing_more(place):
    place.database.run("DROP SCHEMA IF EXISTS nucleus, suite CASCADE")
    sink = place.sink()
    plan, run = begun(sink, "first", max_delete_fraction=1.0)
    other = plan_for("second")
    with pytest.raises(errors.SinkOwnerError):
        sink.provision(other)
    assert sink.adopt(REF.model_copy(update={"unit_id": "second"}), "two", other)
    for attempt in (
        lambda: sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)])),
        lambda: sink.reconcile(run, plan, keys_of([])),
        lambda: sink.remove(run, plan, keys_of([7])),
        lambda: sink.begin_run(run.ref, "again", plan),
    ):
        with pytest.raises(errors.SinkOwnerError, match="'second'"):
            attempt()
    assert place.rows(plan) == []
    sink.close()


def test_the_lock_of_a_run_is_free_before_the_server_has_read_the_end_of_its_connection(database, monkeypatch):
    """A run that came at once was refused when the machine was busy."""
    kept: list[Session] = []

    def keep(session: Session) -> None:
        kept.append(session)

    monkeypatch.setattr(Session, "close", keep)
    sink = PostgresSink(PostgresConfig(url=database))
    try:
        for _ in range(2):
            with sink.exclusive(REF), pytest.raises(errors.RunInProgressError), sink.exclusive(REF):
                pass
    finally:
        monkeypatch.undo()
        for session in kept:
            session.close()
        sink.close()
    assert len(kept) == 4
