"""What a unit's policy selects on a site: the spaces there are now, and the lists of what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.confluence.contents import SpaceContents, spaces_of
from connectors.confluence.scope import SpaceScope, scope_of

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.confluence.client import ConfluenceClient
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy


class SiteSelection:
    """What a unit's policy selects on a site now.

    Args:
        client: The site.
        unit: The unit.
        policy: Its selectors.
    """

    def __init__(self, client: ConfluenceClient, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> None:
        self.scope: SpaceScope = scope_of(unit, policy)
        wanted = self.scope.wanted(client.config)
        self.spaces, self.unseen = spaces_of(client, wanted)
        self.whole_site = not wanted
        self.contents = SpaceContents(client, self.spaces, whole_site=self.whole_site)

    @property
    def keys(self) -> list[str]:
        """Keys of the spaces."""
        return [one.key for one in self.spaces]

    def inside(self) -> set[str] | None:
        """Ids of everything in the selected spaces, listed now; None for a whole site."""
        return None if self.whole_site else {one.content_id for one in self.contents.heads()}

    def is_recent(self, modified: datetime) -> bool:
        """Whether the moment is inside ``updatedFrom``."""
        return self.scope.updated_from is None or modified >= self.scope.updated_from
