"""Killed at any moment: API, server and worker. No accepted run is lost, and none is started twice."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from flows.local.contexts import using
from flows.local.up import down, up
from flows.prefect_api.client import connect
from flows.wiring import close_live, open_workspace
from tests.metadata_api.conftest import ENVIRONMENT, Caller, environment, signed_post, until
from tests.prefect_template import seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.local.control_plane import LocalControlPlane
    from sandbox.postgres import SandboxPostgres

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

TABLES = 6
ROWS = 3_000


class Installation:
    """A control plane whose parts are killed and started again, as an operator's supervisor would."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.note: LocalControlPlane = up(seed(home), api=True)

    def kill(self, name: str) -> None:
        os.kill(self.note.pids[name], signal.SIGKILL)
        until(lambda: not _lives(self.note.pids[name]))

    def heal(self) -> None:
        before = self.note
        self.note = up(self.home, api=True)
        assert (self.note.api_url, self.note.nucleus_api_url) == (before.api_url, before.nucleus_api_url)

    def accepted(self, body: dict[str, Any]) -> str:
        """Posts as a caller should: again, under the same key, until somebody says 202."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError), closing(Caller(str(self.note.nucleus_api_url)).client) as client:
                got = signed_post(client, body, "second")
                if got.status_code == 202:
                    return str(got.json()["runId"])
                assert got.status_code in {502, 503}, got.text
                assert got.json()["retryable"]
            time.sleep(0.2)
        raise AssertionError("never accepted")


def _lives(pid: int) -> bool:
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    return Path(f"/proc/{pid}").exists()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    home = tmp_path / "home"
    with environment(**ENVIRONMENT):
        made = Installation(home)
        try:
            with using(made.note):
                yield made
        finally:
            close_live()
            down(home)


def bodies(postgres: SandboxPostgres, two_databases: tuple[str, str]) -> list[dict[str, Any]]:
    source_url, sink_url = two_databases
    for number in range(TABLES):
        postgres.psql(
            f"CREATE TABLE public.t{number} (id bigint PRIMARY KEY, note text);"
            f"INSERT INTO public.t{number} SELECT g, repeat('x', 200) FROM generate_series(1, {ROWS}) g; ANALYZE",
            database=source_url.rpartition("/")[2],
        )
    with open_workspace() as workspace:
        workspace.endpoints.add("there", "jdbc.postgres", {"url": source_url})
        workspace.endpoints.add("here", "jdbc.postgres", {"url": sink_url})
        workspace.catalogs.save(workspace.source("there").collect_catalog("there"))
    small = {"target_slice_bytes": 65_536, "parallel_slices": 1}
    return [
        {
            "endpointId": "there",
            "unitId": f"public.t{n}",
            "sinkId": "here",
            "policy": small,
            "idempotencyKey": f"job-{n}",
        }
        for n in range(TABLES)
    ]


@pytest.mark.timeout(400)
def test_a_run_whose_worker_died_is_not_running_for_ever(
    installation: Installation, postgres: SandboxPostgres, two_databases: tuple[str, str]
) -> None:
    body = bodies(postgres, two_databases)[0]
    postgres.psql(
        "INSERT INTO public.t0 SELECT g, repeat('x', 200) FROM generate_series(10000, 200000) g",
        database=two_databases[0].rpartition("/")[2],
    )
    query = '{ ingestionStatus(endpointId: "there", unitId: "public.t0") { state lastErrorDetail { code } } }'
    with closing(Caller(str(installation.note.nucleus_api_url)).client) as client:
        caller = Caller.__new__(Caller)
        caller.client = client

        def status() -> dict[str, Any]:
            return dict(caller.data(query)["ingestionStatus"])

        installation.accepted(body)
        until(lambda: status()["state"] == "RUNNING")
        time.sleep(2)
        os.killpg(installation.note.pids["worker"], signal.SIGKILL)  # and the run's process with it
        assert status()["state"] == "RUNNING", "nobody knows yet"
        until(lambda: status() == {"state": "FAILED", "lastErrorDetail": {"code": "E_RUN_STOPPED"}}, timeout_s=120)


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_doubled(
    installation: Installation, postgres: SandboxPostgres, two_databases: tuple[str, str]
) -> None:
    wanted = bodies(postgres, two_databases)
    ids = [installation.accepted(wanted[0])]
    installation.kill("api")
    installation.heal()
    ids.append(installation.accepted(wanted[1]))
    time.sleep(4)  # the runs are at work now
    installation.kill("server")
    installation.heal()
    ids += [installation.accepted(wanted[2]), installation.accepted(wanted[3])]
    time.sleep(4)
    installation.kill("worker")
    ids.append(installation.accepted(wanted[4]))
    installation.kill("api")
    installation.heal()
    ids.append(installation.accepted(wanted[5]))
    with connect() as plane:

        def ended() -> list[dict[str, Any]] | None:
            runs = plane.call("POST", "/flow_runs/filter", {"flows": {"name": {"any_": ["ingest-unit"]}}})
            return runs if all(run["state_type"] == "COMPLETED" for run in runs) else None

        runs = until(ended, timeout_s=400)
        assert sorted(run["id"] for run in runs) == sorted(ids), "one run for each key, and no other"
    assert [installation.accepted(body) for body in wanted] == ids, "asked again, the same runs"
    for number in range(TABLES):
        sql = f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM public.t{number} t"
        here, there = (postgres.psql(sql, database=url.rpartition("/")[2]) for url in two_databases)
        assert here == there
