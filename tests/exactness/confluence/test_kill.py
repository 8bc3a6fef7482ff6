"""Proof of issue 14, "Done when" 1: killed at random moments again and again, a run ends equal to the site's truth."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sandbox.confluence import ConfluenceSite, SandboxConfluence
from tests.connectors.confluence.moving import ConfluenceIngestion, assert_equal, settings_of
from tests.exactness import site_worker
from tests.exactness.executors import PROVE, ExecutorName, each_on, server_environment
from tests.exactness.processes import run_or_kill

KILLS: dict[ExecutorName, int] = {"threads": 30, "prefect": 15 if PROVE else 1}
"""For each unit; each kill costs a process's start, on Prefect a flow run's too."""
LONGEST_S: dict[ExecutorName, float] = {"threads": 0.6, "prefect": 1.5}
UNITS = ("page", "comment", "link") if PROVE else ()
"""In the suite tests/exactness/test_proof.py kills runs on threads."""


class WikiChain:
    """Processes one after the other, each killed or not, over one site, one sink and one staging area."""

    def __init__(
        self, server: SandboxConfluence, sink_url: str, staging: str, unit: str, executor: ExecutorName
    ) -> None:
        self.order = {
            "template": "http.confluence", "site": settings_of(server), "sink": sink_url, "staging": staging, "unit": unit,
            "policy": {"census_every_s": 0}, "checkpoint": None, "executor": executor,
            "environment": server_environment(),
        }  # fmt: skip
        self.kills = 0

    def run(self, mode: str, after_s: float | None = None) -> dict[str, Any] | None:
        """The summary of a run that ended; None of one that was killed."""
        summary = run_or_kill(site_worker.run_once, {**self.order, "mode": mode}, after_s)
        if summary is None:
            self.kills += 1
        else:
            self.order["checkpoint"] = summary["checkpoint_after"]
        return summary


@pytest.mark.slow(9)
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("executor", "unit"), each_on(threads=UNITS, prefect=UNITS or ["page"]), indirect=["executor"])
def test_killed_again_and_again(executor, unit, database, tmp_path):
    chance = random.Random(unit)
    site = ConfluenceSite(pages=150)
    with SandboxConfluence(site, latency_s=0.01) as server:
        chain = WikiChain(server, database, str(tmp_path), unit, executor)
        mode = "full"
        while chain.kills < KILLS[executor]:
            summary = chain.run(mode, chance.uniform(0.02, LONGEST_S[executor]))
            if summary is not None:
                mode = "incremental" if mode == "full" else "full"
                site.advance(900)
            site.churn(8, chance)
        site.advance(900)
        chain.run(mode)
        site.churn(8, chance)
        site.advance(900)
        chain.run("incremental")
        mover = ConfluenceIngestion(server, database)
        assert_equal(mover, unit)
        mover.close()
    print(f"\n{unit} on {executor}: {chain.kills} kills")
