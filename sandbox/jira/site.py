"""The data of a sandbox site (projects, people, issues, comments, worklogs) and changes to it."""

from __future__ import annotations

import bisect
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sandbox.jira import samples
from sandbox.jira.names import SiteNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Json = dict[str, Any]
_START = datetime(2024, 1, 1, tzinfo=UTC)


class JqlError(Exception):
    """What the search answers with 400."""


@dataclass
class Child:
    """A comment or a worklog; moments in milliseconds."""

    child_id: str
    author: Json | None
    body: Json | None
    created_ms: int
    updated_ms: int
    visibility: Json | None = None
    started_ms: int = 0
    seconds: int = 0


@dataclass
class Issue:
    """One issue. ``rendered`` holds payloads by requested fields; any change empties it."""

    issue_id: str
    key: str
    project_id: str
    project_key: str
    created_ms: int
    updated_ms: int
    status_id: str
    status: str
    category: str
    issue_type: str
    assignee_id: str | None
    summary: str
    number: int
    comments: list[Child] = field(default_factory=list)
    worklogs: list[Child] = field(default_factory=list)
    archived: bool = False
    hidden: bool = False
    overrides: Json = field(default_factory=dict)
    rendered: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    indexed_ms: int = 0
    """When the search index last saw it, on the site's clock."""
    parent_id: str | None = None
    """A parent that is there; sub-tasks without one name an issue that the site does not have."""


