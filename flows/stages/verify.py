"""Comparing content slice by slice: counts and order-independent hashes of both sides; no row moves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from contracts.endpoint import ContentHash, SinkEndpoint, SourceEndpoint
from contracts.errors import ModeUnsupportedError, VerifyMismatchError
from contracts.model import Contract
from contracts.traits import SupportsContentHash

if TYPE_CHECKING:
    from contracts.plan import IngestionPlan, IngestionSlice

_NAMED_IN_MESSAGE = 5


class SliceComparison(Contract):
    """One slice as each side holds it now."""

    slice_key: str
    range: str
    """The slice's rows in words."""
    source: ContentHash
    sink: ContentHash

    @property
    def equal(self) -> bool:
        """True when count and hash agree."""
        return self.source == self.sink


class VerifyReport(Contract):
    """Source against sink, slices in the plan's order."""

    endpoint_id: str
    unit_id: str
    slices: tuple[SliceComparison, ...]

    @property
    def different(self) -> tuple[SliceComparison, ...]:
        """Slices whose rows differ."""
        return tuple(each for each in self.slices if not each.equal)

    @property
    def rows_source(self) -> int:
        """Rows at the source."""
        return sum(each.source.rows for each in self.slices)

    @property
    def rows_sink(self) -> int:
        """Rows in the sink."""
        return sum(each.sink.rows for each in self.slices)


def verify(source: SourceEndpoint, sink: SinkEndpoint, plan: IngestionPlan) -> VerifyReport:
    """Hash every slice of a plan that covers the whole unit (mode ``full``), on both sides at the same time.

    Each side is read as it is at that moment: a source that changes meanwhile can differ for good reasons.

    Raises:
        ModeUnsupportedError: One side cannot hash its content.
    """
    if not isinstance(source, SupportsContentHash):
        raise _cannot_hash(source)
    if not isinstance(sink, SupportsContentHash):
        raise _cannot_hash(sink)
    # Two per slice: each side is hashed by its own server, and this process only waits.
    with ThreadPoolExecutor(2 * plan.policy.parallel_slices, thread_name_prefix="verify") as pool:
        at_source = [pool.submit(source.content_hash, plan, piece) for piece in plan.slices]
        in_sink = [pool.submit(sink.content_hash, plan, piece) for piece in plan.slices]
        try:
            slices = tuple(
                _comparison(piece, left.result(), right.result())
                for piece, left, right in zip(plan.slices, at_source, in_sink, strict=True)
            )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return VerifyReport(endpoint_id=plan.endpoint_id, unit_id=plan.unit.unit_id, slices=slices)


def refuse_differences(report: VerifyReport) -> None:
    """Let a report without differences pass.

    Raises:
        VerifyMismatchError: Slices differ; ``facts["slices"]`` names each with both counts.
    """
    if not report.different:
        return
    named = ", ".join(_in_words(each) for each in report.different[:_NAMED_IN_MESSAGE])
    more = len(report.different) - _NAMED_IN_MESSAGE
    raise VerifyMismatchError(
        f"{report.unit_id}: {len(report.different)} of {len(report.slices)} slice(s) differ: {named}"
        + (f", and {more} more" if more > 0 else ""),
        "Run a full ingestion and verify again; a source that changes meanwhile differs until the next run.",
        rows_source=report.rows_source,
        rows_sink=report.rows_sink,
        slices=[each.model_dump(mode="json") for each in report.different],
    )


def _comparison(piece: IngestionSlice, at_source: ContentHash, in_sink: ContentHash) -> SliceComparison:
    words = str(piece.params.get("explain", ""))
    return SliceComparison(slice_key=piece.key, range=words, source=at_source, sink=in_sink)


def _in_words(each: SliceComparison) -> str:
    return f"{each.slice_key} ({each.source.rows} rows at the source, {each.sink.rows} in the sink)"


def _cannot_hash(side: SourceEndpoint | SinkEndpoint) -> ModeUnsupportedError:
    title = side.descriptor.title
    return ModeUnsupportedError(
        f"{title} cannot hash its content",
        "Verify works between endpoints with the capability verify.content.",
    )
