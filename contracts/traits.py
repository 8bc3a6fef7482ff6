"""Abilities that some endpoints have: small protocols beside ``contracts.endpoint``, asked for with ``isinstance``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from contracts.endpoint import ContentHash, FilterOption, ProvisionedModel
    from contracts.mapping import CdmModel
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import CensusReceipt, RunHandle, RunRef, Throttling
    from contracts.staging import Batch, RecordReader
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy


@runtime_checkable
class SupportsConsistentView(Protocol):
    """The source can show the same moment to several readers (``ingest.consistent_view``)."""

    def open_view(self) -> AbstractContextManager[str]:
        """A token that ``plan``, ``export`` and ``export_keys`` accept while the context is open."""
        ...

    def catch_up(self, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
        """Slices to add when a run goes on under a new view, for rows that moved between old slices."""
        ...


@runtime_checkable
class SupportsLateSlices(Protocol):
    """The source has no view: rows can move from a slice that is still unread to one that was read already."""

    def late_slices(self, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
        """Slices to read after all others: they cover what changed since the plan was made."""
        ...


@runtime_checkable
class SupportsDeleteDetection(Protocol):
    """The source can list the keys of all its rows (``ingest.delete_detection``)."""

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[Batch]:
        """Key columns of every row inside the plan's filter.

        An incremental run's may have more of the unit's columns: they differ when a row is there in another version.
        """
        ...

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        """Slices that read exactly the rows with these keys. Each key maps column names to values as text."""
        ...


@runtime_checkable
class ReportsThrottling(Protocol):
    """The source counts how often its system made it wait or ask again."""

    def throttling(self) -> Throttling:
        """Since the source was made; may be asked from any thread."""
        ...


@runtime_checkable
class SupportsSelectionCheck(Protocol):
    """The source can refuse a unit's filter and selectors when they are set, before any run."""

    def check_selection(self, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> None:
        """Raise ``FilterNotSupportedError`` for what a plan would refuse; asks nothing of the system."""
        ...


@runtime_checkable
class SupportsFilterOptions(Protocol):
    """The source can list the possible values of its selectors (``ingest.filter_options``)."""

    def filter_options(self) -> dict[str, tuple[FilterOption, ...]]:
        """Selector name to its options, ordered by label."""
        ...


@runtime_checkable
class SupportsWatermark(Protocol):
    """An operator can set where the next incremental run begins (``ingest.set_watermark``)."""

    def checkpoint_at(self, unit: EndpointUnitDescriptor, policy: UnitPolicy, value: str) -> Json:
        """A checkpoint that says that every change up to ``value`` (a cursor value or a time) is in the sink.

        Raises:
            CursorUnsupportedError: The unit has no cursor under this policy, or the value does not fit its type.
        """
        ...


@runtime_checkable
class SupportsContentHash(Protocol):
    """Content can be compared without transferring it (``verify.content``). For sources and sinks."""

    def content_hash(self, plan: IngestionPlan, piece: IngestionSlice) -> ContentHash:
        """Hash of the rows that this endpoint now has in the slice's range."""
        ...


@runtime_checkable
class SupportsAdoption(Protocol):
    """Each target of the sink has one owner, and an operator can make another unit the owner."""

    def adopt(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> tuple[str, ...]:
        """Make the unit the owner and begin this run, in one transaction; () if the target was free or its own."""
        ...


@runtime_checkable
class SupportsCompaction(Protocol):
    """The sink's tables gather small files, old versions and remains of runs that were cut off."""

    def compact(self, ref: RunRef) -> tuple[str, ...]:
        """Tidy the table that the last run of the (endpoint, unit, sink) wrote; one line per thing that was done.

        Safe at any time, beside a run too: no row and no receipt is lost. Idempotent.
        """
        ...


@runtime_checkable
class SupportsOtherReaders(Protocol):
    """The sink's tables are files that other programs read without it."""

    def reading_lines(self, ref: RunRef) -> dict[str, str]:
        """By program, the line that reads the table which the last run of the (endpoint, unit, sink) wrote."""
        ...


@runtime_checkable
class SupportsLockCheck(Protocol):
    """The sink can be asked for a run's lock without taking it, so that asking never stands in a run's way."""

    def is_locked(self, ref: RunRef) -> bool:
        """True while a run holds the lock of (endpoint, unit, sink)."""
        ...


@runtime_checkable
class SupportsReconcile(Protocol):
    """The sink can find rows that are gone at the source (``sink.delete_detection``)."""

    def count_rows(self, plan: IngestionPlan) -> int:
        """Live rows of the unit's table now (tombstoned ones do not count)."""
        ...

    def reconcile(
        self, run: RunHandle, plan: IngestionPlan, keys: RecordReader
    ) -> tuple[CensusReceipt, tuple[Json, ...]]:
        """Compare the sink's keys with the source's, apply ``on_gone`` to gone rows, and return the missing keys.

        Columns besides the key are a version: a row that holds another one is missing too; null says nothing.
        Each missing key maps column names to values as text. There are at most 10,000.

        Raises:
            DeleteGuardError: More rows would be removed than ``max_delete_fraction`` allows; nothing was removed.
            CompletenessGapError: More than 10,000 keys are missing.
        """
        ...

    def remove(self, run: RunHandle, plan: IngestionPlan, keys: RecordReader) -> CensusReceipt:
        """Apply ``on_gone`` to the rows with exactly these keys. Keys that the sink does not have are ignored.

        Raises:
            DeleteGuardError: As ``reconcile``.
        """
        ...


@runtime_checkable
class SupportsCdm(Protocol):
    """The sink accepts rows of common models (``sink.cdm``) once their tables have been provisioned."""

    def provision_model(self, model: CdmModel) -> ProvisionedModel:
        """Create the model's table, or add columns to one of an older version. Idempotent.

        Raises:
            CdmModelUnsupportedError: The sink does not accept this model.
            SinkSchemaConflictError: An existing table of that name cannot be adapted; nothing was changed.
        """
        ...

    def tombstones(self, plan: IngestionPlan) -> Iterator[Batch]:
        """The ``source_id`` of every tombstoned row of the plan's endpoint, in batches; at least one batch."""
        ...

    def require_model(self, model: CdmModel) -> None:
        """Check that a run may write rows of the model.

        Raises:
            CdmModelUnsupportedError: The sink does not accept this model.
            SinkNotProvisionedError: Its table is missing or older than the model.
        """
        ...


@runtime_checkable
class SupportsDriverReport(Protocol):
    """The sink moves rows through a driver library, and can say which one it is and what it costs."""

    def driver_report(self) -> Json:
        """Move rows that the server makes up to and fro, through a temporary table; shape: see the sink.

        Raises:
            UpsertError: A subclass for each cause why the server did not let us.
        """
        ...
