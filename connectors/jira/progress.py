"""How far each project was read: the checkpoint of units that are found through issues."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from connectors.http.watermarks import WatermarkedCheckpoint

if TYPE_CHECKING:
    from contracts.model import Json


class JiraCheckpoint(WatermarkedCheckpoint):
    """``transient.projects.<KEY>.lastUpdated``, and what else is known of the site.

    Attributes:
        members: Of comments and worklogs, a snapshot of the issues at ``census_at``.
        names: Names of statuses, priorities and types by id, as the rows carry them.
    """

    parts_name: ClassVar[str] = "projects"
    mark_name: ClassVar[str] = "lastUpdated"

    members: str = ""
    names: dict[str, dict[str, str]] = Field(default_factory=dict)


def with_old_names(checkpoint: Json, before: Json | None) -> Json:
    """The checkpoint with the names it had before: some issues that carry changed ones could not be read."""
    old = JiraCheckpoint.model_validate(before) if before else JiraCheckpoint()
    return JiraCheckpoint.model_validate(checkpoint).model_copy(update={"names": old.names}).dumped()
