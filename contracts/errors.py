"""Every error that a run can end with.

The base class is the *phase*; *recovery* is mixed in. Callers test ``isinstance(error, Retriable)``, not the text::

    IngestionError
    ├── ConfigError            the operator's settings            E_CONFIG_INVALID, E_ENDPOINT_UNKNOWN, …
    ├── MetadataError          catalog and units                  E_DATASET_NOT_IN_CATALOG, E_UNIT_DISABLED, …
    ├── PlanError              dividing a unit into slices        E_MODE_UNSUPPORTED, E_CURSOR_UNSUPPORTED, …
    ├── ExportError            reading the source                 E_SOURCE_AUTH, E_SOURCE_UNREACHABLE, …
    ├── StageError             staging                            E_STAGING_UNAVAILABLE, E_STAGE_TOO_LARGE, …
    ├── MapError               source rows to a common model      E_CDM_MODEL_UNSUPPORTED
    ├── UpsertError            writing the sink                   E_SINK_WRITE_FAILED, E_SINK_SCHEMA_CONFLICT, …
    ├── StateError             checkpoints and the KV store       E_CHECKPOINT_CONFLICT
    └── RunError               the run as a whole                 E_RUN_IN_PROGRESS, E_COMPLETENESS_GAP, …

    Recovery:  Retriable       the same call may succeed later (``retry_after_s`` if the system said when)
               Terminal        something has to be changed first
               Skippable       this unit cannot continue, others can
               OutcomeUnknown  it may have happened: check the receipts before repeating it
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

# Callers import these from here, hence the names after "as".
from contracts.recovery import OutcomeUnknown as OutcomeUnknown  # noqa: PLC0414
from contracts.recovery import Retriable as Retriable  # noqa: PLC0414
from contracts.recovery import Skippable as Skippable  # noqa: PLC0414
from contracts.recovery import Terminal as Terminal  # noqa: PLC0414


class IngestionError(Exception):
    """Root of all typed errors: ``what`` happened (no secrets), the ``next_step``, and ``facts`` as JSON values."""

    code: ClassVar[str] = "E_INGESTION"

    def __init__(self, what: str, next_step: str = "", **facts: Any) -> None:
        self.what, self.next_step, self.facts = what, next_step, facts
        super().__init__(f"{what.rstrip('.')}. {next_step}".strip())

    def __reduce__(self) -> tuple[Any, ...]:
        return (partial(type(self), **self.facts), (self.what, self.next_step), self.__dict__)

    @property
    def retryable(self) -> bool:
        """True if the same call may succeed later without any change."""
        return isinstance(self, Retriable)

    def to_json(self) -> dict[str, Any]:
        """Shape: ``{code, message, hint, retryable, facts}``, as the command and the API print it."""
        shown = {"code": self.code, "message": self.what, "hint": self.next_step}
        return {**shown, "retryable": self.retryable, "facts": self.facts}


class ConfigError(IngestionError):
    """What the operator wrote cannot be used."""


class MetadataError(IngestionError):
    """The catalog does not allow the request."""


class PlanError(IngestionError):
    """The unit cannot be divided into slices."""


class ExportError(IngestionError):
    """The source could not be read."""


class StageError(IngestionError):
    """The staging area failed."""


class MapError(IngestionError):
    """Rows could not be mapped to the common data model."""


class UpsertError(IngestionError):
    """The sink could not be written."""


class StateError(IngestionError):
    """State could not be read or saved."""


class RunError(IngestionError):
    """The run as a whole could not continue."""


class ConfigInvalidError(Terminal, ConfigError):
    """A config has an unknown, missing or malformed field."""

    code = "E_CONFIG_INVALID"


class EndpointUnknownError(Terminal, ConfigError):
    """No endpoint, template, sink or staging area is registered under that id."""

    code = "E_ENDPOINT_UNKNOWN"


class DependencyMissingError(Terminal, ConfigError):
    """A package that the connector needs is not installed, or too old."""

    code = "E_DEPENDENCY_MISSING"


class ControlPlaneError(Retriable, ConfigError):
    """The Prefect server could not be reached."""

    code = "E_CONTROL_PLANE_UNREACHABLE"


class ServerServiceError(ControlPlaneError):
    """The Prefect server answers, but one of its background services fails."""

    code = "E_SERVER_SERVICE_FAILING"


class CatalogMissingError(Terminal, MetadataError):
    """The endpoint's catalog was never collected."""

    code = "E_CATALOG_MISSING"


