"""Killed at any moment: API, server and worker. No accepted run is lost, and none is started twice."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import httpx
import psutil
import pytest

from flows.local.commands import WORKER_FILES
from flows.local.contexts import using
from flows.local.up import down, up
from flows.operations.dead_runs import ZOMBIE_AFTER_S, watch_zombies
from flows.prefect_api.client import connect
from flows.wiring import close_live, open_workspace
from tests.exactness.executors import PROVE
from tests.flows.conftest import NAP
from tests.metadata_api.conftest import ENVIRONMENT, Caller, signed_post, until, wait_for_end
from tests.prefect_template import seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.local.control_plane import LocalControlPlane
    from sandbox.postgres import SandboxPostgres

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

TABLES = 6 if PROVE else 4
ROWS = 3_000


class Installation:
    """A control plane whose parts are killed and started again, as an operator's supervisor would."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.plane: LocalControlPlane = up(seed(home), api=True)

    def kill(self, name: str) -> None:
        os.kill(self.plane.pids[name], signal.SIGKILL)
        until(lambda: not _is_alive(self.plane.pids[name]))

    def kill_worker_with_its_runs(self) -> None:
        """As a machine that loses its power; a run that only loses its worker ends by itself, and says so."""
        runs = psutil.Process(self.plane.pids["worker"]).children(recursive=True)
        for each in runs:
            each.suspend()
        self.kill("worker")
        for each in runs:
            each.kill()

    def restart(self) -> None:
        """Start whatever is not running, at its old address."""
        before = self.plane
        self.plane = up(self.home, api=True)
        assert (self.plane.api_url, self.plane.nucleus_api_url) == (before.api_url, before.nucleus_api_url)

    def accepted(self, body: dict[str, Any]) -> str:
        """Posts as a caller should: again, under the same key, until somebody says 202."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError), closing(Caller(str(self.plane.nucleus_api_url)).client) as client:
                got = signed_post(client, body, "second")
                if got.status_code == 202:
                    return str(got.json()["runId"])
                assert got.status_code in {502, 503}, got.text
                assert got.json()["retryable"]
            time.sleep(0.2)
        raise AssertionError("never accepted")

    def refuses_within(self, seconds: float, body: dict[str, Any]) -> None:
        """Webhook and GraphQL say that Prefect is away, while their callers still wait."""
        caller = Caller(str(self.plane.nucleus_api_url))
        with closing(caller.client) as client:
            client.timeout = httpx.Timeout(seconds)
            assert signed_post(client, body, "first").status_code == 503
            assert caller.code('mutation { testEndpoint(id: "any") { ok } }') == "E_CONTROL_PLANE_UNREACHABLE"


def _is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    return Path(f"/proc/{pid}").exists()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the one installation of this file lies."""
    home = tmp_path_factory.mktemp("killed") / "home"
    with patch.dict(os.environ, ENVIRONMENT):
        try:
            yield home
        finally:
            down(home)


@pytest.fixture
def installation(home: Path) -> Iterator[Installation]:
    """Everything runs, whatever the test before has killed."""
    started = Installation(home)
    with using(started.plane):
        yield started
        close_live()


class Tables(NamedTuple):
    """Tables in a source of the test's own, to be copied into a sink of its own."""

    postgres: SandboxPostgres
    databases: tuple[str, str]
    source_id: str
    sink_id: str

    def requests(self) -> list[dict[str, Any]]:
        """One for each table."""
        policy = {"target_slice_bytes": 65_536, "parallel_slices": 1}
        place = {"endpointId": self.source_id, "sinkId": self.sink_id, "policy": policy}
        return [
            {**place, "unitId": f"public.t{number}", "idempotencyKey": f"{self.source_id}-{number}"}
            for number in range(TABLES)
        ]

    def has_begun(self, number: int) -> bool:
        """True when the sink holds a slice of this table."""
        if self.sink_sql("SELECT to_regclass('nucleus.receipts') IS NOT NULL") != "t":
            return False
        table = f"public.t{number}"
        is_there = self.sink_sql(f"SELECT to_regclass('{table}') IS NOT NULL") == "t"
        return is_there and self.sink_sql(f"SELECT EXISTS (SELECT FROM {table})") == "t"

    def assert_same(self, number: int) -> None:
        sql = f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM public.t{number} t"
        here, there = (self.postgres.psql(sql, database=url.rpartition("/")[2]) for url in self.databases)
        assert here == there

    def source_sql(self, sql: str) -> None:
        self.postgres.psql(sql, database=self.databases[0].rpartition("/")[2])

    def sink_sql(self, sql: str) -> str:
        return self.postgres.psql(sql, database=self.databases[1].rpartition("/")[2])


@pytest.fixture
def tables(installation: Installation, postgres: SandboxPostgres, two_databases: tuple[str, str]) -> Tables:
    names = [url.rpartition("/")[2].replace("_", "-") for url in two_databases]
    made = Tables(postgres, two_databases, *names)
    for number in range(TABLES):
        made.source_sql(
            f"CREATE TABLE public.t{number} (id bigint PRIMARY KEY, note text);"
            f"INSERT INTO public.t{number} SELECT g, repeat('x', 200) FROM generate_series(1, {ROWS}) g; ANALYZE"
        )
    with open_workspace() as workspace:
        for name, url in zip(names, two_databases, strict=True):
            workspace.endpoints.add(name, "jdbc.postgres", {"url": url})
        workspace.catalogs.save(workspace.source(made.source_id).collect_catalog(made.source_id))
    return made


