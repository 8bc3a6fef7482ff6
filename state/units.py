"""Unit settings, unit states, and the policy that a unit runs by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from contracts.errors import ConfigInvalidError, IngestionError
from contracts.unit import UnitConfig, UnitPolicy, UnitState
from state.entries import read_as
from state.keys import UNIT_CONFIGS, UNIT_STATES, unit_config_key, unit_state_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from contracts.model import Json
    from contracts.receipts import RunRef
    from contracts.state import KvKey, KvStore
    from contracts.unit import EndpointUnitDescriptor


_ONLY_WHAT_WAS_SET = "policy_as_set"
"""Marks saved settings whose policy holds only what was set; earlier versions saved every field."""


def effective_policy(unit: EndpointUnitDescriptor, config: UnitConfig, asked: Mapping[str, Any] | None) -> UnitPolicy:
    """The policy a run goes by: the unit's default, overridden by the operator's settings, then by the request.

    Args:
        unit: Whose default policy is the base.
        config: The operator's settings. A field that was set overrides, also with the value that most units default to.
        asked: Fields that this run's request overrides.

    Raises:
        ConfigInvalidError: A field is unknown or its value does not fit; the error lists every such field.
    """
    operator = config.policy.model_dump(mode="json", exclude_unset=True)
    try:
        return UnitPolicy.model_validate({**unit.default_policy.model_dump(mode="json"), **operator, **(asked or {})})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)]
        raise ConfigInvalidError(
            f"The policy cannot be used: {'; '.join(problems)}", "Correct these fields of the policy.", fields=problems
        ) from None


def stored(config: UnitConfig) -> Json:
    """The settings as they are saved: of the policy, only what was set."""
    policy = config.policy.model_dump(mode="json", exclude_unset=True)
    return {**config.model_dump(mode="json"), "policy": policy, _ONLY_WHAT_WAS_SET: True}


def _read(value: Json, key: KvKey) -> UnitConfig:
    config = read_as(UnitConfig, {name: kept for name, kept in value.items() if name != _ONLY_WHAT_WAS_SET}, key)
    if _ONLY_WHAT_WAS_SET in value or config.policy.model_fields_set != set(UnitPolicy.model_fields):
        return config
    # Earlier versions saved every field of the policy. Of those, a default cannot be told from a choice: it was none.
    plain = UnitPolicy()
    chosen = {name: kept for name, kept in config.policy if kept != getattr(plain, name)}
    return config.model_copy(update={"policy": UnitPolicy(**chosen)})


class UnitConfigs:
    """Unit settings made by operators. A unit without an entry has the defaults."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def configure(self, config: UnitConfig) -> UnitConfig:
        """Save the settings, replacing any earlier ones; returns them."""
        key = unit_config_key(config.endpoint_id, config.unit_id)
        self._store.put(key, stored(config))
        return config

    def config(self, endpoint_id: str, unit_id: str) -> UnitConfig:
        """The unit's settings, or the defaults.

        Raises:
            ConfigInvalidError: The stored value was edited and is no longer valid.
        """
        key = unit_config_key(endpoint_id, unit_id)
        entry = self._store.get(key)
        if entry is None:
            return UnitConfig(endpoint_id=endpoint_id, unit_id=unit_id)
        return _read(entry.value, key)

    def forget(self, endpoint_id: str, unit_id: str) -> bool:
        """Delete the settings, which restores the defaults; False when there were none."""
        return self._store.delete(unit_config_key(endpoint_id, unit_id))

    def list(self, endpoint_id: str | None = None) -> tuple[UnitConfig, ...]:
        """All saved settings (of one endpoint if given), ordered by endpoint and unit."""
        entries = self._store.list(UNIT_CONFIGS, endpoint_id)
        return tuple(_read(entry.value, entry.key) for entry in entries)


class UnitStates:
    """The status of each (endpoint, unit, sink), for people to see; no decision depends on it.

    Args:
        store: Where the values live.
        now: Returns the current time, UTC-aware.
    """

    def __init__(self, store: KvStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    def state(self, ref: RunRef) -> UnitState:
        """The saved state; ``IDLE`` without a run when there is none."""
        key = unit_state_key(ref)
        entry = self._store.get(key)
        return UnitState(**ref.model_dump()) if entry is None else read_as(UnitState, entry.value, key)

    def running(
        self, ref: RunRef, run_id: str, flow_run_id: UUID | None = None, current: UnitState | None = None
    ) -> UnitState:
        """Record that the run began. The error of an earlier run stays until this one ends.

        Args:
            ref: The unit and its sink.
            run_id: Of the run.
            flow_run_id: Of the Prefect flow run it is a part of.
            current: What this run recorded a moment ago; read from the store when None.
        """
        current = current or self.state(ref)
        begun = {"last_run_id": run_id, "flow_run_id": flow_run_id and str(flow_run_id), "last_run_at": self._now()}
        return self._save(ref, current, state="RUNNING", **begun)

    def succeeded(self, ref: RunRef, run_id: str, stats: Json | None = None) -> UnitState:
        """Record success and the run's counts. Changes nothing if a later run has been recorded."""
        return self._end(ref, run_id, state="SUCCEEDED", last_error=None, stats=stats or {})

    def failed(self, ref: RunRef, run_id: str, error: Exception, stats: Json | None = None) -> UnitState:
        """Record failure and its error. Changes nothing if a later run has been recorded."""
        return self._end(ref, run_id, state="FAILED", last_error=_error_body(error), stats=stats or {})

    def paused(self, ref: RunRef) -> UnitState:
        """Record that an operator paused the unit."""
        return self._save(ref, self.state(ref), state="PAUSED")

    def list(self, endpoint_id: str | None = None) -> tuple[UnitState, ...]:
        """All saved states (of one endpoint if given), ordered by endpoint, unit and sink."""
        entries = self._store.list(UNIT_STATES, endpoint_id)
        return tuple(read_as(UnitState, entry.value, entry.key) for entry in entries)

    def _end(self, ref: RunRef, run_id: str, **changes: Any) -> UnitState:
        current = self.state(ref)
        if current.last_run_id not in {None, run_id}:
            return current
        at = current.last_run_at or self._now()
        return self._save(ref, current, last_run_id=run_id, last_run_at=at, **changes)

    def _save(self, ref: RunRef, current: UnitState, **changes: Any) -> UnitState:
        state = current.model_copy(update=changes)
        self._store.put(unit_state_key(ref), state.model_dump(mode="json"))
        return state


def _error_body(error: Exception) -> Json:
    if isinstance(error, IngestionError):
        return error.to_json()
    # The message of a foreign exception may contain secrets (I10): it goes to the log, not into the state.
    return {"code": IngestionError.code, "message": type(error).__name__}
