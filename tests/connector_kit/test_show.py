"""What notebooks show: nothing of a row becomes markup, secrets stay hidden, and charts say what is wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise

import polars as pl
import pytest
from pydantic import BaseModel, SecretStr

from connector_kit import show
from connector_kit.drawing.runs import MOST_LINES
from connector_kit.drawing.svg import ticks
from connector_kit.drawing.timeline import pauses
from connector_kit.drawing.values import cell, duration, size
from connector_kit.recording.proxy import TimelineEntry
from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
from contracts.errors import SourceAuthError
from contracts.mapping import MapContext
from contracts.plan import IngestionPlan, IngestionSlice
from contracts.receipts import UpsertReceipt
from contracts.unit import EndpointUnitDescriptor, UnitPolicy
from flows.stages.run import UnitRun
from staging.memory import MemoryStaging
from tests.stages.fakes import FakeSink, FakeSource, request_of

HOSTILE = "<script>alert('1')</script> & \"quoted\" \x00"
COLUMNS = (
    ColumnDescriptor(name="id", logical_type="int64", declared_type="bigint", nullable=False),
    ColumnDescriptor(name="price", logical_type="decimal", declared_type="numeric(5,2)", precision=5, scale=2),
    ColumnDescriptor(name="name", logical_type="string", declared_type="text", comment=HOSTILE),
)
DATASET = DatasetDescriptor(
    dataset_id="shop.books", kind="table", namespace="shop", name="books", columns=COLUMNS, primary_key=("id",),
    comment=HOSTILE, rows_estimate=12_345,
)  # fmt: skip
UNIT = EndpointUnitDescriptor(
    unit_id="shop.books", dataset=DATASET, kind="table", display_name=HOSTILE, primary_key=("id",)
)
CONTEXT = MapContext(endpoint_id="shop", dataset=DATASET, ingested_at=datetime(2025, 1, 1, tzinfo=UTC))
ROWS = pl.DataFrame({"id": [1000, 2000], "price": [Decimal("1.20"), None], "name": [HOSTILE, "x" * 500]})


class PageParser(HTMLParser):
    """Open elements, and the text outside of styles and tooltips."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in {"br", "path", "rect", "line"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"path", "rect", "line"}:
            assert self.open.pop() == tag


def plan_of(*pieces: IngestionSlice) -> IngestionPlan:
    return IngestionPlan(
        endpoint_id="shop", unit=UNIT, mode="full", strategy="single", slices=pieces, policy=UnitPolicy(),
        reason=HOSTILE,
    )  # fmt: skip


def seen(began_s: float, seconds: float = 0.1, status: int = 200, path: str = "/books") -> TimelineEntry:
    return TimelineEntry("GET", path, (("q", HOSTILE),), status, began_s, seconds, 10, HOSTILE)


def upper(frame, context):
    return frame.select(
        key=pl.concat_str(pl.lit(context.endpoint_id), pl.col("id")),
        title=pl.col("name"),
        at=pl.lit(context.ingested_at),
    )


