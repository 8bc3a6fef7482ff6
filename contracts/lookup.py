"""Optional abilities of sources and sinks to tell which rows are gone, where a list of keys is too little or too dear.

A list that is read page by page can miss a row that is there, and some systems list certain rows only one parent at a
time. Both are settled by asking for single keys: the sink names the candidates, the source says which are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.plan import IngestionPlan
    from contracts.staging import Batch, RecordReader


@runtime_checkable
class SupportsKeyLookup(Protocol):
    """The source can say of single keys whether their rows are there."""

    def absent_keys(self, plan: IngestionPlan, keys: Batch) -> Batch:
        """Those of the keys (key columns as text) that the source does not have inside the plan's filter.

        Raises:
            CompletenessGapError: The source does not say.
        """
        ...

    def lists_keys(self, plan: IngestionPlan) -> bool:
        """False where listing all keys costs as much as reading the unit: the sink's keys are looked up instead."""
        ...


@runtime_checkable
class SupportsGoneFeed(Protocol):
    """The source lists the rows that are gone since a checkpoint, for incremental runs."""

    def gone_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[Batch] | None:
        """Key columns of rows that are gone, or left the plan's filter, since its checkpoint; None without a feed."""
        ...


@runtime_checkable
class SupportsChildren(Protocol):
    """The source reads rows of some units by their parents, and always all rows of a parent."""

    def parents_read(self, plan: IngestionPlan) -> Iterator[Batch] | None:
        """Parents whose rows an incremental run reads, or more; None for a unit without parents.

        Columns of the unit that name the parent: the first identifies it; a mapper may need the others.
        """
        ...


@runtime_checkable
class SupportsKeySearch(Protocol):
    """The sink can name its own live rows."""

    def find_keys(
        self, plan: IngestionPlan, rows: RecordReader | None = None, *, absent: bool = False
    ) -> Iterator[Batch]:
        """Keys (the unit's key columns, as text) of live rows, in batches of bounded size; at least one batch.

        Args:
            plan: Of the run.
            rows: Only rows with the same key as one of these rows; of rows without the unit's key columns, with the
                same values in their columns, which are the table's. None: all rows.
            absent: Only rows that are like none of them instead.
        """
        ...
