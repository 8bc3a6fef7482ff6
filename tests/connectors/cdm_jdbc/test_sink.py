from __future__ import annotations

import pytest

from connectors.cdm_jdbc.config import CdmJdbcConfig, from_environment
from connectors.cdm_jdbc.sink import CdmSink
from connectors.cdm_jdbc.tables import version_in
from connectors.postgres.client import PostgresClient
from contracts.browsing import RowPage, SupportsModelRows
from contracts.errors import FilterNotSupportedError
from contracts.unit import Predicate
from tests.conformance.cdm_sink_suite import MODEL, CdmSinkSuite, Writing, plan_of, rows_of

TABLE = "cdm_work.cdm_probe"


class CdmSinkSystem:
    """One database, looked at beside the sink."""

    def __init__(self, url: str) -> None:
        self.config = CdmJdbcConfig.model_validate({"url": url})
        self.client = PostgresClient(self.config, "sink")

    def sink(self) -> CdmSink:
        return CdmSink(self.config)

    def rows(self, columns: str = "cdm_id, source_id, name, deleted_at IS NULL AS alive"):
        with self.client.session() as session:
            return session.rows(f"SELECT {columns} FROM {TABLE} ORDER BY cdm_id")

    def run(self, sql: str) -> None:
        with self.client.session() as session:
            session.execute(sql.format(table=TABLE))


class TestCdmSink(CdmSinkSuite):
    @pytest.fixture
    def lab(self, database):
        made = CdmSinkSystem(database)
        yield made
        made.client.close()


def test_tables_say_what_they_are(database):
    lab = CdmSinkSystem(database)
    sink = lab.sink()
    sink.provision_model(MODEL)
    with lab.client.session() as session:
        comment = session.value(f"SELECT obj_description('{TABLE}'::regclass) AS c")
        indexes = int(session.value(f"SELECT count(*)::bigint AS n FROM pg_index WHERE indrelid = '{TABLE}'::regclass"))
    assert version_in(comment) == MODEL.version
    assert indexes >= 3
    sink.close()
    lab.client.close()


def test_schema_and_prefix_can_be_chosen():
    config = CdmJdbcConfig(cdm_schema="common", table_prefix="")
    assert (config.schema_of(MODEL), config.table_of(MODEL)) == ("common", "probe")
    plain = CdmJdbcConfig()
    assert (plain.schema_of(MODEL), plain.table_of(MODEL)) == ("cdm_work", "cdm_probe")


def test_the_environment_serves_development():
    assert from_environment({}) is None
    given = {"CDM_DATABASE_URL": "postgresql://u:p@h:1/d", "CDM_DATABASE_SCHEMA": "s", "CDM_DATABASE_TABLE_PREFIX": ""}
    config = from_environment(given)
    assert (config.host, config.cdm_schema, config.table_prefix) == ("h", "s", "")
    assert from_environment({"CDM_DATABASE_URL": "postgresql://h/d"}).table_prefix == "cdm_"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"CDM_WORK_DATABASE_URL": "postgresql://w/d"}, ("w", None, "cdm_")),
        ({"METADATA_DATABASE_URL": "postgresql://m/d", "CDM_WORK_DATABASE_SCHEMA": "s"}, ("m", "s", "cdm_")),
        ({"METADATA_DATABASE_URL": "postgresql://m/d", "CDM_WORK_DATABASE_URL": "postgresql://w/d"}, ("w", None, "cdm_")),
        ({"CDM_DATABASE_URL": "", "METADATA_DATABASE_URL": "postgresql://m/d"}, ("m", None, "cdm_")),
        (
            {"CDM_DATABASE_URL": "postgresql://o/d", "CDM_WORK_DATABASE_URL": "postgresql://w/d",
             "CDM_DATABASE_TABLE_PREFIX": "", "CDM_WORK_DATABASE_SCHEMA": "s"},
            ("o", "s", ""),
        ),
        ({"CDM_WORK_DATABASE_URL": "postgresql://w/d", "CDM_WORK_DATABASE_TABLE_PREFIX": "p_"}, ("w", None, "p_")),
    ],
)  # fmt: skip
def test_the_names_that_the_platform_uses_serve_too(given, found):
    config = from_environment(given)
    assert (config.host, config.cdm_schema, config.table_prefix) == found


def test_rows_of_a_model_are_shown_of_all_endpoints(database):
    lab = CdmSinkSystem(database)
    sink = lab.sink()
    sink.provision_model(MODEL)
    for endpoint, row in (("one", ("1", "A", "x")), ("two", ("1", "B", "y")), ("two", ("2", "C", None))):
        Writing(sink, plan_of(endpoint)).write(rows_of(row, endpoint=endpoint))
    lab.run("UPDATE {table} SET deleted_at = now() WHERE name = 'x'")
    shown = sink.model_rows(MODEL, RowPage())
    assert shown.columns == [column.name for column in MODEL.columns]
    assert shown["source_endpoint_id"].to_list() == ["two", "two"]
    chosen = sink.model_rows(
        MODEL, RowPage(where=(Predicate(column="name", op="eq", value="y"),), search="PROBE:SYS:b")
    )
    assert chosen["source_id"].to_list() == ["1"]
    assert (sink.model_values(MODEL, "name", 5), sink.model_values(MODEL, "source_id", 1)) == (("y",), ("1",))
    with pytest.raises(FilterNotSupportedError):
        sink.model_values(MODEL, 'name"; DROP TABLE x', 5)
    assert isinstance(sink, SupportsModelRows)
    sink.close()
    lab.client.close()
