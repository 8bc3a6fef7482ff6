"""What the requests of one API process share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from flows.knowledge_feed import tell_again
from flows.operations import run_control
from flows.operations.dead_runs import keep_watch
from flows.prefect_api.client import home_folder
from flows.wiring import close_live, open_workspace
from metadata_api.dispatcher import Dispatcher
from metadata_api.limits import RateLimiter
from metadata_api.metadata_cache import MetadataCache
from metadata_api.replay import open_guard
from metadata_api.settings import load_settings
from metadata_api.unit_state_cache import UnitStateCache

if TYPE_CHECKING:
    from flows.prefect_api.runs import Runs
    from flows.wiring import Workspace
    from metadata_api.replay import ReplayGuard
    from metadata_api.settings import ApiSettings


@dataclass(frozen=True)
class ApiServices:
    """Made when the API starts, closed when it ends.

    Attributes:
        settings: Keys, tokens, limits.
        workspace: Endpoints and state.
        metadata: A cache of what is known about them.
        unit_states: A cache of where units stand.
        runs: Flow runs.
        replays: Signatures that were taken.
        limiter: Requests per key.
        api_url: Of the Prefect server.
    """

    settings: ApiSettings
    workspace: Workspace
    metadata: MetadataCache
    unit_states: UnitStateCache
    runs: Runs
    replays: ReplayGuard
    limiter: RateLimiter
    api_url: str

    @classmethod
    def open(cls) -> Self:
        """The services over the Prefect server in use.

        Raises:
            ControlPlaneError: No Prefect server answers.
            ConfigInvalidError: A setting cannot be used.
        """
        settings = load_settings(home_folder())
        workspace = open_workspace(answer_within_s=settings.prefect_timeout_s)
        plane = workspace.plane
        return cls(
            settings=settings,
            workspace=workspace,
            metadata=MetadataCache(workspace),
            unit_states=UnitStateCache(workspace),
            runs=workspace.runs,
            replays=open_guard(workspace.home),
            limiter=RateLimiter(settings.rate),
            api_url=str(plane.client.api_url),
        )

    def dispatcher(self) -> Dispatcher:
        """The thread that sends callbacks and restarts orphaned runs."""
        return Dispatcher(
            self.workspace,
            self.runs,
            self.settings,
            (self.replays.sweep, self.sync_schedules, self.keep_watch, self.tell_graph),
            self.unit_states.refresh,
        )

    def sync_schedules(self) -> int:
        """See :func:`flows.operations.run_control.sync`."""
        return run_control.sync(self.workspace)

    def keep_watch(self) -> bool:
        """See :func:`flows.operations.dead_runs.keep_watch`."""
        return keep_watch(self.workspace.plane)

    def tell_graph(self) -> int:
        """See :func:`flows.knowledge_feed.tell_again`."""
        return tell_again(self.workspace)

    def close(self) -> None:
        """Close connections."""
        self.replays.close()
        self.workspace.close()
        close_live()
