"""Where a unit is split, and a plan's watermark, determined from pages alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.http.paging import Page
from connectors.http.windows import ChangeWindow, newest, split_windows

LATEST = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.lists(
    st.integers(0, 10**9).map(lambda s: datetime(1994, 1, 1, tzinfo=UTC) + timedelta(seconds=s)), max_size=60
)


class Service:
    """Rows by their moments; pages of ten."""

    def __init__(self, moments, *, totals=True, filters=True, descending=False):
        self.moments, self.totals, self.filters = sorted(moments, reverse=descending), totals, filters
        self.requests = 0

    def inside(self, since, before):
        low, high = since or datetime.min.replace(tzinfo=UTC), before or datetime.max.replace(tzinfo=UTC)
        return [one for one in self.moments if not self.filters or low <= one < high]

    def first_page(self, since, before=None):
        self.requests += 1
        rows = self.inside(since, before)
        return Page([{"at": one} for one in rows[:10]], "more" if len(rows) > 10 else None)

    def count(self, since, before=None):
        self.requests += 1
        return len(self.inside(since, before)) if self.totals else None

    def divide(self, moment):
        return moment

    def moment(self, row):
        return row["at"]


@settings(max_examples=150, deadline=None)
@given(moments=MOMENTS, descending=st.booleans())
def test_the_newest_change_is_found(moments, descending):
    assert newest(Service(moments, descending=descending), None, LATEST) == max(moments, default=None)


def test_many_ties_at_the_end():
    top = datetime(2025, 5, 5, 5, 5, 5, 123000, UTC)
    service = Service([top] * 500 + [top - timedelta(days=day) for day in range(100)])
    assert newest(service, None, LATEST) == top
    assert service.requests < 60


def test_a_date_in_the_far_future_is_no_watermark():
    real = datetime(2025, 1, 1, tzinfo=UTC)
    future = datetime(9999, 12, 31, tzinfo=UTC)
    assert newest(Service([real, future]), None, LATEST) == real
    assert newest(Service([real - timedelta(hours=n) for n in range(99)] + [future] * 3), None, LATEST) == real
    assert newest(Service([future]), None, LATEST) is None


def test_the_questions_are_the_same_on_another_day():
    def asked(latest):
        service, sinces = Service([datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(99)]), []
        ask = service.first_page
        service.first_page = lambda since: sinces.append(since) or ask(since)
        assert newest(service, None, latest) == max(service.moments)
        return sinces

    assert asked(LATEST) == asked(LATEST + timedelta(days=400, seconds=7, microseconds=5))


def test_many_dates_in_the_future_do_not_hide_the_newest():
    real = [datetime(2025, 1, 1, tzinfo=UTC) - timedelta(hours=n) for n in range(99)]
    future = [datetime(2090, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(5)]
    assert newest(Service(real + future), None, LATEST) == real[0]


def test_few_changes_cost_one_request():
    service = Service([datetime(2025, 1, day, tzinfo=UTC) for day in range(1, 31)])
    assert newest(service, datetime(2025, 1, 28, tzinfo=UTC), LATEST) == datetime(2025, 1, 30, tzinfo=UTC)
    assert service.requests == 1


@settings(max_examples=150, deadline=None)
@given(moments=MOMENTS, wanted=st.integers(1, 30), since=st.none() | st.just(datetime(2010, 6, 1, tzinfo=UTC)))
def test_windows_are_disjoint_and_cover(moments, wanted, since):
    service = Service(moments)
    top = newest(service, since, LATEST)
    made = split_windows(service, since, top, wanted)
    assert made == split_windows(service, since, top, wanted)
    assert (made[0].since, made[-1].before) == (since, None)
    assert all(one.before == two.since for one, two in pairwise(made))
    read = [moment for window in made for moment in service.inside(window.since, window.before)]
    assert sorted(read) == sorted(service.inside(since, None))


def test_pieces_are_about_as_large_as_wanted():
    service = Service([datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(2000)])
    made = split_windows(service, None, newest(service, None, LATEST), 100)
    assert 13 <= len(made) <= 45
    assert max(window.rows or 0 for window in made) <= 150


@pytest.mark.parametrize("broken", [{"totals": False}, {"filters": False}])
def test_a_service_that_does_not_count_or_filter_is_read_in_one_go(broken):
    service = Service([datetime(2025, 1, day, tzinfo=UTC) for day in range(1, 31)], **broken)
    assert [one.before for one in split_windows(service, None, datetime(2025, 1, 30, tzinfo=UTC), 5)] == [None]


def test_a_window_says_what_it_is():
    assert str(ChangeWindow(before=LATEST)) == "… to 2026-01-01T00:00:00Z"
