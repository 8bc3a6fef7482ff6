from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from connectors.postgres.sql import ident, qualified
from tests.conformance.sink_suite import SinkSuite
from tests.connectors.postgres.moving import Database

if TYPE_CHECKING:
    from collections.abc import Iterator


def table_of(plan) -> str:
    policy, dataset = plan.policy, plan.unit.dataset
    return qualified(policy.target_namespace or dataset.namespace, policy.target_name or dataset.name)


class PostgresSinkSystem:
    """One database, looked at by a superuser."""

    def __init__(self, url: str, postgres) -> None:
        self.url = url
        self.postgres = postgres
        self.database = Database(url)

    def sink(self, **fields) -> PostgresSink:
        return PostgresSink(PostgresConfig(url=self.url).model_copy(update=fields))

    def restricted_sink(self) -> PostgresSink:
        self.database.run("CREATE ROLE guest LOGIN PASSWORD 'guest'")
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
