"""Payloads as Jira writes them: times in the account's time zone, embedded lists shortened, fields as requested."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.jira import samples
from sandbox.jira.site import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.jira.site import Child, Issue, JiraSite

Json = dict[str, Any]
SEARCH_COMMENTS = 20
GET_COMMENTS = 100
EMBEDDED_WORKLOGS = 20


class Renderer:
    """Over one site, for its account."""

    def __init__(self, site: JiraSite) -> None:
        self._site = site

    def moment(self, ms: int) -> str:
        """``2024-05-06T07:08:09.123+0530``."""
        at = datetime.fromtimestamp(ms / 1000, UTC).astimezone(self._site.zone)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}{at:%z}"

    def issue(self, issue: Issue, fields: Sequence[str], *, search: bool) -> bytes:
        """The payload with these fields."""
        wanted = tuple(fields) or ("id",)
        selection = (*wanted, "search" if search else "get", self._site.names.version)
        if (rendered := issue.rendered.get(selection)) is not None:
            return rendered
        payload: Json = {"id": issue.issue_id, "key": issue.key, "self": f"/rest/api/3/issue/{issue.issue_id}"}
        if wanted == ("id",):
            payload = {"id": issue.issue_id}
        else:
            payload["fields"] = self._chosen(self._fields(issue, search=search), wanted)
        issue.rendered[selection] = made = as_json(payload)
        return made

    def comment(self, child: Child, issue: Issue) -> Json:
        """One comment; only its URL names its issue, and without an author there is no ``author``."""
        made = self._child(child)
        address = f"https://site.example/rest/api/3/issue/{issue.issue_id}/comment/{child.child_id}"
        return made | {"self": address, "body": child.body, "jsdPublic": True}

    def worklog(self, child: Child, issue: Issue) -> Json:
        """One worklog; without words it has no ``comment``."""
        made = self._child(child)
        made |= {
            "issueId": issue.issue_id,
            "started": self.moment(child.started_ms),
            "timeSpent": f"{child.seconds // 60}m",
            "timeSpentSeconds": child.seconds,
        }
        return made | ({"comment": child.body} if child.body else {})

    def person(self, account_id: str | None) -> Json | None:
        """As other payloads contain it."""
        return next((one for one in self._site.people() if one["accountId"] == account_id), None)

    def _child(self, child: Child) -> Json:
        made: Json = {
            "self": f"/rest/api/3/child/{child.child_id}",
            "id": child.child_id,
            "created": self.moment(child.created_ms),
            "updated": self.moment(child.updated_ms),
        }
        if child.author:
            made |= {"author": child.author, "updateAuthor": child.author}
        return made | ({"visibility": child.visibility} if child.visibility else {})

    def _fields(self, issue: Issue, *, search: bool) -> Json:
        site = self._site
        person = self.person(issue.assignee_id)
        ids, name = site.names.issue_ids(issue), site.names.of
        kind = next(one for one in samples.TYPES if one[1] == issue.issue_type)
        done = issue.category == "done"
        fields: Json = {
            "summary": issue.summary,
            "created": self.moment(issue.created_ms),
            "updated": self.moment(issue.updated_ms),
            "resolutiondate": self.moment(issue.updated_ms) if done else None,
            "duedate": "2024-02-29" if issue.number % 4 == 0 else None,
            "project": {"id": issue.project_id, "key": issue.project_key, "name": f"Project {issue.project_key}"},
            "issuetype": {"id": kind[0], "name": name("issuetype", kind[0]), "subtask": kind[2]},
            "status": {
                "id": issue.status_id,
                "name": name("status", issue.status_id),
                "statusCategory": {"id": 1, "key": issue.category, "name": issue.category},
            },
            "priority": {"id": ids["priority"], "name": name("priority", ids["priority"])} if ids["priority"] else None,
            "resolution": {"id": "1", "name": "Done"} if done else None,
            "parent": site.parent(issue) or ({"id": "10001", "key": f"{issue.project_key}-1"} if kind[2] else None),
            "labels": ["a b", 'quote"'] if issue.number % 2 else [],
            "reporter": site.people()[issue.number % len(site.people())],
            "creator": site.people()[0],
            "assignee": person,
            "description": samples.documents(issue.number),
            "attachment": [{"id": "1", "filename": "secret.pdf", "size": 3}] if issue.number % 9 == 0 else [],
            **samples.custom_values(issue.number, person),
            "comment": self._comments(issue, search=search),
            "worklog": {
                "startAt": 0,
                "maxResults": EMBEDDED_WORKLOGS,
                "total": len(issue.worklogs),
                "worklogs": [self.worklog(one, issue) for one in issue.worklogs[:EMBEDDED_WORKLOGS]],
            },
        }
        return fields | issue.overrides

    def _comments(self, issue: Issue, *, search: bool) -> Json:
        kept = issue.comments[:SEARCH_COMMENTS] if search else issue.comments[-GET_COMMENTS:]
        return {
            "comments": [self.comment(one, issue) for one in kept],
            "self": "x",
            "maxResults": len(kept),
            "total": len(issue.comments),
            "startAt": 0,
        }

    @staticmethod
    def _chosen(fields: Json, wanted: Sequence[str]) -> Json:
        every = "*all" in wanted
        navigable = "*navigable" in wanted
        taken = {name[1:] for name in wanted if name.startswith("-")}
        return {
            name: value
            for name, value in fields.items()
            if name not in taken
            and (every or name in wanted or (navigable and name not in {"comment", "worklog", "attachment"}))
        }
