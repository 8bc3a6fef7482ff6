"""Rows that hang on other rows end right: whatever parents do meanwhile, faults, refusals and kills included."""

from __future__ import annotations

import random
import time

import pytest

from connectors.http.paged import PagedSettings
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from contracts.errors import CompletenessGapError, SourcePageFailedError
from tests.conformance.read_slices import plan, rows
from tests.connectors.ingestion import Ingestion
from tests.exactness.paged.wiki import FACTORY, Wiki

QUICK = {"retry_pause_s": 0.005, "slice_parents": 10, "max_tries": 30}


def ingestion_of(wiki, database, **settings):
    source = FACTORY.source(PagedSettings.model_validate({"base_url": wiki.url, **QUICK, **settings}))
    sink = PostgresSink(PostgresConfig.model_validate({"url": database}))
    return Ingestion(source, sink, database, endpoint_id="wiki", sink_id="raw")


def rows_of(ingestion):
    return set(ingestion.query("SELECT page_id, id::bigint, text FROM wiki.comments"))


@pytest.fixture
def wiki():
    with Wiki(pages=64) as server:
        yield server


@pytest.fixture
def ingestion(wiki, database):
    with ingestion_of(wiki, database) as made:
        yield made


def test_full_runs_equal_the_truth(wiki, ingestion):
    first = ingestion.run("comments")
    assert (first.rows_inserted, first.slices_done) == (len(wiki.truth()), 7)
    assert rows_of(ingestion) == wiki.truth()
    wiki.pages[3][2]["text"] = "changed"
    del wiki.pages[5][4:], wiki.pages[11]
    wiki.pages[70] = [{"id": 7001, "text": "on a new page"}]
    again = ingestion.run("comments")
    assert (again.rows_inserted, again.rows_updated) == (1, 1)
    assert rows_of(ingestion) == wiki.truth()


def test_pages_that_come_and_go_during_the_run(wiki, ingestion):
    def change(target):
        if target.startswith("/pages/2/comments"):
            wiki.on_request = lambda _target: None
            with wiki.lock:
                del wiki.pages[55]
                wiki.pages[90] = [{"id": 9001, "text": "on a page that the plan did not know"}]

    wiki.on_request = change
    summary = ingestion.run("comments")
    assert not summary.gaps
    assert rows_of(ingestion) == wiki.truth()


def test_a_list_that_is_refused_is_named_and_loses_nothing(wiki, ingestion):
    ingestion.run("comments")
    before = rows_of(ingestion)
    wiki.hidden.add(9)
    with pytest.raises(CompletenessGapError, match="id 9: refused"):
        ingestion.run("comments")
    assert len(ingestion.run("comments", allow_partial=True).gaps) == 1
    assert rows_of(ingestion) == before
    wiki.hidden.clear()
    assert not ingestion.run("comments").gaps


def test_a_list_that_is_not_found_although_its_page_is_there_is_a_gap(wiki, ingestion):
    ingestion.run("comments")
    before = rows_of(ingestion)
    wiki.faults.fail_next = [(404, "/pages/9/comments")] * 20
    with pytest.raises(CompletenessGapError, match="id 9: refused"):
        ingestion.run("comments")
    assert rows_of(ingestion) == before


def test_faulty_answers(wiki, ingestion):
    wiki.faults.failing, wiki.faults.cut = 0.2, 0.1
    ingestion.run("comments")
    assert rows_of(ingestion) == wiki.truth()


def test_a_run_that_ends_half_way_reads_no_slice_twice(wiki, database):
    with ingestion_of(wiki, database, max_tries=1, concurrency=2) as ingestion:

        def end(target):
            wiki.faults.failing = float(wiki.faults.failing or target.startswith("/pages/35/"))

        wiki.on_request = end
        with pytest.raises(SourcePageFailedError):
            ingestion.run("comments", parallel_slices=1)
        wiki.on_request, wiki.faults.failing = lambda _target: None, 0.0
        wiki.requests.clear()
        summary = ingestion.run("comments", parallel_slices=1)
        assert summary.slices_done_before == 3
        assert {int(one.path.split("/")[2]) for one in wiki.requests_to("/comments")} == set(range(31, 65))
        assert rows_of(ingestion) == wiki.truth()


def test_lists_are_read_side_by_side_as_many_as_the_endpoint_may(database):
    with Wiki(pages=40, latency_s=0.02) as wiki, ingestion_of(wiki, database, concurrency=6) as ingestion:
        ingestion.run("comments", parallel_slices=2)
        assert max(one.at_once for one in wiki.requests_to("/comments")) == 6
        assert rows_of(ingestion) == wiki.truth()


def test_a_slice_read_again_has_the_same_order(database):
    with Wiki(pages=40) as wiki, ingestion_of(wiki, database, concurrency=6, slice_parents=40) as ingestion:
        delays = random.Random(7)
        wiki.on_request = lambda _target: time.sleep(delays.uniform(0, 0.01))
        made = plan(ingestion.source, ingestion.unit("comments"))
        first, second = (rows(ingestion.source, made, made.slices[0])[0] for _ in range(2))
        assert first["page_id"].is_sorted()
        assert first.equals(second)


def test_a_row_that_is_moved_while_lists_are_read_is_there_once(wiki, ingestion):
    def move(target):
        if target.startswith("/pages/8/comments"):
            wiki.on_request = lambda _target: None
            with wiki.lock:
                wiki.pages[9].append(wiki.pages[1].pop())

    ingestion.run("comments")
    wiki.on_request = move
    ingestion.run("comments", parallel_slices=1)
    ingestion.run("comments")
    assert rows_of(ingestion) == wiki.truth()


def test_an_error_of_the_list_of_parents_ends_the_slice(wiki, database):
    with ingestion_of(wiki, database, max_tries=1) as ingestion:
        made = plan(ingestion.source, ingestion.unit("comments"))
        wiki.faults.fail_next = [(500, "/pages?after")]
        whole = made.slices[0].model_copy(update={"params": {}})
        with pytest.raises(SourcePageFailedError):
            rows(ingestion.source, made, whole)


def test_a_preview_reads_no_more_than_it_shows(wiki, ingestion):
    frame = ingestion.source.preview(ingestion.unit("comments"), 5)
    assert frame.height == 5
    assert len(wiki.requests_to("/comments")) <= 6


def test_keys_are_listed_through_the_parents(wiki, ingestion):
    planned = plan(ingestion.source, ingestion.unit("comments"))
    keys = {row for frame in ingestion.source.export_keys(planned) for row in frame.rows()}
    assert keys == {(number,) for _, number, _ in wiki.truth()}
    wiki.hidden.add(4)
    with pytest.raises(CompletenessGapError, match="not for you"):
        list(ingestion.source.export_keys(planned))