@pytest.mark.slow(45)
@pytest.mark.timeout(400)
def test_a_run_whose_worker_died_is_not_running_for_ever(installation: Installation, tables: Tables) -> None:
    tables.source_sql("INSERT INTO public.t0 SELECT g, repeat('x', 200) FROM generate_series(10000, 200000) g")
    watch_zombies(after_s=30)  # as `nucleus up` does, which waits longer; starting everything again sets that anew
    query = 'query($e: ID!) { ingestionStatus(endpointId: $e, unitId: "public.t0") { state lastErrorDetail { code } } }'
    caller = Caller(str(installation.plane.nucleus_api_url))
    with closing(caller.client):

        def status() -> dict[str, Any]:
            return dict(caller.data(query, e=tables.source_id)["ingestionStatus"])

        def written() -> list[Path]:
            return [*(installation.home / WORKER_FILES).glob("prefect-workspace-attempt-*")]

        run_id = installation.accepted(tables.requests()[0])
        until(lambda: status()["state"] == "RUNNING")
        until(lambda: tables.has_begun(0))
        installation.kill_worker_with_its_runs()
        assert status()["state"] == "RUNNING", "nobody knows yet"
        assert not written(), "the run's environment, secrets included, is on no disk"
        wait_for_end(run_id, timeout_s=120)
        until(lambda: status() == {"state": "FAILED", "lastErrorDetail": {"code": "E_RUN_STOPPED"}}, timeout_s=120)
    with connect() as plane:  # or the next worker would continue it
        plane.call("DELETE", f"/flow_runs/{run_id}")
    (installation.home / WORKER_FILES / "prefect-workspace-attempt-of-an-older-version").mkdir()
    installation.restart()
    assert not written()


@pytest.mark.skipif(not PROVE, reason="takes five minutes: under `make prove`")
@pytest.mark.timeout(900)
def test_a_run_outlives_a_server_that_was_away_for_two_minutes(installation: Installation, tables: Tables) -> None:
    """With the watch as `nucleus up` sets it: it crashes the run when the server is back, and the run says otherwise."""
    tables.source_sql("INSERT INTO public.t0 SELECT g, repeat('x', 200) FROM generate_series(10000, 100000) g")
    query = 'query($e: ID!) { ingestionStatus(endpointId: $e, unitId: "public.t0") { state } }'
    run_id = installation.accepted(tables.requests()[0])
    until(lambda: tables.has_begun(0))
    tables.sink_sql(NAP)
    time.sleep(ZOMBIE_AFTER_S / 2)  # the server has to know the run's heartbeat before it can miss it
    installation.kill("server")
    time.sleep(120)
    installation.restart()
    caller, seen = Caller(str(installation.plane.nucleus_api_url)), set()
    with closing(caller.client), connect() as plane:
        back = time.monotonic()
        while time.monotonic() < back + ZOMBIE_AFTER_S + 60:
            seen.add(caller.data(query, e=tables.source_id)["ingestionStatus"]["state"])
            time.sleep(0.5)
        tables.sink_sql("DROP TRIGGER nap ON nucleus.receipts")
        wait_for_end(run_id, timeout_s=300)
        until(lambda: caller.data(query, e=tables.source_id)["ingestionStatus"]["state"] == "SUCCEEDED")
        assert seen == {"RUNNING"}
        every = plane.call("POST", "/flow_runs/filter", {"flows": {"name": {"any_": ["ingest-unit"]}}})
        assert [run["id"] for run in every if run["parameters"]["endpoint_id"] == tables.source_id] == [run_id]
    tables.assert_same(0)


@pytest.mark.slow(60)
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_doubled(installation: Installation, tables: Tables) -> None:
    requests = tables.requests()
    ids = [installation.accepted(requests[0])]
    if PROVE:
        installation.kill("api")
        with connect() as plane:
            for watch in plane.call("POST", "/automations/filter", {}):
                plane.call("DELETE", f"/automations/{watch['id']}")
            installation.restart()
            until(lambda: plane.call("POST", "/automations/filter", {}))
    until(lambda: tables.has_begun(0))
    installation.kill("server")
    installation.refuses_within(5.0, requests[1])
    installation.restart()
    ids.append(installation.accepted(requests[1]))
    installation.kill("worker")
    ids.append(installation.accepted(requests[2]))
    installation.kill("api")
    installation.restart()
    ids += [installation.accepted(request) for request in requests[3:]]
    with connect() as plane:

        def ended() -> list[dict[str, Any]] | None:
            every = plane.call("POST", "/flow_runs/filter", {"flows": {"name": {"any_": ["ingest-unit"]}}})
            runs = [run for run in every if run["parameters"]["endpoint_id"] == tables.source_id]
            return runs if all(run["state_type"] == "COMPLETED" for run in runs) else None

        for run_id in ids:  # each asked for alone: the list of all runs costs the server far more
            wait_for_end(run_id, timeout_s=400)
        runs = until(ended, timeout_s=400)
        assert sorted(run["id"] for run in runs) == sorted(ids), "one run for each key, and no other"
    assert [installation.accepted(request) for request in requests] == ids, "repeated requests get the same runs"
    for number in range(TABLES):
        tables.assert_same(number)
