"""Units that are read part by part: each has its own watermark, and a choice of parts is a selector."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import polars as pl
import pytest

from connectors.http.child_lists import ChildLists
from connectors.http.client import Refusal
from connectors.http.paged import (
    Account,
    ApiUnit,
    Column,
    JsonApi,
    Page,
    PagedSettings,
    PagedSource,
    PageRequest,
    describe,
)
from contracts import errors
from contracts.receipts import UpsertReceipt
from contracts.traits import SupportsFilterOptions
from contracts.unit import UnitPolicy
from tests.conformance.read_slices import plan, rows

START = datetime(2025, 3, 1, tzinfo=UTC)
UNITS = (
    ApiUnit("spaces", "Spaces", (Column("key"), Column("name")), primary_key=("key",)),
    ApiUnit(
        "pages",
        "Pages",
        (Column("id", "int64"), Column("space"), Column("changed", "timestamptz")),
        primary_key=("id",),
        cursor="changed",
        windows=True,
        parent="spaces",
    ),
)


class SpacesSettings(PagedSettings):
    spaces: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    narrowing = ("spaces", "labels")


class SpacesSource(PagedSource[JsonApi]):
    """Three spaces of ten pages."""

    descriptor = describe("wiki", "Wiki", "Spaces", SpacesSettings, UNITS)
    units = UNITS

    def __init__(self, config):
        super().__init__(config, JsonApi(config, {}))
        self.pages = {n: ("ABC"[n % 3], START + timedelta(hours=n)) for n in range(30)}
        self.refused = ""

    def account(self):
        return Account("somebody", version="1")

    def page(self, request):
        if request.unit == "spaces":
            return Page([{"key": key, "name": f"Space {key.lower()}"} for key in "ABC"])
        key = request.parent["key"]
        if key == self.refused:
            raise Refusal(403, "no", "GET /pages")
        found = [
            {"id": number, "space": space, "changed": changed.isoformat()}
            for number, (space, changed) in sorted(self.pages.items())
            if space == key
            and (request.since is None or changed >= request.since)
            and (request.before is None or changed < request.before)
        ]
        start = int(request.token or "0")
        end = start + request.limit
        return Page(found[start:end], str(end) if end < len(found) else None, len(found))


def source_of(**settings):
    quick = {"base_url": "http://localhost", "page_size": 4, "overlap_s": 0}
    return SpacesSource(SpacesSettings.model_validate({**quick, **settings}))


@pytest.fixture
def source():
    return source_of()


def unit_of(source):
    return next(unit for unit in source.list_units(source.collect_catalog("e")) if unit.dataset.name == "pages")


def receipt_of(piece, frame, report):
    promised = {"expected_rows": report.expected_rows, "observed": report.observed, "gaps": report.gaps}
    return UpsertReceipt(slice_key=piece.key, sequence=0, epoch=1, rows_staged=frame.height, **promised)


def ran(source, mode="full", checkpoint=None, **selectors):
    """Ids that a run reads, and the checkpoint after it."""
    made = plan(source, unit_of(source), mode, checkpoint, UnitPolicy(selectors=selectors))
    frames, receipts = [], []
    for piece in (*made.slices, *source.late_slices(made, 1)):
        frame, report = rows(source, made, piece)
        frames.append(frame)
        receipts.append(receipt_of(piece, frame, report))
    return sorted(set(pl.concat(frames)["id"])), source.checkpoint(made, receipts)


def marks(checkpoint):
    return {key: one["watermark"][11:13] for key, one in checkpoint["transient"]["parts"].items()}


def test_each_part_goes_on_from_its_own_watermark(source):
    ids, checkpoint = ran(source)
    assert ids == [*range(30)]
    assert marks(checkpoint) == {"A": "03", "B": "04", "C": "05"}
    source.pages[1] = ("B", START + timedelta(hours=50))
    ids, checkpoint = ran(source, "incremental", checkpoint)
    assert ids == [1, 27, 28, 29]  # the newest of each, and what changed
    assert marks(checkpoint) == {"A": "03", "B": "02", "C": "05"}


def test_a_part_that_is_selected_later_is_read_whole(source):
    ids, checkpoint = ran(source, spaces=["A"])
    assert ids == [*range(0, 30, 3)]
    ids, checkpoint = ran(source, "incremental", checkpoint, spaces=["A", "B"])
    assert ids == sorted([27, *range(1, 30, 3)])
    assert set(marks(checkpoint)) == {"A", "B"}
    ids, checkpoint = ran(source_of(spaces=("A", "B", "C")), "incremental", checkpoint)  # the endpoint's own field
    assert ids == sorted([27, 28, *range(2, 30, 3)])
    ids, _ = ran(source_of(labels=("x",)), "incremental", checkpoint)  # narrowed otherwise: everything again
    assert ids == [*range(30)]


def test_a_full_run_of_some_parts_forgets_the_others(source):
    _, checkpoint = ran(source)
    _, checkpoint = ran(source, "full", checkpoint, spaces="B")  # the census removes what is not selected
    assert set(marks(checkpoint)) == {"B"}


def test_a_part_that_could_not_be_read_stays_where_it_was(source):
    source.config = source.config.model_copy(update={"slice_parents": 1})
    _, checkpoint = ran(source)
    source.pages |= {n: ("ABC"[n % 3], START + timedelta(hours=n)) for n in range(30, 36)}
    made = plan(source, unit_of(source), "incremental", checkpoint)
    source.refused = "B"
    receipts = []
    for piece in made.slices:
        frame, report = rows(source, made, piece)
        receipts.append(receipt_of(piece, frame, report))
    assert [one.gaps != () for one in receipts] == [False, True, False]
    assert marks(source.checkpoint(made, receipts)) == {"A": "09", "B": "04", "C": "11"}


def test_large_parts_are_cut_into_windows_and_small_ones_share_a_slice():
    source = source_of(slice_rows=10)
    source.pages |= {n: ("A", START + timedelta(hours=n)) for n in range(100, 140)}
    made = plan(source, unit_of(source))
    held = [[part["key"] for part in piece.params["parts"]] for piece in made.slices]
    assert held[-1] == [["C"]]
    assert held.count([["A"]]) >= 3
    assert sorted(id_ for piece in made.slices for id_ in rows(source, made, piece)[0]["id"]) == sorted(source.pages)
    small = plan(source_of(), unit_of(source))
    assert [len(piece.params["parts"]) for piece in small.slices] == [3]


def test_what_may_be_selected(source):
    assert isinstance(source, SupportsFilterOptions)
    assert SpacesSource.descriptor.selectors == ("spaces",)
    assert "ingest.filter_options" in SpacesSource.descriptor.capabilities
    options = source.filter_options()["spaces"]
    assert [(one.value, one.label) for one in options] == [("A", "Space a"), ("B", "Space b"), ("C", "Space c")]
    assert [one.value for one in source_of(spaces=("C",)).filter_options()["spaces"]] == ["C"]
    unit = unit_of(source)
    with pytest.raises(errors.FilterNotSupportedError, match="Z of spaces is not there"):
        plan(source, unit, policy=UnitPolicy(selectors={"spaces": ["Z"]}))
    with pytest.raises(errors.FilterNotSupportedError, match="does not allow B of spaces"):
        source_of(spaces=("A",)).check_selection(unit, UnitPolicy(selectors={"spaces": ["B"]}))
    with pytest.raises(errors.FilterNotSupportedError, match="cannot be filtered"):
        source.check_selection(unit, UnitPolicy(selectors={"labels": ["x"]}))


def test_keys_are_those_of_the_selected_parts(source):
    made = plan(source, unit_of(source), policy=UnitPolicy(selectors={"spaces": ["A"]}))
    assert pl.concat(source.export_keys(made))["id"].to_list() == [*range(0, 30, 3)]


def test_what_narrows_is_a_field():
    class Wrong(PagedSettings):
        narrowing = ("team",)

    with pytest.raises(ValueError, match="there is no field team"):
        describe("wiki", "Wiki", "Spaces", Wrong, UNITS)


def test_a_reader_that_leaves_a_long_list_half_way_does_not_wait_for_ever():
    far = Event()

    def page(request):
        number = request.token or 0
        if number == 5:  # one page is with the reader, four wait, and the worker has one more
            far.set()
        return Page([{"id": number}], number + 1 if number < 50 else None, overlaps=True)

    parents = [{"key": "A"}, {"key": "B"}]
    lists = iter(ChildLists(page, PageRequest("pages"), lambda row: row["id"], parents, lambda: parents, 1))
    next(lists)
    assert far.wait(5)
    leaving = Thread(target=lists.close, daemon=True)
    leaving.start()
    leaving.join(5)
    assert not leaving.is_alive()
