"""Which failures are tried again, after how long, and which end more than their unit: the one table of retries."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

from contracts.error_codes import kind_of
from contracts.errors import (
    ConfigError,
    IngestionError,
    Retriable,
    SinkAuthError,
    SinkLockedError,
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
    from collections.abc import Callable
    from threading import Event

ResultT = TypeVar("ResultT")

DELAYS_S: tuple[float, ...] = (0.5, 2.0, 8.0)
"""Seconds before the second, third and fourth try of a step."""

JITTER = 0.5
"""Each delay is lengthened by up to this fraction, so that parallel slices do not come back at the same moment."""

MAX_RESTAGES = 2
"""How often a slice whose staged rows cannot be read is exported and staged again."""

MAX_HOLD_S = 300.0
"""The longest ``retry_after_s`` that is waited for within a run; a longer one ends the run, which can be resumed."""

_STAGED_ROWS_LOST = (StageUnsealedError, StageCorruptError)
"""Reading the session again finds the same: the slice is staged again instead."""

_NEEDS_A_NEW_RUN = (SourceViewLostError, SinkLockedError)
"""For a lock, the sink has waited and tried again by itself."""

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


def is_transient(error: BaseException) -> bool:
    """True when the same step of the same run may succeed if it is repeated."""
    return isinstance(error, Retriable) and not isinstance(error, (*_STAGED_ROWS_LOST, *_NEEDS_A_NEW_RUN))


def retry_delay_s(error: BaseException, failures: int) -> float | None:
    """How long to wait before a step is tried again; None when it is not.

    Args:
        error: What the last try failed with.
        failures: How many tries of the step have failed, the last one included.
    """
    if not is_transient(error) or failures > len(DELAYS_S):
        return None
    requested_s = (error.retry_after_s if isinstance(error, Retriable) else None) or 0.0
    if requested_s > MAX_HOLD_S:
        return None
    jitter = 1 + JITTER * random.random()  # noqa: S311 - spreads retries, protects nothing
    return max(DELAYS_S[failures - 1] * jitter, requested_s)


def should_restage(error: BaseException, restages: int) -> bool:
    """True when exporting and staging the slice again can help; ``restages`` is how often that was done already."""
    return restages < MAX_RESTAGES and isinstance(error, _STAGED_ROWS_LOST)


def ends_endpoint(error: BaseException) -> bool:
    """True when the endpoint's other units would fail for the same reason, so that none of them is started."""
    return not isinstance(error, IngestionError) or isinstance(error, _ENDPOINT_WIDE)


def code_ends_endpoint(code: str) -> bool:
    """The same of an error that another process had, by its code."""
    return issubclass(kind_of(code) or IngestionError, _ENDPOINT_WIDE)


def with_retries(step: Callable[[], ResultT], stop: Event, retried: Callable[[IngestionError], None]) -> ResultT:
    """The result of a step of the run that is not a slice (planning, the census), repeated by the same table.

    A stop ends the wait, and then the last failure is raised. ``retried`` is told of each failure that is waited out.
    """
    failures = 0
    while True:
        try:
            return step()
        except IngestionError as error:
            failures += 1
            delay_s = retry_delay_s(error, failures)
            if delay_s is None:
                raise
            retried(error)
            if stop.wait(delay_s):
                raise
