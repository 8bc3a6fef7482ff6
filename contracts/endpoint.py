"""Interfaces of sources and sinks, and the descriptors by which connectors describe themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import JsonValue

from contracts.catalog import DatasetDescriptor
from contracts.model import Contract, Json
from contracts.unit import EndpointUnitDescriptor, IngestionMode, Predicate, UnitPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from contracts.catalog import CatalogSnapshot
    from contracts.mapping import CdmModel
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import CensusReceipt, FrozenRun, RunHandle, RunRef, UpsertReceipt
    from contracts.staging import Batch, RecordReader

Capability = Literal[
    "metadata.collect",
    "metadata.preview",
    "ingest.full",
    "ingest.incremental",
    "ingest.delete_detection",
    "ingest.consistent_view",
    "ingest.filter_options",
    "ingest.set_watermark",
    "sink.upsert",
    "sink.delete_detection",
    "sink.cdm",
    "verify.content",
]


class FieldDescriptor(Contract):
    """One field of an endpoint's configuration, for forms."""

    name: str
    title: str
    description: str
    type: str
    required: bool
    secret: bool = False
    default: JsonValue = None
    choices: tuple[str, ...] = ()
    destination: bool = False
    """Decides where the secrets are sent, or how they are protected on the way."""


class EndpointDescriptor(Contract):
    """A template: its fields and capabilities, without any data of an instance."""

    template_id: str
    """``<family>.<vendor>``, for example ``jdbc.postgres``."""
    family: str
    vendor: str
    title: str
    description: str
    fields: tuple[FieldDescriptor, ...]
    capabilities: tuple[Capability, ...]
    roles: tuple[Literal["source", "sink"], ...]
    docs_url: str = ""
    auth_modes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    """Names that a unit's policy may use in ``selectors``."""


class ConnectionReport(Contract):
    """The result of a successful connection test."""

    ok: bool = True
    server_version: str
    account: str = ""
    details: dict[str, JsonValue] = {}
    warnings: tuple[str, ...] = ()


class ProvisionedModel(Contract):
    """A common model's table in a sink, as a dataset for the catalog, and the statements that were executed."""

    dataset: DatasetDescriptor
    statements: tuple[str, ...] = ()


class PlanRequest(Contract):
    """Everything that a plan depends on, besides the source itself."""

    endpoint_id: str
    unit: EndpointUnitDescriptor
    mode: IngestionMode
    policy: UnitPolicy
    checkpoint: Json | None = None
    view: str | None = None
    """The consistent view (snapshot) to plan under, if the source has one."""


class ContentHash(Contract):
    """Count and order-independent hash of a range of rows. Equal content has equal values at source and sink."""

    rows: int
    digest: str


class SourceEndpoint(Protocol):
    """A source of rows. Synchronous and thread-safe."""

    descriptor: ClassVar[EndpointDescriptor]

    def test_connection(self) -> ConnectionReport:
        """Check that the configuration works.

        Raises:
            ExportError: A subclass for each cause: unreachable, authentication, TLS, privileges.
        """
        ...

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """All datasets that the credentials can read, ordered by dataset id."""
        ...

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        """One unit per dataset of the catalog that can be ingested, and no others."""
        ...

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """Divide the unit into slices that are disjoint and cover the range.

        Raises:
            PlanError: The unit does not support the mode, cursor or filter.
            SourceSchemaChangedError: The dataset is gone or differs from the catalog.
        """
        ...

    def export(self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None) -> Iterator[Batch]:
        """The rows of one slice, in batches of bounded size in bytes; at least one batch, possibly without rows.

        A generator may return a ``SliceReport``: how many rows the source announced, and what it did not deliver.

        Raises:
            ExportError: The slice could not be read to its end; its rows must not be used.
        """
        ...

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:
        """The checkpoint after a run whose slices have these receipts. Uses only its arguments, no I/O."""
        ...

    def preview(self, unit: EndpointUnitDescriptor, limit: int, where: Sequence[Predicate] = ()) -> Batch:
        """The first ``limit`` rows."""
        ...

    def close(self) -> None:
        """Release connections. The endpoint can be used again afterwards."""
        ...


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
class SupportsSelectionCheck(Protocol):
    """The source can refuse a unit's filter and selectors when they are set, before any run."""

    def check_selection(self, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> None:
        """Raise ``FilterNotSupportedError`` for what a plan would refuse; asks nothing of the system."""
        ...


class FilterOption(Contract):
    """One possible value of a selector."""

    value: str
    label: str
    details: dict[str, str] = {}
    """What else the source says of it: ``id``, ``category``, ``email``."""


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


class SinkEndpoint(Protocol):
    """A destination of rows. Synchronous and thread-safe."""

    descriptor: ClassVar[EndpointDescriptor]

    @property
    def supported_cdm_models(self) -> tuple[str, ...]:
        """Model ids, or prefixes ending with ``.*``; empty for a raw sink."""
        ...

    def test_connection(self) -> ConnectionReport:
        """Check that the configuration works and that writing is allowed.

        Raises:
            UpsertError: A subclass for each cause: unreachable, authentication, TLS, privileges.
        """
        ...

    def exclusive(self, ref: RunRef) -> AbstractContextManager[None]:
        """Lock (endpoint, unit, sink) for one run while the context is open. Released if the process dies.

        Raises:
            RunInProgressError: Another run holds the lock.
        """
        ...

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        """The run with the latest epoch, finished or not."""
        ...

    def provision(self, plan: IngestionPlan) -> tuple[str, ...]:
        """Create the table for the unit's rows, or add columns to it. Idempotent. Returns one line per change.

        Raises:
            SinkSchemaConflictError: The existing table cannot be adapted; nothing was changed.
            SinkNameError: A name is not allowed in the sink.
            SinkOwnerError: The target belongs to another unit, or holds rows that no run wrote.
        """
        ...

    def begin_run(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> RunHandle:
        """Take the next epoch and store the plan with it. The last run's ``run_id`` resumes it; another starts anew."""
        ...

    def receipts(self, run: RunHandle) -> dict[str, UpsertReceipt]:
        """Receipts of the run by slice key, from all its epochs."""
        ...

    def upsert(self, run: RunHandle, plan: IngestionPlan, piece: IngestionSlice, reader: RecordReader) -> UpsertReceipt:
        """Write the slice's rows and its receipt in one transaction. Idempotent.

        Raises:
            RunSupersededError: A later epoch exists.
            UpsertError: Nothing of the slice was written; if it is also ``OutcomeUnknown``, the receipts tell.
        """
        ...

    def finish_run(self, run: RunHandle, checkpoint: Json | None) -> None:
        """Record that all slices are in the sink, with the run's final checkpoint."""
        ...

    def close(self) -> None:
        """Release connections. The endpoint can be used again afterwards."""
        ...


@runtime_checkable
class SupportsAdoption(Protocol):
    """Each target of the sink has one owner, and an operator can make another unit the owner."""

    def adopt(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> tuple[str, ...]:
        """Make the unit the owner and begin this run, in one transaction; () if the target was free or its own."""
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


class EndpointFactory(Protocol):
    """Creates the sources and sinks of one template; the registry returns it for a template id."""

    descriptor: EndpointDescriptor
    config_class: type[Any]

    def source(self, config: Any) -> SourceEndpoint:
        """A source with this validated configuration."""
        ...

    def sink(self, config: Any) -> SinkEndpoint:
        """A sink with this validated configuration."""
        ...
