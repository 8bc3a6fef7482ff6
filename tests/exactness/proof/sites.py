"""Walks whose source is a service behind an API; the sink is a table of PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.confluence import ConfluenceFaults, ConfluenceSite, SandboxConfluence
from sandbox.jira import JiraFaults, JiraSite, SandboxJira
from sandbox.onedrive import DriveSite, OneDriveFaults, SandboxOneDrive
from tests.connectors.confluence import moving as wiki
from tests.connectors.jira import moving as tracker
from tests.connectors.onedrive import moving as drives
from tests.exactness import site_worker
from tests.exactness.executors import server_environment
from tests.exactness.processes import RunProcess
from tests.exactness.proof.tables import crash, cut_lines_of
from tests.exactness.proof.walk import Walk

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.http_service import HttpFaults, HttpService
    from sandbox.postgres import SandboxPostgres
    from tests.exactness.executors import ExecutorName

FAULTY = {"throttled": 0.08, "failing": 0.1, "cut": 0.07, "corrupt": 0.05}
"""Chances of an answer: 30 % of them are faulty."""
_EVERY_CENSUS = {"census_every_s": 0}


class ProofService(NamedTuple):
    """A stand-in of a service and what the walk does with it.

    Attributes:
        server: The stand-in, not started yet.
        template: Of its connector.
        unit: What is moved.
        settings: Of the source; asked for when the server runs.
        faults: A kind of faults that the server takes.
        churn: Changes the site and lets its clock go on.
        both: Rows as text at the service and in the sink's database.
    """

    server: HttpService[Any]
    template: str
    unit: str
    settings: Callable[[], dict[str, Any]]
    faults: type[HttpFaults]
    churn: Callable[[random.Random], None]
    both: Callable[[str], tuple[list[str], list[str]]]


class SiteWalk(Walk):
    """Over one service, whose server runs, and one database."""

    def __init__(
        self,
        place: str,
        service: ProofService,
        sink: SandboxPostgres,
        folder: Path,
        seed: int,
        executor: ExecutorName,
    ) -> None:
        super().__init__(place, seed)
        folder.mkdir()
        self._service, self._sink = service, sink
        self._database = sink.create_database("sink")
        self.longest_s = 1.5 if executor == "prefect" else 0.5
        self._order: dict[str, Any] = {
            "template": service.template, "site": service.settings(), "sink": self._database, "staging": str(folder),
            "unit": service.unit, "policy": _EVERY_CENSUS, "checkpoint": None, "mode": "full",
            "executor": executor, "environment": server_environment(),
        }  # fmt: skip

    def kinds(self) -> Mapping[str, Callable[[], bool]]:
        """What can fail here."""
        return {
            "run killed at a random moment": self.killed,
            "two runs at once, one killed": self.two_at_once,
            "30 % of the service's answers faulty": self._faulty_answers,
            "connections cut": partial(self.meets, self._cut),
            "sink's database crashed": partial(self.meets, partial(crash, self._sink)),
            "run asleep while another does its work": partial(self.slept_through, self._cut),
        }

    def start(self) -> RunProcess:
        """From the checkpoint of the last run that ended."""
        return RunProcess(site_worker.run_once, dict(self._order))

    def succeeded(self, summary: dict[str, Any]) -> None:
        """The next run is incremental, from here."""
        super().succeeded(summary)
        self._order |= {"mode": "incremental", "checkpoint": summary["checkpoint_after"]}

    def recover(self) -> None:
        """Undisturbed, twice: what changed while the first one listed is the second one's. Then row for row."""
        for _ in range(2):
            process = self.ready(self.start())
            if self.ended(process) != 0:
                self.tally.broken.append(f"a run that nothing disturbed did not end with success: {process.said[-1]}")
                return
        self.tally.compare(*self._service.both(self._database))

    def disturb(self) -> None:
        """The site goes on."""
        self._service.churn(self.chance)

    def _faulty_answers(self) -> bool:
        server, seen = self._service.server, len(self._service.server.requests)
        server.faults = self._service.faults(seed=self.chance.randrange(1 << 30), **FAULTY)
        try:
            self.ended(self.ready(self.start()))
        finally:
            server.faults = self._service.faults()
        return any(one.status >= 429 for one in server.requests[seen:])

    def _cut(self) -> int:
        return cut_lines_of(self._sink, "sink")


def jira(rows: int) -> ProofService:
    """Issues of two projects."""
    site = JiraSite(projects=("AND", "OPS"), issues=rows, comments=1)
    server = SandboxJira(site, latency_s=0.02)

    def churn(chance: random.Random) -> None:
        for issue in chance.sample(site.issues(), 3):
            site.edit(issue, summary=f"edited {site.now_ms}")
        site.delete(chance.choice(site.issues()))
        site.move(chance.choice(site.issues()), "OPS")
        site.create("AND", comments=1, worklogs=0)
        site.pass_time(900)

    def both(database: str) -> tuple[list[str], list[str]]:
        with tracker.JiraIngestion(server, database) as mover:
            return _written(tracker.truth(site, "issues")), _written(mover.raw("issues"))

    return ProofService(server, "http.jira", "issues", lambda: tracker.settings_of(server), JiraFaults, churn, both)


def confluence(rows: int) -> ProofService:
    """Pages."""
    site = ConfluenceSite(pages=rows)
    server = SandboxConfluence(site, latency_s=0.01)

    def churn(chance: random.Random) -> None:
        site.churn(8, chance)
        site.advance(900)

    def both(database: str) -> tuple[list[str], list[str]]:
        with wiki.ConfluenceIngestion(server, database) as mover:
            theirs, ours = wiki.truth(mover, "page"), wiki.held(mover, "page")
            columns = sorted(set().union(*theirs.values()))
            return _written(theirs, columns), _written(ours, columns)

    return ProofService(
        server, "http.confluence", "page", lambda: wiki.settings_of(server), ConfluenceFaults, churn, both
    )


def onedrive(rows: int) -> ProofService:
    """Items of three drives."""
    site = DriveSite(drives=3, items=rows)
    server = SandboxOneDrive(site, latency_s=0.02)

    def both(database: str) -> tuple[list[str], list[str]]:
        with drives.DriveIngestion(server, database) as mover:
            theirs = site.truth("item", [one.drive_id for one in site.drives()], None)
            return _written(theirs), _written(mover.rows("item"))

    return ProofService(
        server, "http.onedrive", "item", lambda: drives.settings_of(server), OneDriveFaults,
        lambda chance: site.churn(4, chance), both,
    )  # fmt: skip


def _written(rows: Mapping[Any, Mapping[str, Any]], columns: list[str] | None = None) -> list[str]:
    """A line for each row: its key, and its columns in order, as both sides write them."""
    return [
        f"{key}: " + ", ".join(f"{name}={wiki.plain(row.get(name))}" for name in columns or sorted(row))
        for key, row in rows.items()
    ]
