"""A change of the sink's tables waits for its lock a bounded time, and says who was in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdm_mappers.models import model_of
from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.sink import CdmSink
from connectors.postgres import ddl
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from contracts.errors import SinkLockedError
from tests.conformance.sink_suite import COLUMNS, REF, begin, plan_of
from tests.connectors.postgres.moving import Database, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDER = {**COLUMNS, "more": "string"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    for name, value in {"LOCK_TIMEOUT_S": 0.5, "TRIES": 3, "PAUSE_S": 0.01}.items():
        monkeypatch.setattr(ddl, name, value)


@pytest.fixture
def other(database) -> Iterator[Database]:
    """Somebody else's session."""
    with opened(database) as made:
        yield made


def blocked(change: Callable[[], object], other: Database, relation: str) -> SinkLockedError:
    with pytest.raises(SinkLockedError) as caught:
        change()
    pid = int(other.value("SELECT pg_backend_pid()::bigint"))
    assert caught.value.facts == {"relation": relation, "blocking_pids": [pid]}
    assert f"for {relation}, which is locked by process {pid}" in str(caught.value)
    return caught.value


def test_a_raw_table_under_a_reader(database, other):
    sink = PostgresSink(PostgresConfig(url=database))
    begin(sink, plan_of())
    other.run("BEGIN", "LOCK TABLE suite.things IN ACCESS SHARE MODE")
    assert sink.provision(plan_of()) == (), "what fits needs no lock"
    assert blocked(lambda: sink.provision(plan_of(WIDER)), other, "suite.things").retryable
    with opened(database) as reader:
        assert reader.rows("SELECT id FROM suite.things") == [], "nobody waits behind a change that gave up"
    other.run("COMMIT")
    assert sink.provision(plan_of(WIDER)) == ('ALTER TABLE "suite"."things" ADD COLUMN "more" text',)
    sink.close()


def test_a_table_of_a_common_model_under_a_reader(database, other):
    sink, model = CdmSink(CdmJdbcConfig(url=database)), model_of("cdm.work.item")
    sink.provision_model(model)
    other.run("ALTER TABLE cdm_work.cdm_item DROP COLUMN summary", "BEGIN", "LOCK TABLE cdm_work.cdm_item")
    blocked(lambda: sink.provision_model(model), other, "cdm_work.cdm_item")
    other.run("COMMIT")
    assert sink.provision_model(model).statements
    sink.close()


def test_the_tables_of_the_sink_itself(database, other):
    sink = PostgresSink(PostgresConfig(url=database))
    other.run("BEGIN", "CREATE SCHEMA nucleus")
    blocked(lambda: sink.last_run(REF), other, "schema nucleus")
    other.run("ROLLBACK")
    assert sink.last_run(REF) is None
    begin(sink, plan_of())
    other.run("DROP TABLE nucleus.targets", "BEGIN", "LOCK TABLE nucleus.runs")
    blocked(lambda: sink.last_run(REF), other, "nucleus.runs")
    sink.close()
