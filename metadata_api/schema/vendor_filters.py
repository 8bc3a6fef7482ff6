"""The vendor-named filter types of the platform's contract, and their one mapping onto selectors.

Nothing else in this room names a vendor. A filter belongs to every source whose template has all of its selectors.
"""
# ruff: noqa: D101 - the description is what clients read

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import strawberry

from contracts.endpoint import FilterOption
from contracts.errors import FilterNotSupportedError
from contracts.traits import SupportsFilterOptions
from flows.wiring import Workspace
from metadata_api.metadata_cache import descriptor
from metadata_api.schema.context import Context

Info = strawberry.Info[Context, None]


@strawberry.type(description="What is read of an issue tracker.")
class JiraIngestionFilter:
    project_keys: list[str]
    statuses: list[str]
    assignee_ids: list[str]
    updated_from: str | None = None


@strawberry.type(description="What is read of a wiki.")
class ConfluenceIngestionFilter:
    space_keys: list[str]
    updated_from: str | None = None


@strawberry.input(description="What to read of an issue tracker; what is left out is not limited.")
class JiraIngestionFilterInput:
    project_keys: list[str] | None = None
    statuses: list[str] | None = None
    assignee_ids: list[str] | None = None
    updated_from: str | None = None


@strawberry.input(description="What to read of a wiki; what is left out is not limited.")
class ConfluenceIngestionFilterInput:
    space_keys: list[str] | None = None
    updated_from: str | None = None


@strawberry.type(description="The filter of a unit, by kind of source; null for the kinds that its source is not.")
class WithFilters:
    jira_filter: JiraIngestionFilter | None
    confluence_filter: ConfluenceIngestionFilter | None


@strawberry.input(description="The filter of a unit, by kind of source.")
class WithFilterInputs:
    jira_filter: JiraIngestionFilterInput | None = strawberry.UNSET
    confluence_filter: ConfluenceIngestionFilterInput | None = strawberry.UNSET


@strawberry.type(description="One value that a filter can take.")
class FilterChoice:
    value: str
    label: str


@strawberry.type(description="A project that issues can be chosen by.")
class JiraFilterProjectOption:
    key: str
    name: str | None


@strawberry.type(description="A person that issues can be chosen by.")
class JiraFilterUserOption:
    account_id: str
    display_name: str | None
    email: str | None


@strawberry.type(description="A status that issues can be chosen by; a filter holds its name.")
class JiraFilterStatusOption(FilterChoice):
    id: str
    name: str
    category: str | None


@strawberry.type(description="A space that pages can be chosen by.")
class ConfluenceFilterSpaceOption:
    key: str
    name: str | None


@strawberry.type(description="What the filter of an issue tracker may hold now.")
class JiraIngestionFilterOptions:
    project_keys: list[FilterChoice]
    statuses: list[JiraFilterStatusOption]
    assignee_ids: list[FilterChoice]
    projects: list[JiraFilterProjectOption]
    users: list[JiraFilterUserOption]


@strawberry.type(description="What the filter of a wiki may hold now.")
class ConfluenceIngestionFilterOptions:
    space_keys: list[FilterChoice]
    spaces: list[ConfluenceFilterSpaceOption]


Offered = Mapping[str, tuple[FilterOption, ...]]
"""What a source offers, by selector."""


def _issue_options(found: Offered) -> JiraIngestionFilterOptions:
    projects, people = found.get("projectKeys", ()), found.get("assigneeIds", ())
    return JiraIngestionFilterOptions(
        project_keys=_choices(projects),
        assignee_ids=_choices(people),
        projects=[JiraFilterProjectOption(key=each.value, name=each.label) for each in projects],
        users=[
            JiraFilterUserOption(account_id=each.value, display_name=each.label, email=each.details.get("email"))
            for each in people
        ],
        statuses=[
            JiraFilterStatusOption(
                value=each.value,
                label=each.label,
                id=each.details.get("id", each.value),
                name=each.label,
                category=each.details.get("category"),
            )
            for each in found.get("statuses", ())
        ],
    )


def _page_options(found: Offered) -> ConfluenceIngestionFilterOptions:
    spaces = found.get("spaceKeys", ())
    shown = [ConfluenceFilterSpaceOption(key=each.value, name=each.label) for each in spaces]
    return ConfluenceIngestionFilterOptions(space_keys=_choices(spaces), spaces=shown)