class JiraSite:
    """Deterministic from its arguments; every method is safe between threads.

    Args:
        seed: Chance.
        projects: Keys; reserved words are fine.
        issues: In all, spread over the projects.
        people: Accounts, some inactive, some apps, some without an address.
        comments: Most comments an ordinary issue gets.
        worklogs: Most worklogs an ordinary issue gets.
        zone: Of the account that asks: how moments are written and date texts read.
        days: Issues were created over this many days; a few share their moments.
    """

    def __init__(
        self,
        seed: int = 1,
        projects: Iterable[str] = ("AND", "OPS"),
        issues: int = 60,
        people: int = 12,
        comments: int = 3,
        worklogs: int = 2,
        zone: str = "UTC",
        days: int = 500,
    ) -> None:
        self.lock = RLock()
        self.zone = ZoneInfo(zone)
        self.lag_ms = 0
        """Changes younger than this are not in the search index yet."""
        self.refuses_archived = False
        """True: a search that names an archived project is refused with 400, though the list of projects shows it."""
        self.names = SiteNames()
        self._deleted: list[tuple[int, Issue]] = []
        self._chance = random.Random(seed)  # noqa: S311 - repeatable data
        self._now_ms = _ms(_START + timedelta(days=days + 1))
        self._next = 10_000
        self._people = [samples.person(number) for number in range(people)]
        self._projects = {key: samples.project(index, key) for index, key in enumerate(projects)}
        self._issues: dict[str, Issue] = {}
        self._old_keys: dict[str, str] = {}
        self._by_created: list[tuple[int, str]] = []
        self._by_updated: list[tuple[int, str]] = []
        self.deleted_worklogs: list[tuple[int, str]] = []
        keys = list(self._projects)
        span_ms = days * 86_400_000
        for number in range(issues):
            created = _ms(_START) + (span_ms * number // max(issues, 1)) // 60_000 * 60_000
            self._add(keys[number % len(keys)], created, number, comments, worklogs)

    @property
    def now_ms(self) -> int:
        """The site's clock: it does not advance until something happens or :meth:`pass_time` is called."""
        return self._now_ms

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        with self.lock:
            self._now_ms += int(seconds * 1000)

    def tick(self) -> int:
        """A moment later; every change gets its own, unless it names one."""
        with self.lock:
            self._now_ms += 1
            return self._now_ms

    # --- what is there -----------------------------------------------------------------------------------------

    def issues(self) -> list[Issue]:
        """Visible issues, by creation."""
        with self.lock:
            return [issue for _, name in self._by_created if _seen(issue := self._issues[name], self._projects)]

    def issue(self, id_or_key: str) -> Issue | None:
        """A visible issue by id, key or a key it had before it moved."""
        with self.lock:
            name = id_or_key if id_or_key in self._issues else self._old_keys.get(id_or_key.upper(), "")
            issue = self._issues.get(name)
            return issue if issue is not None and _seen(issue, self._projects) else None

    def between(self, low_ms: int, high_ms: int) -> list[Issue]:
        """Visible issues created in a stretch of time, by creation."""
        with self.lock:
            start = bisect.bisect_left(self._by_created, (low_ms, ""))
            end = bisect.bisect_left(self._by_created, (high_ms, ""))
            names = [name for _, name in self._by_created[start:end]]
            return [issue for name in names if _seen(issue := self._issues[name], self._projects)]

    def updated_since(self, ms: int) -> list[Issue]:
        """Visible issues updated at or after a moment, by creation."""
        with self.lock:
            start = bisect.bisect_left(self._by_updated, (ms, ""))
            issues = [self._issues[name] for _, name in self._by_updated[start:]]
            return sorted(
                (one for one in issues if _seen(one, self._projects)), key=lambda one: (one.created_ms, one.issue_id)
            )

    def people(self) -> list[Json]:
        """Accounts, inactive ones too."""
        with self.lock:
            return [dict(one) for one in self._people]

    def projects(self, statuses: Iterable[str] = ("live",)) -> list[Json]:
        """Visible projects, by key."""
        with self.lock:
            visible = [one for one in self._projects.values() if not one["hidden"]]
            live = set(statuses)
            chosen = [one for one in visible if ("archived" if one["archived"] else "live") in live]
            return [{k: v for k, v in one.items() if k != "hidden"} for one in sorted(chosen, key=lambda p: p["key"])]

    def check_value(self, name: str, value: str) -> None:
        """Unknown values in a query are errors, not empty results."""
        with self.lock:
            known = {
                "project": {*self._projects, *(one["id"] for one in self._projects.values())},
                "status": {n for one in samples.STATUSES for n in (one[0], self.names.of("status", one[0]))},
                "assignee": {one["accountId"] for one in self._people},
                "id": {value} if self.issue(value) else set(),
                "parent": set(self._issues) | {issue.key for issue in self._issues.values()},
                "key": {issue.key for issue in self._issues.values()} | set(self._old_keys) if name == "key" else set(),
            }.get(name)
            if name == "project" and value.upper() in self._projects and self._projects[value.upper()]["hidden"]:
                known = set()
            archived = {
                v.lower() for one in self._projects.values() if one["archived"] for v in (one["key"], one["id"])
            }
            if name == "project" and self.refuses_archived and value.lower() in archived:
                known = set()
        if known is not None and value.lower() not in {one.lower() for one in known}:
            what = (
                f"An issue with key '{value}' does not exist for field '{name}'."
                if name in {"key", "id"}
                else f"The value '{value}' does not exist for the field '{name}'."
            )
            raise JqlError(what)

    # --- what happens ------------------------------------------------------------------------------------------

    def create(self, project: str, comments: int = 0, worklogs: int = 0) -> Issue:
        """A new issue, now."""
        with self.lock:
            return self._add(project, self.tick(), len(self._issues), comments, worklogs, exactly=True)

    def edit(self, issue: Issue, **fields: Any) -> None:
        """Change fields of an issue: ``summary``, ``status`` (an id), ``assignee``, or any Jira field by name."""

        def change() -> None:
            for name, value in fields.items():
                if name == "summary":
                    issue.summary = value
                elif name == "status":
                    issue.status_id, issue.status, issue.category = next(
                        one for one in samples.STATUSES if one[0] == value
                    )
                elif name == "assignee":
                    issue.assignee_id = value
                else:
                    issue.overrides[name] = value

        self._changed(issue, change)

    def comment(self, issue: Issue, words: str, **more: Any) -> Child:
        """Add a comment."""
        child = self._child(issue, 0)
        child.body = samples.document(samples.paragraph(samples.text(words)))
        for name, value in more.items():
            setattr(child, name, value)
        self._changed(issue, lambda: issue.comments.append(child))
        return child

    def log_work(self, issue: Issue, seconds: int) -> Child:
        """Add a worklog."""
        child = self._child(issue, 0)
        child.seconds = seconds
        self._changed(issue, lambda: issue.worklogs.append(child))
        return child

    def remove_child(self, issue: Issue, child: Child) -> None:
        """Delete a comment or a worklog."""

        def change() -> None:
            if child in issue.worklogs:
                self.deleted_worklogs.append((self._now_ms, child.child_id))
            issue.comments = [one for one in issue.comments if one is not child]
            issue.worklogs = [one for one in issue.worklogs if one is not child]

        self._changed(issue, change)

    def move(self, issue: Issue, project: str, *, updates: bool = True) -> None:
        """To another project: a new key, the same id; the old key still finds it. A bulk move may not update it."""

        def change() -> None:
            self._old_keys[issue.key] = issue.issue_id
            there = self._projects[project]
            there["next"] = there.get("next", 1) + 1
            issue.project_key, issue.project_id = project, there["id"]
            issue.key = f"{project}-{there['next']}"
            self._old_keys[issue.key] = issue.issue_id
            for child in self._issues.values():
                if child.parent_id == issue.issue_id:
                    child.rendered.clear()  # it names its parent's new key, and is not updated by that

        self._changed(issue, change, updates=updates)

    def adopt(self, parent: Issue, child: Issue) -> None:
        """Make an issue the child of another."""
        self._changed(child, lambda: setattr(child, "parent_id", parent.issue_id))

    def parent(self, issue: Issue) -> Json | None:
        """Its parent as its payload names it, None without one."""
        with self.lock:
            there = self._issues.get(issue.parent_id or "")
            return {"id": there.issue_id, "key": there.key} if there else None

    def deleted_since(self, ms: int) -> list[Issue]:
        """Issues deleted at or after a moment, as they were: the search index may still list them."""
        with self.lock:
            return [issue for moment, issue in self._deleted if moment >= ms]

    def delete(self, issue: Issue) -> None:
        """For good, without a trace but in the search index, which lags."""
        with self.lock:
            self._deleted.append((self.tick(), issue))
            self._by_created.remove((issue.created_ms, issue.issue_id))
            self._by_updated.remove((issue.updated_ms, issue.issue_id))
            del self._issues[issue.issue_id]

    def archive(self, issue: Issue, *, archived: bool = True, updates: bool = True) -> None:
        """Out of search, or back."""
        self._changed(issue, lambda: setattr(issue, "archived", archived), updates=updates)

    def hide(self, issue: Issue, *, hidden: bool = True) -> None:
        """From this account, by issue security; nothing else changes."""
        with self.lock:
            issue.hidden = hidden

    def archive_project(self, key: str, *, archived: bool = True) -> None:
        """Its issues leave search, or come back."""
        with self.lock:
            self._projects[key]["archived"] = archived

    def hide_project(self, key: str, *, hidden: bool = True) -> None:
        """Take away this account's permission to browse it, or give it back."""
        with self.lock:
            self._projects[key]["hidden"] = hidden

    def add_project(self, key: str) -> None:
        """A new and empty one."""
        with self.lock:
            self._projects[key] = samples.project(len(self._projects), key)

    def rename(self, account_id: str, name: str) -> None:
        """A person; their issues do not change by that."""
        with self.lock:
            next(one for one in self._people if one["accountId"] == account_id)["displayName"] = name

    # --- inside ------------------------------------------------------------------------------------------------

    def _changed(self, issue: Issue, change: Callable[[], None], *, updates: bool = True) -> None:
        with self.lock:
            moment = self.tick()
            change()
            issue.rendered.clear()
            if not updates:
                return
            self._by_updated.remove((issue.updated_ms, issue.issue_id))
            bisect.insort(self._by_updated, (moment, issue.issue_id))
            issue.updated_ms = issue.indexed_ms = moment

    def _add(
        self, project: str, created: int, number: int, comments: int, worklogs: int, *, exactly: bool = False
    ) -> Issue:
        chance, there = self._chance, self._projects[project]
        self._next += 1
        there["next"] = there.get("next", 0) + 1
        status = samples.STATUSES[number % len(samples.STATUSES)]
        person = self._people[number % len(self._people)] if number % 5 else None
        issue = Issue(
            issue_id=str(self._next),
            key=f"{project}-{there['next']}",
            project_id=there["id"],
            project_key=project,
            created_ms=created,
            updated_ms=created + (0 if exactly else chance.choice((0, 60_000, 3_600_000))),
            status_id=status[0],
            status=status[1],
            category=status[2],
            issue_type=samples.TYPES[number % len(samples.TYPES)][1],
            assignee_id=person["accountId"] if person else None,
            summary=f"Issue {number} of {project}" + (' with "quotes"' if number % 7 == 0 else ""),
            number=number,
        )
        count = (lambda most: most) if exactly else (lambda most: chance.randint(0, most))
        issue.comments = [self._child(issue, index) for index in range(count(comments))]
        issue.worklogs = [self._child(issue, index) for index in range(count(worklogs))]
        self._issues[issue.issue_id] = issue
        self._old_keys[issue.key] = issue.issue_id
        bisect.insort(self._by_created, (created, issue.issue_id))
        bisect.insort(self._by_updated, (issue.updated_ms, issue.issue_id))
        return issue

    def _child(self, issue: Issue, index: int) -> Child:
        self._next += 1
        number = issue.number + index
        author = self._people[number % len(self._people)] if number % 6 else None
        moment = max(issue.updated_ms, issue.created_ms + index * 1000)
        return Child(
            child_id=str(self._next),
            author=author,
            body=samples.documents(number),
            created_ms=moment,
            updated_ms=moment,
            visibility={"type": "role", "value": "Administrators", "identifier": "10002"} if number % 8 == 3 else None,
            started_ms=moment - 3_600_000,
            seconds=60 * (number % 480 + 1),
        )


def _seen(issue: Issue, projects: dict[str, Json]) -> bool:
    there = projects[issue.project_key]
    return not (issue.archived or issue.hidden or there["archived"] or there["hidden"])


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def as_json(value: Any) -> bytes:
    """As the site writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
