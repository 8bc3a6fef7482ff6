"""A short-lived cache of endpoint, sink and unit metadata, shared by many requests.

A run checks everything again when it begins, so a request may be accepted on an entry that is some seconds old. A
refusal is never based on an old entry: the metadata is read again first (:meth:`MetadataCache.fresh`).
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from contracts.errors import CatalogMissingError, ConfigInvalidError, EndpointUnknownError
from contracts.unit import UnitConfig
from flows.blocks.types import factory_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from contracts.catalog import CatalogSnapshot
    from contracts.endpoint import EndpointDescriptor
    from contracts.unit import EndpointUnitDescriptor
    from flows.wiring import Workspace

EntryT = TypeVar("EntryT")
KEEP_S, KEEP_CONFIGS_S = 15.0, 2.0
SOON = 0.6
"""Fraction of an entry's lifetime after which it is refreshed ahead of need."""


@dataclass(frozen=True)
class EndpointMetadata:
    """One endpoint, as the metadata has it."""

    endpoint_id: str
    about: EndpointDescriptor
    enabled: bool
    catalog: CatalogSnapshot | None
    """None when it was never collected."""
    units: Mapping[str, EndpointUnitDescriptor]

    def unit_of(self, dataset_id: str) -> EndpointUnitDescriptor | None:
        """The unit that moves the dataset; None when it cannot be ingested."""
        return next((unit for unit in self.units.values() if unit.dataset_id == dataset_id), None)


@dataclass(frozen=True)
class SinkMetadata:
    """One endpoint in the role of a sink."""

    sink_id: str
    about: EndpointDescriptor
    models: tuple[str, ...]
    """Ids or ``prefix.*`` of the common models it takes."""
    provisioned: frozenset[str]
    """Models whose tables the catalog of the sink holds."""


