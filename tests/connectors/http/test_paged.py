"""The smallest connector there can be, on the paged layer: what the layer makes of it, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from connectors.http.client import Refusal
from connectors.http.keys_read import KeysRead
from connectors.http.paged import (
    Account,
    ApiUnit,
    Column,
    JsonApi,
    Page,
    PagedSettings,
    PagedSource,
    describe,
    source_only,
)
from contracts import errors
from contracts.plan import IngestionSlice
from contracts.receipts import UpsertReceipt
from contracts.unit import UnitPolicy
from tests.conformance.read_slices import plan, rows

START = datetime(2025, 3, 1, tzinfo=UTC)
UNITS = (
    ApiUnit(
        "visits",
        "Visits",
        (Column("site"), Column("number", "int32"), Column("seen", "timestamptz", zone="Europe/Berlin")),
        primary_key=("site", "number"),
        cursor="seen",
    ),
    ApiUnit("sites", "Sites", (Column("id", "uuid"), Column("name", nullable=False)), primary_key=("id",)),
)


class TinySource(PagedSource[JsonApi]):
    """Two lists held in memory."""

    descriptor = describe("tiny", "Tiny", "Two lists", PagedSettings, UNITS)
    units = UNITS

    def __init__(self, config):
        super().__init__(config, JsonApi(config, {}))
        self.visits = [(f"s{n % 3}", n, START + timedelta(hours=n)) for n in range(25)]
        self.answer = None
        self.requests = []

    def account(self):
        return Account("somebody", version="1")

    def page(self, request):
        self.requests.append(request)
        if self.answer is not None:
            return self.answer(request)
        visits = [one for one in self.visits if request.since is None or one[2] >= request.since]
        start = int(request.token or "0")
        page = [
            {"site": site, "number": number, "seen": (moment + timedelta(hours=1)).replace(tzinfo=None).isoformat()}
            for site, number, moment in visits[start : start + request.limit]
        ]
        end = start + len(page)
        return Page(page, str(end) if end < len(visits) else None)


FACTORY = source_only(TinySource.descriptor, PagedSettings, TinySource)


@pytest.fixture
def source():
    made = FACTORY.source(PagedSettings(base_url="http://localhost", page_size=4, overlap_s=0))
    yield made
    made.close()


def unit_of(source, name="visits"):
    catalog = source.collect_catalog("endpoint")
    return next(unit for unit in source.list_units(catalog) if unit.dataset.name == name)


def receipt(key, **more):
    return UpsertReceipt(slice_key=key, sequence=0, epoch=1, rows_staged=more.pop("rows", 0), **more)


def test_what_it_says_of_itself():
    descriptor = FACTORY.descriptor
    assert descriptor.template_id == "http.tiny"
    assert {"ingest.incremental", "ingest.delete_detection"} <= set(descriptor.capabilities)
    assert {field.name for field in descriptor.fields} >= {"base_url", "page_size", "overlap_s"}
    only_whole = describe("tiny", "Tiny", "One list", PagedSettings, UNITS[1:])
    assert "ingest.incremental" not in only_whole.capabilities
    with pytest.raises(errors.EndpointUnknownError, match="source only"):
        FACTORY.sink(None)


def test_without_totals_a_unit_is_one_slice_and_nothing_is_promised(source):
    made = plan(source, unit_of(source))
    frame, report = rows(source, made, made.slices[0])
    assert len(made.slices) == 1
    assert frame.height == 25
    assert report.expected_rows is None
    assert frame["seen"].to_list() == [moment for _, _, moment in source.visits]
    assert report.observed == {"newest": source.visits[-1][2].isoformat()}


def test_the_watermark_is_the_newest_row_and_incremental_runs_begin_there(source):
    unit = unit_of(source)
    checkpoint = source.checkpoint(plan(source, unit), [])
    assert datetime.fromisoformat(checkpoint["watermark"]) == source.visits[-1][2]
    source.visits.append(("s9", 99, START + timedelta(hours=99)))
    second = plan(source, unit, "incremental", checkpoint)
    assert rows(source, second, second.slices[0])[0]["number"].to_list() == [24, 99]
    assert [piece.params["since"] for piece in source.late_slices(second, 1)] == [source.visits[-1][2].isoformat()]


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        ([("2025-03-01T05:00:00+00:00", {})], "2025-03-01T05:00:00Z"),
        ([("2025-03-01T05:00:00+00:00", {}), ("2025-03-02T00:00:00+00:00", {})], "2025-03-02T00:00:00Z"),
        ([("2026-01-01T00:00:00+00:00", {})], "2025-03-02T00:00:00Z"),
        ([("2025-03-02T00:00:00+00:00", {"gaps": ("part of it was refused",)})], None),
        ([("2025-03-02T00:00:00+00:00", {"expected_rows": 3, "rows": 2})], None),
        ([(None, {})], None),
    ],
)
def test_the_checkpoint_never_passes_the_rows(source, receipts, expected):
    made = plan(source, unit_of(source))
    assert source.visits[-1][2] == datetime(2025, 3, 2, tzinfo=UTC)
    saved = source.checkpoint(
        made,
        [receipt(str(n), observed={"newest": seen} if seen else {}, **more) for n, (seen, more) in enumerate(receipts)],
    )
    assert saved["watermark"] == expected


def test_gaps_leave_the_watermark_of_the_run_before(source):
    unit = unit_of(source)
    before = source.checkpoint(plan(source, unit), [])
    source.visits.append(("s9", 99, START + timedelta(hours=99)))
    made = plan(source, unit, "incremental", before)
    newest = source.visits[-1][2].isoformat()
    assert (
        source.checkpoint(made, [receipt("a", observed={"newest": newest}, gaps=("no",))])["watermark"]
        == before["watermark"]
    )
    assert source.checkpoint(made, [receipt("a")])["watermark"] == before["watermark"]


def test_a_checkpoint_of_other_columns_counts_for_nothing(source):
    unit = unit_of(source)
    checkpoint = {**source.checkpoint(plan(source, unit), []), "scope": "another"}
    assert "since" not in plan(source, unit, "incremental", checkpoint).slices[0].params
    with pytest.raises(errors.CursorUnsupportedError):
        plan(source, unit, "incremental", {"projects": {}})


def test_a_repair_of_a_key_of_two_columns(source):
    made = plan(source, unit_of(source))
    (piece,) = source.repair_slices(made, [{"site": "s1", "number": "4"}, {"site": "s1", "number": "5"}], 2)
    frame, report = rows(source, made, piece)
    assert frame.select("site", "number").rows() == [("s1", 4)]
    assert report.expected_rows == 1


def test_a_parent_has_to_be_a_unit_whose_key_fits_into_a_request():
    notes = ApiUnit("notes", "Notes", (Column("id"),), ("id",), parent="visits")
    circle = [replace(UNITS[1], parent="notes"), replace(notes, parent="sites")]
    by_price = ApiUnit("visits", "Visits", (Column("id", "decimal(9,2)"),), ("id",))
    for units, why in (([notes], "no unit visits"), (circle, "no unit"), ([by_price, notes], "neither text nor")):
        with pytest.raises(ValueError, match=why):
            describe("tiny", "Tiny", "Lists", PagedSettings, units)


def test_what_a_unit_cannot_do_is_refused(source):
    with pytest.raises(errors.ModeUnsupportedError):
        plan(source, unit_of(source, "sites"), "incremental")
    with pytest.raises(errors.CursorUnsupportedError):
        plan(source, unit_of(source), policy=UnitPolicy(cursor_columns=("number",)))


def test_a_unit_that_the_connector_knows_otherwise_is_refused(source):
    unit = unit_of(source)
    made = plan(source, unit)
    source.units = (ApiUnit("visits", "Visits", (*UNITS[0].columns, Column("new")), ("site", "number"), "seen"),)
    for attempt in (lambda: plan(source, unit), lambda: rows(source, made, made.slices[0])):
        with pytest.raises(errors.SourceSchemaChangedError, match="other columns"):
            attempt()
    source.units = UNITS[1:]
    with pytest.raises(errors.SourceSchemaChangedError, match="not known"):
        plan(source, unit)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _request: Page({}["data"]),
        lambda request: Page(request.before["data"]),
        lambda _request: Page([["a list"]]),
        lambda _request: Page({}),
        lambda _request: Page(None),
    ],
)
def test_an_answer_of_another_shape_is_a_typed_error(source, answer):
    made = plan(source, unit_of(source))
    source.answer = answer
    with pytest.raises(errors.SourceValueError, match="not shaped"):
        rows(source, made, made.slices[0])


@pytest.mark.parametrize(("status", "kind"), [(403, errors.SourcePrivilegeError), (400, errors.SourcePageFailedError)])
def test_a_refusal_outside_of_a_slice(source, status, kind):
    made = plan(source, unit_of(source))

    def refuse(_request):
        raise Refusal(status, "no", "GET /visits")

    source.answer = refuse
    with pytest.raises(kind):
        plan(source, unit_of(source))
    with pytest.raises(kind):
        source.preview(unit_of(source), 3)
    with pytest.raises(errors.CompletenessGapError):
        list(source.export_keys(made))
    frame, report = rows(source, made, made.slices[0])
    assert frame.height == 0
    assert "no" in report.gaps[0]


def test_only_keys_are_asked_for_when_only_keys_are_wanted(source):
    source.requests.clear()
    keys = list(source.export_keys(plan(source, unit_of(source))))
    assert sum(frame.height for frame in keys) == 25
    assert keys[0].columns == ["site", "number"]
    assert {request.keys_only for request in source.requests[-5:]} == {True}


def test_keys_that_do_not_all_come_prove_nothing_gone(source):
    made = plan(source, unit_of(source))
    source.answer = lambda _request: Page([{"site": "s1", "number": 1}], None, total=5)
    with pytest.raises(errors.CompletenessGapError, match="1 of 5"):
        list(source.export_keys(made))


def test_a_slice_holds_one_page_at_a_time(source):
    made = plan(source, unit_of(source))
    source.requests.clear()
    export = source.export(made, IngestionSlice(key="all", sequence=0))
    assert next(export).height == 4
    assert len(source.requests) == 1
    export.close()


def test_a_list_of_keys_that_lacks_a_row_just_read_is_a_finding_and_removes_nothing(source):
    made = plan(source, unit_of(source))
    assert rows(source, made, made.slices[0])[0].height == 25
    whole = source.page
    source.page = lambda request: (
        replace(answer, rows=[row for row in answer.rows if row["number"] != 7])
        if (answer := whole(request)) and request.keys_only
        else answer
    )
    with pytest.raises(errors.CompletenessGapError, match=r"leaves out rows that this run read.*\(s1, 7, …\)"):
        list(source.export_keys(made))
    del source.visits[7]  # now it is gone indeed
    assert sum(frame.height for frame in source.export_keys(made)) == 24


def test_little_is_remembered_of_many_keys():
    read = KeysRead(["id"], most=100)
    frame = pl.DataFrame({"id": range(5_000)})
    read.add(frame)
    assert 0 < len(read.all()) <= 100
    assert read.left_of(read.all(), frame) == frozenset()
    assert read.among(read.all(), frame).height == len(read.all())


def test_versions_come_with_the_keys_of_incremental_runs(source):
    unit = replace(UNITS[0], keys_only=True, versions=("seen",))
    source.units = (unit, UNITS[1])
    known = unit_of(source)
    first = plan(source, known)
    assert next(source.export_keys(first)).columns == ["site", "number"]
    second = plan(source, known, "incremental", source.checkpoint(first, []))
    listed = pl.concat(source.export_keys(second))
    assert listed.columns == ["site", "number", "seen"]
    assert listed["seen"].to_list() == [moment for _, _, moment in source.visits]
    with pytest.raises(ValueError, match="versions are read from a list of keys_only"):
        replace(UNITS[0], versions=("seen",))