class DatasetNotInCatalogError(Skippable, Terminal, MetadataError):
    """The catalog has no dataset for the unit."""

    code = "E_DATASET_NOT_IN_CATALOG"


class EndpointDisabledError(Terminal, MetadataError):
    """An operator disabled the whole endpoint."""

    code = "E_ENDPOINT_DISABLED"


class EndpointInUseError(Retriable, MetadataError):
    """The endpoint cannot be removed while a run reads or writes it, or waits to."""

    code = "E_ENDPOINT_IN_USE"


class UnitDisabledError(Skippable, Terminal, MetadataError):
    """An operator disabled the unit."""

    code = "E_UNIT_DISABLED"


class FilterNotSupportedError(Terminal, PlanError):
    """The source cannot apply that filter."""

    code = "E_FILTER_NOT_SUPPORTED"


class ModeUnsupportedError(Terminal, PlanError):
    """The unit cannot be read in that mode (for example incrementally without a key)."""

    code = "E_MODE_UNSUPPORTED"


class CursorUnsupportedError(Terminal, PlanError):
    """The cursor column is missing, or its type is not suitable for a cursor."""

    code = "E_CURSOR_UNSUPPORTED"


class KeyNotUniqueError(Terminal, PlanError):
    """Several rows have the same value of the key, or it holds NULL."""

    code = "E_KEY_NOT_UNIQUE"


class SourceUnreachableError(Retriable, ExportError):
    """The source did not respond, or the connection was lost."""

    code = "E_SOURCE_UNREACHABLE"


class SourceAuthError(Terminal, ExportError):
    """The source refused the credentials."""

    code = "E_SOURCE_AUTH"


class SourceTlsError(Terminal, ExportError):
    """The TLS handshake with the source failed."""

    code = "E_SOURCE_TLS"


class SourcePrivilegeError(Skippable, Terminal, ExportError):
    """The credentials are valid but may not read this."""

    code = "E_SOURCE_PRIVILEGE"


class SourceSchemaChangedError(Terminal, ExportError):
    """A dataset or column of the plan no longer exists in that form."""

    code = "E_SOURCE_SCHEMA_CHANGED"


class SourceViewLostError(Retriable, ExportError):
    """The consistent view that the slices share is gone; the run resumes under a new one."""

    code = "E_SOURCE_VIEW_LOST"


class SourcePageFailedError(Retriable, ExportError):
    """A read failed for a transient reason."""

    code = "E_SOURCE_PAGE_FAILED"


class SliceRereadError(Retriable, ExportError):
    """The source asks for the slice to be read again from its start, with ``params`` added to the slice's own."""

    code = "E_SOURCE_REREAD"

    def __init__(self, what: str, next_step: str = "", **facts: Any) -> None:
        super().__init__(what, next_step, **facts)
        self.params: dict[str, Any] = facts.get("params", {})


class SourceValueError(Terminal, ExportError):
    """The source has a value that cannot be read without loss."""

    code = "E_SOURCE_VALUE"


class StagingUnavailableError(Retriable, StageError):
    """The staging area could not be read or written (down, slow, disk full)."""

    code = "E_STAGING_UNAVAILABLE"


class StagingRefusedError(Terminal, StageError):
    """The staging area refused: missing bucket, wrong credentials, no permission."""

    code = "E_STAGING_REFUSED"


class StageTooLargeError(Terminal, StageError):
    """The memory provider's limit is reached."""

    code = "E_STAGE_TOO_LARGE"