class MetadataCache:
    """Entries by name, each kept for ``keep_s``. Thread-safe: threads that need the same entry wait for one read.

    Args:
        workspace: Where they are.
        keep_s: Seconds until an entry is read again.
        clock: Monotonic seconds.
    """

    def __init__(
        self, workspace: Workspace, keep_s: float = KEEP_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._workspace, self._keep_s, self._clock = workspace, keep_s, clock
        self._held: dict[tuple[str, ...], tuple[float, Any]] = {}
        self._locks: dict[tuple[str, ...], Lock] = {}
        self._lock = Lock()
        self._changes = 0

    def endpoint(self, endpoint_id: str) -> EndpointMetadata:
        """The endpoint as a source; raises EndpointUnknownError, ConfigInvalidError, ControlPlaneError.

        A source that was never collected is read each time: its first collection ends without a word to this process,
        and whoever waited for it asks for its units at once.
        """
        name = ("endpoint", endpoint_id)
        held: EndpointMetadata | None = self._look(name)[0]
        awaits_its_catalog = held is not None and held.catalog is None and "source" in held.about.roles
        look_up = self._read if awaits_its_catalog else self._entry
        return look_up(name, lambda: read_endpoint(self._workspace, endpoint_id))

    def sink(self, sink_id: str) -> SinkMetadata:
        """The endpoint as a sink; raises as :meth:`endpoint`."""
        return self._entry(("sink", sink_id), lambda: read_sink(self._workspace, sink_id))

    def endpoints(self) -> list[EndpointMetadata]:
        """Every registered endpoint; without those whose saved fields make no config, or that are removed meanwhile."""
        return usable(self.endpoint, [each.endpoint_id for each in self._workspace.endpoints.list()])

    def sinks(self, capability: str | None = None) -> list[SinkMetadata]:
        """Every registered sink (with the capability); without those that :meth:`endpoints` leaves out."""
        able = [each for each in self.endpoints() if capability in {None, *each.about.capabilities}]
        return usable(self.sink, [each.endpoint_id for each in able if "sink" in each.about.roles])

    def config(self, endpoint_id: str, unit_id: str) -> UnitConfig:
        """What the operator set for the unit, or the defaults; at most two seconds old."""
        return self.configs(endpoint_id).get(unit_id) or UnitConfig(endpoint_id=endpoint_id, unit_id=unit_id)

    def configs(self, endpoint_id: str) -> Mapping[str, UnitConfig]:
        """What the operator set, by unit; at most two seconds old. Units for which nothing was set are not in it."""
        listed: dict[str, UnitConfig] = self._entry(
            ("configs", endpoint_id),
            lambda: {each.unit_id: each for each in self._workspace.units.list(endpoint_id)},
            min(self._keep_s, KEEP_CONFIGS_S),
        )
        return listed

    def fresh(self, work: Callable[[MetadataCache], EntryT]) -> EntryT:
        """The result of ``work`` over metadata that is read now."""
        return work(MetadataCache(self._workspace))

    def forget(self) -> None:
        """Read everything again when it is asked for: something was changed here."""
        with self._lock:
            self._held.clear()
            self._changes += 1

    def _entry(self, name: tuple[str, ...], read: Callable[[], EntryT], keep_s: float | None = None) -> EntryT:
        """The first caller to find an entry close to expiry refreshes it; the others use the entry they have."""
        keep_s = self._keep_s if keep_s is None else keep_s
        with self._lock:
            one_reader = self._locks.setdefault(name, Lock())
        held: EntryT
        held, age = self._look(name)
        if age < SOON * keep_s or not one_reader.acquire(blocking=age >= keep_s):
            return held
        try:
            held, age = self._look(name)  # it may have been read while this thread waited
            return held if age < SOON * keep_s else self._read(name, read)
        finally:
            one_reader.release()

    def _look(self, name: tuple[str, ...]) -> tuple[Any, float]:
        """The entry and its age in seconds."""
        began, value = self._held.get(name) or (float("-inf"), None)
        return value, self._clock() - began

    def _read(self, name: tuple[str, ...], read: Callable[[], EntryT]) -> EntryT:
        began, changes = self._clock(), self._changes
        value = read()
        with self._lock:
            if changes == self._changes:
                self._held[name] = (began, value)
        return value


def usable(read: Callable[[str], EntryT], ids: Iterable[str]) -> list[EntryT]:
    """What is read of each id; a list does not fail for one that was removed, or edited by hand into no config."""
    found = []
    for each in ids:
        with suppress(EndpointUnknownError, ConfigInvalidError):
            found.append(read(each))
    return found


def read_endpoint(workspace: Workspace, endpoint_id: str) -> EndpointMetadata:
    """The endpoint as it is now."""
    about = descriptor(workspace, endpoint_id)
    try:
        catalog: CatalogSnapshot | None = workspace.catalogs.load(endpoint_id)
    except CatalogMissingError:
        catalog = None
    is_source = catalog is not None and "source" in about.roles
    found = workspace.source(endpoint_id).list_units(catalog) if catalog is not None and is_source else ()
    units = {unit.unit_id: unit for unit in found}
    return EndpointMetadata(endpoint_id, about, workspace.switches.is_on(endpoint_id), catalog, units)


def read_sink(workspace: Workspace, sink_id: str) -> SinkMetadata:
    """The sink as it is now; nothing is contacted but the metadata."""
    sink = workspace.sink(sink_id)
    try:
        datasets = workspace.catalogs.load(sink_id).datasets
    except CatalogMissingError:
        datasets = ()
    mark = "cdm_model:"
    models = {label.removeprefix(mark) for each in datasets for label in each.labels if label.startswith(mark)}
    return SinkMetadata(sink_id, sink.descriptor, tuple(sink.supported_cdm_models), frozenset(models))


def descriptor(workspace: Workspace, endpoint_id: str) -> EndpointDescriptor:
    """What the endpoint's template is; raises EndpointUnknownError."""
    return factory_of(workspace.endpoints.template(endpoint_id)).descriptor
