"""Talks to Jira Cloud REST v3: one method per request, raw payloads from the answers, typed errors.

Sources: Jira Cloud platform REST API v3 reference ("Issue search", "Issues: bulk fetch", "Issue comments", "Issue
worklogs", "Projects", "Users", "Myself", "Rate limiting").
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from connectors.http.characters import decoder
from connectors.http.client import HttpClient, Refusal
from connectors.http.listing import Listing
from connectors.http.paging import Page, PageRequest
from connectors.jira.errors import check_login, message_of, typed_errors
from contracts.errors import SourcePageFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connectors.http.paging import Row
    from connectors.jira.config import JiraConfig

IDS_PER_PAGE = 5000
RECONCILED = 50
"""Ids whose newest state one search can be made to see."""
_API = "/rest/api/3"


class _IssueId(msgspec.Struct):
    id: str


class _AccountId(msgspec.Struct):
    accountId: str  # noqa: N815 - Jira's name


class IssueName(msgspec.Struct):
    """An issue's two names: its id stays, its key changes when it moves."""

    id: str
    key: str


class _Named(msgspec.Struct):
    name: str | None = None
    key: str | None = None


class _VersionFields(msgspec.Struct):
    updated: str | None = None
    status: _Named | None = None
    project: _Named | None = None


class IssueVersion(msgspec.Struct):
    """What tells whether an issue is still as it was read."""

    id: str
    key: str
    fields: _VersionFields

    @property
    def row(self) -> tuple[str, str, str | None, str | None, datetime | None]:
        """Id, key, project's key, status, and when it was updated."""
        fields = self.fields
        project = fields.project.key if fields.project else None
        status = fields.status.name if fields.status else None
        return self.id, self.key, project, status, moment(fields.updated) if fields.updated else None


class _Paged(msgspec.Struct):
    nextPageToken: str | None = None  # noqa: N815 - Jira's name


class _IdPage(_Paged, kw_only=True):
    issues: list[_IssueId]


class _NamePage(_Paged, kw_only=True):
    issues: list[IssueName]


class _VersionPage(_Paged, kw_only=True):
    issues: list[IssueVersion]


class _Fetched(msgspec.Struct):
    issues: list[msgspec.Raw]


class _Count(msgspec.Struct):
    count: int


class _Values(msgspec.Struct):
    values: list[msgspec.Raw]
    total: int | None = None
    isLast: bool | None = None  # noqa: N815 - Jira's name


class _DeletedWorklog(msgspec.Struct):
    worklogId: int  # noqa: N815 - Jira's name


class _Deleted(msgspec.Struct):
    values: list[_DeletedWorklog]
    until: int = 0
    lastPage: bool = True  # noqa: N815 - Jira's name


class _Comments(msgspec.Struct):
    comments: list[msgspec.Raw]
    total: int


class _Worklogs(msgspec.Struct):
    worklogs: list[msgspec.Raw]
    total: int


_id = msgspec.json.Decoder(_IssueId).decode
_account = msgspec.json.Decoder(_AccountId).decode
_ids = decoder(_IdPage)
_names = decoder(_NamePage)
_versions = decoder(_VersionPage)
_fetched = decoder(_Fetched)
_count = decoder(_Count)
_values = decoder(_Values)
_deleted = decoder(_Deleted)
_comments = decoder(_Comments)
_worklogs = decoder(_Worklogs)
_raws = decoder(list[msgspec.Raw])
_any: Callable[[bytes], Any] = decoder(object)
PageT = TypeVar("PageT", bound=_Paged)


