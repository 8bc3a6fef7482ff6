"""Units: catalogued datasets that can be ingested, with the operator's settings and policy for them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.model import Contract

IngestionMode = Literal["full", "incremental"]
"""``full`` reads everything; ``incremental`` reads what changed since the checkpoint."""

DataMode = Literal["raw", "cdm"]
"""``raw`` keeps the source's shape; ``cdm`` maps rows to a common data model first."""

GonePolicy = Literal["delete", "tombstone", "ignore"]
"""What the sink does with a row that is gone at the source."""

PredicateOp = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "is_null", "is_not_null"]

MIB = 1024 * 1024


class Predicate(Contract):
    """One condition on one column. All predicates of a filter must hold. They are data, never query text."""

    column: str
    op: PredicateOp
    value: JsonValue = None
    """A scalar; a list for ``in`` and ``not_in``; None for ``is_null`` and ``is_not_null``."""


class UnitPolicy(Contract):
    """How to ingest a unit. The defaults suit most units."""

    filter: tuple[Predicate, ...] = Field((), description="Only rows that satisfy all of these are moved.")
    selectors: dict[str, JsonValue] = Field(
        {}, description="Choices by name that the source offers beside columns; a source without them refuses any."
    )
    cursor_columns: tuple[str, ...] = Field(
        (), description="Columns that grow when a row changes; a row changed when any of them did."
    )
    key_columns: tuple[str, ...] = Field((), description="Overrides the key found in the catalog.")
    target_slice_bytes: int = Field(32 * MIB, ge=64 * 1024, description="Size in bytes that slices are cut to.")
    parallel_slices: int = Field(2, ge=1, le=64, description="Slices in flight at the same time.")
    on_gone: GonePolicy | None = Field(
        None,
        description="What happens to rows that are gone at the source; empty: raw rows are deleted, common-model "
        "rows are tombstoned.",
    )
    max_delete_fraction: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="A census that would remove a larger fraction of the sink's rows stops the run.",
    )
    census_every_s: float = Field(
        86_400.0,
        ge=0.0,
        description="An incremental run compares keys with the source when the last census is older than this many "
        "seconds, for units whose keys are cheap to list.",
    )
    resume_within_s: float = Field(
        86_400.0, ge=0.0, description="An unfinished run younger than this many seconds is continued, not replaced."
    )
    allow_partial: bool = Field(
        default=False, description="Succeed although part of the unit could not be read, and list the gap."
    )
    target_namespace: str | None = Field(None, description="Schema to write to; the sink's default when empty.")
    target_name: str | None = Field(None, description="Table to write to; the dataset's own name when empty.")


class EndpointUnitDescriptor(Contract):
    """A dataset that can be ingested (also known as: stream, resource). Requires a catalogued dataset."""

    unit_id: str
    dataset: DatasetDescriptor
    kind: str
    display_name: str
    primary_key: tuple[str, ...] = ()
    """Columns that identify a row; empty if the dataset has no usable key."""
    cursor_candidates: tuple[str, ...] = ()
    """Columns whose type is suitable for a cursor."""
    supported_modes: tuple[IngestionMode, ...] = ("full",)
    cdm_model_id: str | None = None
    default_policy: UnitPolicy = UnitPolicy()

    @property
    def dataset_id(self) -> str:
        """Id of the catalogued dataset behind the unit."""
        return self.dataset.dataset_id

    @property
    def columns(self) -> tuple[ColumnDescriptor, ...]:
        """The unit's schema, in the source's order."""
        return self.dataset.columns


class UnitConfig(Contract):
    """An operator's settings for one unit of one endpoint."""

    endpoint_id: str
    unit_id: str
    enabled: bool = True
    mode: IngestionMode = "full"
    data_mode: DataMode = "raw"
    sink_id: str | None = None
    schedule: str | None = None
    """A cron expression, or ``every <seconds>``; empty means on demand."""
    policy: UnitPolicy = UnitPolicy()


class UnitState(Contract):
    """The status of one (endpoint, unit, sink), as the console shows it."""

    endpoint_id: str
    unit_id: str
    sink_id: str
    state: Literal["IDLE", "RUNNING", "PAUSED", "FAILED", "SUCCEEDED"] = "IDLE"
    last_run_id: str | None = None
    """The run as the sink knows it; a run that was resumed keeps its id."""
    flow_run_id: str | None = None
    """The Prefect flow run that wrote this state; of a resumed run the one that resumed it."""
    last_run_at: datetime | None = None
    last_error: dict[str, JsonValue] | None = None
    stats: dict[str, JsonValue] = {}
    waiting: str | None = None
    """What the next run of the unit waits for; None when none waits. Never saved: it is asked of Prefect."""
