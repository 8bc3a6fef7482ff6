"""What the notebook recorded is enough to read every book again, with no service and no token."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_kit.recording.cassette import Cassette
from connector_kit.recording.proxy import RecordingProxy
from connectors.openshelf.config import OpenshelfConfig
from connectors.openshelf.source import OpenshelfSource
from sandbox.openshelf import ShelfSite
from tests.conformance.read_slices import plan, rows

CASSETTE = Path(__file__).with_name("cassettes") / "tour.jsonl"
AS_RECORDED = {"page_size": 15, "slice_rows": 30}
SITE = ShelfSite(books=90, authors=60, loans=40)


@pytest.fixture
def proxy():
    with RecordingProxy(Cassette.load(CASSETTE)) as proxy:
        yield proxy


def test_every_book_is_read_from_the_proxy(proxy):
    config = OpenshelfConfig.model_validate({"base_url": proxy.url, "token": "none", **AS_RECORDED})
    source = OpenshelfSource(config)
    (books,) = (unit for unit in source.list_units(source.collect_catalog("shelf")) if unit.dataset.name == "books")
    made = plan(source, books)
    read = [key for piece in made.slices for key in rows(source, made, piece)[0]["id"]]
    source.close()
    assert sorted(read) == [row["id"] for row in SITE.rows("books")]
    assert proxy.unmatched == []


def test_no_token_was_recorded():
    assert "shelf-" not in CASSETTE.read_text()
