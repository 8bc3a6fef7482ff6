"""A workspace without a Prefect server: endpoints in a dictionary, state in memory, real databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.load_config import load_config
from connectors.registry import EndpointRegistry
from contracts.errors import ConfigInvalidError, EndpointUnknownError
from flows.blocks.endpoints import EndpointEntry
from flows.wiring import Workspace
from state.memory import MemoryKvStore

if TYPE_CHECKING:
    from pathlib import Path

    from contracts.staging import StagingProvider


class InMemoryEndpoints:
    """As ``flows.blocks.endpoints.Endpoints``, in memory."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, Any]] = {}

    def add(self, endpoint_id: str, template_id: str, config: Any, *, replace: bool = False) -> EndpointEntry:
        if endpoint_id in self._held and not replace:
            raise ConfigInvalidError(f"An endpoint {endpoint_id!r} is registered already", "Choose another id.")
        factory = EndpointRegistry().get(template_id)
        self._held[endpoint_id] = (template_id, load_config(factory.config_class, config, template_id))
        return EndpointEntry(endpoint_id, template_id, {})

    def get(self, endpoint_id: str) -> tuple[str, Any]:
        if endpoint_id not in self._held:
            raise EndpointUnknownError(f"No endpoint is registered as {endpoint_id!r}", "Add it.")
        return self._held[endpoint_id]

    def template(self, endpoint_id: str) -> str:
        return self.get(endpoint_id)[0]

    def list(self) -> tuple[EndpointEntry, ...]:
        return tuple(EndpointEntry(name, held[0], {}) for name, held in sorted(self._held.items()))

    def remove(self, endpoint_id: str) -> bool:
        return self._held.pop(endpoint_id, None) is not None


class SchedulesOnlyPlane:
    """A server that has the deployment of units, and knows its schedules."""

    def __init__(self) -> None:
        self.schedules: dict[str, dict[str, Any]] = {}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if path.startswith("/deployments/name/"):
            return {"id": "deployment"}
        if method == "POST":
            self.schedules |= {each["slug"]: {"id": each["slug"], **each} for each in body}
        elif method == "DELETE":
            del self.schedules[path.rpartition("/")[2]]
        return [*self.schedules.values()]

    def close(self) -> None:
        """Nothing is open."""


class NoRuns:
    """No flow run goes on."""

    def find(self, *_: Any, **__: Any) -> tuple[()]:
        return ()


class InMemoryWorkspace(Workspace):
    """The real one, but for what needs the Prefect API."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.__dict__.update(
            endpoints=InMemoryEndpoints(), store=MemoryKvStore(), plane=SchedulesOnlyPlane(), runs=NoRuns()
        )
        self.made: list[Any] = []

    def vendor(self, endpoint_id: str) -> str:
        return EndpointRegistry().get(self.endpoints.template(endpoint_id)).descriptor.vendor

    def _endpoint(self, role: str, endpoint_id: str) -> Any:
        template_id, config = self.endpoints.get(endpoint_id)
        made = getattr(EndpointRegistry().get(template_id), role)(config)
        self.made.append(made)
        return made

    def staging(self, staging_id: str | None = None) -> StagingProvider:
        if staging_id is not None:
            raise EndpointUnknownError(f"No staging block is named {staging_id!r}", "Make one.")
        return super().staging()

    def close(self) -> None:
        """Stays open from command to command."""
        for each in self.made:
            each.close()
        self.made.clear()
