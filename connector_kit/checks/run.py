"""Runs checks against a lab."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from connector_kit.checks.bench import Bench
from connector_kit.checks.check import Check, Finding, Outcome, failed
from connector_kit.checks.every import CHECKS, TITLES, chosen, group_of
from connector_kit.checks.lab import SkippedError
from connector_kit.checks.scorecard import Scorecard
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
    """Run one check on a system that is as it was."""
    lab.reset()
    bench, began = Bench(lab), time.monotonic()
    outcome = _within_limit(check, bench)
    seconds = time.monotonic() - began
    named = {"check": check.check_id, "group": group_of(check), "title": check.title, "protects": check.protects}
    if isinstance(outcome, str):
        return Finding(**named, verdict="skipped", reason=outcome, seconds=seconds)
    if not outcome.passed and bench.unmatched:
        why = f"the cassette does not hold {bench.unmatched[0]}"
        return Finding(**named, verdict="skipped", reason=why, seconds=seconds)
    said = {"sent": outcome.sent, "received": outcome.received, "expected": outcome.expected, "seconds": seconds}
    reason = lab.exceptions.get(check.check_id, "")
    if reason and outcome.passed:
        return Finding(
            **named, **{**said, "expected": "a failure: the lab excepts this check"}, verdict="failed",  # type: ignore[arg-type]
            reason=f"the exception is not needed any more: {reason}",
        )  # fmt: skip
    verdict = "passed" if outcome.passed else "excepted" if reason else "failed"
    return Finding(**named, **said, verdict=verdict, reason=reason)  # type: ignore[arg-type]


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
