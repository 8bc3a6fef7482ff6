"""How far each project was read: the checkpoint of units that are found through issues.

``transient.projects.<KEY>.lastUpdated`` is the server's clock when the run that read the project was planned. Every
change made before that moment was listed by that run or is inside the overlap that the next one reads again.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from connectors.http.progress import ApiCheckpoint
from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.model import Json


class ProjectWatermark(Contract):
    """One project's watermark."""

    last_updated: datetime = Field(alias="lastUpdated")


class Transient(Contract):
    """The part that is kept beside the checkpoint, one entry per project."""

    projects: dict[str, ProjectWatermark] = Field(default_factory=dict)


class JiraCheckpoint(ApiCheckpoint):
    """A checkpoint.

    Attributes:
        scope: Fingerprint of selectors other than projects, and of the dataset's columns: under another one old issues
            must be read again.
        census_at: When ids were last compared with the site's.
        members: Of comments and worklogs, a snapshot of the issues at ``census_at``.
        names: Names of statuses, priorities and types by id, as the rows carry them.
        transient: Watermarks by project key.
    """

    census_at: datetime | None = None
    members: str = ""
    names: dict[str, dict[str, str]] = Field(default_factory=dict)
    transient: Transient = Transient()

    def since(self, project: str) -> datetime | None:
        """The project's watermark, or None when it was never read."""
        entry = self.transient.projects.get(project)
        return entry.last_updated if entry else None

    def advanced(self, projects: Iterable[str], moment: datetime, *, census: bool) -> Json:
        """The checkpoint after a run that read these projects as of ``moment``.

        A run that compares keys removes what other projects left in the sink, so it forgets how far they were read.
        """
        read = {key: ProjectWatermark(lastUpdated=moment) for key in projects}
        kept = {} if census else self.transient.projects
        after = self.model_copy(
            update={
                "census_at": moment if census else self.census_at,
                "transient": Transient(projects=dict(sorted({**kept, **read}.items()))),
            }
        )
        return after.model_dump(mode="json", by_alias=True)


def with_unread_projects_unchanged(checkpoint: Json, projects: Iterable[str], before: Json | None) -> Json:
    """The checkpoint with some projects left where they were before: parts of them could not be read."""
    advanced = JiraCheckpoint.model_validate(checkpoint)
    old = JiraCheckpoint.model_validate(before) if before else JiraCheckpoint()
    moved = dict(advanced.transient.projects)
    for key in projects:
        moved.pop(key, None)
        if key in old.transient.projects and old.scope == advanced.scope:
            moved[key] = old.transient.projects[key]
    return advanced.model_copy(update={"transient": Transient(projects=moved)}).model_dump(mode="json", by_alias=True)


def with_old_names(checkpoint: Json, before: Json | None) -> Json:
    """The checkpoint with the names it had before: some issues that carry changed ones could not be read."""
    old = JiraCheckpoint.model_validate(before) if before else JiraCheckpoint()
    kept = JiraCheckpoint.model_validate(checkpoint).model_copy(update={"names": old.names})
    return kept.model_dump(mode="json", by_alias=True)


def fingerprint(*parts: object) -> str:
    """A short fingerprint of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