PLAN = plan_of(IngestionSlice(key=HOSTILE, sequence=0, params={"explain": HOSTILE}, expected_rows=5))
EVERYTHING = {
    "catalog": show.catalog(
        CatalogSnapshot(endpoint_id=HOSTILE, collected_at=CONTEXT.ingested_at, datasets=(DATASET,))
    ),
    "columns": show.columns(UNIT),
    "units": show.units([UNIT]),
    "frame": show.frame(ROWS),
    "profile": show.profile(ROWS),
    "plan": show.plan(PLAN),
    "slices": show.slices(PLAN),
    "timeline": show.timeline([seen(0), seen(0.05, status=429), seen(1, status=0, path=HOSTILE)]),
    "mapping": show.mapping(ROWS, upper, CONTEXT),
    "error": show.error(SourceAuthError(HOSTILE, HOSTILE, account=HOSTILE)),
    "checkpoint": show.checkpoint(None, {"watermark": HOSTILE}),
    "record": show.record({HOSTILE: HOSTILE}, title=HOSTILE, note=HOSTILE),
    "beside": show.beside(show.frame(ROWS), show.below(show.frame(ROWS))),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_rows_never_become_markup(name):
    html = EVERYTHING[name]._repr_html_()
    reading = PageParser()
    reading.feed(html)
    reading.close()
    assert reading.open == []
    assert "script" not in reading.seen
    assert "\x00" not in html, "an SVG with a NUL is none"
    assert repr(EVERYTHING[name]).strip()


def test_a_secret_is_not_shown():
    class Login(BaseModel):
        user: str
        token: SecretStr
        unset: str = "default"

    shown = show.config(Login(user="reader", token=SecretStr("hunter22")))
    both = shown._repr_html_() + repr(shown)
    assert "hunter22" not in both
    assert "reader" in both
    assert "default" not in both, "only what was set"


def test_values_as_a_person_reads_them():
    assert [cell(one).text for one in (None, True, 12_345, 0.5, Decimal("1234.50"))] == [
        "null", "yes", "12,345", "0.5", "1,234.50",
    ]  # fmt: skip
    assert cell(12_345, exact=True).text == "12345", "it may be an id"
    assert cell("a\x00b\nc").text == "a\\x00b⏎c"
    assert cell(datetime(2025, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)).text == "2025-01-02 03:04:05.600000Z"
    assert len(cell("x" * 500).text) == 60
    assert "x" * 500 in cell("x" * 500).markup, "what was cut is in the tooltip"
    assert [size(one) for one in (12, 2048, 3 * 1024**3)] == ["12 B", "2.0 KiB", "3.0 GiB"]
    assert [duration(one) for one in (0.0004, 0.25, 2, 200)] == ["0.4 ms", "250 ms", "2.00 s", "3 min 20 s"]


def test_moments_beyond_python_are_drawn():
    moments = pl.DataFrame({"at": [0, 2**63 - 1, -(2**63), -(10**17)]}).cast(pl.Datetime("us", "UTC"))
    for drawing in (show.frame(moments), show.profile(moments)):
        assert "infinity" in str(drawing)
    assert show.profile(pl.DataFrame({"at": [0]}).cast(pl.Date)) is not None


def test_only_a_column_of_numbers_is_aligned_to_the_right():
    body = show.table(("rows", "mixed"), [(1, 1), (None, "x")]).body
    assert re.findall(r'<td class="(.*?)">', body) == ["nk-num", "", "nk-num", ""]


def test_a_slice_that_is_not_what_was_promised_stands_out():
    good, bad, open_ = (IngestionSlice(key=f"s{index}", sequence=index, expected_rows=5) for index in range(3))
    receipts = [
        UpsertReceipt(slice_key="s0", sequence=0, epoch=1, rows_staged=5, rows_inserted=5),
        UpsertReceipt(slice_key="s1", sequence=1, epoch=1, rows_staged=3, rows_inserted=3),
        UpsertReceipt(slice_key="late-1", sequence=3, epoch=1, rows_staged=1, rows_updated=1),
    ]
    shown = show.plan(plan_of(good, bad, open_), receipts)
    assert re.findall(r'fill="(\S+)"[^>]*>([^<]+)</text>', shown.body).count(("#d05252", "3 of 5")) == 1
    assert [line.split()[-1] for line in shown.text.splitlines()] == ["5", "5", "5", "1"]
    assert "late-1" in shown.text


def test_an_estimate_is_no_promise():
    guessed = show.plan(plan_of(IngestionSlice(key="a", sequence=0, estimated_rows=5)))
    assert "stroke-dasharray" in guessed.body
    assert "~5" in guessed.text
    told = show.plan(plan_of(IngestionSlice(key="a", sequence=0, estimated_rows=5)), [
        UpsertReceipt(slice_key="a", sequence=0, epoch=1, rows_staged=3, rows_inserted=3)])  # fmt: skip
    assert "#d05252" not in told.body


def test_many_slices_are_summed_up():
    pieces = [IngestionSlice(key=str(index), sequence=index, estimated_rows=10) for index in range(100)]
    lines = show.plan(plan_of(*pieces)).text.splitlines()
    assert len(lines) == MOST_LINES
    assert lines[-1].split("…")[1].split() == ["and", "77", "more", "slices", "770", "rows", "in", "all", "of", "them"]


def test_a_pause_is_the_time_in_which_nobody_asked():
    requests = [seen(0), seen(0.2, status=429), seen(1.3), seen(1.5, status=429), seen(1.61), seen(2, status=429)]
    assert pauses(requests) == [(pytest.approx(0.3), 1.3)], "a retry at once is no pause, nor is the end"


def test_requests_at_the_same_time_are_drawn_above_each_other():
    body = show.timeline([seen(0, 0.5), seen(0.1, 0.5), seen(0.55, 0.2), seen(0, 0.1, path="/authors")]).body
    heights = re.findall(r'<rect x="[\d.]+" y="([\d.]+)"[^>]*><title>GET /books', body)
    assert [heights.count(one) for one in sorted(set(heights), key=float)] == [2, 1]


def test_the_mapper_itself_says_what_comes_from_where():
    assert show.dependencies(ROWS, upper, CONTEXT) == {"id": ["key"], "price": [], "name": ["title"]}


def test_what_should_be_refused_must_be():
    def attempt():
        raise SourceAuthError("No such login", "Ask for one.")

    assert "E_SOURCE_AUTH" in repr(show.refused(attempt))
    with pytest.raises(AssertionError, match="not"):
        show.refused(lambda: None)


@pytest.mark.parametrize("top", [0, 1e-5, 0.9, 1, 7, 89, 60_000, 3e9])
def test_ticks_are_few_and_inside(top):
    found = ticks(top)
    assert 1 <= len(found) <= 7
    assert found[0] == 0
    assert found[-1] <= top


def test_a_watched_run_adds_up():
    watch = show.RunRecorder()
    UnitRun(FakeSource(slices=3, rows=4), FakeSink(), MemoryStaging(), request_of(), observer=watch).execute()
    assert {receipt.slice_key for receipt in watch.receipts} == {piece.key for piece in watch.plan.slices}
    assert watch.done.rows_read == 12
    assert sorted((step.sequence, step.stage) for step in watch.steps) == [
        (slice_, stage) for slice_ in range(3) for stage in ("export", "stage", "upsert")
    ]
    for worker in {step.worker for step in watch.steps}:
        own = sorted((step for step in watch.steps if step.worker == worker), key=lambda step: step.began_s)
        assert all(one.began_s + one.seconds <= two.began_s + 1e-6 for one, two in pairwise(own)), "one thing at a time"
    assert "worker 1" in show.workers(watch).body
    assert "12 rows in 3 slices" in repr(show.summary(watch.done))


def test_a_checkpoint_is_spread_out():
    shown = show.checkpoint({"settled": "1"}, {"settled": "2", "projects": {"OPS": {"last": [1, 2]}}})
    assert [line.split() for line in shown.text.splitlines()[1:]] == [
        ["settled", "1", "2"], ["projects.OPS.last", "[1,", "2]"],
    ]  # fmt: skip


def test_an_empty_watch_says_so():
    watch = show.RunRecorder()
    with pytest.raises(LookupError):
        _ = watch.plan
    assert "in the sink before" in repr(show.workers(watch)) + show.workers(watch).body
