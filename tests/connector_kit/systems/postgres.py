"""A table of Postgres as a test system: nothing of it goes over HTTP, so what injects faults into responses is skipped."""

from __future__ import annotations

from typing import Any

from connector_kit.checks.system import PageLocation, TestSystem
from connector_kit.recording.cassette import Cassette
from connector_kit.recording.page_shape import PageShape
from connectors.postgres.factory import FACTORY
from sandbox.postgres import SandboxPostgres


class PostgresTestSystem(TestSystem):
    """Owns a server; the table is made anew for each check."""

    factory = FACTORY
    unit_id = "public.things"
    pages = PageLocation("/", PageShape(""))
    upstream = Cassette()
    policy = {"cursor_columns": ("changed",)}
    exceptions = {
        "resume.every-page": "there are no pages; tests/exactness/test_faults.py cuts connections instead",
        "state.gap-holds": "there are no answers to refuse; a slice of a table is read whole or fails",
        "incremental.overlap": "a row that is dated back after the fact changes nothing that a cursor could tell; one of a "
        "transaction that was open meanwhile is read, as tests of the watermark prove",
    }
    ROWS = 3_000

    def __init__(self) -> None:
        super().__init__()
        self.server = SandboxPostgres().start()

    def config(self, url: str) -> dict[str, Any]:
        return {"url": self.server.url()}

    def reset(self) -> None:
        self.server.psql(
            "DROP TABLE IF EXISTS things; CREATE TABLE things (id integer PRIMARY KEY, name text, price numeric(12,2),"
            " changed timestamptz NOT NULL); INSERT INTO things SELECT g, 'thing ' || g, g / 100.0,"
            f" timestamptz '2025-01-01 00:00Z' + g * interval '1 minute' FROM generate_series(1, {self.ROWS}) g;"
            " ANALYZE things"
        )

    def close(self) -> None:
        self.server.close()

    def keys(self) -> set[str]:
        return set(self.server.psql("SELECT id FROM things").split())

    def change(self, count: int) -> set[str]:
        self.server.psql(f"UPDATE things SET name = 'changed', changed = '2025-02-01 00:00Z' WHERE id <= {count}")
        return {str(number) for number in range(1, count + 1)}

    def change_late(self, seconds: float) -> str:
        newest = (
            f"timestamptz '2025-01-01 00:00Z' + {self.ROWS} * interval '1 minute' - {seconds} * interval '1 second'"
        )
        self.server.psql(f"UPDATE things SET name = 'late', changed = {newest} WHERE id = 7")
        return "7"

    def remove(self) -> str:
        self.server.psql("DELETE FROM things WHERE id = 5")
        return "5"