class StageUnsealedError(Retriable, StageError):
    """A session without its ``_SUCCESS`` was opened for reading."""

    code = "E_STAGE_UNSEALED"


class StageCorruptError(Retriable, StageError):
    """Staged bytes do not match the manifest."""

    code = "E_STAGE_CORRUPT"


class CdmModelUnsupportedError(Terminal, MapError):
    """There is no mapper for that common data model, or the sink does not support it."""

    code = "E_CDM_MODEL_UNSUPPORTED"


class SinkUnreachableError(Retriable, OutcomeUnknown, UpsertError):
    """The sink did not respond, or the connection was lost. The receipts tell what was committed."""

    code = "E_SINK_UNREACHABLE"


class SinkAuthError(Terminal, UpsertError):
    """The sink refused the credentials."""

    code = "E_SINK_AUTH"


class SinkTlsError(Terminal, UpsertError):
    """The TLS handshake with the sink failed."""

    code = "E_SINK_TLS"


class SinkPrivilegeError(Terminal, UpsertError):
    """The credentials are valid but may not write there."""

    code = "E_SINK_PRIVILEGE"


class SinkNotProvisionedError(Terminal, UpsertError):
    """The table for these rows does not exist, and runs do not create it."""

    code = "E_SINK_NOT_PROVISIONED"


class SinkSchemaConflictError(Terminal, UpsertError):
    """The sink's table cannot store the unit's columns without loss."""

    code = "E_SINK_SCHEMA_CONFLICT"


class SinkNameError(Terminal, UpsertError):
    """A name is not allowed in the sink (for example too long)."""

    code = "E_SINK_NAME"


class SinkValueError(Terminal, UpsertError):
    """The sink cannot store a value (for example a NUL character in text)."""

    code = "E_SINK_VALUE"


class SinkOwnerError(Terminal, UpsertError):
    """The table belongs to another unit, or a row of a shared table to another endpoint."""

    code = "E_SINK_OWNER"


class SinkCorruptError(Terminal, UpsertError):
    """What the sink keeps of a table beside its rows (manifests, epochs, receipts) was changed and cannot be read."""

    code = "E_SINK_CORRUPT"


class SinkLockedError(Retriable, UpsertError):
    """A change of the sink's table did not get its lock in time."""

    code = "E_SINK_LOCKED"


class SinkWriteFailedError(Retriable, UpsertError):
    """A write failed for a transient reason (deadlock, disk full, shutdown)."""

    code = "E_SINK_WRITE_FAILED"


class CheckpointConflictError(Retriable, StateError):
    """Another writer changed the value first."""

    code = "E_CHECKPOINT_CONFLICT"


class StateUnavailableError(Retriable, StateError):
    """The KV store did not respond."""

    code = "E_STATE_UNAVAILABLE"


class RunStoppedError(Retriable, RunError):
    """The run was cancelled, or its process was killed, before its end."""

    code = "E_RUN_STOPPED"


class RunPausedError(Retriable, RunError):
    """An operator paused the unit. Finished slices are in the sink, and the next run resumes."""

    code = "E_RUN_PAUSED"


class RunInProgressError(Retriable, RunError):
    """Another run of the same (endpoint, unit, sink) is active."""

    code = "E_RUN_IN_PROGRESS"


class RunSupersededError(Terminal, RunError):
    """A later run took the next epoch; this one can no longer write."""

    code = "E_RUN_SUPERSEDED"


class CompletenessGapError(Terminal, RunError):
    """Fewer rows arrived than the source announced, or keys are missing in the sink."""

    code = "E_COMPLETENESS_GAP"


class DeleteGuardError(Terminal, RunError):
    """The census would remove more rows than the policy allows."""

    code = "E_DELETE_GUARD"


class VerifyMismatchError(Terminal, RunError):
    """Source and sink differ in content."""

    code = "E_VERIFY_MISMATCH"
