"""What the selectors of a Jira unit may hold now: projects, statuses and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from contracts.endpoint import FilterOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.jira.client import JiraClient


class _CategoryPayload(msgspec.Struct):
    key: str = ""
    name: str = ""


class _OptionPayload(msgspec.Struct):
    id: str = ""
    name: str = ""
    key: str = ""
    accountId: str = ""  # noqa: N815 - Jira's name
    displayName: str = ""  # noqa: N815 - Jira's name
    emailAddress: str | None = None  # noqa: N815 - Jira's name
    statusCategory: _CategoryPayload | None = None  # noqa: N815 - Jira's name
    active: bool = True
    archived: bool = False


def filter_options(client: JiraClient) -> dict[str, tuple[FilterOption, ...]]:
    """Selector name to its options; a moment is free. Raises what the client raises."""
    projects = [_decoded(raw) for page in client.projects() for raw in page]
    statuses = [_decoded(raw) for raw in client.list_of("status")]
    people = [_decoded(raw) for page in client.users() for raw in page]
    return {
        # The search may refuse an archived project's key, and finds nothing in it where it does not.
        "projectKeys": tuple(FilterOption(value=one.key, label=one.name) for one in projects if not one.archived),
        "statuses": _statuses(statuses),
        "assigneeIds": tuple(
            FilterOption(value=one.accountId, label=one.displayName, details=_known(email=one.emailAddress))
            for one in sorted(people, key=lambda one: (one.displayName, one.accountId))
            if one.active
        ),
    }


def _decoded(raw: msgspec.Raw) -> _OptionPayload:
    return msgspec.json.decode(raw, type=_OptionPayload)


def _statuses(found: Iterable[_OptionPayload]) -> tuple[FilterOption, ...]:
    """One option per name: projects of their own have statuses of the same name, and a filter means them all."""
    first = {one.name: one for one in reversed([*found])}
    return tuple(
        FilterOption(value=name, label=name, details=_known(id=one.id, category=_category(one)))
        for name, one in sorted(first.items())
    )


def _category(status: _OptionPayload) -> str | None:
    found = status.statusCategory
    return None if found is None else found.name or found.key


def _known(**details: str | None) -> dict[str, str]:
    return {name: value for name, value in details.items() if value}
