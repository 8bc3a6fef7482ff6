"""The shared control plane, and endpoints of their own for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from contracts.receipts import RunRef
from flows.prefect_api.client import connect
from flows.wiring import close_live, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.local.control_plane import LocalControlPlane
    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from sandbox.postgres import SandboxPostgres

ROWS = 4_000
SMALL = {"target_slice_bytes": 65_536}
"""About sixteen slices of the orders table."""
NAP = (
    "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END';"
    "CREATE TRIGGER nap BEFORE INSERT ON nucleus.receipts FOR EACH ROW EXECUTE FUNCTION nap()"
)
"""Run at a sink, makes every further slice take its time."""


class RegisteredPair(NamedTuple):
    """Two registered endpoints over two databases, the first with a catalogued table ``public.orders``."""

    source_id: str
    sink_id: str
    source_database: str
    sink_database: str
    server: SandboxPostgres

    @property
    def ref(self) -> RunRef:
        return RunRef(endpoint_id=self.source_id, unit_id="public.orders", sink_id=self.sink_id)

    def source_sql(self, sql: str) -> str:
        return str(self.server.psql(sql, database=self.source_database))

    def sink_sql(self, sql: str) -> str:
        return str(self.server.psql(sql, database=self.sink_database))

    def same(self) -> bool:
        """Row for row."""
        sql = "SELECT count(*), md5(string_agg(o::text, '|' ORDER BY id)) FROM public.orders o"
        return self.source_sql(sql) == self.sink_sql(sql)


@pytest.fixture
def plane(control_plane: LocalControlPlane) -> Iterator[ControlPlane]:
    with connect() as opened:
        yield opened


@pytest.fixture
def workspace(control_plane: LocalControlPlane) -> Iterator[Workspace]:
    with open_workspace() as opened:
        yield opened
    close_live()


@pytest.fixture
def pair(workspace: Workspace, postgres: SandboxPostgres, two_databases: tuple[str, str]) -> RegisteredPair:
    source_url, sink_url = two_databases
    # Processes of pytest-xdist share the control plane and have a Postgres each: the port tells them apart.
    names = [url.rpartition("/")[2] for url in two_databases]
    made = RegisteredPair(*(f"{name.replace('_', '-')}-{postgres.port}" for name in names), *names, postgres)
    made.source_sql(
        "CREATE TABLE public.orders (id bigint PRIMARY KEY, note text, at timestamptz NOT NULL DEFAULT now());"
        f"INSERT INTO public.orders SELECT g, repeat('x', 200) FROM generate_series(1, {ROWS}) g; ANALYZE"
    )
    workspace.endpoints.add(made.source_id, "jdbc.postgres", {"url": source_url})
    workspace.endpoints.add(made.sink_id, "jdbc.postgres", {"url": sink_url})
    workspace.catalogs.save(workspace.source(made.source_id).collect_catalog(made.source_id))
    return made
