"""The workspace of runs: units of one endpoint's run share it, and what is the same for all of them is read once."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from flows.blocks.types import factory_of
from flows.prefect_api.client import connect
from flows.prefect_api.runs import AWAITING_TURN, WAITING
from flows.wiring import Workspace
from state.keys import UNIT_CONFIGS, UNIT_HOLDS, UNIT_STATES
from state.listed import ListedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contracts.catalog import CatalogSnapshot
    from contracts.state import KvStore
    from contracts.unit import EndpointUnitDescriptor
    from flows.prefect_api.client import ControlPlane
    from flows.prefect_api.runs import Run

ValueT = TypeVar("ValueT")

READ_AGAIN_AFTER_S = 10.0
"""A rotated secret, a new catalog, a switch or a unit's settings reach the units of a run under way after this long."""
WAITING_AGAIN_AFTER_S = 2.0
BELIEVED_S = {UNIT_CONFIGS: READ_AGAIN_AFTER_S, UNIT_HOLDS: 2.0, UNIT_STATES: 600.0}
"""A state is written by the run that holds the unit's lock, and no decision depends on it."""


class _Read(NamedTuple):
    at: float
    value: Any


class RunWorkspace(Workspace):
    """A workspace that believes endpoints, their catalogs and switches for ten seconds; safe between threads.

    Args:
        is_shared: The units of an endpoint's run share it: settings, states and holds of units, and what waits, are
            believed too.
    """

    def __init__(self, *, is_shared: bool = False) -> None:
        super().__init__()
        self.is_shared = is_shared
        self._reads: dict[tuple[str, ...], _Read] = {}

    @cached_property
    def plane(self) -> ControlPlane:
        """As the workspace's; that the server answers is known, because the flow run has begun."""
        return connect(self.home, check=False)

    def vendor(self, endpoint_id: str) -> str:
        """As the workspace's."""
        return factory_of(self._registered("source", endpoint_id)[0]).descriptor.vendor

    def require_on(self, endpoint_id: str) -> None:
        """As the workspace's; only that the endpoint is on is believed."""
        self._recent(("on", endpoint_id), lambda: super(RunWorkspace, self).require_on(endpoint_id))

    def units_of(self, endpoint_id: str) -> tuple[CatalogSnapshot, tuple[EndpointUnitDescriptor, ...]]:
        """As the workspace's."""
        return self._recent(("units", endpoint_id), lambda: super(RunWorkspace, self).units_of(endpoint_id))

    @cached_property
    def store(self) -> KvStore:
        """As the workspace's; in an endpoint's run one call reads the settings, states and holds of all units."""
        opened = super().store
        return ListedStore(opened, BELIEVED_S) if self.is_shared else opened

    def waiting_runs(self) -> tuple[Run, ...]:
        """Runs that wait for their turn; in an endpoint's run as they were at most two seconds ago.

        A run that came since is not among them. It looks again by itself.
        """

        def read() -> tuple[Run, ...]:
            return tuple(self.runs.find(WAITING, names=(AWAITING_TURN,)))

        return self._recent(("waiting",), read, WAITING_AGAIN_AFTER_S) if self.is_shared else read()

    def _registered(self, role: str, endpoint_id: str) -> tuple[str, Any]:
        key = ("endpoint", role, endpoint_id)
        return self._recent(key, lambda: super(RunWorkspace, self)._registered(role, endpoint_id))

    def _recent(
        self, key: tuple[str, ...], read: Callable[[], ValueT], again_after_s: float = READ_AGAIN_AFTER_S
    ) -> ValueT:
        cached = self._reads.get(key)
        asked_at = time.monotonic()
        if cached is None or asked_at - cached.at > again_after_s:
            cached = self._reads[key] = _Read(asked_at, read())
        return cast("ValueT", cached.value)


_shared: ContextVar[RunWorkspace | None] = ContextVar("run_workspace", default=None)


@contextmanager
def run_workspace(*, of_many_units: bool = False) -> Iterator[RunWorkspace]:
    """The workspace of the run that this one is a part of, else a new one; closed by whoever made it."""
    if (shared := _shared.get()) is not None:
        yield shared
        return
    with RunWorkspace(is_shared=of_many_units) as made:
        token = _shared.set(made)
        try:
            yield made
        finally:
            _shared.reset(token)
