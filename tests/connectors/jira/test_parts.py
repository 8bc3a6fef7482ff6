"""Pure parts of the Jira source: quoting, plain text, windows, progress, selectors, rows."""

from __future__ import annotations

import bisect
import json
import random
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.http.progress import is_census_due
from connectors.jira import jql, units, windows
from connectors.jira.adf import plain_text
from connectors.jira.client import moment
from connectors.jira.config import JiraConfig
from connectors.jira.progress import JiraCheckpoint
from connectors.jira.rows import IssueReader
from connectors.jira.scope import scope_of
from connectors.jira.windows import ProjectWindow
from contracts.catalog import CatalogSnapshot
from contracts.errors import CursorUnsupportedError, FilterNotSupportedError, SourceValueError
from contracts.unit import Predicate, UnitPolicy

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CUSTOM = (units.CustomField("customfield_10016", 'Points "x"', "number"),)
DATASETS = {dataset.name: dataset for dataset in units.datasets("jira", CUSTOM, 7)}


def unit(name: str):
    catalog = CatalogSnapshot(endpoint_id="e", collected_at=NOW, datasets=tuple(DATASETS[n] for n in sorted(DATASETS)))
    return next(one for one in units.units_of(catalog, 8) if one.dataset.name == name)


def test_units_are_the_five_and_the_rest_is_catalogued():
    assert sorted(DATASETS) == [
        "api_surface", "comments", "fields", "issue_types", "issues", "priorities", "projects", "statuses", "users",
        "worklogs",
    ]  # fmt: skip
    issues = unit("issues")
    assert (issues.supported_modes, issues.primary_key, issues.cdm_model_id) == (
        ("full", "incremental"), ("id",), "cdm.work.item",
    )  # fmt: skip
    custom = issues.dataset.column("customfield_10016")
    assert (custom.comment, custom.declared_type, custom.logical_type) == ('Points "x"', "number", "json")
    assert issues.columns[-1].name == "raw"
    with pytest.raises(StopIteration):
        unit("statuses")


@given(st.text())
def test_quoted_values_survive_json_style_reading(value):
    quoted = jql.quoted(value)
    inner = quoted[1:-1]
    assert quoted[0] == quoted[-1] == '"'
    assert '"' not in inner.replace("\\\\", "").replace('\\"', "")
    assert (
        inner.replace("\\\\", "\0").replace('\\"', '"').replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")
        == value.replace("\0", "\\")
        or "\0" in value
    )


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-05-06T07:08:09.123+0530", "2024-05-06T01:38:09.123000+00:00"),
        ("2024-11-03T01:30:00.000-0700", "2024-11-03T08:30:00+00:00"),
        ("2024-05-06T07:08:09.123+00:00", "2024-05-06T07:08:09.123000+00:00"),
    ],
)
def test_moments(text, utc):
    assert moment(text).isoformat() == utc


def doc(*content):
    return json.dumps({"type": "doc", "version": 1, "content": list(content)}).encode()


def text(value):
    return {"type": "text", "text": value}


def paragraph(*content):
    return {"type": "paragraph", **({"content": list(content)} if content else {})}


@pytest.mark.parametrize(
    ("document", "plain"),
    [
        (None, None),
        (b"null", None),
        (b'"just a string"', "just a string"),
        (b"[1, 2", None),
        (doc(), ""),
        (doc(paragraph()), ""),
        (doc(paragraph(text("a"), text("b")), paragraph(text("c"))), "ab\nc"),
        (doc(paragraph(text("a"), {"type": "hardBreak"}, text("b"))), "a\nb"),
        (doc(paragraph({"type": "mention", "attrs": {"id": "1", "text": "@Ann"}})), "@Ann"),
        (doc(paragraph({"type": "mention", "attrs": {"id": "acc-1"}})), "acc-1"),
        (doc(paragraph({"type": "emoji", "attrs": {"shortName": ":x:", "text": "X"}})), "X"),
        (doc(paragraph({"type": "emoji", "attrs": {"shortName": ":x:"}})), ":x:"),
        (doc(paragraph({"type": "status", "attrs": {"text": "DONE"}})), "DONE"),
        (doc(paragraph({"type": "inlineCard", "attrs": {"url": "https://x/y"}})), "https://x/y"),
        (doc(paragraph({"type": "date", "attrs": {"timestamp": "1700000000000"}})), "2023-11-14"),
        (doc(paragraph({"type": "date", "attrs": {"timestamp": "not one"}})), "not one"),
        (doc({"type": "unheardOf", "content": [paragraph(text("inside"))]}), "inside"),
        (
            doc({"type": "bulletList", "content": [{"type": "listItem", "content": [paragraph(text(w))]} for w in "ab"]}),
            "a\nb",
        ),
        (
            doc({"type": "table", "content": [{"type": "tableRow", "content": [
                {"type": "tableCell", "content": [paragraph(text(w))]} for w in "ab"]} for _ in range(2)]}),
            "a\tb\na\tb",
        ),
    ],
)  # fmt: skip
def test_plain_text_of_documents(document, plain):
    assert plain_text(document) == plain


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "text", "content", "attrs"]), inner),
    )
)
def test_whatever_stands_in_a_document_does_not_stop_a_row(value):
    assert isinstance(plain_text(json.dumps(value).encode()), str | None)


