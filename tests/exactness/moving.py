"""What the exactness tests share: a table as a unit, one run of it, and proof that both sides are equal."""

from __future__ import annotations

import json
import random
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from connectors.postgres.source import PostgresSource
from contracts.plan import IngestionSlice
from contracts.receipts import RunRef
from contracts.traits import SupportsContentHash
from contracts.unit import UnitPolicy
from flows.stages.plan import RunRequest, make_plan
from flows.stages.run import UnitRun
from flows.wiring import open_workspace
from staging.config import MemoryStagingConfig
from staging.memory import MemoryStaging
from tests.exactness.executors import executed, executor_named

if TYPE_CHECKING:
    from contracts.endpoint import SourceEndpoint
    from contracts.model import Json
    from contracts.receipts import RunSummary
    from contracts.unit import EndpointUnitDescriptor, IngestionMode
    from flows.stages.run import RunObserver
    from sandbox.postgres import SandboxPostgres
    from staging.provider import StoreStaging
    from tests.exactness.executors import ExecutorName

ENDPOINT, SINK, TABLE = "exact", "copy", "public.moved"
ROWS = 20_000
FEW = 6_000
"""Rows where their number does not matter; also about eight slices."""
EIGHTH_BYTES = 5 * 64 * 1024
"""``target_slice_bytes`` that cuts ``ROWS`` rows of the table below into about eight slices."""

_numbers = count(1)
_TABLE = f"""
CREATE TABLE {TABLE} (id bigint PRIMARY KEY, note text, changed_at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO {TABLE} SELECT i * 10, md5(i::text) || repeat('.', i % 90) FROM generate_series(1, {{rows}}) i;
CREATE INDEX ON {TABLE} (changed_at);
ANALYZE {TABLE};
"""


@dataclass
class Pair:
    """A source and a sink database on one server (or on two), and the table that moves between them."""

    server: SandboxPostgres
    source: str
    sink: str
    sink_server: SandboxPostgres
    policy: UnitPolicy = field(default_factory=UnitPolicy)
    executor: ExecutorName = "threads"
    token: str = field(default_factory=lambda: uuid4().hex[:12])
    """Of this pair alone."""

    @property
    def ref(self) -> RunRef:
        """What is run. On Prefect the ids are unique among the processes of a test session, which share a server."""
        own = f"-{self.token}" if self.executor == "prefect" else ""
        return RunRef(endpoint_id=ENDPOINT + own, unit_id=TABLE, sink_id=SINK + own)

    maker: ClassVar[str] = "tests.exactness.worker:FusedSink"
    """Where a worker finds what makes its sink, of the sink's URL and the fuse."""
    source_maker: ClassVar[str] = "tests.exactness.worker:FusedSource"
    """The same for its source."""
    source_template: ClassVar[str] = "jdbc.postgres"
    sink_template: ClassVar[str] = "jdbc.postgres"
    now: ClassVar[str] = "clock_timestamp()"
    """The moment, in the source's SQL."""

    def open_source(self) -> Any:
        """The production source."""
        return open_source(self.source_url)

    def open_sink(self) -> Any:
        """The production sink."""
        return open_sink(self.sink_url)

    def register(self) -> None:
        """Make both known on the Prefect server in use, with a catalog."""
        with open_workspace() as workspace:
            workspace.endpoints.add(self.ref.endpoint_id, self.source_template, {"url": self.source_url})
            workspace.endpoints.add(self.ref.sink_id, self.sink_template, {"url": self.sink_url})
            source = self.open_source()
            workspace.catalogs.save(source.collect_catalog(self.ref.endpoint_id))
            source.close()

    @property
    def source_url(self) -> str:
        """Superuser over the private socket: quick, and no proxy between."""
        return self.server.socket_url(self.source)

    @property
    def sink_url(self) -> str:
        """The same for the sink."""
        return self.sink_server.socket_url(self.sink)

    def write(self, sql: str) -> str:
        """Run SQL at the source."""
        return self.server.psql(sql, self.source)

    def look(self, sql: str) -> str:
        """Run SQL at the sink."""
        return self.sink_server.psql(sql, self.sink)

    def both(self) -> tuple[list[str], list[str]]:
        """All rows of the table as sorted text: source, sink. A doubled row shows."""
        query = f"SELECT t::text FROM {TABLE} t"
        return sorted(self.write(query).splitlines()), sorted(self.look(query).splitlines())

    def receipts(self) -> dict[str, int]:
        """Epoch by slice key of the run that holds the sink now; empty before the first run."""
        if self.look("SELECT to_regclass('nucleus.receipts') IS NULL") == "t":
            return {}
        lines = self.look("SELECT slice_key, epoch FROM nucleus.receipts").splitlines()
        return {key: int(epoch) for key, epoch in (line.split("|") for line in lines)}

    def full_receipts(self) -> list[dict[str, Any]]:
        """Every receipt of the run that holds the sink now, as it was saved."""
        return [json.loads(line) for line in self.look("SELECT receipt FROM nucleus.receipts").splitlines()]

    def finished(self) -> bool:
        """Whether the run that holds the sink now is finished."""
        return self.look("SELECT finished_at IS NOT NULL FROM nucleus.runs") == "t"

    def is_locked(self) -> bool:
        """Whether anybody holds the run lock."""
        held = f"SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' \
            AND datname = '{self.sink}'"
        return self.look(held) != "0"

    def drop(self) -> None:
        """Remove both databases."""
        self.server.drop_database(self.source)
        self.sink_server.drop_database(self.sink)

    def run_id(self) -> str:
        """Id of the run that holds the sink now, or nothing."""
        if self.look("SELECT to_regclass('nucleus.runs') IS NULL") == "t":
            return ""
        return self.look("SELECT run_id FROM nucleus.runs")


