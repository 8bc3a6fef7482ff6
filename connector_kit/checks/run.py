"""Runs checks against a test system."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from connector_kit.checks.all_checks import CHECKS, TITLES, chosen, group_of
from connector_kit.checks.check import Check, CheckObservation, CheckResult, Verdict, failed
from connector_kit.checks.context import CheckContext
from connector_kit.checks.scorecard import Scorecard
from connector_kit.checks.system import SkippedError, UntriedError
from connector_kit.recording.scrubbing import Scrubber
from contracts.errors import ConfigInvalidError, IngestionError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from connector_kit.checks.system import TestSystem

LIMIT_S = 60.0
"""A check that takes longer has found a connector that does not come to an end."""


def run_checks(system: TestSystem, only: Iterable[str] | None = None) -> Scorecard:
    """Run all checks, or some of them (ids, or names of groups), one after the other. The test system is not closed.

    Raises:
        ConfigInvalidError: There is no such check or group, or the test system excepts one that does not exist.
    """
    checks = chosen(only)
    if unknown := sorted(set(system.exceptions) - set(CHECKS) - set(TITLES)):
        raise ConfigInvalidError(
            f"The test system excepts {unknown[0]!r}, which is no check", "Name a check or a group."
        )
    unit = f"{system.factory.descriptor.template_id}, {system.unit_id}"
    return Scorecard(system.factory.descriptor.title, unit, tuple(run_check(system, check) for check in checks), TITLES)


def check_connector(
    system: TestSystem, json_path: Path | None = None, html_path: Path | None = None, only: Iterable[str] | None = None
) -> Scorecard:
    """Run checks, write the scorecard where paths are given, close the test system.

    Raises:
        ConfigInvalidError: As :func:`run_checks`.
    """
    try:
        card = run_checks(system, only)
    finally:
        system.close()
    for path, text in ((json_path, card.json()), (html_path, card.html())):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return card


def run_check(system: TestSystem, check: Check) -> CheckResult:
    """Run one check on a system that is as it was. No secret of the config gets into the result."""
    system.reset()
    context, began = CheckContext(system), time.monotonic()
    outcome = _within_limit(check, context)
    if context.unmatched:
        outcome = UntriedError(f"the cassette does not hold {context.unmatched[0]}")
    seconds, scrub = time.monotonic() - began, Scrubber(context.secrets)
    of_group = system.exceptions.get(group_of(check), "")
    verdict, reason = _verdict(outcome, system.exceptions.get(check.check_id, ""), of_group)
    headline = (
        outcome
        if isinstance(outcome, CheckObservation)
        else CheckObservation(passed=False, sent="", received="", expected="")
    )
    return CheckResult(
        check=check.check_id,
        group=group_of(check),
        title=check.title,
        protects=check.protects,
        verdict=verdict,
        sent=scrub.by_value(headline.sent),
        received=scrub.by_value(headline.received),
        expected=scrub.by_value(headline.expected),
        reason=scrub.by_value(reason),
        seconds=seconds,
    )


def _verdict(outcome: CheckObservation | SkippedError, excepted: str, of_group: str) -> tuple[Verdict, str]:
    """The verdict, and its reason. An exception that is not needed is a failure: it would hide the next one.

    An exception of a whole group is for what cannot be tried; a check of it that fails, fails.
    """
    if isinstance(outcome, UntriedError):
        reason = excepted or of_group
        return ("excepted", f"{reason} ({outcome})") if reason else ("untried", str(outcome))
    if isinstance(outcome, SkippedError):
        return "skipped", str(outcome)
    if outcome.passed and excepted:
        return "failed", f"it passes, and the test system excepts it: {excepted}"
    if outcome.passed:
        return "passed", ""
    return ("excepted", excepted) if excepted else ("failed", "")


def _within_limit(check: Check, context: CheckContext) -> CheckObservation | SkippedError:
    """The outcome; or why there is none."""
    observations: list[CheckObservation | SkippedError] = []
    thread = threading.Thread(
        target=lambda: observations.append(_outcome(check, context)), name=check.check_id, daemon=True
    )
    thread.start()
    thread.join(LIMIT_S)
    if observations:
        return observations[0]
    return failed(check.title, f"it did not come to an end within {LIMIT_S:g} s", "an end, good or bad")


def _outcome(check: Check, context: CheckContext) -> CheckObservation | SkippedError:
    try:
        return check.run(context)
    except SkippedError as skipped:
        return skipped
    except IngestionError as error:
        return failed(check.title, f"an error where none belongs: {error.code}: {error}", "no error")
    except Exception as error:  # noqa: BLE001 - whatever a connector raises is a result
        return failed(check.title, f"an untyped error: {type(error).__name__}: {error}"[:400], "rows, or a typed error")
