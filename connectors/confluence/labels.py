"""Which labels sit on what. A label does not touch the version of a page, so no list of changes tells of it."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING

from connectors.confluence.client import MOST_PER_PAGE
from connectors.confluence.contents import side_by_side
from connectors.http.client import Refusal
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.confluence.client import ConfluenceClient
    from connectors.http.paging import Row

LABELLED = {"pages": "page", "blogposts": "blogpost", "attachments": "attachment"}
"""Lists below a label, and what they hold."""


class SiteLabels:
    """Labels of pages and blog posts of a whole site, listed label by label when first asked for.

    Args:
        client: The site.
    """

    def __init__(self, client: ConfluenceClient) -> None:
        self._client, self._lock = client, Lock()
        self._names: dict[str, list[str]] | None = None

    def begin(self) -> None:
        """List them in a thread of its own; whoever asks meanwhile waits. What fails is listed again when asked for."""
        Thread(target=self._early, name="labels", daemon=True).start()

    def _early(self) -> None:
        with suppress(IngestionError, Refusal):  # raised to whoever asks for them
            self.names()

    def names(self) -> dict[str, list[str]]:
        """Names by the id of a page or a blog post; what has no label is not in it."""
        with self._lock:
            if self._names is None:
                found: dict[str, list[str]] = defaultdict(list)
                kinds = ("pages", "blogposts")
                for label, _kind, row in labelled(self._client, every_label(self._client), kinds):
                    found[str(row["id"])].append(str(label["name"]))
                self._names = dict(found)
            return self._names


def every_label(client: ConfluenceClient) -> list[Row]:
    """All labels of the site."""
    return [row for page in client.rows("/labels", limit=MOST_PER_PAGE) for row in page]


def labelled(
    client: ConfluenceClient, labels: Sequence[Row], kinds: Sequence[str] = tuple(LABELLED)
) -> Iterator[tuple[Row, str, Row]]:
    """(label, kind, payload) of everything that has one of the labels."""
    lists = [(label, kind) for label in labels for kind in kinds]

    def read(one: tuple[Row, str]) -> list[tuple[Row, str, Row]]:
        label, kind = one
        try:
            pages = client.rows(f"/labels/{label['id']}/{kind}", limit=MOST_PER_PAGE)
            return [(label, LABELLED[kind], row) for page in pages for row in page]
        except Refusal as refusal:
            if refusal.status == 404:  # it was taken off the last thing that had it
                return []
            raise

    yield from side_by_side(read, lists, client.config.concurrency)


def labels_of(client: ConfluenceClient, kind: str, content_id: str) -> list[str]:
    """Names of the labels of one page or blog post; none when it is gone."""
    try:
        pages = client.rows(f"/{kind}s/{content_id}/labels", limit=MOST_PER_PAGE)
        return [str(row["name"]) for page in pages for row in page]
    except Refusal as refusal:
        if refusal.status == 404:
            return []
        raise
