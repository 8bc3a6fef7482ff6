"""Proof of issue 14, "Done when" 1, for drives: ended at any point again and again, runs end equal to the truth."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sandbox.onedrive import DriveSite, SandboxOneDrive
from tests.connectors.onedrive.moving import DriveIngestion, assert_equal, settings_of
from tests.exactness import site_worker
from tests.exactness.executors import PROVE, ExecutorName, each_on, server_environment
from tests.exactness.processes import run_or_kill

NEVER = {"census_every_s": 1e9, "max_delete_fraction": 1.0}
STOPS = 4
KILLS: dict[ExecutorName, int] = {"threads": 18, "prefect": 15 if PROVE else 1}
LONGEST_S: dict[ExecutorName, float] = {"threads": 0.9, "prefect": 1.8}
UNITS = ("item", "permission") if PROVE else ()


class EndedHereError(Exception):
    """The end of a run where its process might have been killed."""


class Reaper:
    """An observer that ends the run after so many steps of slices."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def opened(self, opened: object) -> None:
        """A step too: the plan is frozen and nothing is read."""
        self._step()

    def staged(self, piece: object, receipt: object) -> None:
        """In staging, not in the sink."""
        self._step()

    def upserted(self, piece: object, receipt: object) -> None:
        """In the sink."""
        self._step()

    def retried(self, piece: object, error: object, delay_s: float) -> None:
        """No step: nothing was done."""

    def finished(self, summary: object) -> None:
        """Not reached by a run that was ended."""

    def _step(self) -> None:
        if self.steps == 0:
            raise EndedHereError
        self.steps -= 1


@pytest.mark.parametrize("name", ["item", "version"])
def test_ended_between_any_two_steps(name, database):
    """Another process goes on with the frozen plan, while the drives go on changing."""
    rng = random.Random(name)
    with SandboxOneDrive(DriveSite(drives=3, items=90)) as server:
        movers = [DriveIngestion(server, database, slice_items=40)]
        deaths, steps, mode = 0, 0, "full"
        while deaths < STOPS:
            mover = DriveIngestion(server, database, slice_items=40)
            mover.checkpoints |= movers[-1].checkpoints
            movers.append(mover)
            try:
                mover.run(name, mode, observer=Reaper(steps), **NEVER)
                mode, steps = "incremental", 0
            except EndedHereError:
                deaths, steps = deaths + 1, steps + rng.choice((1, 2))
            server.site.churn(4, rng)
        movers[-1].run(name, "incremental", **NEVER)
        movers[-1].run(name, "incremental", **NEVER)
        assert_equal(movers[-1], name)
        for mover in movers:
            mover.close()


@pytest.mark.slow(9)
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("executor", "name"), each_on(threads=UNITS, prefect=UNITS or ["item"]), indirect=["executor"])
def test_killed_again_and_again(executor, name, database, tmp_path):
    """Processes killed at random moments, over one site, one sink and one staging area; many under `make prove`."""
    rng = random.Random(name)
    with SandboxOneDrive(DriveSite(drives=3, items=150), latency_s=0.02) as server:
        order: dict[str, Any] = {
            "template": "http.onedrive", "site": settings_of(server), "sink": database, "staging": str(tmp_path), "unit": name,
            "policy": NEVER, "checkpoint": None, "mode": "full",
            "executor": executor, "environment": server_environment(),
        }  # fmt: skip
        kills = 0
        while kills < KILLS[executor]:
            summary = run_or_kill(site_worker.run_once, order, rng.uniform(0.02, LONGEST_S[executor]))
            kills += summary is None
            if summary is not None:
                order["mode"] = "incremental"
            server.site.churn(4, rng)
        order["mode"] = "incremental"
        for _ in range(2):
            assert run_or_kill(site_worker.run_once, order) is not None
        with DriveIngestion(server, database) as mover:
            assert_equal(mover, name)
