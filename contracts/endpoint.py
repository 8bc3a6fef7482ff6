"""Interfaces of sources and sinks, and the descriptors by which connectors describe themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import JsonValue

from contracts.catalog import DatasetDescriptor
from contracts.model import Contract, Json
from contracts.unit import EndpointUnitDescriptor, IngestionMode, Predicate, UnitPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from contracts.catalog import CatalogSnapshot
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import FrozenRun, RunHandle, RunRef, UpsertReceipt
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
    "sink.raw",  # beside sink.cdm: takes raw rows too, as every sink without sink.cdm does
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


class FilterOption(Contract):
    """One possible value of a selector."""

    value: str
    label: str
    details: dict[str, str] = {}
    """What else the source says of it: ``id``, ``category``, ``email``."""


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
