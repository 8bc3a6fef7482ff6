"""Names of statuses, priorities and types: an administrator changes them without touching an issue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.jira import samples

if TYPE_CHECKING:
    from sandbox.jira.site import Issue


KINDS = ("status", "priority", "issuetype")


class SiteNames:
    """The names of one site; those of the samples until they are changed."""

    def __init__(self) -> None:
        self._changed: dict[tuple[str, str], str] = {}
        self.version = "0"
        """Differs after every change."""

    def rename(self, kind: str, name_id: str, name: str) -> None:
        """One of them; no issue is updated by that."""
        self._changed[kind, name_id] = name
        self.version = str(int(self.version) + 1)

    def of(self, kind: str, name_id: str) -> str:
        """Its name now."""
        every: dict[str, Any] = {
            "status": samples.STATUSES,
            "priority": samples.PRIORITIES,
            "issuetype": samples.TYPES,
        }
        return self._changed.get((kind, name_id)) or next(str(one[1]) for one in every[kind] if one[0] == name_id)

    def issue_ids(self, issue: Issue) -> dict[str, str | None]:
        """What the issue has, by id."""
        priority = samples.PRIORITIES[issue.number % len(samples.PRIORITIES)][0] if issue.number % 10 else None
        kind = next(one[0] for one in samples.TYPES if one[1] == issue.issue_type)
        return {"status": issue.status_id, "priority": priority, "issuetype": kind}
