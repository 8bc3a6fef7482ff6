"""The one endpoint plane: what a source and a sink promise, and how each describes itself."""

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
    """One field of an endpoint's config, for forms."""

    name: str
    title: str
    description: str
    type: str
    required: bool
    secret: bool = False
    default: JsonValue = None
    choices: tuple[str, ...] = ()


class EndpointDescriptor(Contract):
    """What a template is and can do; no instance data."""

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
    """Names a unit's policy may use in ``selectors``."""


class ConnectionReport(Contract):
    """A connection that works, and what it talks to."""

    ok: bool = True
    server_version: str
    account: str = ""
    details: dict[str, JsonValue] = {}
    warnings: tuple[str, ...] = ()


class ProvisionedModel(Contract):
    """A common model's table in a sink, for the catalog; and what was done to make it."""

    dataset: DatasetDescriptor
    statements: tuple[str, ...] = ()


class PlanRequest(Contract):
    """What a plan depends on, besides the source itself."""

    endpoint_id: str
    unit: EndpointUnitDescriptor
    mode: IngestionMode
    policy: UnitPolicy
    checkpoint: Json | None = None
    view: str | None = None
    """The consistent view to plan under, where the source has one."""


class ContentHash(Contract):
    """Count and order-independent hash of a range of rows; equal content gives equal values on both sides."""

    rows: int
    digest: str


class SourceEndpoint(Protocol):
    """Where rows come from. Synchronous and safe to call from several threads at once."""

    descriptor: ClassVar[EndpointDescriptor]

    def test_connection(self) -> ConnectionReport:
        """Prove the config works.

        Raises:
            ExportError: The subclass names what is wrong: unreachable, auth, TLS, privileges.
        """
        ...

    def collect_catalog(self, endpoint_id: str) -> CatalogSnapshot:
        """Everything the credentials can read, ordered by dataset id."""
        ...

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        """One unit per ingestable dataset of the catalog and nothing else."""
        ...

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """Cut the unit into slices that are disjoint and cover the range.

        Raises:
            PlanError: Mode, cursor or filter do not fit the unit.
            SourceSchemaChangedError: The dataset is gone or differs from the catalog.
        """
        ...

    def export(self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None) -> Iterator[Batch]:
        """The rows of one slice, in batches bounded in bytes; at least one batch, if only to carry the columns.

        A generator may return a ``SliceReport``: what the source promised while it was read, and what it withheld.

        Raises:
            ExportError: Nothing of an unfinished slice may be used.
        """
        ...

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:
        """The checkpoint after a run all of whose slices have these receipts: a fold, no I/O."""
        ...

    def preview(self, unit: EndpointUnitDescriptor, limit: int, where: Sequence[Predicate] = ()) -> Batch:
        """The first ``limit`` rows."""
        ...

    def close(self) -> None:
        """Give back connections. The endpoint can be used again afterwards."""
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
        """Slices to read after all others: whatever changed since the plan was made."""
        ...


@runtime_checkable
class SupportsDeleteDetection(Protocol):
    """The source can list the keys of all rows there are (``ingest.delete_detection``)."""

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[Batch]:
        """Key columns only, of every row inside the plan's filter."""
        ...

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        """Slices that read exactly the rows of these keys; each key maps column name to its text."""
        ...


class FilterOption(Contract):
    """One value a selector can take."""

    value: str
    label: str


@runtime_checkable
class SupportsFilterOptions(Protocol):
    """The source can say what its selectors may hold now (``ingest.filter_options``)."""

    def filter_options(self) -> dict[str, tuple[FilterOption, ...]]:
        """Selector name to its options, by label."""
        ...


@runtime_checkable
class SupportsWatermark(Protocol):
    """A person can say where the next incremental run begins (``ingest.set_watermark``)."""

    def checkpoint_at(self, unit: EndpointUnitDescriptor, policy: UnitPolicy, value: str) -> Json:
        """The checkpoint as if every change up to ``value`` (a cursor value, a moment) were in the sink already.

        Raises:
            CursorUnsupportedError: The unit has no cursor under this policy, or the value is none of its kind.
        """
        ...


@runtime_checkable
class SupportsGoneFeed(Protocol):
    """The source tells which rows are gone since a checkpoint, so that an incremental run can follow."""

    def gone_keys(self, plan: IngestionPlan) -> Iterator[Batch] | None:
        """Key columns of rows that are gone since the plan's checkpoint; None for a unit that has no such feed."""
        ...


