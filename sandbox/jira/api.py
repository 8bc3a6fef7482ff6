"""Questions and answers of REST v3, over a site. Source: Jira Cloud platform REST API v3 reference."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.http_service import HttpReply
from sandbox.jira import samples
from sandbox.jira.jql import JqlQuery, Parser
from sandbox.jira.render import Renderer
from sandbox.jira.site import Child, Issue, JiraSite, JqlError, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.http_service import Parameters

IDS_PAGE, FULL_PAGE = 5000, 100
MOVED = (
    "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. "
    "A full migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046"
)
UNBOUNDED = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
INVALID = "Invalid request payload. Refer to the REST API documentation and try again."
_SEARCH_KEYS = {
    "jql", "nextPageToken", "maxResults", "fields", "expand", "properties", "fieldsByKeys", "reconcileIssues",
}  # fmt: skip


def failed(status: int, *messages: str) -> HttpReply:
    """A refusal in Jira's shape of errors."""
    return HttpReply(as_json({"errorMessages": list(messages), "errors": {}}), status)


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """An answer other than 200."""

    def __init__(self, status: int, *messages: str) -> None:
        super().__init__(*messages)
        self.reply = failed(status, *messages)


class JiraApi:
    """Everything below ``/rest/api/3``. Safe between threads."""

    def __init__(self, site: JiraSite) -> None:
        self.site = site
        self.render = Renderer(site)
        self.most_ids = IDS_PAGE
        """Most issues in a page of a search, whatever the request says."""
        self.short_pages = False
        """True: pages of full issues are shorter than requested, though more follow."""

    def reply(self, method: str, path: str, query: Parameters, body: bytes, *, known: bool) -> HttpReply:
        """The answer; ``known`` is False for an anonymous caller."""
        try:
            if known:
                return self._known(method, path, query, body)
            return self._anonymous(method, path)
        except Refused as refused:
            return refused.reply
        except JqlError as error:
            return failed(400, str(error))

    def _anonymous(self, method: str, path: str) -> HttpReply:
        empty: dict[str, Any] = {
            "/project/search": {"values": [], "total": 0, "isLast": True, "startAt": 0, "maxResults": 50},
            "/search/jql": {"issues": [], "isLast": True},
            "/issue/bulkfetch": {"issues": [], "issueErrors": []},
            "/search/approximate-count": {"count": 0},
        }
        if path == "/myself":
            words = b"Client must be authenticated to access this resource."
            return HttpReply(words, 401, {"Content-Type": "text/html;charset=UTF-8"})
        if path == "/serverInfo":
            return self._server_info()
        if path in empty:
            return HttpReply(as_json(empty[path]))
        if path.startswith("/issue/"):
            return failed(404, "Issue does not exist or you do not have permission to see it.")
        return HttpReply(as_json([])) if method == "GET" else failed(401, "Client must be authenticated")

    def _known(self, method: str, path: str, query: Parameters, body: bytes) -> HttpReply:
        names = self.site.names
        plain: dict[tuple[str, str], Callable[[], HttpReply]] = {
            ("GET", "/myself"): lambda: HttpReply(
                as_json({"accountId": "me", "displayName": "Reader", "timeZone": str(self.site.zone), "active": True})
            ),
            ("GET", "/serverInfo"): self._server_info,
            ("GET", "/mypermissions"): lambda: self._permissions(query),
            ("GET", "/search/jql"): lambda: self._search(self._from_query(query)),
            ("POST", "/search/jql"): lambda: self._search(_object(body, _SEARCH_KEYS)),
            ("POST", "/search/approximate-count"): lambda: self._count(_object(body, {"jql"})),
            ("POST", "/issue/bulkfetch"): lambda: self._bulk(body),
            ("GET", "/project/search"): lambda: self._projects(query),
            ("GET", "/users/search"): lambda: self._people(query),
            ("GET", "/users"): lambda: self._people(query),
            ("GET", "/field"): lambda: HttpReply(as_json([*_SYSTEM_FIELDS, *samples.FIELDS])),
            ("GET", "/status"): lambda: HttpReply(as_json([_status(one, self.site) for one in samples.STATUSES])),
            ("GET", "/priority"): lambda: HttpReply(
                as_json([{"id": one, "name": names.of("priority", one)} for one, _ in samples.PRIORITIES])
            ),
            ("GET", "/issuetype"): lambda: HttpReply(
                as_json([{"id": i, "name": names.of("issuetype", i), "subtask": s} for i, _, s in samples.TYPES])
            ),
            ("POST", "/comment/list"): lambda: self._listed(body, "comment"),
            ("POST", "/worklog/list"): lambda: self._listed(body, "worklog"),
            ("GET", "/worklog/deleted"): lambda: self._deleted_worklogs(query),
        }
        if (method, path) in plain:
            return plain[method, path]()
        if path == "/search":
            raise Refused(410, MOVED)
        if (match := re.fullmatch(r"/issue/([^/]+)(?:/(comment|worklog))?", path)) and method == "GET":
            return self._of_issue(match.group(1), match.group(2), query)
        if match and (method, match.group(2)) in {("PUT", None), ("POST", "comment")}:
            return self._write(match.group(1), match.group(2), body)
        raise Refused(404, "null for uri")

    # --- search ------------------------------------------------------------------------------------------------

    @staticmethod
    def _from_query(query: Parameters) -> dict[str, Any]:
        one = {name: values[0] for name, values in query.items()}
        search: dict[str, Any] = {name: one[name] for name in ("jql", "nextPageToken") if name in one}
        if "maxResults" in one:
            search["maxResults"] = int(one["maxResults"])
        if "fields" in query:
            search["fields"] = [part for value in query["fields"] for part in value.split(",")]
        return search

    def _search(self, query: dict[str, Any]) -> HttpReply:
        start = _token(query.get("nextPageToken"))
        most = query.get("maxResults", 50)
        if not isinstance(most, int) or not 1 <= most <= IDS_PAGE:
            raise Refused(400, "The max results parameter has to be between 1 and 5,000.")
        fields = query.get("fields") or ["id"]
        ids_only = set(fields) <= {"id", "key"}
        size = min(most, self.most_ids if ids_only else min(FULL_PAGE, self.most_ids))
        if self.short_pages and not ids_only:
            size = max(1, size * 2 // 3)
        fresh = {str(one) for one in query.get("reconcileIssues", [])}
        matching = self._matching(str(query.get("jql", "")), fresh)
        # The token is the place in the order; ids hold it steady when issues come and go before it.
        page = matching[start : start + size]
        made = b",".join(self.render.issue(one, fields, search=True) for one in page)
        more = start + size < len(matching)
        tail = b',"isLast":false,"nextPageToken":"%s"' % _made_token(start + size) if more else b',"isLast":true'
        return HttpReply(b'{"issues":[' + made + b"]" + tail + b"}")

    def _count(self, query: dict[str, Any]) -> HttpReply:
        return HttpReply(as_json({"count": len(self._matching(str(query.get("jql", "")), set()))}))

    def _matching(self, jql: str, fresh: set[str]) -> list[Issue]:
        with self.site.lock:
            query = Parser(self.site, self.site.zone).parse(jql)
            if not query.bounded:
                raise Refused(400, UNBOUNDED)
            horizon = self.site.now_ms - self.site.lag_ms
            matching = [
                issue
                for issue in [*self._candidates(query), *self._not_yet_removed(horizon, fresh)]
                if (query.projects is None or issue.project_key in query.projects)
                and (
                    not self.site.lag_ms
                    or issue.issue_id in fresh
                    or max(issue.indexed_ms, issue.created_ms) <= horizon
                )
                and query.test(issue)
            ]
        return _ordered(matching, query)

    def _candidates(self, query: JqlQuery) -> list[Issue]:
        if query.updated_from is not None:
            return self.site.updated_since(query.updated_from)
        return self.site.between(*query.created)

    def _not_yet_removed(self, horizon: int, fresh: set[str]) -> list[Issue]:
        """Deleted issues that the index still lists; it lets go of those that a search asks to be fresh."""
        deleted = self.site.deleted_since(horizon + 1) if self.site.lag_ms else []
        return [issue for issue in deleted if issue.issue_id not in fresh]

    # --- issues ------------------------------------------------------------------------------------------------

    def _bulk(self, body: bytes) -> HttpReply:
        request = _object(body, {"issueIdsOrKeys", "fields", "expand", "fieldsByKeys", "properties"})
        names = request.get("issueIdsOrKeys", [])
        if not isinstance(names, list) or not 1 <= len(names) <= FULL_PAGE:
            raise Refused(400, "The issueIdsOrKeys list must have between 1 and 100 entries.")
        fields = request.get("fields") or ["*navigable"]
        with self.site.lock:
            issues = {str(name): self.site.issue(str(name)) for name in names}
            made = [self.render.issue(one, fields, search=False) for one in issues.values() if one is not None]
        errors = [
            {"id": name, "errorMessage": "Issue does not exist or you do not have permission to see it."}
            for name, one in issues.items()
            if one is None
        ]
        return HttpReply(b'{"issues":[' + b",".join(made) + b'],"issueErrors":' + as_json(errors) + b"}")

    def _of_issue(self, name: str, what: str | None, query: Parameters) -> HttpReply:
        with self.site.lock:
            issue = self.site.issue(name)
            if issue is None:
                raise Refused(404, "Issue does not exist or you do not have permission to see it.")
            if what is None:
                fields = (query.get("fields") or ["*all"])[0].split(",")
                return HttpReply(self.render.issue(issue, fields, search=False))
            start = _number(query, "startAt", 0)
            if what == "comment":
                return HttpReply(as_json(self._comments(issue, start, query)))
            size = min(_number(query, "maxResults", IDS_PAGE), IDS_PAGE)
            shown = [self.render.worklog(one, issue) for one in issue.worklogs[start : start + size]]
            total = len(issue.worklogs)
        return HttpReply(as_json({"startAt": start, "maxResults": size, "total": total, "worklogs": shown}))

    def _write(self, name: str, what: str | None, body: bytes) -> HttpReply:
        """Edit issue (its summary) and add comment, as far as a source's tests need changes."""
        with self.site.lock:
            issue = self.site.issue(name)
            if issue is None:
                raise Refused(404, "Issue does not exist or you do not have permission to see it.")
            if what == "comment":
                child = self.site.comment(issue, "", body=_object(body, {"body"}).get("body"))
                return HttpReply(as_json(self.render.comment(child, issue)), 201)
            fields = _object(body, {"fields"}).get("fields")
            if not isinstance(fields, dict) or set(fields) != {"summary"}:
                raise Refused(400, INVALID)
            self.site.edit(issue, summary=str(fields["summary"]))
        return HttpReply(b"", 204)

    def _comments(self, issue: Issue, start: int, query: Parameters) -> dict[str, Any]:
        order = (query.get("orderBy") or ["created"])[0]
        if order not in {"created", "+created", "-created"}:
            raise Refused(400, "orderBy is not supported")
        size = min(_number(query, "maxResults", FULL_PAGE), FULL_PAGE)
        ordered: list[Child] = list(reversed(issue.comments)) if order == "-created" else issue.comments
        shown = [self.render.comment(one, issue) for one in ordered[start : start + size]]
        return {"startAt": start, "maxResults": size, "total": len(issue.comments), "comments": shown}

    # --- everything else ----------------------------------------------------------------------------------------------

    def _server_info(self) -> HttpReply:
        return HttpReply(
            as_json(
                {
                    "version": "1001.0.0-SNAPSHOT",
                    "deploymentType": "Cloud",
                    "serverTime": self.render.moment(self.site.tick()),
                    "serverTimeZone": "GMT",
                }
            )
        )

    def _permissions(self, query: Parameters) -> HttpReply:
        names = (query.get("permissions") or [""])[0].split(",")
        known = {"BROWSE_PROJECTS", "USER_PICKER", "ADMINISTER"}
        if not set(names) <= known:
            raise Refused(400, "Unrecognized permission")
        given = {name: {"key": name, "havePermission": name != "ADMINISTER"} for name in names}
        return HttpReply(as_json({"permissions": given}))

    def _projects(self, query: Parameters) -> HttpReply:
        start, size = _number(query, "startAt", 0), min(_number(query, "maxResults", 50), FULL_PAGE)
        projects = self.site.projects(query.get("status") or ["live"])
        page = projects[start : start + size]
        last = start + size >= len(projects)
        shown = [{key: value for key, value in one.items() if key != "next"} for one in page]
        return HttpReply(
            as_json({"startAt": start, "maxResults": size, "total": len(projects), "isLast": last, "values": shown})
        )

    def _people(self, query: Parameters) -> HttpReply:
        start, size = _number(query, "startAt", 0), min(_number(query, "maxResults", 50), 1000)
        return HttpReply(as_json(self.site.people()[start : start + size]))

    def _listed(self, body: bytes, kind: str) -> HttpReply:
        ids = _object(body, {"ids"}).get("ids", [])
        if not isinstance(ids, list) or not 1 <= len(ids) <= 1000:
            raise Refused(400, "The ids list must have between 1 and 1000 entries.")
        wanted = {str(one) for one in ids}
        with self.site.lock:
            issues = self.site.issues()
            if kind == "worklog":
                children = [self.render.worklog(c, i) for i in issues for c in i.worklogs if c.child_id in wanted]
                return HttpReply(as_json(children))
            children = [self.render.comment(c, i) for i in issues for c in i.comments if c.child_id in wanted]
        page = {"startAt": 0, "maxResults": 1000, "total": len(children), "isLast": True, "values": children}
        return HttpReply(as_json(page))

    def _deleted_worklogs(self, query: Parameters) -> HttpReply:
        since, until = _number(query, "since", 0), self.site.now_ms - 60_000
        with self.site.lock:
            gone = [(ms, one) for ms, one in self.site.deleted_worklogs if since <= ms <= until]
        page = gone[:1000]
        values = [{"worklogId": int(one), "updatedTime": ms, "properties": []} for ms, one in page]
        last = len(gone) <= 1000
        end = page[-1][0] + 1 if page and not last else until
        return HttpReply(as_json({"values": values, "since": since, "until": end, "lastPage": last}))


_SYSTEM_FIELDS = tuple(
    {"id": name, "key": name, "name": name.capitalize(), "custom": False, "schema": {"type": kind, "system": name}}
    for name, kind in (("summary", "string"), ("status", "status"), ("created", "datetime"), ("updated", "datetime"))
)


def _status(one: tuple[str, str, str], site: JiraSite) -> dict[str, Any]:
    scope = {"scope": {"type": "PROJECT", "project": {"id": "10001"}}} if len(one[0]) > 2 else {}
    return {"id": one[0], "name": site.names.of("status", one[0]), "statusCategory": {"id": 1, "key": one[2]}, **scope}


def _object(body: bytes, known: set[str]) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        raise Refused(400, INVALID) from None
    if not isinstance(request, dict) or not set(request) <= known:
        raise Refused(400, INVALID)
    return request


def _number(query: Parameters, name: str, default: int) -> int:
    value = (query.get(name) or [str(default)])[0]
    if not value.lstrip("-").isdecimal():
        raise Refused(404, "null for uri")
    return int(value)


def _made_token(place: int) -> bytes:
    return base64.urlsafe_b64encode(f"place={place}".encode())


def _token(token: Any) -> int:
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(str(token)).decode().removeprefix("place="))
    except ValueError:
        raise Refused(400, "The provided nextPageToken is not valid.") from None


def _ordered(issues: Sequence[Issue], query: JqlQuery) -> list[Issue]:
    made = sorted(issues, key=lambda issue: (issue.created_ms, int(issue.issue_id)), reverse=not query.order)
    keys: dict[str, Callable[[Issue], Any]] = {
        "created": lambda issue: issue.created_ms,
        "updated": lambda issue: issue.updated_ms,
        "id": lambda issue: int(issue.issue_id),
        "key": lambda issue: int(issue.issue_id),
        "issuekey": lambda issue: int(issue.issue_id),
    }
    for name, descending in reversed(query.order):
        if name not in keys:
            raise JqlError(f"Not able to sort using field '{name}'.")
        made.sort(key=keys[name], reverse=descending)
    return made


def utc(ms: int) -> datetime:
    """A moment of the site."""
    return datetime.fromtimestamp(ms / 1000, UTC)
