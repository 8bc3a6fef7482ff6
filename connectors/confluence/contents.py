"""Pages and blog posts without their bodies, 250 to a request: which there are, where, and what changed last.

No list of v2 can be filtered by date; those of pages and blog posts can be sorted by the moment of the last version.
So what changed is read from the newest down to the watermark, and everything else that may happen to a page (a move,
the archive, a label) from the whole list.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec

from connectors.confluence.client import MOST_PER_PAGE, MOST_SPACES, moment
from connectors.http.errors import unexpected_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connectors.confluence.client import Brief, ConfluenceClient
    from connectors.http.paging import Row

ResultT = TypeVar("ResultT")
KINDS = ("page", "blogpost")


@dataclass(frozen=True, slots=True)
class SpaceName:
    """A space's two names: its id stays, its key may change."""

    space_id: str
    key: str


class ContentHead(msgspec.Struct, frozen=True, gc=False):
    """What a list says of a page or a blog post besides its texts; a site has many, so they are kept small."""

    content_id: str
    kind: str
    space_id: str
    modified: datetime


def spaces_of(client: ConfluenceClient, wanted: Sequence[str]) -> tuple[list[SpaceName], list[str]]:
    """(spaces to read, by key; keys that were asked for and are not visible)."""
    visible = {str(row["key"]): str(row["id"]) for page in client.rows("/spaces", limit=MOST_PER_PAGE) for row in page}
    keys = sorted(set(wanted)) if wanted else sorted(visible)
    found = [SpaceName(visible[key], key) for key in keys if key in visible]
    allowed = set(client.config.space_keys)
    inside = [one for one in found if not allowed or one.key in allowed]
    return inside, sorted(set(keys) - {one.key for one in inside})


class SpaceContents:
    """The lists of pages and blog posts of some spaces.

    Args:
        client: The site.
        spaces: Which spaces.
        whole_site: These are all that the account sees, so that lists need not name them.
    """

    def __init__(self, client: ConfluenceClient, spaces: Sequence[SpaceName], *, whole_site: bool) -> None:
        self._client, self._spaces, self._whole_site = client, list(spaces), whole_site
        self._ids = {one.space_id for one in spaces}

    def pages(self, read: Callable[[str, list[Row]], ResultT]) -> Iterator[ResultT]:
        """What ``read`` makes of (kind, payloads without a body) of each page of the lists, in their threads."""

        def each(kind: str, names: str) -> list[ResultT]:
            listed = self._client.rows(f"/{kind}s", space_id=names, limit=MOST_PER_PAGE)
            return [read(kind, [row for row in page if str(row["spaceId"]) in self._ids]) for page in listed]

        return self._side_by_side(each)

    def heads(self) -> list[ContentHead]:
        """Everything, each once, ordered by id. A page that was moved meanwhile may be in two lists."""

        def each(kind: str, names: str) -> list[ContentHead]:
            listed = self._client.briefs(f"/{kind}s", space_id=names, limit=MOST_PER_PAGE)
            return [_head(kind, one) for page in listed for one in page if str(one.spaceId) in self._ids]

        found = {one.content_id: one for one in self._side_by_side(each)}
        return sorted(found.values(), key=lambda one: (len(one.content_id), one.content_id))

    def _side_by_side(self, each: Callable[[str, str], list[ResultT]]) -> Iterator[ResultT]:
        """What ``each`` gives for a kind and some spaces; many lists, as the longest is waited for."""
        at_once = max(1, self._client.config.concurrency)
        size = min(MOST_SPACES, max(1, -(-len(self._spaces) // (2 * at_once))))
        groups = [self._spaces[start : start + size] for start in range(0, len(self._spaces), size)]
        lists = [(kind, ",".join(one.space_id for one in group)) for kind in KINDS for group in groups]
        yield from side_by_side(lambda one: each(*one), lists, at_once)

    def modified(self, since: Callable[[str], datetime | None], overlap_s: float) -> list[ContentHead]:
        """What was modified since the watermark of its space; of a space without one, everything.

        Args:
            since: The watermark of a space, by its key.
            overlap_s: So far before it.
        """
        overlap = timedelta(seconds=overlap_s)
        marks = {one.space_id: since(one.key) for one in self._spaces}
        begun = {space: mark - overlap for space, mark in marks.items() if mark is not None}
        fresh = [one for one in self._spaces if one.space_id not in begun]
        found = SpaceContents(self._client, fresh, whole_site=False).heads() if fresh else []
        known = [one for one in self._spaces if one.space_id in begun]
        for kind in KINDS if known else ():
            for names in self._named(known):
                found += self._down_to(kind, names, begun)
        return sorted(
            {one.content_id: one for one in found}.values(), key=lambda one: (len(one.content_id), one.content_id)
        )

    def _named(self, spaces: Sequence[SpaceName]) -> list[str | None]:
        """Values of ``space-id``; None for a list of the whole site."""
        if self._whole_site:
            return [None]
        ids = [one.space_id for one in spaces]
        return [",".join(ids[start : start + MOST_SPACES]) for start in range(0, len(ids), MOST_SPACES)]

    def _down_to(self, kind: str, names: str | None, begun: dict[str, datetime]) -> Iterator[ContentHead]:
        oldest = min(begun.values())
        for page in self._client.briefs(f"/{kind}s", space_id=names, sort="-modified-date", limit=MOST_PER_PAGE):
            heads = [_head(kind, one) for one in page]
            yield from (one for one in heads if one.space_id in begun and one.modified >= begun[one.space_id])
            if heads and heads[-1].modified < oldest:
                return


def side_by_side(read: Callable[..., Iterable[object]], items: Sequence[object], at_once: int) -> Iterator:  # type: ignore[type-arg]
    """Results of ``read`` of each item, one after the other, while others are read; in the order of the items."""
    with ThreadPoolExecutor(at_once, thread_name_prefix="lists") as pool:
        futures = [pool.submit(read, one) for one in items]
        try:
            for index, future in enumerate(futures):
                yield from future.result()
                futures[index] = None  # type: ignore[call-overload]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _head(kind: str, brief: Brief) -> ContentHead:
    if brief.version is None or brief.spaceId is None:
        raise unexpected_payload(f"/{kind}s", "a row has no space or no version")
    return ContentHead(str(brief.id), kind, str(brief.spaceId), moment(brief.version.createdAt))
