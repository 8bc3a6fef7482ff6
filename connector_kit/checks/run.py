"""Runs checks against a lab."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from connector_kit.checks.bench import Bench
from connector_kit.checks.check import Check, Finding, Outcome, Verdict, failed
from connector_kit.checks.every import CHECKS, TITLES, chosen, group_of
from connector_kit.checks.lab import SkippedError
from connector_kit.checks.scorecard import Scorecard
from connector_kit.tape.scrub import Scrubber
from contracts.errors import ConfigInvalidError, IngestionError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from connector_kit.checks.lab import Lab

LIMIT_S = 60.0
"""A check that takes longer has found a connector that does not come to an end."""


def run_checks(lab: Lab, only: Iterable[str] | None = None) -> Scorecard:
    """Run all checks, or some of them (ids, or names of groups), one after the other. The lab is not closed.

    Raises:
        ConfigInvalidError: There is no such check or group, or the lab excepts one that does not exist.
    """
    checks = chosen(only)
    if unknown := sorted(set(lab.exceptions) - set(CHECKS)):
        raise ConfigInvalidError(f"The lab excepts {unknown[0]!r}, which is no check", "Name one of the checks.")
    unit = f"{lab.factory.descriptor.template_id}, {lab.unit_id}"
    return Scorecard(lab.factory.descriptor.title, unit, tuple(run_check(lab, check) for check in checks), TITLES)


def check_connector(
    lab: Lab, json_path: Path | None = None, html_path: Path | None = None, only: Iterable[str] | None = None
) -> Scorecard:
    """Run checks, write the scorecard where paths are given, close the lab.

    Raises:
        ConfigInvalidError: As :func:`run_checks`.
    """
    try:
        card = run_checks(lab, only)
    finally:
        lab.close()
    for path, text in ((json_path, card.json()), (html_path, card.html())):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return card


def run_check(lab: Lab, check: Check) -> Finding:
    """Run one check on a system that is as it was. No secret of the config gets into the finding."""
    lab.reset()
    bench, began = Bench(lab), time.monotonic()
    outcome = _within_limit(check, bench)
    if bench.unmatched:
        outcome = f"the cassette does not hold {bench.unmatched[0]}"
    seconds, scrub = time.monotonic() - began, Scrubber(bench.secrets)
    verdict, reason = _verdict(outcome, lab.exceptions.get(check.check_id, ""))
    said = outcome if isinstance(outcome, Outcome) else Outcome(passed=False, sent="", received="", expected="")
    return Finding(
        check=check.check_id,
        group=group_of(check),
        title=check.title,
        protects=check.protects,
        verdict=verdict,
        sent=scrub.by_value(said.sent),
        received=scrub.by_value(said.received),
        expected=scrub.by_value(said.expected),
        reason=scrub.by_value(reason),
        seconds=seconds,
    )


def _verdict(outcome: Outcome | str, excepted: str) -> tuple[Verdict, str]:
    """The verdict, and its reason. An exception that is not needed is a failure: it would hide the next one."""
    if isinstance(outcome, str):
        return "skipped", outcome
    if outcome.passed and excepted:
        return "failed", f"it passes, and the lab excepts it: {excepted}"
    if outcome.passed:
        return "passed", ""
    return ("excepted", excepted) if excepted else ("failed", "")


def _within_limit(check: Check, bench: Bench) -> Outcome | str:
    """The outcome; or why there is none."""
    found: list[Outcome | str] = []
    thread = threading.Thread(target=lambda: found.append(_outcome(check, bench)), name=check.check_id, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if found:
        return found[0]
    return failed(check.title, f"it did not come to an end within {LIMIT_S:g} s", "an end, good or bad")


def _outcome(check: Check, bench: Bench) -> Outcome | str:
    try:
        return check.run(bench)
    except SkippedError as skipped:
        return str(skipped)
    except IngestionError as error:
        return failed(check.title, f"an error where none belongs: {error.code}: {error}", "no error")
    except Exception as error:  # noqa: BLE001 - whatever a connector raises is a finding
        return failed(check.title, f"an untyped error: {type(error).__name__}: {error}"[:400], "rows, or a typed error")
