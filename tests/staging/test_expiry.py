from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.errors import StagingUnavailableError
from staging.expiry import clean
from staging.memory import MemoryStaging
from tests.conformance.staging_suite import NUMBERS, context, stage

LATER = datetime.now(UTC) + timedelta(days=1)


class Stubborn(MemoryStaging):
    """Cannot remove the session of run ``b``, nor list anything once ``down``."""

    down = False

    def delete(self, key):
        if "/b/" in key:
            raise StagingUnavailableError("No", "Wait.")
        super().delete(key)

    def sessions(self, endpoint_id=None, run_id=None):
        if self.down:
            raise StagingUnavailableError("No", "Wait.")
        return super().sessions(endpoint_id, run_id)


def test_one_session_that_cannot_be_removed_does_not_stop_the_others():
    provider = Stubborn()
    for run in "abc":
        stage(provider, NUMBERS, where=context(run))
    report = clean(provider, ttl_s=60, now=LATER, live_run_ids=())
    assert (report.removed_sessions, report.kept_sessions) == (2, 1)
    [failure] = report.failures
    assert failure.endswith("E_STAGING_UNAVAILABLE")
    assert [one.run_id for one in provider.sessions()] == ["b"]


def test_an_area_that_cannot_be_listed_is_an_error():
    provider = Stubborn()
    provider.down = True
    with pytest.raises(StagingUnavailableError):
        clean(provider, ttl_s=60, now=LATER, live_run_ids=())


def test_a_session_exactly_at_its_time_stays():
    provider = MemoryStaging()
    stage(provider, NUMBERS)
    [session] = provider.sessions()
    at = session.modified_at + timedelta(seconds=60)
    assert clean(provider, ttl_s=60, now=at, live_run_ids=()).removed_sessions == 0
    assert clean(provider, ttl_s=60, now=at + timedelta(microseconds=1), live_run_ids=()).removed_sessions == 1
