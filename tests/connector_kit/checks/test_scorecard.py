"""The kit's own machinery: verdicts, exceptions, scorecards, systems on recorded traffic."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from connector_kit.checks import run
from connector_kit.checks.all_checks import CHECKS, GROUPS, TITLES
from connector_kit.checks.check import Check, CheckObservation, Group
from connector_kit.checks.rows import difference
from connector_kit.checks.run import check_connector, run_check, run_checks
from connector_kit.checks.scorecard import Scorecard
from connector_kit.checks.system import TestSystem
from connector_kit.recording.cassette import Cassette
from connector_kit.recording.proxy import RecordingProxy
from connector_kit.recording.scrubbing import Scrubber
from contracts.errors import ConfigInvalidError
from tests.connectors.openshelf.list_systems import AuthorsTestSystem
from tests.connectors.openshelf.system import OpenshelfTestSystem

QUICK = ("capabilities.connection", "secrets.in-config", "rows.empty")


class BrokenTestSystem(OpenshelfTestSystem):
    """Excepts a check that passes."""

    exceptions = {"capabilities.connection": "<it is said to be broken>"}


class Pages(HTMLParser):
    """Refuses tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.stack, self.texts, self.opened = [], [], 0

    def handle_starttag(self, tag, attrs):
        self.opened += tag == "details" and ("open", None) in attrs
        assert not {"src", "href"} & dict(attrs).keys(), "the page needs nothing else"
        if tag != "meta":
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def check(run_it, name="made.up"):
    return Check(name, "A promise", "I1", run_it)


def verdict(system, run_it):
    return run_check(system, check(run_it))


def test_ids_are_unique_named_by_group_and_described():
    assert len(CHECKS) == sum(len(group.checks) for group in GROUPS)
    for group in GROUPS:
        assert all(one.check_id.startswith(f"{group.name}.") for one in group.checks)
    assert all(one.title and one.protects.split()[0][0] == "I" for one in CHECKS.values())
    assert all(one.run.__doc__ for one in CHECKS.values())


def test_a_scorecard_is_written_and_readable(tmp_path):
    card = check_connector(BrokenTestSystem(), tmp_path / "made" / "card.json", tmp_path / "made" / "card.html", QUICK)
    document = json.loads((tmp_path / "made" / "card.json").read_text())
    assert (document["good"], document["counts"]["failed"], document["counts"]["passed"]) == (False, 1, 2)
    assert {one["check"] for one in document["findings"]} == set(QUICK)
    assert all(one["sent"] and one["received"] and one["expected"] for one in document["findings"])
    page = Pages()
    page.feed((tmp_path / "made" / "card.html").read_text())
    text = "".join(page.texts)
    assert page.stack == []
    assert page.opened == 2  # in its group, and above among what failed
    assert "One promise is broken." in text
    assert "<it is said to be broken>" in text
    assert "FAILED   capabilities.connection" in card.text()


def test_a_scorecard_without_failures_says_so():
    with OpenshelfTestSystem() as system:
        card = run_checks(system, ["rows.empty"])
    assert card.good
    assert "It keeps the 1 promises that apply to it." in card.html()


def test_an_exception_is_shown_with_its_reason_and_one_that_is_not_needed_fails():
    class Excepting(OpenshelfTestSystem):
        exceptions = {"made.up": "the system cannot do it"}

    for passed, expected in ((False, "excepted"), (True, "failed")):
        with Excepting() as system:
            result = verdict(
                system, lambda _context, passed=passed: CheckObservation(passed, "sent", "received", "expected")
            )
        assert result.verdict == expected
        assert "the system cannot do it" in result.reason


def test_an_exception_for_a_check_that_does_not_exist_is_refused():
    class Mistaken(OpenshelfTestSystem):
        exceptions = {"rows.emtpy": "misspelt"}

    with Mistaken() as system, pytest.raises(ConfigInvalidError, match="emtpy"):
        run_checks(system, QUICK)


def test_a_check_or_group_that_does_not_exist_is_refused():
    with OpenshelfTestSystem() as system, pytest.raises(ConfigInvalidError, match="no check 'row'"):
        run_checks(system, ["row"])


def test_a_hook_that_is_missing_leaves_the_check_untried_and_says_which():
    class Silent(OpenshelfTestSystem):
        def change(self, count):
            return TestSystem.change(self, count)

    with Silent() as system:
        card = run_checks(system, ["incremental.equals-full"])
    (result,) = card.results
    assert result.verdict == "untried"
    assert "no change()" in result.reason
    assert not card.good
    assert "1 untried" in card.text()
    assert "1 promise(s) on which rows depend were not tried." in card.html()