class JiraClient:
    """Requests to one site. Every method raises ``SourceAuthError`` when the login turned out not to count."""

    def __init__(self, config: JiraConfig) -> None:
        self.config = config
        headers = {
            "Authorization": config.authorization,
            "Accept": "application/json",
            # Messages in English, whatever language the account has chosen.
            "X-Force-Accept-Language": "true",
            "Accept-Language": "en",
        }
        self.http = HttpClient(config.api_url, config, headers, check_login, message_of)

    def myself(self) -> dict[str, Any]:
        """The account: ``accountId``, ``displayName``, ``timeZone``, … An anonymous caller gets no answer to this."""
        with typed_errors():
            return self._object(self.http.get(f"{_API}/myself", _any))

    def server_info(self) -> dict[str, Any]:
        """``version``, ``deploymentType``, ``serverTime``, ``serverTimeZone``."""
        return self._object(self.http.get(f"{_API}/serverInfo", _any))

    def now(self) -> datetime:
        """The server's clock, UTC."""
        return datetime.fromisoformat(_colon(str(self.server_info()["serverTime"]))).astimezone(UTC)

    def permissions(self, names: Sequence[str]) -> dict[str, bool]:
        """Which of the permissions the account has somewhere."""
        answer = self.http.get(f"{_API}/mypermissions", _any, {"permissions": ",".join(names)})
        given = answer.get("permissions", {})
        return {name: bool(given.get(name, {}).get("havePermission")) for name in names}

    def list_of(self, what: str) -> list[msgspec.Raw]:
        """``field``, ``status``, ``priority`` or ``issuetype``, all of them."""
        return self.http.get(f"{_API}/{what}", _raws)

    def projects(self) -> Iterator[list[msgspec.Raw]]:
        """Live and archived projects page by page, each once."""
        return self._listed("projects", self._page_of_projects)

    def users(self) -> Iterator[list[msgspec.Raw]]:
        """Accounts page by page, inactive ones too, each once."""
        return self._listed("users", self._page_of_users)

    def count(self, jql: str) -> int:
        """About how many issues match; lags and is approximate."""
        return self.http.post(f"{_API}/search/approximate-count", _count, {"jql": jql}).count

    def ids(self, jql: str, reconcile: Sequence[str] = ()) -> Iterator[list[str]]:
        """Ids of all matching issues, page by page to the page without a token.

        Raises:
            SourcePageFailedError: A page token came twice, so the listing would never end.
        """
        for page in self._search(jql, ["id"], _ids, reconcile):
            yield [issue.id for issue in page.issues]

    def names(self, jql: str) -> Iterator[list[IssueName]]:
        """Ids and keys of all matching issues, as :meth:`ids`."""
        for page in self._search(jql, ["key"], _names):
            yield page.issues

    def versions(self, jql: str) -> Iterator[list[IssueVersion]]:
        """All matching issues with what tells whether they changed; the site gives fewer per page than of ids alone."""
        for page in self._search(jql, ["updated", "status", "project"], _versions):
            yield page.issues

    def latest(self, jql: str, limit: int) -> list[str]:
        """Ids of the first matches, in the query's order."""
        body = {"jql": jql, "maxResults": max(1, min(limit, IDS_PER_PAGE)), "fields": ["id"]}
        return [issue.id for issue in self.http.post(f"{_API}/search/jql", _ids, body).issues]

    def edge(self, jql: str, order: str) -> datetime | None:
        """Creation of the first matching issue in an order (``created ASC``: of the oldest)."""
        body = {"jql": f"{jql} ORDER BY {order}", "maxResults": 1, "fields": ["created"]}
        issues = self.http.post(f"{_API}/search/jql", _any, body)["issues"]
        return moment(issues[0]["fields"]["created"]) if issues else None

    def issues(self, ids: Sequence[str], fields: Sequence[str]) -> list[msgspec.Raw]:
        """These issues (at most 100), those that are there and may be seen, in any order."""
        return self.http.post(
            f"{_API}/issue/bulkfetch", _fetched, {"issueIdsOrKeys": list(ids), "fields": list(fields)}
        ).issues

    def has_issue(self, issue_id: str) -> bool:
        """Whether the site has the issue, asked by its id: the search index may not know yet that it was deleted."""
        try:
            self.http.get(f"{_API}/issue/{quote(issue_id)}", _any, {"fields": "project"})
        except Refusal as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    def comments(self, issue_id: str) -> list[msgspec.Raw]:
        """All comments of an issue, oldest first."""
        comments: list[msgspec.Raw] = []
        while True:
            query = {"startAt": len(comments), "maxResults": 100, "orderBy": "created"}
            page = self.http.get(f"{_API}/issue/{quote(issue_id)}/comment", _comments, query)
            comments += page.comments
            if not page.comments or len(comments) >= page.total:
                return _complete(comments, page.total, f"comments of issue {issue_id}")

    def worklogs(self, issue_id: str) -> list[msgspec.Raw]:
        """All worklogs of an issue."""
        worklogs: list[msgspec.Raw] = []
        while True:
            query = {"startAt": len(worklogs), "maxResults": 5000}
            page = self.http.get(f"{_API}/issue/{quote(issue_id)}/worklog", _worklogs, query)
            worklogs += page.worklogs
            if not page.worklogs or len(worklogs) >= page.total:
                return _complete(worklogs, page.total, f"worklogs of issue {issue_id}")

    def children(self, kind: str, ids: Sequence[str]) -> list[msgspec.Raw]:
        """These comments or worklogs (``comment`` or ``worklog``, at most 1,000), those that are there."""
        body = {"ids": [int(one) for one in ids]}
        if kind == "worklog":
            return self.http.post(f"{_API}/worklog/list", _raws, body)
        return self.http.post(f"{_API}/comment/list", _values, body).values

    def deleted_worklogs(self, since_ms: int) -> Iterator[list[str]]:
        """Ids of worklogs deleted since a moment, page by page; the site keeps the last minute back."""
        while True:
            page = self.http.get(f"{_API}/worklog/deleted", _deleted, {"since": since_ms})
            yield [str(one.worklogId) for one in page.values]
            if page.lastPage or page.until <= since_ms:
                return
            since_ms = page.until

    def close(self) -> None:
        """Close connections."""
        self.http.close()

    def _search(
        self, jql: str, fields: Sequence[str], decode: Callable[[bytes], PageT], reconcile: Sequence[str] = ()
    ) -> Iterator[PageT]:
        body: dict[str, Any] = {"jql": jql, "maxResults": IDS_PER_PAGE, "fields": [*fields]}
        if reconcile:
            body["reconcileIssues"] = [int(one) for one in reconcile]
        seen: set[str] = set()
        while True:
            page = self.http.post(f"{_API}/search/jql", decode, body)
            yield page
            token = page.nextPageToken
            if token is None:
                return
            if token in seen:
                raise SourcePageFailedError("The search gave a page token twice", "Run again.", jql=jql)
            seen.add(token)
            body["nextPageToken"] = token

    def _listed(self, what: str, page: Callable[[PageRequest], Page]) -> Iterator[list[msgspec.Raw]]:
        """Payloads of a list that is read by position.

        Raises:
            SourcePageFailedError: Fewer came than the site says there are, or the list changed in every reading.
        """
        listing = Listing(page, PageRequest(what), lambda row: row["key"])
        for rows in listing:
            yield [row["payload"] for row in rows]
        if listing.refusal:
            raise listing.refusal
        if listing.expected not in {None, listing.rows}:
            raise SourcePageFailedError(
                f"The list of {what} ended after {listing.rows} of {listing.expected}",
                "Run again.",
                received=listing.rows,
            )

    def _page_of_projects(self, request: PageRequest) -> Page:
        start, status = int(request.token or 0), ["live", "archived"]
        query = {"startAt": start, "maxResults": request.limit, "expand": "description,lead", "status": status}
        page = self.http.get(f"{_API}/project/search", _values, query)
        rows = [{"key": _id(payload).id, "payload": payload} for payload in page.values]
        following = None if page.isLast else _last_position(request, rows)
        return Page(rows, following, page.total, overlaps=request.token is not None)

    def _page_of_users(self, request: PageRequest) -> Page:
        start = int(request.token or 0)
        payloads = self.http.get(f"{_API}/users/search", _raws, {"startAt": start, "maxResults": 200})
        rows = [{"key": _account(payload).accountId, "payload": payload} for payload in payloads]
        return Page(rows, _last_position(request, rows), overlaps=request.token is not None)

    @staticmethod
    def _object(answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise SourcePageFailedError("The server's answer is not an object", "Check base_url: is this a Jira site?")
        return answer


def moment(text: str) -> datetime:
    """A timestamp as Jira writes it (``…T07:08:09.123+0530``), in UTC."""
    return datetime.fromisoformat(_colon(text)).astimezone(UTC)


def _last_position(request: PageRequest, rows: Sequence[Row]) -> int | None:
    """Where the page's last row is: the next page begins with it again, to show that the list did not shift.

    None when the page holds no more than the row it shares with the page before. A row that comes twice in a page
    has one position.
    """
    distinct, shared = len({row["key"] for row in rows}), int(request.token is not None)
    return int(request.token or 0) + distinct - 1 if distinct > shared else None


def _colon(text: str) -> str:
    return f"{text[:-2]}:{text[-2:]}" if text[-5:-4] in {"+", "-"} else text


def _complete(payloads: list[msgspec.Raw], total: int, what: str) -> list[msgspec.Raw]:
    if len(payloads) < total:
        raise SourcePageFailedError(f"{len(payloads)} of {total} {what} came", "Run again.", received=len(payloads))
    return payloads