@runtime_checkable
class SupportsContentHash(Protocol):
    """Content can be compared without moving it (``verify.content``). Sources and sinks both may."""

    def content_hash(self, plan: IngestionPlan, piece: IngestionSlice) -> ContentHash:
        """Hash of the rows in the slice's range, as this side holds them now."""
        ...


class SinkEndpoint(Protocol):
    """Where rows go. Synchronous and safe to call from several threads at once."""

    descriptor: ClassVar[EndpointDescriptor]

    @property
    def supported_cdm_models(self) -> tuple[str, ...]:
        """Model ids, or prefixes ending with ``.*``; empty for a raw sink."""
        ...

    def test_connection(self) -> ConnectionReport:
        """Prove the config works and that writing is allowed.

        Raises:
            UpsertError: The subclass names what is wrong.
        """
        ...

    def exclusive(self, ref: RunRef) -> AbstractContextManager[None]:
        """Hold (endpoint, unit, sink) for one run while the context is open; let go when the process dies.

        Raises:
            RunInProgressError: Somebody else holds it.
        """
        ...

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        """The run that last held an epoch, finished or not."""
        ...

    def provision(self, plan: IngestionPlan) -> tuple[str, ...]:
        """Make or widen the place for the unit's rows; idempotent. Returns what was done, one line each.

        Raises:
            SinkSchemaConflictError: It cannot be made to fit; nothing was changed.
            SinkNameError: A name does not fit.
        """
        ...

    def begin_run(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> RunHandle:
        """Take the next epoch and freeze the plan with it; the same ``run_id`` continues, another one begins."""
        ...

    def receipts(self, run: RunHandle) -> dict[str, UpsertReceipt]:
        """Receipts of the run, whatever epoch wrote them, by slice key."""
        ...

    def upsert(self, run: RunHandle, plan: IngestionPlan, piece: IngestionSlice, reader: RecordReader) -> UpsertReceipt:
        """Write the slice's rows and its receipt in one transaction. Doing it again changes nothing.

        Raises:
            RunSupersededError: A later epoch exists.
            UpsertError: Nothing of the slice was written, or (``OutcomeUnknown``) the receipts know.
        """
        ...

    def finish_run(self, run: RunHandle, checkpoint: Json | None) -> None:
        """Note that every slice is in and what the checkpoint is now."""
        ...

    def close(self) -> None:
        """Give back connections. The endpoint can be used again afterwards."""
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
        """Compare the sink's keys with the source's, treat the gone rows by policy, and name the missing ones.

        The missing keys (column name to text) are at most 10,000; more than that is a ``CompletenessGapError``.

        Raises:
            DeleteGuardError: More rows would go than ``max_delete_fraction`` allows; nothing was removed.
        """
        ...

    def remove(self, run: RunHandle, plan: IngestionPlan, keys: RecordReader) -> CensusReceipt:
        """Treat rows of exactly these keys as gone; keys that the sink does not hold are nothing to it.

        Raises:
            DeleteGuardError: As ``reconcile``.
        """
        ...


@runtime_checkable
class SupportsCdm(Protocol):
    """The sink takes rows of common models (``sink.cdm``), after somebody has asked for their tables."""

    def provision_model(self, model: CdmModel) -> ProvisionedModel:
        """Make the model's table, or widen one of an older version; idempotent.

        Raises:
            CdmModelUnsupportedError: The sink does not take this model.
            SinkSchemaConflictError: A table of that name cannot be made to fit; nothing was changed.
        """
        ...

    def tombstones(self, plan: IngestionPlan) -> Iterator[Batch]:
        """``source_id`` of the plan's endpoint's rows that were found gone, in frames; at least one frame."""
        ...

    def require_model(self, model: CdmModel) -> None:
        """Check that a run may write rows of the model.

        Raises:
            CdmModelUnsupportedError: The sink does not take this model.
            SinkNotProvisionedError: Its table is missing or older than the model.
        """
        ...


class EndpointFactory(Protocol):
    """What the registry gives for a template id."""

    descriptor: EndpointDescriptor
    config_class: type[Any]

    def source(self, config: Any) -> SourceEndpoint:
        """A source over a validated config."""
        ...

    def sink(self, config: Any) -> SinkEndpoint:
        """A sink over a validated config."""
        ...
