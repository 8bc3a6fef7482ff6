"""The author's hand on the system behind a connector: what the kit has to know of it, and what it may do to it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connector_kit.recording.cassette import Cassette
    from connector_kit.recording.page_shape import PageShape
    from contracts.endpoint import EndpointFactory
    from contracts.plan import IngestionPlan


class SkippedError(Exception):
    """The check has nothing to try: the unit has no such column, the connector no such mode. The text says why."""


class UntriedError(SkippedError):
    """The check could be made on another test system: one with a hook, more rows, a longer recording."""


class HookMissingError(UntriedError):
    """The check needs a hook that the test system does not have."""

    def __init__(self, hook: str, what: str) -> None:
        super().__init__(f"the test system has no {hook}(): {what}")


class RequestFilter(TypedDict):
    """Which requests a fault touches."""

    path: str
    method: str | None


@dataclass(frozen=True)
class PageLocation:
    """Which answers are pages, and where rows and tokens are in them.

    Attributes:
        path: Part of the path of requests for them.
        shape: Rows and tokens.
        key: Where the key is in a row; keys joined by dots.
        total: Where the answer says how many rows the whole list has; None where it does not.
        method: Only this method.
        expired: Status and body with which the system answers to a page token that is too old.
    """

    path: str
    shape: PageShape
    key: str = "id"
    total: str | None = None
    method: str | None = None
    expired: tuple[int, bytes] = (410, b'{"error":"refused on purpose"}')

    @property
    def request_filter(self) -> RequestFilter:
        """Keyword arguments that limit a fault to requests for these pages."""
        return {"path": self.path, "method": self.method}


@dataclass(frozen=True)
class FieldLocation:
    """A value of a row: where it is in the JSON (keys joined by dots), and the column it comes out in."""

    json: str
    column: str


class TestSystem:
    """Subclass it: the attributes and :meth:`config` are needed, every other method is a hook.

    A check that needs a hook which is missing is not tried, and says so; no core check may stay untried without an
    exception. Tests have small systems: 100 to 300 rows, five pages or more, several slices.

    Attributes:
        factory: Of the connector.
        unit_id: The unit that is read.
        upstream: URL of the system (scheme and host), or a cassette.
        pages: The list that is paged through.
        rows: Where whole rows are, when the list only names them; as ``pages`` when None.
        fields: ``text``, ``decimal``, ``integer``, ``float``, ``timestamp`` (the cursor's, if there is one), each a
            column of that type, as far as the unit has one.
        settings: Over the kit's own; retries are quick by default.
        policy: Fields of the unit's policy that an operator has to set (``cursor_columns``, say).
        exceptions: Id of a check, or name of a group, to the reason why the connector need not pass it, or why it
            cannot be tried.
        repeatable: After every :meth:`reset` there are the same rows, so that they are read once for all checks.
        smallest_overlap: Settings under which an incremental run reads as little as it can once more.
        narrower: Fields of the config that narrow what is read, each with a value under which fewer rows are read.
        not_narrowing: Other fields of the config: what is read does not depend on them.
        buffered_rows: So many rows the connector may hold between the system and the stages.
        unchecked: Id of a unit that has no test system of its own, to the reason.
        unsecret: Names of parameters and fields that sound like secrets and are none (``token`` where it leads to the
            next page): they are kept when traffic is recorded.
    """

    __test__: ClassVar[bool] = False  # pytest would take a class of this name for a test

    factory: EndpointFactory
    unit_id: str
    pages: PageLocation
    rows: PageLocation | None = None
    fields: ClassVar[Mapping[str, FieldLocation]] = MappingProxyType({})
    settings: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    policy: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    exceptions: ClassVar[Mapping[str, str]] = MappingProxyType({})
    repeatable: bool = False
    smallest_overlap: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    narrower: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    not_narrowing: ClassVar[Sequence[str]] = ()
    buffered_rows: int = 1_000
    unchecked: ClassVar[Mapping[str, str]] = MappingProxyType({})
    unsecret: ClassVar[Sequence[str]] = ()

    def __init__(self) -> None:
        self.truth: dict[str, dict[str, Any]] | None = None
        """Rows by key as an undisturbed read gave them, if the test system is repeatable."""
        self.plan: IngestionPlan | None = None
        """The plan of that read."""
        self.parts: Sequence[str] | None = None
        """Keys of the parts that the unit is read by, if the test system is repeatable and they are known."""
        self.requests: int | None = None
        """Requests of the last undisturbed read; None before the first."""
        self.recording: Cassette | None = None
        """Takes what the system is asked and what it answers."""
        self.tape: Cassette | None = None
        """Answers in the place of the system."""

    @property
    def upstream(self) -> str | Cassette:
        """The system."""
        raise NotImplementedError

    @property
    def secrets(self) -> tuple[str, ...]:
        """Credentials of the config, besides those that it declares secret itself."""
        return ()

    def config(self, url: str) -> dict[str, Any]:
        """The connector's config, with the system at ``url``."""
        raise NotImplementedError

    def reset(self) -> None:
        """Called before each check: make the system as it was, if checks change it."""

    def close(self) -> None:
        """Called at the end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def timestamp(self, moment: datetime) -> str:
        """A moment with its offset, as the system writes it."""
        return moment.isoformat(timespec="milliseconds")

    def keys(self) -> set[str]:
        """Keys of all rows there are now, known from the system itself; parts of a key joined by ``/``."""
        raise HookMissingError("keys", "nothing but the connector says which rows there are")

    def true_rows(self) -> dict[str, dict[str, Any]]:
        """Rows as the system holds them: columns by key, those columns that should be compared. Empty: not known."""
        return {}

    def change(self, count: int) -> set[str]:  # noqa: ARG002 - a hook
        """Change so many rows, an hour after whatever was read; those that changed longest ago. Their keys."""
        raise HookMissingError("change", "the system cannot be written to")

    def change_late(self, seconds: float) -> str:  # noqa: ARG002 - a hook
        """Change a row so that its last change is so many seconds before the newest of all; its key."""
        raise HookMissingError("change_late", "changes cannot be dated back")

    def change_in_part(self, part: str) -> str:  # noqa: ARG002 - a hook
        """Change the row of that part (project, space) that changed longest ago, a second after the part's newest.

        A part without rows gets one, a day older than the newest of all. The row's key.
        """
        raise HookMissingError("change_in_part", "no row of a part can be given a moment")

    def add_part(self, rows: int) -> str:  # noqa: ARG002 - a hook
        """Make a part with so many rows, whose last changes are older than those of all others; its key."""
        raise HookMissingError("add_part", "no part can be added")

    def remove(self) -> str:
        """Remove a row; its key."""
        raise HookMissingError("remove", "the system cannot be written to")

    def grow(self, rows: int) -> None:  # noqa: ARG002 - a hook
        """Make the system hold at least so many rows that fit in one slice."""
        raise HookMissingError("grow", "the system has the rows it has")

    @property
    def row_location(self) -> PageLocation:
        """Where whole rows are."""
        return self.rows or self.pages

    def field(self, kind: str) -> FieldLocation:
        """Where a value of that kind is.

        Raises:
            SkippedError: The unit has none.
        """
        if kind not in self.fields:
            raise SkippedError(f"the test system names no {kind} field: the unit has no such column")
        return self.fields[kind]
