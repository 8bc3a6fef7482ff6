"""Rows that hang on other rows: the comments of each page, the members of each project.

The API has a list per parent and none of all. So the parents are listed first, and their lists are read side by side,
as many at once as the endpoint may have requests under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from queue import Queue, SimpleQueue
from threading import Event, Lock, Semaphore, Thread
from typing import TYPE_CHECKING

from connectors.http.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
    from datetime import datetime

    from connectors.http.client import Refusal
    from connectors.http.paging import Page, PageRequest, Row

Parent = Mapping[str, str | int]
"""The key columns of a parent, by name."""
_GONE = frozenset({404, 410})
_PAGES_AHEAD, _LISTS_AHEAD = 4, 4
"""What may wait for the reader: pages of each list, and lists for each worker. It bounds the memory."""


def name_of(parent: Parent) -> str:
    """A parent as checkpoints and reports name it."""
    return "/".join(str(value) for value in parent.values())


class _ChildList:
    """The list of one parent: a worker puts its pages in, then how it ended; the reader takes them out."""

    def __init__(self, parent: Parent, listing: Listing) -> None:
        self.parent, self.listing = parent, listing
        self._pages: Queue[list[Row] | BaseException | None] = Queue(_PAGES_AHEAD)
        self._ended = False

    def read(self, stopped: Event) -> None:
        """For the worker."""
        end: BaseException | None = None
        try:
            for rows in self.listing:
                self._pages.put(rows)
                if stopped.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where the pages are taken out
            end = error
        self._pages.put(end)

    def pages(self) -> Iterator[list[Row]]:
        """For the reader. Raises what reading raised."""
        while isinstance(page := self._pages.get(), list):
            yield page
        self._ended = True
        if page is not None:
            raise page

    def drop(self) -> None:
        """For the reader who wants no more: its worker may wait for room, and goes on to the end."""
        if not self._ended:
            with suppress(BaseException):  # nobody asked for it any more
                for _ in self.pages():
                    pass


class ChildLists:
    """The lists of several parents, read side by side and given in the order of the parents.

    Iterate once; the attributes are final afterwards. A list that is refused as not found (404, 410) is no gap when
    its parent is gone too, which is asked once at the end: nothing hangs on a parent that is not there.

    Args:
        page: Asks for a page.
        request: The first page of each list; its ``parent`` is replaced.
        key_of: What tells rows apart.
        parents: Whose lists; taken as they are needed.
        remaining: Gives all parents that are there now; called only after a list was not found.
        concurrency: Lists read at the same time.
        request_of: The first page of a parent's list; ``request`` with that parent when None.
        moment_of: When a row changed last; None where nobody asks for :attr:`newest`.

    Attributes:
        newest: Of each list that was read, by the parent's key: the newest change among its rows, None where it had
            none.
        rows: Rows given, each key once.
        duplicates: Rows that came with a key that was there already, in whichever list; they were left out.
        refusal: The first one that left a gap; None when every list was read to its end.
        gaps: A sentence for each list that was refused, and for each row that was left out of one.
    """

    def __init__(
        self,
        page: Callable[[PageRequest], Page],
        request: PageRequest,
        key_of: Callable[[Row], Hashable],
        parents: Iterable[Parent],
        remaining: Callable[[], Iterable[Parent]],
        concurrency: int,
        request_of: Callable[[Parent], PageRequest] | None = None,
        moment_of: Callable[[Row], datetime | None] | None = None,
    ) -> None:
        self._page, self._request, self._key_of = page, request, key_of
        self._parents, self._remaining, self._concurrency = iter(parents), remaining, concurrency
        self._request_of = request_of or (lambda parent: replace(request, parent=parent))
        self._moment_of = moment_of
        self.newest: dict[str, datetime | None] = {}
        self._lock, self._stopped = Lock(), Event()
        self._free = Semaphore(_LISTS_AHEAD * concurrency)
        self._begun: SimpleQueue[_ChildList | BaseException | None] = SimpleQueue()
        """In the order of the parents; then the error that ended these, if one did, and None from each worker."""
        self._seen: set[Hashable] = set()
        self._missing = 0
        self._promised = True
        self.rows = self.duplicates = 0
        self.refusal: Refusal | None = None
        self.gaps: tuple[str, ...] = ()

    @property
    def expected(self) -> int | None:
        """Rows that the server promised in all; None if it gave no total of some list, and no row is missing."""
        return self.rows + self._missing if self._promised or self._missing else None

    def __iter__(self) -> Iterator[list[Row]]:
        """Rows of each page.

        Raises:
            SourcePageFailedError: As of a single list, or of the list of parents.
        """
        for number in range(self._concurrency):
            Thread(target=self._work, name=f"children-{number}", daemon=True).start()
        refused: list[_ChildList] = []
        workers, child = self._concurrency, None
        try:
            while isinstance(child := self._begun.get(), _ChildList):
                for rows in child.pages():
                    self._note_moments(child.parent, rows)
                    yield self._fresh(rows)
                self._free.release()
                self._note(child.listing)
                refused += [child] if child.listing.gaps else []
            if child is not None:
                raise child
            workers -= 1
        finally:
            self._stop(workers, child)
        self._judge(refused)

    def _work(self) -> None:
        """Read one list after the other until there is no parent left."""
        while (child := self._begin()) is not None:
            child.read(self._stopped)
        self._begun.put(None)

    def _begin(self) -> _ChildList | None:
        self._free.acquire()
        with self._lock:
            try:
                parent = None if self._stopped.is_set() else next(self._parents, None)
            except BaseException as error:  # noqa: BLE001 - raised again by the reader
                self._begun.put(error)
                parent = None
            if parent is None:
                self._free.release()
                return None
            listing = Listing(self._page, self._request_of(parent), self._key_of)
            child = _ChildList(parent, listing)
            self._begun.put(child)
            return child

    def _stop(self, workers: int, half_read: object) -> None:
        """Wait for the workers; each ends with the page it asked for."""
        self._stopped.set()
        self._free.release(self._concurrency)
        if isinstance(half_read, _ChildList):
            half_read.drop()
        while workers:
            child = self._begun.get()
            workers -= child is None
            if isinstance(child, _ChildList):
                child.drop()

    def _fresh(self, rows: Sequence[Row]) -> list[Row]:
        """Rows that no list had before: a row may be moved to another parent meanwhile."""
        fresh = []
        for row in rows:
            key = self._key_of(row)
            if key in self._seen:
                self.duplicates += 1
            else:
                self._seen.add(key)
                fresh.append(row)
        self.rows += len(fresh)
        return fresh

    def _note_moments(self, parent: Parent, rows: Sequence[Row]) -> None:
        if self._moment_of is None:
            return
        name = name_of(parent)
        moments = [moment for row in rows if (moment := self._moment_of(row)) is not None]
        known = self.newest.get(name)
        self.newest[name] = max([*moments, *([known] if known else [])], default=None)

    def _note(self, listing: Listing) -> None:
        self.duplicates += listing.duplicates
        self._promised = self._promised and listing.expected is not None
        self._missing += 0 if listing.expected is None or listing.refusal else listing.expected - listing.rows

    def _judge(self, refused: Sequence[_ChildList]) -> None:
        """What the refusals mean: those of parents that are gone mean nothing."""
        lost = [child for child in refused if child.listing.refusal and child.listing.refusal.status in _GONE]
        there = {_identity(parent) for parent in self._remaining()} if lost else set()
        left = [child for child in refused if child not in lost or _identity(child.parent) in there]
        self.refusal = next((child.listing.refusal for child in left if child.listing.refusal), None)
        self.gaps = tuple(f"{_words(child.parent)}: {gap}" for child in left for gap in child.listing.gaps)


def _identity(parent: Parent) -> tuple[str, ...]:
    return tuple(str(parent[name]) for name in sorted(parent))


def _words(parent: Parent) -> str:
    return ", ".join(f"{name} {value}" for name, value in parent.items())