class Site:
    """Issues by creation time; counts lie a little."""

    def __init__(self, created: list[int], lie: float = 0.0) -> None:
        self.created = sorted(created)
        self.probes = 0
        self._lie, self._chance = lie, random.Random(1)

    def inside(self, query: str) -> list[int]:
        low, high = 0, 1 << 62
        for part in query.split(" AND "):
            if part.startswith("created >= "):
                low = int(part.removeprefix("created >= "))
            if part.startswith("created < "):
                high = int(part.removeprefix("created < "))
        return self.created[bisect.bisect_left(self.created, low) : bisect.bisect_left(self.created, high)]

    def count(self, query: str) -> int:
        self.probes += 1
        return int(len(self.inside(query)) * self._chance.uniform(1 - self._lie, 1 + self._lie))

    def edge(self, query: str, order: str):
        created = self.inside(query)
        return datetime.fromtimestamp(created[-1 if "DESC" in order else 0] / 1000, UTC) if created else None


MS = jql.milliseconds(NOW)
CREATED = st.lists(st.integers(MS - 10**10, MS) | st.sampled_from([MS - 5, MS - 10**9]), max_size=400)


@given(CREATED, st.integers(5, 60), st.floats(0, 0.3))
def test_windows_are_disjoint_and_cover_everything(created, wanted, lie):
    site = Site(created, lie)
    split = windows.split_windows(site, [ProjectWindow(project="A")], wanted, 2)
    inside = [one for window in split for one in site.inside(window.jql)]
    assert sorted(inside) == site.created
    assert [window.low_ms for window in split] == sorted(
        (w.low_ms for w in split), key=lambda v: -1 if v is None else v
    )
    assert (split[0].low_ms, split[-1].high_ms) == (None, None), "what is created meanwhile is inside"


def test_windows_hold_about_what_is_wanted_however_skewed():
    chance = random.Random(2)
    busy = [MS - chance.randrange(10**8) for _ in range(9000)]
    quiet = [MS - chance.randrange(10**11) for _ in range(1000)]
    site = Site(busy + quiet)
    split = windows.split_windows(site, [ProjectWindow(project="A")], 500, 4)
    sizes = [len(site.inside(window.jql)) for window in split]
    assert max(sizes) <= 750
    assert len(split) <= 45
    assert site.probes <= 250


def test_a_minute_that_holds_too_much_stays_one_window():
    site = Site([MS - 1000] * 500)
    split = windows.split_windows(site, [ProjectWindow(project="A")], 50, 2)
    assert sum(len(site.inside(window.jql)) for window in split) == 500


def test_progress_of_projects():
    before = JiraCheckpoint(scope="s")
    first = JiraCheckpoint.read(before.advanced(["A", "B"], NOW, census=True), "s")
    assert (first.since("A"), first.since("C"), first.census_at) == (NOW, None, NOW)
    later = NOW + timedelta(hours=1)
    second = JiraCheckpoint.read(first.advanced(["A"], later, census=False), "s")
    assert (second.since("A"), second.since("B")) == (later, NOW), "a project that is not asked for keeps its place"
    third = JiraCheckpoint.read(second.advanced(["A"], later, census=True), "s")
    assert third.since("B") is None, "the census removed what was there of it"
    assert JiraCheckpoint.read(second.advanced([], later, census=False), "other").since("A") is None
    assert json.loads(json.dumps(second.advanced([], later, census=False)))["transient"]["projects"]["A"] == {
        "lastUpdated": later.isoformat().replace("+00:00", "Z")
    }
    assert is_census_due(first.census_at, NOW + timedelta(days=2), 86_400)
    assert not is_census_due(first.census_at, NOW + timedelta(hours=2), 86_400)
    with pytest.raises(CursorUnsupportedError):
        JiraCheckpoint.read({"settled": "5"}, "s")


