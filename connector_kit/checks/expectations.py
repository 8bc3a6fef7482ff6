"""What counts as a right answer to a fault: the same rows, a typed error, or a reported gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, failed, passed
from connector_kit.checks.rows import difference
from connector_kit.checks.system import UntriedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from connector_kit.checks.rows import ReadResult, Row
    from connector_kit.recording.faults import Fault
    from contracts.errors import IngestionError

ANY: Collection[str] = ()


def same_rows(
    sent: str, truth: Mapping[str, Row], reading: ReadResult, without: Sequence[str] = (), *, whole: bool = True
) -> CheckObservation:
    """The rows must be the true ones, each once, and the reports must say so.

    Args:
        sent: What the system did.
        truth: Rows by key.
        reading: What was read.
        without: Columns that may differ.
        whole: Reports may not speak of anything missing.
    """
    expected = f"all {len(truth)} rows as they are, each once, and reports that say nothing is missing"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    if said := difference(truth, reading.rows, without):
        explanation = f"; the reports say {reading.gaps[0]}" if reading.gaps else "; the reports say nothing is missing"
        return failed(sent, said + explanation, expected)
    if reading.duplicated:
        return failed(sent, f"{len(reading.duplicated)} rows came twice ({reading.duplicated[0]}, …)", expected)
    if reading.gaps and whole:
        return failed(sent, f"all rows, and a report that speaks of {reading.gaps[0]}", expected)
    return passed(sent, f"all {len(truth)} rows", expected)


def same_rows_or_reported(
    sent: str,
    truth: Mapping[str, Row],
    reading: ReadResult,
    codes: Collection[str] = ANY,
    without: Sequence[str] = (),
    *,
    gap: bool = True,
) -> CheckObservation:
    """The true rows, or a typed error with a next step, or a gap; what differs in silence fails.

    Args:
        sent: What the system did.
        truth: Rows by key.
        reading: What was read.
        codes: Codes the error may have; any when empty.
        without: Columns that may differ.
        gap: Whether a gap in a report will do.
    """
    kinds = f"an error {' or '.join(codes)}" if codes else "a typed error"
    expected = f"the same rows, {kinds} with a next step{', or a gap in the report' if gap else ''}"
    if reading.error is not None:
        right = bool(reading.error.next_step) and (not codes or reading.error.code in codes)
        return CheckObservation(right, sent, describe_error(reading.error), expected)
    if reading.gaps:
        return CheckObservation(gap, sent, f"a gap: {reading.gaps[0]}", expected)
    seen = same_rows(sent, truth, reading, without)
    return CheckObservation(seen.passed, sent, seen.received, expected)


def describe_error(error: IngestionError) -> str:
    """An error as a result shows it."""
    step = "" if error.next_step else " (without a next step)"
    return f"{error.code}: {error}{step}"[:400]


def describe_fault(fault: Fault) -> str:
    """What a fault did, in words.

    Raises:
        UntriedError: It did nothing, so nothing was tried.
    """
    done = fault.done
    if not done:
        raise UntriedError("the fault met no response: the list has too few rows or pages")
    more = f", and so {len(done) - 1} times more" if len(done) > 1 else ""
    return f"{done[0]}{more}"
