"""What counts as a right answer to a fault: the same rows, a typed error, or a gap that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import Outcome, failed, passed
from connector_kit.checks.lab import SkippedError
from connector_kit.checks.rows import difference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from connector_kit.checks.rows import Reading, Row
    from connector_kit.tape.spoil import Spoil
    from contracts.errors import IngestionError

ANY: Collection[str] = ()


def same_rows(
    sent: str, truth: Mapping[str, Row], reading: Reading, without: Sequence[str] = (), *, whole: bool = True
) -> Outcome:
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
        return failed(sent, in_words(reading.error), expected)
    if said := difference(truth, reading.rows, without):
        told = f"; the reports say {reading.gaps[0]}" if reading.gaps else "; the reports say nothing is missing"
        return failed(sent, said + told, expected)
    if reading.doubled:
        return failed(sent, f"{len(reading.doubled)} rows came twice ({reading.doubled[0]}, …)", expected)
    if reading.gaps and whole:
        return failed(sent, f"all rows, and a report that speaks of {reading.gaps[0]}", expected)
    return passed(sent, f"all {len(truth)} rows", expected)


def rows_or_told(
    sent: str,
    truth: Mapping[str, Row],
    reading: Reading,
    codes: Collection[str] = ANY,
    without: Sequence[str] = (),
    *,
    gap: bool = True,
) -> Outcome:
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
        return Outcome(right, sent, in_words(reading.error), expected)
    if reading.gaps:
        return Outcome(gap, sent, f"a gap: {reading.gaps[0]}", expected)
    seen = same_rows(sent, truth, reading, without)
    return Outcome(seen.passed, sent, seen.received, expected)


def in_words(error: IngestionError) -> str:
    """An error as a finding shows it."""
    step = "" if error.next_step else " (without a next step)"
    return f"{error.code}: {error}{step}"[:400]


def did(spoil: Spoil) -> str:
    """What a spoil did, in words.

    Raises:
        SkippedError: It did nothing, so nothing was tried.
    """
    done = spoil.done
    if not done:
        raise SkippedError("no answer could be spoiled so: the list has too few rows or pages")
    more = f", and so {len(done) - 1} times more" if len(done) > 1 else ""
    return f"{done[0]}{more}"
