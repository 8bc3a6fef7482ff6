"""Every place of the proof: a source, a sink and an executor, with servers of its own that may crash."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sandbox.mariadb import SandboxMariaDb
from sandbox.postgres import SandboxPostgres
from tests.exactness.lake.folders import FolderPair
from tests.exactness.lake.warehouses import WarehousePair, new_lake_pair
from tests.exactness.moving import new_pair
from tests.exactness.proof import sites
from tests.exactness.proof.tables import TableWalk
from tests.exactness.tables.pairs import new_mariadb_pair, new_sqlite_pair, policy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contracts.unit import IngestionMode
    from tests.exactness.executors import ExecutorName
    from tests.exactness.moving import Pair
    from tests.exactness.proof.walk import Walk

_SITE_ROWS = 150
_SERVICES = {"jira": sites.jira, "confluence": sites.confluence, "onedrive": sites.onedrive}


class ProofPlace(NamedTuple):
    """What a walk is made of."""

    source: str
    sink: str
    executor: ExecutorName
    mode: IngestionMode = "full"
    cursor: bool = False

    def __str__(self) -> str:
        cursor = " with a cursor" if self.cursor and self.mode == "full" else ""
        how = "" if self.source in _SERVICES else f", {self.mode}{cursor}"
        return f"{self.source} → {self.sink}, {self.executor}{how}"


PLACES = (
    ProofPlace("postgres", "postgres", "threads"),
    ProofPlace("postgres", "postgres", "threads", "full", cursor=True),
    ProofPlace("postgres", "postgres", "threads", "incremental", cursor=True),
    ProofPlace("mariadb", "postgres", "threads", "full", cursor=True),
    ProofPlace("mariadb", "postgres", "threads", "incremental", cursor=True),
    ProofPlace("sqlite", "postgres", "threads", "full", cursor=True),
    ProofPlace("sqlite", "postgres", "threads", "incremental", cursor=True),
    ProofPlace("postgres", "parquet", "threads", "full", cursor=True),
    ProofPlace("postgres", "parquet", "threads", "incremental", cursor=True),
    ProofPlace("postgres", "iceberg", "threads", "full", cursor=True),
    ProofPlace("postgres", "iceberg", "threads", "incremental", cursor=True),
    ProofPlace("jira", "postgres", "threads"),
    ProofPlace("confluence", "postgres", "threads"),
    ProofPlace("onedrive", "postgres", "threads"),
    ProofPlace("postgres", "postgres", "prefect"),
    ProofPlace("postgres", "postgres", "prefect", "incremental", cursor=True),
    ProofPlace("mariadb", "postgres", "prefect", "incremental", cursor=True),
    ProofPlace("postgres", "parquet", "prefect", "incremental", cursor=True),
    ProofPlace("postgres", "iceberg", "prefect", "full", cursor=True),
    ProofPlace("jira", "postgres", "prefect"),
    ProofPlace("onedrive", "postgres", "prefect"),
)


def can_be_here(place: ProofPlace) -> bool:
    """MariaDB is not installed everywhere."""
    return place.source != "mariadb" or SandboxMariaDb.missing() is None


@contextmanager
def walk_over(
    place: ProofPlace, folder: Path, seed: int, restart_prefect: Callable[[], None] | None = None
) -> Iterator[Walk]:
    """Its servers run while the context is open."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        sink = stack.enter_context(SandboxPostgres())
        if place.source in _SERVICES:
            service = _SERVICES[place.source](_SITE_ROWS)
            stack.enter_context(service.server)
            yield sites.SiteWalk(str(place), service, sink, folder / "staged", seed, place.executor)
            return
        pair = _pair(place, stack, sink, folder)
        stack.callback(pair.drop)
        cursor = {"cursor_columns": ("changed_at",)} if place.cursor else {}
        pair.policy = policy_of(pair, **cursor)
        if place.executor == "prefect":
            pair.register()
        restart = restart_prefect if place.executor == "prefect" else None
        yield TableWalk(str(place), pair, place.mode, folder / "chain", seed, restart)


def _pair(place: ProofPlace, stack: ExitStack, sink: SandboxPostgres, folder: Path) -> Pair:
    if place.source == "mariadb":
        return new_mariadb_pair(stack.enter_context(SandboxMariaDb()), sink, executor=place.executor)
    if place.source == "sqlite":
        return new_sqlite_pair(folder, sink)
    if place.sink != "postgres":
        kind = FolderPair if place.sink == "parquet" else WarehousePair
        return new_lake_pair(kind, sink, folder / "lake", executor=place.executor)
    return new_pair(stack.enter_context(SandboxPostgres()), sink, executor=place.executor)
