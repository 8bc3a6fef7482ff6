"""What an operator set for each unit, where each unit stands, and the one door that lets a unit run (I7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from contracts.errors import ConfigInvalidError, IngestionError, UnitDisabledError
from contracts.unit import UnitConfig, UnitPolicy, UnitState
from state.entries import read_as
from state.keys import UNIT_CONFIGS, UNIT_STATES, unit_config_key, unit_state_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contracts.catalog import CatalogSnapshot, DatasetDescriptor
    from contracts.model import Json
    from contracts.receipts import RunRef
    from contracts.state import KvStore
    from contracts.unit import EndpointUnitDescriptor


def require_runnable(
    catalog: CatalogSnapshot, unit_id: str, config: UnitConfig, dataset_id: str | None = None
) -> DatasetDescriptor:
    """The dataset behind the unit, if the unit may run. Metadata is asked first, then the operator.

    Args:
        catalog: The endpoint's latest snapshot.
        unit_id: The unit that is to run.
        config: What the operator set for it.
        dataset_id: The unit's dataset, where its id is not the unit's own.

    Raises:
        DatasetNotInCatalogError: No catalogued dataset stands behind the unit.
        UnitDisabledError: The operator switched the unit off.
    """
    dataset = catalog.dataset(unit_id if dataset_id is None else dataset_id)
    if not config.enabled:
        raise UnitDisabledError(
            f"Unit {unit_id!r} of endpoint {catalog.endpoint_id!r} is disabled",
            f"Enable it (`nucleus unit configure {catalog.endpoint_id} {unit_id}`), or choose another one.",
            endpoint_id=catalog.endpoint_id,
            unit_id=unit_id,
        )
    return dataset


class UnitConfigs:
    """What operators set; a unit nobody configured has the defaults."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def configure(self, config: UnitConfig) -> UnitConfig:
        """Keep the config in place of the one there; returns it."""
        key = unit_config_key(config.endpoint_id, config.unit_id)
        self._store.put(key, config.model_dump(mode="json"))
        return config

    def config(self, endpoint_id: str, unit_id: str) -> UnitConfig:
        """What was set for the unit, or the defaults.

        Raises:
            ConfigInvalidError: Somebody edited the value so that it cannot be read.
        """
        key = unit_config_key(endpoint_id, unit_id)
        entry = self._store.get(key)
        if entry is None:
            return UnitConfig(endpoint_id=endpoint_id, unit_id=unit_id)
        return read_as(UnitConfig, entry.value, key)

    def forget(self, endpoint_id: str, unit_id: str) -> bool:
        """Back to the defaults; False when nothing was set."""
        return self._store.delete(unit_config_key(endpoint_id, unit_id))

    def list(self, endpoint_id: str | None = None) -> tuple[UnitConfig, ...]:
        """Every config that was set (for the endpoint), ordered by endpoint and unit."""
        entries = self._store.list(UNIT_CONFIGS, endpoint_id)
        return tuple(read_as(UnitConfig, entry.value, entry.key) for entry in entries)


class UnitStates:
    """Where each (endpoint, unit, sink) stands, for people to see; nothing is decided by it.

    Args:
        store: Where the values live.
        now: The time, UTC-aware.
    """

    def __init__(self, store: KvStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    def state(self, ref: RunRef) -> UnitState:
        """The state; ``IDLE`` without a run when nothing was ever noted."""
        key = unit_state_key(ref)
        entry = self._store.get(key)
        return UnitState(**ref.model_dump()) if entry is None else read_as(UnitState, entry.value, key)

    def running(self, ref: RunRef, run_id: str) -> UnitState:
        """Note that the run began; what an earlier run left behind as error stays until this one ends."""
        return self._note(ref, state="RUNNING", last_run_id=run_id, last_run_at=self._now())

    def succeeded(self, ref: RunRef, run_id: str, stats: Json | None = None) -> UnitState:
        """Note that the run ended well, and what it counted. A run that was replaced notes nothing."""
        return self._end(ref, run_id, state="SUCCEEDED", last_error=None, stats=stats or {})

    def failed(self, ref: RunRef, run_id: str, error: Exception, stats: Json | None = None) -> UnitState:
        """Note that the run ended with the error. A run that was replaced notes nothing."""
        return self._end(ref, run_id, state="FAILED", last_error=_in_words(error), stats=stats or {})

    def paused(self, ref: RunRef) -> UnitState:
        """Note that the operator holds the unit back."""
        return self._note(ref, state="PAUSED")

    def idle(self, ref: RunRef) -> UnitState:
        """Note that nothing goes on; the last run's facts stay."""
        return self._note(ref, state="IDLE")

    def list(self, endpoint_id: str | None = None) -> tuple[UnitState, ...]:
        """Every state that was noted (for the endpoint), ordered by endpoint, unit and sink."""
        entries = self._store.list(UNIT_STATES, endpoint_id)
        return tuple(read_as(UnitState, entry.value, entry.key) for entry in entries)

    def _end(self, ref: RunRef, run_id: str, **changes: Any) -> UnitState:
        held = self.state(ref)
        if held.last_run_id not in {None, run_id}:
            return held
        at = held.last_run_at or self._now()
        return self._note(ref, last_run_id=run_id, last_run_at=at, **changes)

    def _note(self, ref: RunRef, **changes: Any) -> UnitState:
        noted = self.state(ref).model_copy(update=changes)
        self._store.put(unit_state_key(ref), noted.model_dump(mode="json"))
        return noted


def _in_words(error: Exception) -> Json:
    if isinstance(error, IngestionError):
        return error.to_json()
    # The text of an error that is not ours may hold secrets (I10): the log has it, not the state.
    return {"code": IngestionError.code, "message": type(error).__name__}


def effective_policy(unit: EndpointUnitDescriptor, config: UnitConfig, asked: Mapping[str, Any] | None) -> UnitPolicy:
    """The unit's default policy, over it what the operator set, over that what this run asks for.

    Raises:
        ConfigInvalidError: A field is unknown or its value does not fit.
    """
    plain = UnitPolicy().model_dump(mode="json")
    operator = {name: value for name, value in config.policy.model_dump(mode="json").items() if value != plain[name]}
    try:
        return UnitPolicy.model_validate({**unit.default_policy.model_dump(mode="json"), **operator, **(asked or {})})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)]
        raise ConfigInvalidError(
            f"The policy cannot be used: {'; '.join(problems)}", "Correct these fields of the policy.", fields=problems
        ) from None
