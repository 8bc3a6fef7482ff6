"""The one place where blocks and settings become concrete things: endpoints, staging areas, stores.

Live objects are kept per process and keyed by what they were made from, so that tasks in threads share connections
and a rotated secret is used by the next run.

Settings: ``NUCLEUS_KV_URL`` (``sqlite:///…`` or ``postgresql://…``; blocks when empty), ``NUCLEUS_KB_URL`` (the
knowledge graph, likewise; beside the state, or ``knowledge.db`` under the home when empty), ``NUCLEUS_STAGING`` (a
folder or a staging URL; ``staging`` under the home when empty), ``CDM_DATABASE_URL`` or ``CDM_WORK_DATABASE_URL`` (a
common-model sink for development, as endpoint ``local-cdm``), ``NUCLEUS_HOME`` (``~/.nucleus``) and Prefect's own
``PREFECT_API_URL``.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from contracts.errors import EndpointUnknownError
from flows.prefect_api.client import ControlPlane, connect, home_folder
from staging.config import LocalStagingConfig
from staging.factory import open_staging, staging_config
from state.admission import find_unit, require_runnable
from state.catalogs import Catalogs
from state.checkpoints import Checkpoints
from state.collection_schedules import CollectionSchedules
from state.layout import TableLayout
from state.profiles import EndpointProfiles
from state.switches import EndpointSwitches, UnitHolds
from state.table import open_database, open_table_store
from state.units import UnitConfigs, UnitStates

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.catalog import CatalogSnapshot
    from contracts.endpoint import SinkEndpoint, SourceEndpoint
    from contracts.knowledge import GraphStore
    from contracts.staging import StagingProvider
    from contracts.state import KvStore
    from contracts.unit import EndpointUnitDescriptor, UnitConfig
    from flows.blocks.endpoints import Endpoints
    from flows.prefect_api.block_documents import BlockDocuments
    from flows.prefect_api.runs import Runs
    from staging.config import StagingConfig

LOCAL_SINK = "local-cdm"
"""Id of the common-model sink that CDM_DATABASE_URL describes, where nobody registered one of that id."""
LOCAL_SINK_TEMPLATE = "cdm.jdbc"

_live: dict[tuple[str, str], tuple[bytes, Any]] = {}
_lock = Lock()


class Workspace:
    """Everything a command, a flow or the API needs, made when first asked for. Close it, or use it as a context.

    The Prefect API is contacted by what needs it (endpoints, named staging, state in blocks), and an unreachable one
    is a ControlPlaneError (StateUnavailableError from a store that was opened before).
    """

    def __init__(self, home: Path | None = None, answer_within_s: float | None = None) -> None:
        self.home = home or home_folder()
        self._answer_within_s = answer_within_s

    @cached_property
    def plane(self) -> ControlPlane:
        """The open client of the Prefect API; raises ControlPlaneError."""
        return connect(self.home, self._answer_within_s)

    @cached_property
    def documents(self) -> BlockDocuments:
        """Block documents by cheap calls."""
        from flows.prefect_api.block_documents import BlockDocuments  # noqa: PLC0415

        return BlockDocuments(self.plane)

    @cached_property
    def runs(self) -> Runs:
        """Flow runs on the server in use."""
        from flows.prefect_api.runs import Runs  # noqa: PLC0415 - needed by few

        return Runs(self.plane)

    @cached_property
    def endpoints(self) -> Endpoints:
        """The registered endpoints."""
        from flows.blocks.endpoints import Endpoints  # noqa: PLC0415 - loads Prefect

        return Endpoints(self.documents)

    @cached_property
    def store(self) -> KvStore:
        """State: blocks, or the table that NUCLEUS_KV_URL names."""
        if url := os.environ.get("NUCLEUS_KV_URL"):
            return open_table_store(url)
        from flows.blocks.kv_store import BlockKvStore  # noqa: PLC0415 - loads Prefect

        return BlockKvStore(self.plane)

    @cached_property
    def graph(self) -> GraphStore:
        """The knowledge graph: where NUCLEUS_KB_URL says, else beside the state, else in a file of the home."""
        from knowledge.layout import INDEXES, TABLES  # noqa: PLC0415 - needed by few
        from knowledge.sql_graph import SqlGraphStore  # noqa: PLC0415

        url = os.environ.get("NUCLEUS_KB_URL") or os.environ.get("NUCLEUS_KV_URL")
        url = url or f"sqlite:///{self.home / 'knowledge.db'}"
        return SqlGraphStore(open_database(url, TableLayout(TABLES, INDEXES)))

    @cached_property
    def catalogs(self) -> Catalogs:
        """Catalog snapshots."""
        return Catalogs(self.store)

    @cached_property
    def units(self) -> UnitConfigs:
        """What operators set for units."""
        return UnitConfigs(self.store)

    @cached_property
    def states(self) -> UnitStates:
        """Where units stand."""
        return UnitStates(self.store)

    @cached_property
    def switches(self) -> EndpointSwitches:
        """Which endpoints are on."""
        return EndpointSwitches(self.store)

    @cached_property
    def collection_schedules(self) -> CollectionSchedules:
        """When catalogs are collected by themselves."""
        return CollectionSchedules(self.store)

    @cached_property
    def profiles(self) -> EndpointProfiles:
        """What people call endpoints."""
        return EndpointProfiles(self.store)

    @property
    def default_sink(self) -> str | None:
        """The sink of units that have none of their own: what NUCLEUS_DEFAULT_SINK names."""
        return os.environ.get("NUCLEUS_DEFAULT_SINK") or None

    @cached_property
    def holds(self) -> UnitHolds:
        """Which units are paused."""
        return UnitHolds(self.store)

    def checkpoints(self, vendor: str) -> Checkpoints:
        """Checkpoints of one vendor's endpoints; :meth:`vendor` knows an endpoint's."""
        return Checkpoints(self.store, vendor)

    def vendor(self, endpoint_id: str) -> str:
        """The vendor in the endpoint's descriptor; raises EndpointUnknownError."""
        from flows.blocks.types import factory_of  # noqa: PLC0415 - loads Prefect

        return factory_of(self.endpoints.template(endpoint_id)).descriptor.vendor

    def source(self, endpoint_id: str) -> SourceEndpoint:
        """The endpoint as a source, shared in this process; raises EndpointUnknownError, ConfigInvalidError."""
        return self._endpoint("source", endpoint_id)  # type: ignore[no-any-return]

    def sink(self, endpoint_id: str) -> SinkEndpoint:
        """The endpoint as a sink, shared in this process; raises EndpointUnknownError, ConfigInvalidError."""
        return self._endpoint("sink", endpoint_id)  # type: ignore[no-any-return]

    def staging(self, staging_id: str | None = None) -> StagingProvider:
        """The staging area behind a saved staging block, or the default one; shared in this process.

        Raises:
            EndpointUnknownError: No staging block has that name.
            ConfigInvalidError: NUCLEUS_STAGING or the block cannot be used.
        """
        config = self._default_staging() if staging_id is None else self._named_staging(staging_id)
        provider: StagingProvider = _shared(("staging", staging_id or ""), config, lambda: open_staging(config))
        return provider

    def runnable(self, endpoint_id: str, unit_id: str) -> tuple[EndpointUnitDescriptor, UnitConfig]:
        """The unit and what was set for it, if it may run (I7): metadata is asked first, then the operator.

        Raises:
            CatalogMissingError: The endpoint's catalog was never collected.
            DatasetNotInCatalogError: No catalogued dataset stands behind the unit.
            EndpointDisabledError, UnitDisabledError: The operator switched it off.
        """
        self.require_on(endpoint_id)
        catalog, units = self.units_of(endpoint_id)
        config = self.config(endpoint_id, unit_id)
        unit = find_unit(catalog, units, unit_id)
        require_runnable(catalog, unit_id, config, unit.dataset_id)
        return unit, config

    def config(self, endpoint_id: str, unit_id: str) -> UnitConfig:
        """What was set for the unit, or the defaults."""
        return self.units.config(endpoint_id, unit_id)

    def unit(self, endpoint_id: str, unit_id: str) -> EndpointUnitDescriptor:
        """The unit as the latest catalog describes it; raises CatalogMissingError, DatasetNotInCatalogError."""
        return find_unit(*self.units_of(endpoint_id), unit_id)

    def list_units(self, endpoint_id: str) -> tuple[EndpointUnitDescriptor, ...]:
        """Every unit of the latest catalog; raises CatalogMissingError."""
        return self.units_of(endpoint_id)[1]

    def units_of(self, endpoint_id: str) -> tuple[CatalogSnapshot, tuple[EndpointUnitDescriptor, ...]]:
        """The latest catalog and its units; raises CatalogMissingError."""
        catalog = self.catalogs.load(endpoint_id)
        return catalog, self.source(endpoint_id).list_units(catalog)

    def require_on(self, endpoint_id: str) -> None:
        """Refuse an endpoint that is switched off; raises EndpointDisabledError."""
        self.switches.require_on(endpoint_id)

    def close(self) -> None:
        """Close what this workspace opened. Live endpoints belong to the process: see :func:`close_live`."""
        for name in ("store", "graph"):
            made = self.__dict__.get(name)
            if made is not None and hasattr(made, "close"):
                made.close()
        if "plane" in self.__dict__:
            self.plane.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _endpoint(self, role: str, endpoint_id: str) -> Any:
        from flows.blocks.types import factory_of  # noqa: PLC0415 - loads Prefect

        template_id, config = self._registered(role, endpoint_id)
        make = getattr(factory_of(template_id), role)
        return _shared((role, endpoint_id), config, lambda: make(config))

    def _registered(self, role: str, endpoint_id: str) -> tuple[str, Any]:
        """Template and config of an endpoint; for development a sink may stand in the environment instead."""
        try:
            return self.endpoints.get(endpoint_id)
        except EndpointUnknownError:
            config = local_sink() if role == "sink" and endpoint_id == LOCAL_SINK else None
            if config is None:
                raise
            return LOCAL_SINK_TEMPLATE, config

    def _default_staging(self) -> StagingConfig:
        named = os.environ.get("NUCLEUS_STAGING") or str(self.home / "staging")
        if "://" in named or named.startswith("memory:"):
            return staging_config(named)
        folder = Path(named).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStagingConfig(path=folder)

    def _named_staging(self, staging_id: str) -> StagingConfig:
        from flows.blocks.staging import load_staging  # noqa: PLC0415 - loads Prefect

        config = load_staging(self.documents, staging_id)
        if config is None:
            raise EndpointUnknownError(
                f"No staging block is named {staging_id!r}",
                "Make one in the Prefect UI (Blocks), or leave the staging id out.",
                staging_id=staging_id,
            )
        return config


def open_workspace(home: Path | None = None, answer_within_s: float | None = None) -> Workspace:
    """A workspace; nothing is contacted and Prefect is not imported before something needs it.

    Args:
        home: The folder of ``nucleus up``; NUCLEUS_HOME or ``~/.nucleus`` when None.
        answer_within_s: How long a call of the Prefect API may take; None for as long as Prefect's client tries.
    """
    return Workspace(home, answer_within_s)


def local_sink() -> Any:
    """The common-model sink that the environment describes; None without a URL."""
    from connectors.cdm_jdbc.config import from_environment  # noqa: PLC0415

    return from_environment()


def close_live() -> None:
    """Forget the process's live endpoints and staging areas and close their connections."""
    with _lock:
        kept = [made for _, made in _live.values()]
        _live.clear()
    for made in kept:
        if hasattr(made, "close"):
            made.close()


def _shared(place: tuple[str, str], config: Any, make: Callable[[], Any]) -> Any:
    # With its secrets, or a rotated one would not be noticed; only a digest of it stays.
    made_from = hashlib.sha256(pickle.dumps(config)).digest()
    with _lock:
        live = _live.get(place)
        if live is None or live[0] != made_from:
            live = _live[place] = (made_from, make())
        return live[1]
