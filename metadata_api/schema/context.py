"""What every resolver is given, and the role check that every mutation makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metadata_api.errors import ForbiddenError

if TYPE_CHECKING:
    from contracts.unit import UnitState
    from flows.wiring import Workspace
    from metadata_api.services import ApiServices
    from metadata_api.settings import Role


@dataclass(frozen=True)
class Context:
    """The services an operation uses, and the role of its caller."""

    services: ApiServices
    role: Role
    names_operation: bool = False
    """The request says which operation of its document is meant."""
    _states: dict[str | None, tuple[UnitState, ...]] = field(default_factory=dict)

    @property
    def workspace(self) -> Workspace:
        """Endpoints and state."""
        return self.services.workspace

    def states(self, endpoint_id: str | None) -> tuple[UnitState, ...]:
        """Where units stand, asked once for all fields of the operation; see ``UnitStateCache.states``."""
        if endpoint_id not in self._states:
            self._states[endpoint_id] = self.services.unit_states.states(endpoint_id)
        return self._states[endpoint_id]

    def admin(self) -> Workspace:
        """The workspace, for what changes something; raises ForbiddenError for a viewer."""
        if self.role != "admin":
            raise ForbiddenError("A viewer may only ask", "Use a token of the role admin.")
        return self.services.workspace
