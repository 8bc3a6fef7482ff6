"""The workspace of runs: units of one endpoint's run share it, and what is the same for all of them is read once."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from flows.blocks.types import factory_of
from flows.prefect_api.client import connect
from flows.wiring import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contracts.catalog import CatalogSnapshot
    from contracts.unit import EndpointUnitDescriptor
    from flows.prefect_api.client import ControlPlane

ValueT = TypeVar("ValueT")

READ_AGAIN_AFTER_S = 10.0
"""A rotated secret, a new catalog or a switch reaches the units of a run under way after this long."""


class _Read(NamedTuple):
    at: float
    value: Any


class RunWorkspace(Workspace):
    """A workspace that believes endpoints, their catalogs and switches for ten seconds; safe between threads."""

    def __init__(self) -> None:
        super().__init__()
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

    def _registered(self, role: str, endpoint_id: str) -> tuple[str, Any]:
        key = ("endpoint", role, endpoint_id)
        return self._recent(key, lambda: super(RunWorkspace, self)._registered(role, endpoint_id))

    def _recent(self, key: tuple[str, ...], read: Callable[[], ValueT]) -> ValueT:
        cached = self._reads.get(key)
        if cached is None or time.monotonic() - cached.at > READ_AGAIN_AFTER_S:
            cached = self._reads[key] = _Read(time.monotonic(), read())
        return cast("ValueT", cached.value)


_shared: ContextVar[RunWorkspace | None] = ContextVar("run_workspace", default=None)


@contextmanager
def run_workspace() -> Iterator[RunWorkspace]:
    """The workspace of the run that this one is a part of, else a new one; closed by whoever made it."""
    if (shared := _shared.get()) is not None:
        yield shared
        return
    with RunWorkspace() as made:
        token = _shared.set(made)
        try:
            yield made
        finally:
            _shared.reset(token)
