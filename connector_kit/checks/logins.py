"""Logins that are proven again, and logins that lapse without an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, failed
from connector_kit.checks.expectations import describe_error, describe_fault, same_rows_or_reported
from connector_kit.checks.faults import GROUP
from connector_kit.recording.faults import RespondWithStatus
from connector_kit.recording.session_faults import LapseLogin
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext


@GROUP.check("login-again", "A login is proven each time, not remembered", "I7")
def login_again(context: CheckContext) -> CheckObservation:
    """The connection is tested, the login is rejected, the connection is tested again by the same source."""
    sent, expected = "401 to everything, after the login was good", "a typed error with a next step"
    with context.connected() as one:
        one.source.test_connection()
        one.proxy.fault = fault = RespondWithStatus(401, times=None)
        try:
            report = one.source.test_connection()
        except IngestionError as error:
            return CheckObservation(bool(error.next_step), describe_fault(fault), describe_error(error), expected)
    return failed(sent, f"a good connection of {report.account}", expected)


@GROUP.check("login-lapses", "A login that lapses into empty answers is not the end of the list", "I1 I9 I7")
def login_lapses(context: CheckContext) -> CheckObservation:
    """From the second page on, 200 with no rows and no next page; 401 to everything that is no page."""
    location, truth = context.system.pages, context.truth
    fault = LapseLogin(location.shape, location.total, **location.request_filter)
    with context.connected() as one:
        plan, _ = context.plan(one), one.unit  # whose catalog is collected while the login is good
        one.proxy.fault = fault
        reading = one.read(plan)
    return same_rows_or_reported(describe_fault(fault), truth, reading)
