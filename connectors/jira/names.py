"""Names that issues carry by id: which of them were changed at the site since a run read them.

An administrator renames a status, a priority or a type in one place, and no issue is updated by that. The site lists
each kind in one request, so a run compares the lists with those in its checkpoint, and reads the issues that carry a
changed name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connectors.jira import jql
from connectors.slicing import key_chunks
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.jira.client import JiraClient

Names = dict[str, dict[str, str]]
"""Name by id, by kind as JQL calls it."""
KINDS = ("status", "priority", "issuetype")
RENAMED = "renamed"
"""Parameter of the slices that read issues with changed names."""
_ISSUES_PER_SLICE = 1000


class _StatusCategory(msgspec.Struct):
    key: str = ""


class _NamePayload(msgspec.Struct):
    id: str
    name: str = ""
    statusCategory: _StatusCategory | None = None  # noqa: N815 - Jira's name


def names_of(client: JiraClient) -> Names:
    """The site's names now, a status with its category; one request for each kind."""
    return {kind: dict(_named(payload) for payload in client.list_of(kind)) for kind in KINDS}


def renamed_slices(
    client: JiraClient, before: Mapping[str, Mapping[str, str]], now: Names, selected: Sequence[str], start: int
) -> list[IngestionSlice]:
    """Slices of the issues inside the selection whose status, priority or type has another name than before."""
    changed = {kind: _changed(before.get(kind, {}), now[kind]) for kind in KINDS}
    queries = [jql.all_of([jql.numbers_in(kind, ids), *selected]) for kind, ids in changed.items() if ids]
    found = dict.fromkeys(one for query in queries for page in client.ids(query) for one in page)
    return [
        IngestionSlice(
            key=f"{RENAMED}-{index}",
            sequence=start + index,
            params={"ids": [*chunk], RENAMED: True, "explain": "issues whose status, priority or type was renamed"},
            estimated_rows=len(chunk),
        )
        for index, chunk in enumerate(key_chunks(found, _ISSUES_PER_SLICE))
    ]


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Ids that had another name before; what is new has had none that a row could carry."""
    return [one for one, name in now.items() if before.get(one, name) != name]


def _named(payload: msgspec.Raw) -> tuple[str, str]:
    one = msgspec.json.decode(payload, type=_NamePayload)
    return one.id, f"{one.name} ({one.statusCategory.key})" if one.statusCategory else one.name
