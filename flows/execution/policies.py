"""Which failures are tried again, by whom, and which end more than their unit: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.errors import (
    ConfigError,
    IngestionError,
    Retriable,
    SinkAuthError,
    SinkPrivilegeError,
    SinkTlsError,
    SinkUnreachableError,
    SourceAuthError,
    SourceTlsError,
    SourceUnreachableError,
    SourceViewLostError,
    StageCorruptError,
    StageError,
    StageUnsealedError,
    StateError,
)

if TYPE_CHECKING:
    from threading import Event

    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task


class RetryRule(NamedTuple):
    """How often a task is tried again, after how many seconds."""

    retries: int
    delays_s: tuple[float, ...] = ()
    jitter: float = 0.0


ONCE = RetryRule(0)
AGAIN = RetryRule(3, (0.5, 2.0, 8.0), jitter=0.5)

RULES: tuple[tuple[type, RetryRule], ...] = (
    (SourceViewLostError, ONCE),  # a new view is a new run's
    (StageUnsealedError, ONCE),  # reading it again finds the same; the slice is staged again instead
    (StageCorruptError, ONCE),
    (Retriable, AGAIN),
    (Exception, ONCE),  # Terminal, Skippable, a stop, and what nobody foresaw
)
"""The first that fits. What Prefect is told is AGAIN; ``may_retry`` says no where the rule is another."""

RESTAGES = 2
"""How often a slice whose staged rows cannot be read is staged again."""

MAX_HOLD_S = 300.0
"""The longest that a system's own ``retry_after_s`` is followed within a run."""

_ENDPOINT_WIDE: tuple[type, ...] = (
    ConfigError,
    StageError,
    StateError,
    SourceAuthError,
    SourceTlsError,
    SourceUnreachableError,
    SinkAuthError,
    SinkPrivilegeError,
    SinkTlsError,
    SinkUnreachableError,
)


def rule_for(error: BaseException) -> RetryRule:
    """The rule of an error; ONCE for what is no Exception."""
    return next((rule for kind, rule in RULES if isinstance(error, kind)), ONCE)


def may_retry(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """What Prefect asks before it tries a task again."""
    return isinstance(state.data, BaseException) and rule_for(state.data) is not ONCE


def hold_back(error: BaseException, stop: Event) -> None:
    """Wait as long as the system asked for, on top of the rule's own delay; a stop ends the wait."""
    wanted = error.retry_after_s if isinstance(error, Retriable) else None
    if wanted and rule_for(error) is not ONCE:
        stop.wait(min(wanted, MAX_HOLD_S))


def should_restage(error: BaseException, before: int) -> bool:
    """True when staging the slice again can help."""
    return before < RESTAGES and isinstance(error, StageError) and isinstance(error, Retriable)


def ends_endpoint(error: BaseException) -> bool:
    """True when the other units of the endpoint would fail alike, so that none is begun any more."""
    return not isinstance(error, IngestionError) or isinstance(error, _ENDPOINT_WIDE)
