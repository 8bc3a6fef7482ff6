"""Work and documents in one database: tables apart, two units in one table, and the documented query across both."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from cdm_mappers.models import model_of
from cdm_mappers.registry import CdmMapperRegistry
from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.sink import CdmSink
from connectors.postgres.client import PostgresClient
from contracts.catalog import DatasetDescriptor
from contracts.mapping import MapContext
from tests.cdm_mappers.documents import dataset_of, row_of
from tests.conformance.cdm_sink_suite import NOW, Writing, plan_of

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY = re.search(r"```sql\n(WITH mention.*?)```", Path("docs/cdm.md").read_text(), re.DOTALL)
ISSUES = DatasetDescriptor(dataset_id="jira.issues", kind="entity", namespace="jira", name="issues", columns=())


class Acme:
    """One source system of two endpoints, a site with issues and one with pages."""

    def __init__(self, url: str) -> None:
        self.config = CdmJdbcConfig.model_validate({"url": url})
        self.client, self.sink = PostgresClient(self.config, "sink"), CdmSink(self.config)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.client.session() as session:
            return session.rows(sql)

    def mapped(self, dataset: DatasetDescriptor, model_id: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
        mapper = CdmMapperRegistry().find("http", dataset.dataset_id, model_id)
        ours = dataset.model_copy(update={"namespace": "acme"})
        made: pl.DataFrame = mapper(
            pl.LazyFrame(rows), MapContext(endpoint_id=endpoint_of(dataset), dataset=ours, ingested_at=NOW)
        ).collect()
        return made

    def writing(self, dataset: DatasetDescriptor, model_id: str, rows: list[dict[str, Any]]) -> Writing:
        model = model_of(model_id)
        self.sink.provision_model(model)
        plan = plan_of(endpoint_of(dataset), model, dataset=dataset.dataset_id, max_delete_fraction=1.0)
        run = Writing(self.sink, plan)
        run.write(self.mapped(dataset, model_id, rows))
        return run


def endpoint_of(dataset: DatasetDescriptor) -> str:
    return dataset.dataset_id.partition(".")[0]


@pytest.fixture
def acme(database: str) -> Iterator[Acme]:
    made = Acme(database)
    with closing(made.sink), closing(made.client):
        yield made


def test_a_reader_goes_from_issues_to_pages_and_back(acme):
    issues = [{"id": n, "key": f"AND-{n}", "url": f"https://a.example/browse/AND-{n}"} for n in ("1", "2", "3")]
    acme.writing(ISSUES, "cdm.work.item", issues)
    pages = [row_of("confluence.page", n, title=title, url=f"https://a.example/{n}") for n, title in (("11", "Plan"), ("12", "Notes"))]  # fmt: skip
    acme.writing(dataset_of("confluence.page"), "cdm.doc.item", pages)
    links = [
        row_of("confluence.link", "11:a", content_id="11", kind="issue", target="AND-1", url=None),
        row_of("confluence.link", "12:b", content_id="12", kind="issue", target="AND-1", url=issues[0]["url"]),
        row_of("confluence.link", "12:c", content_id="12", kind="external", url="https://a.example/browse/AND-2"),
        row_of("confluence.link", "12:d", content_id="12", kind="issue", target="AND-99", url=None),
        row_of("confluence.link", "12:e", content_id="12", kind="page", target_id="11", url=None),
    ]
    run = acme.writing(
        dataset_of("confluence.link"), "cdm.doc.link", [*links, {**links[2], "id": "11:gone", "content_id": "11"}]
    )
    acme.sink.remove(run.run, run.plan, run.reader(pl.DataFrame({"id": ["11:gone"]})))
    assert QUERY is not None
    found = acme.rows(QUERY[1])
    assert [(row[0], row[2], row[4]) for row in found] == [
        ("AND-1", "Notes", 7), ("AND-1", "Plan", 7), ("AND-2", "Notes", 7),
    ]  # fmt: skip
    one_page = QUERY[1].replace("WHERE true", "WHERE page.cdm_id = 'cdm:doc:item:acme:12'")
    assert [row[0] for row in acme.rows(one_page)] == ["AND-1", "AND-2"]


def test_pages_and_attachments_share_a_table_and_nothing_else(acme):
    files = [row_of("confluence.attachment", "att1"), row_of("confluence.attachment", "att2")]
    kept = acme.writing(dataset_of("confluence.attachment"), "cdm.doc.item", files)
    pages = acme.writing(dataset_of("confluence.page"), "cdm.doc.item", [row_of("confluence.page", "11")])
    receipt, missing = pages.census("12")
    assert (receipt.rows_gone, missing) == (1, ({"id": "12"},))
    assert (acme.sink.count_rows(pages.plan), acme.sink.count_rows(kept.plan)) == (0, 2)
    assert [row for frame in acme.sink.tombstones(pages.plan) for row in frame["source_id"]] == ["11"]
    assert [row for frame in acme.sink.tombstones(kept.plan) for row in frame["source_id"]] == []


@pytest.mark.parametrize(
    ("changed", "stale"),
    [({}, False), ({"labels": '["a"]'}, True), ({"title": "Other"}, True), ({"space_id": "9"}, True)],
)
def test_a_census_sees_labels_and_moves(acme, changed, stale):
    page = row_of("confluence.page", "11")
    pages = acme.writing(dataset_of("confluence.page"), "cdm.doc.item", [page])
    listed = acme.mapped(dataset_of("confluence.page"), "cdm.doc.item", [{**page, **changed}])
    versions = [column.name for column in model_of("cdm.doc.item").columns if column.version]
    keys = listed.select(pl.col("source_id").alias("id"), *versions)
    receipt, missing = acme.sink.reconcile(pages.run, pages.plan, pages.reader(keys))
    assert receipt.rows_gone == 0
    assert missing == (({"id": "11"},) if stale else ())


@pytest.mark.parametrize(
    ("schema", "tables"),
    [(None, ("cdm_work.cdm_comment", "cdm_doc.cdm_comment")), ("all", ("all.cdm_comment", "all.cdm_doc_comment"))]
)  # fmt: skip
def test_families_do_not_meet_even_in_one_schema(acme, schema, tables):
    models = model_of("cdm.work.comment"), model_of("cdm.doc.comment")
    with closing(CdmSink(acme.config.model_copy(update={"cdm_schema": schema}))) as sink:
        assert tuple(sink.provision_model(model).dataset.dataset_id for model in models) == tables
        assert [sink.provision_model(model).statements for model in models] == [(), ()]