def test_projects_with_gaps_stay_where_they_were():
    before = JiraCheckpoint(scope="s").advanced(["A", "B"], NOW, census=False)
    after = JiraCheckpoint.read(before, "s").advanced(["A", "B", "C"], NOW + timedelta(hours=1), census=False)
    kept = JiraCheckpoint.read(JiraCheckpoint.model_validate(after).with_unread(["B", "C"], before), "s")
    assert (kept.since("A"), kept.since("B"), kept.since("C")) == (NOW + timedelta(hours=1), NOW, None)


def test_selectors():
    chosen = scope_of(
        unit("issues"),
        UnitPolicy(
            selectors={
                "projectKeys": ["AND"], "statuses": ['say "x" \\'], "assigneeIds": "557058:a-b",
                "updatedFrom": "2024-01-01T00:00:00",
            }
        ),
        selectable=True,
    )  # fmt: skip
    assert chosen.conditions == [
        r'status in ("say \"x\" \\")', 'assignee in ("557058:a-b")', "updated >= 1704067200000",
    ]  # fmt: skip
    same = scope_of(unit("issues"), UnitPolicy(selectors={"projectKeys": ["B"]}), selectable=True)
    plain = scope_of(unit("issues"), UnitPolicy(), selectable=True)
    assert same.fingerprint(unit("issues")) == plain.fingerprint(unit("issues")), "projects are not part of the scope"
    assert chosen.fingerprint(unit("issues")) != plain.fingerprint(unit("issues"))


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("issues", UnitPolicy(filter=(Predicate(column="key", op="eq", value="A-1"),))),
        ("issues", UnitPolicy(selectors={"projects": ["A"]})),
        ("issues", UnitPolicy(selectors={"updatedFrom": "yesterday"})),
        ("issues", UnitPolicy(selectors={"projectKeys": 5})),
        ("users", UnitPolicy(selectors={"projectKeys": ["A"]})),
    ],
)
def test_selections_that_make_no_sense(name, policy):
    with pytest.raises(FilterNotSupportedError):
        scope_of(unit(name), policy, selectable=name == "issues")


def test_ways_to_log_in():
    basic = JiraConfig(base_url="https://x.example/", email="a@b", api_token="to:ken=")
    assert (basic.api_url, basic.base_url) == ("https://x.example", "https://x.example")
    bearer = JiraConfig(base_url="https://x.example", bearer_token="t", cloud_id="c")
    assert bearer.api_url == "https://api.atlassian.com/ex/jira/c"
    for wrong in (
        {},
        {"email": "a"},
        {"bearer_token": "t"},
        {"email": "a", "api_token": "t", "bearer_token": "t", "cloud_id": "c"},
    ):
        with pytest.raises(ValidationError):
            JiraConfig(base_url="https://x.example", **wrong)
    with pytest.raises(ValidationError):
        JiraConfig(base_url="x.example", email="a", api_token="t")


def issue(**fields):
    return msgspec.Raw(json.dumps({"id": "1", "key": "A-1", "fields": fields}).encode())


def test_rows_of_sparse_and_full_issues():
    frame = IssueReader(DATASETS["issues"], "https://x").frame(
        [
            issue(),
            issue(
                summary="nul \0", created="2024-03-31T02:30:00.000+0100", duedate="2024-02-29", customfield_10016=3.0,
                customfield_99999="not in the catalog", labels=["a"], assignee=None, status={"name": "x"},
                description={"type": "doc", "content": [paragraph(text("hi"))]},
            ),
        ]
    )  # fmt: skip
    assert frame.columns == [column.name for column in DATASETS["issues"].columns]
    sparse, full = frame.rows(named=True)
    assert {name for name, value in sparse.items() if value is not None} == {"id", "key", "url", "raw"}
    assert full["summary"] == "nul \ufffd"
    assert full["created"] == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)
    assert (full["customfield_10016"], full["labels"], full["description_text"]) == ("3.0", '["a"]', "hi")
    assert json.loads(full["raw"])["fields"]["customfield_99999"] == "not in the catalog"
    assert frame.schema["created"] == pl.Datetime("us", "UTC")


def test_a_payload_of_another_shape_is_no_row():
    with pytest.raises(SourceValueError, match="created") as caught:
        IssueReader(DATASETS["issues"], "https://x").frame([issue(created="last week")])
    assert "last week" not in str(caught.value)