def _choices(found: tuple[FilterOption, ...]) -> list[FilterChoice]:
    return [FilterChoice(value=each.value, label=each.label) for each in found]


class VendorFilter(NamedTuple):
    """One filter type: its field, its types, and the selector behind each of its fields."""

    field: str
    shown: type[Any]
    options: Callable[[Offered], Any]
    """What the source offers, as the GraphQL type."""
    selectors: Mapping[str, str]
    """GraphQL attribute to selector name."""
    moments: frozenset[str] = frozenset({"updated_from"})
    """Attributes that hold one text; the others hold a list."""

    def fits(self, selectors: Collection[str]) -> bool:
        """True for a source that has all of the selectors."""
        return set(self.selectors.values()) <= set(selectors)

    def show(self, held: Mapping[str, Any]) -> Any:
        """The policy's selectors as the GraphQL type."""
        return self.shown(
            **{
                name: held.get(selector) if name in self.moments else _texts(held.get(selector))
                for name, selector in self.selectors.items()
            }
        )

    def read(self, given: Any) -> dict[str, Any]:
        """The input as selectors; what is left out or empty is no condition."""
        values = {selector: getattr(given, name) for name, selector in self.selectors.items()}
        return {selector: value for selector, value in values.items() if value}


JIRA = VendorFilter(
    "jira_filter",
    JiraIngestionFilter,
    _issue_options,
    {
        "project_keys": "projectKeys",
        "statuses": "statuses",
        "assignee_ids": "assigneeIds",
        "updated_from": "updatedFrom",
    },
)
CONFLUENCE = VendorFilter(
    "confluence_filter",
    ConfluenceIngestionFilter,
    _page_options,
    {"space_keys": "spaceKeys", "updated_from": "updatedFrom"},
)
FILTERS = (JIRA, CONFLUENCE)


EARLIER_FILTER_NAMES = {
    f"{each.shown.__name__.removesuffix('IngestionFilter')}Filter{kind}": f"{each.shown.__name__}{kind}"
    for each in FILTERS
    for kind in ("", "Input")
}
"""What the filter types were called in earlier versions, and what they are called now."""


@strawberry.type(description="What filters may hold.")
class FilterQueries:
    @strawberry.field
    def jira_ingestion_filter_options(self, info: Info, endpoint_id: strawberry.ID) -> JiraIngestionFilterOptions:
        """What the filter may hold now, asked of the source."""
        shown: JiraIngestionFilterOptions = _options(info.context.workspace, endpoint_id, JIRA)
        return shown

    @strawberry.field
    def confluence_ingestion_filter_options(
        self, info: Info, endpoint_id: strawberry.ID
    ) -> ConfluenceIngestionFilterOptions:
        """What the filter may hold now; empty for a source without it."""
        workspace = info.context.workspace
        fits = CONFLUENCE.fits(descriptor(workspace, endpoint_id).selectors)
        shown: ConfluenceIngestionFilterOptions = (
            _options(workspace, endpoint_id, CONFLUENCE) if fits else CONFLUENCE.options({})
        )
        return shown


def shown_filters(selectors: Collection[str], held: Mapping[str, Any]) -> dict[str, Any]:
    """The filter fields of a unit's config: the one that fits the source, None for the others."""
    return {each.field: each.show(held) if each.fits(selectors) else None for each in FILTERS}


def read_filters(given: Any, selectors: Collection[str]) -> dict[str, Any] | None:
    """The selectors in an input that has the filter fields; None when it says nothing about them.

    Raises:
        FilterNotSupportedError: A filter of another kind of source.
    """
    found: dict[str, Any] | None = None
    for each in FILTERS:
        value = getattr(given, each.field)
        if value is strawberry.UNSET or (value is None and not each.fits(selectors)):
            continue
        if not each.fits(selectors):
            if not each.read(value):
                continue  # a form that knows every kind sends the others empty
            raise FilterNotSupportedError(
                "The source has no such filter", f"It has {', '.join(selectors) or 'conditions on columns (policy)'}."
            )
        found = {} if value is None else each.read(value)
    return found


def _options(workspace: Workspace, endpoint_id: str, kind: VendorFilter) -> Any:
    source: Any = workspace.source(endpoint_id) if kind.fits(descriptor(workspace, endpoint_id).selectors) else None
    if not isinstance(source, SupportsFilterOptions):
        raise FilterNotSupportedError(f"Endpoint {endpoint_id!r} has no such filter", "Filter its units by columns.")
    return kind.options(source.filter_options())


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value or ()]
