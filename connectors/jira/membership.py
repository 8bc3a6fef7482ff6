"""Which issues a selection holds, in a form small enough for a checkpoint: one hash for each of 256 groups of issues.

Comments and worklogs are found through issues that were updated. An issue that comes back from an archive may not be,
and no list tells which issues have children in the sink. Two snapshots of a group differ when an issue came, went or
moved in it; then its issues are read again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from connectors.jira import jql
from connectors.slicing import key_chunks
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.jira.client import JiraClient

_GROUPS, _DIGITS = 256, 8
_ISSUES_PER_SLICE = 1000


class Membership:
    """The issues of one selection of a site; they are listed page by page and not kept.

    Args:
        client: The site.
        selected: JQL of the selection; empty: every issue.
    """

    def __init__(self, client: JiraClient, selected: Sequence[str]) -> None:
        self._client, self._selected = client, list(selected) or ["project is not EMPTY"]

    def snapshot(self) -> str:
        """A hash per group over ids and keys, one after the other."""
        return _text(self._hashes(set()))

    def returned(self, before: str, taken_at: datetime, start: int) -> list[IngestionSlice]:
        """Slices of the issues in groups that differ from a snapshot by more than the issues created since.

        Args:
            before: The snapshot.
            taken_at: When, by the site's clock.
            start: Sequence of the first slice.
        """
        created = jql.all_of([*self._selected, jql.at_least("created", jql.milliseconds(taken_at))])
        fresh = {one for page in self._client.ids(created) for one in page}
        now, width = _text(self._hashes(fresh)), _DIGITS
        places = range(0, _GROUPS * width, width)
        differing = {at // width for at in places if before[at : at + width] != now[at : at + width]}
        if not differing:
            return []
        ids = [one for page in self._client.ids(jql.all_of(self._selected)) for one in page if _group(one) in differing]
        return [
            IngestionSlice(
                key=f"returned-{index}",
                sequence=start + index,
                params={"ids": [*chunk], "explain": "issues that may have come back or moved"},
                estimated_rows=len(chunk),
            )
            for index, chunk in enumerate(key_chunks(ids, _ISSUES_PER_SLICE))
        ]

    def _hashes(self, without: set[str]) -> list[int]:
        hashes = [0] * _GROUPS
        for page in self._client.names(jql.all_of(self._selected)):
            for issue in page:
                if issue.id not in without:
                    named = hashlib.blake2b(f"{issue.id} {issue.key}".encode(), digest_size=_DIGITS // 2).digest()
                    hashes[_group(issue.id)] ^= int.from_bytes(named, "big")
        return hashes


def _group(issue_id: str) -> int:
    return int(issue_id) % _GROUPS


def _text(hashes: Sequence[int]) -> str:
    return "".join(f"{one:0{_DIGITS}x}" for one in hashes)