@pytest.mark.parametrize("name", ["incremental.equals-full", "incremental"])
def test_what_cannot_be_tried_may_be_excepted_by_check_or_group(name):
    class Unchanging(OpenshelfTestSystem):
        exceptions = {name: "nobody may write to it"}

        def change(self, count):
            return TestSystem.change(self, count)

    with Unchanging() as system:
        card = run_checks(system, ["incremental.equals-full"])
    (result,) = card.results
    assert result.verdict == "excepted"
    assert "nobody may write to it" in result.reason
    assert card.good


def test_an_exception_of_a_group_does_not_hide_a_failure():
    class GroupExcepting(OpenshelfTestSystem):
        exceptions = {"rows": "some of them cannot be tried"}

    failing = replace(CHECKS["rows.empty"], run=lambda _context: CheckObservation(False, "s", "r", "e"))
    with GroupExcepting() as system:
        assert run_check(system, failing).verdict == "failed"


def test_what_does_not_touch_rows_may_stay_untried():
    class Small(OpenshelfTestSystem):
        buffered_rows = 10_000

        def grow(self, rows):
            return TestSystem.grow(self, rows)

    with Small() as system:
        result = run_check(system, CHECKS["memory.bound"])
    assert (result.verdict, result.good) == ("untried", True)


def test_an_untyped_error_is_a_failure_and_not_the_kits_end():
    with OpenshelfTestSystem() as system:
        result = verdict(system, lambda _context: {}["nothing"])
    assert result.verdict == "failed"
    assert "KeyError" in result.received


def test_a_connector_that_comes_to_no_end_is_a_failure(monkeypatch):
    monkeypatch.setattr(run, "LIMIT_S", 0.05)
    with OpenshelfTestSystem() as system:
        result = verdict(system, lambda context: run.time.sleep(0.5))
    assert result.verdict == "failed"
    assert "did not come to an end" in result.received


def test_no_secret_of_the_config_is_in_a_finding():
    def leak(context):
        with context.connected() as one:
            return CheckObservation(False, "sent", f"the token is {one.secrets[0]}", "no token")

    with OpenshelfTestSystem() as system:
        system.reset()
        token = system.server.token
        result = verdict(system, leak)
    assert token not in repr(result)
    assert "the token is SCRUBBED" in result.received


def test_a_lab_on_recorded_traffic(tmp_path):
    """What was recorded is checked; what needs more than that is untried, and names the request."""
    with AuthorsTestSystem() as system:
        system.reset()
        cassette = Cassette(scrub=Scrubber([system.server.token]))
        with RecordingProxy(system.upstream, record=cassette) as proxy:
            source = system.factory.source(system.factory.config_class(**system.config(proxy.url)))
            unit = next(one for one in source.list_units(source.collect_catalog("e")) if one.unit_id == system.unit_id)
            source.preview(unit, 1_000)
            source.close()
    cassette.save(tmp_path / "authors.jsonl")

    class RecordedAuthors(AuthorsTestSystem):
        upstream = Cassette.load(tmp_path / "authors.jsonl")

        def reset(self):
            """Nothing changes."""

        def config(self, url):
            return {"base_url": url, "token": "not-the-real-one"}

        secrets = ("not-the-real-one",)

        def keys(self):
            return TestSystem.keys(self)

    with RecordedAuthors() as recorded:
        card = run_checks(recorded, ["plan", "pages", "resume", "rows.unicode", "errors.staying-403", "schema.batches"])
    result = {one.check: one for one in card.results}
    assert not card.good
    passed = {name for name, one in result.items() if one.verdict == "passed"}
    assert {"plan.covering", "pages.every-row", "pages.short", "rows.unicode", "errors.staying-403"} <= passed
    assert {name for name, one in result.items() if not one.good} == {"schema.batches"}
    assert result["schema.batches"].verdict == "untried"
    assert "GET /v1/books" in result["schema.batches"].reason


def test_rows_differ_by_type_and_value_and_the_words_say_where():
    truth = {"1": {"a": 1, "b": "x"}, "2": {"a": 2, "b": "y"}}
    assert difference(truth, {"2": {"a": 2, "b": "y"}, "1": {"a": 1, "b": "x"}}) == ""
    assert (
        difference(truth, {"1": {"a": 1.0, "b": "x"}, "2": {"a": 2, "b": "y"}})
        == "1 rows differ (row 1, a: 1.0 instead of 1)"
    )
    assert difference(truth, {"1": {"b": "x", "a": 1}, "2": truth["2"]}) == "1 rows differ (row 1 has other columns)"
    assert difference(truth, {"1": truth["1"], "3": truth["2"]}) == (
        "1 of 2 rows are missing (2), 1 rows are there that should not be (3)"
    )
    nan = {"1": {"a": float("nan")}}
    assert difference(nan, {"1": {"a": float("nan")}}) == ""


def test_groups_have_titles():
    assert isinstance(Scorecard("t", "u", (), TITLES).html(), str)
    assert set(TITLES) == {group.name for group in GROUPS}
    assert Group("x", "X").checks == []