def new_pair(
    server: SandboxPostgres,
    sink_server: SandboxPostgres | None = None,
    *,
    rows: int = ROWS,
    executor: ExecutorName = "threads",
) -> Pair:
    """Two databases and a filled table at the source."""
    source = make_source(server, rows)
    pair = Pair(server, source, source.replace("source", "sink"), sink_server or server, executor=executor)
    pair.policy = UnitPolicy(target_slice_bytes=max(64 * 1024, EIGHTH_BYTES * rows // ROWS))
    pair.sink_server.create_database(pair.sink)
    return pair


def make_source(server: SandboxPostgres, rows: int) -> str:
    """A database with a filled table; its name."""
    name = f"exact_source_{next(_numbers)}"
    server.create_database(name)
    server.psql(_TABLE.format(rows=rows), name)
    return name


def drop_pair(pair: Pair) -> None:
    """Remove both sides."""
    pair.drop()


def open_source(url: str) -> PostgresSource:
    """The production source."""
    return PostgresSource(PostgresConfig.model_validate({"url": url}))


def open_sink(url: str) -> PostgresSink:
    """The production sink."""
    return PostgresSink(PostgresConfig.model_validate({"url": url}))


def unit_of(source: SourceEndpoint, table: str = TABLE) -> EndpointUnitDescriptor:
    """The table's unit, from a catalog collected now; whatever its database calls the schema."""
    units = source.list_units(source.collect_catalog(ENDPOINT))
    return next(unit for unit in units if unit.dataset.name == table.partition(".")[2])


def request_of(
    unit: EndpointUnitDescriptor, policy: UnitPolicy, mode: IngestionMode = "full", checkpoint: Json | None = None
) -> RunRequest:
    """A run of the unit into the one sink there is."""
    ref = RunRef(endpoint_id=ENDPOINT, unit_id=unit.unit_id, sink_id=SINK)
    return RunRequest(ref=ref, unit=unit, mode=mode, policy=policy, checkpoint=checkpoint)


def in_memory() -> StoreStaging:
    """Staging that ends with the test; small parts, so that a slice has several."""
    return MemoryStaging(MemoryStagingConfig(part_bytes=32 * 1024))


class Mover:
    """Runs of one table in this process, over endpoints that stay open; remembers the checkpoint."""

    def __init__(
        self,
        pair: Pair,
        *,
        source: PostgresSource | None = None,
        sink: Any = None,
        staging: Any = None,
        table: str = TABLE,
    ) -> None:
        self.pair = pair
        self.source = source or open_source(pair.source_url)
        self.sink = sink or pair.open_sink()
        self.staging = staging or in_memory()
        looking = open_source(pair.source_url)
        self.unit = unit_of(looking, table)
        looking.close()
        self.checkpoint: Json | None = None

    def run(
        self, mode: IngestionMode = "full", observer: RunObserver | None = None, *, fresh: bool = False
    ) -> RunSummary:
        """One run to its end; raises what it raises."""
        asked = request_of(self.unit, self.pair.policy, mode, self.checkpoint)
        ref = self.pair.ref.model_copy(update={"unit_id": self.unit.unit_id})
        request = asked.model_copy(update={"ref": ref, "fresh": fresh})
        run = UnitRun(
            self.source,
            self.sink,
            self.staging,
            request,
            observer=observer,
            keep_staged=False,
            executor=executor_named(self.pair.executor),
        )
        summary = executed(run, self.pair.executor)
        self.checkpoint = summary.checkpoint_after
        return summary

    def close(self) -> None:
        """Give back connections."""
        self.source.close()
        self.sink.close()


def assert_equal(pair: Pair, seed: object) -> None:
    """Row for row: the text of every row, and the connectors' own content hash; no key twice.

    Raises:
        AssertionError: With the seed and the first differences.
    """
    theirs, ours = pair.both()
    lost, extra = set(theirs) - set(ours), set(ours) - set(theirs)
    assert theirs == ours, f"seed {seed}: {len(lost)} lost {sorted(lost)[:5]}, {len(extra)} extra {sorted(extra)[:5]}"
    source, sink = pair.open_source(), pair.open_sink()
    with closing(source), closing(sink):
        if isinstance(sink, SupportsContentHash):
            plan = make_plan(source, request_of(unit_of(source), pair.policy), None)
            whole = IngestionSlice(key="whole", sequence=0)
            hashes = source.content_hash(plan, whole), sink.content_hash(plan, whole)
            assert hashes[0] == hashes[1], f"seed {seed}: content hashes differ: {hashes}"


def seeded(seed: int) -> random.Random:
    """Repeatable chance."""
    return random.Random(seed)
