"""One slice, read: what was listed must arrive, and what does not is looked up before it counts as gone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from connectors.confluence import rows
from connectors.confluence.client import MOST_PER_PAGE, moment, typed_errors
from connectors.confluence.labels import every_label, labelled, labels_of
from connectors.confluence.progress import GAPS_IN
from connectors.confluence.units import BY_CONTENT, BY_LIST, UNITS, VENDOR
from connectors.http.client import Refusal
from connectors.http.rows import RowReader
from connectors.http.scope import resolve_unit
from contracts.errors import SourcePageFailedError
from contracts.plan import SliceReport

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from datetime import datetime

    import polars as pl

    from connectors.confluence.client import ConfluenceClient
    from connectors.confluence.labels import SiteLabels
    from connectors.confluence.selection import SiteSelection
    from connectors.http.paging import Row
    from contracts.plan import IngestionPlan, IngestionSlice

_ROWS_PER_BATCH = 500
_LISTED = ("current", "archived")
_TIMES_ASKED = 2
_MOST_BROKEN = 3
"""Contents of a slice that may fail by themselves; when more do, it is the site that fails."""


class SliceRows:
    """One pass over one slice. Use once.

    Args:
        client: The site.
        plan: Its unit.
        piece: Its ``params`` say what to read: ``kind`` and ``ids``; or ``list``, maybe with ``since``, or with some
            of its ids as ``only``; or ``one_by_one``.
        chosen: The selected spaces.
        labels: Of the whole site, for slices that do not ask page by page.
    """

    def __init__(
        self,
        client: ConfluenceClient,
        plan: IngestionPlan,
        piece: IngestionSlice,
        chosen: SiteSelection,
        labels: SiteLabels,
    ) -> None:
        self._client, self._plan, self._params = client, plan, piece.params
        self._name = plan.unit.dataset.name
        self._chosen, self._spaces, self._labels = chosen, chosen.spaces, labels
        self._make = rows.PayloadRows(client.config.base_url, {one.space_id: one.key for one in chosen.spaces})
        self._reader = RowReader(resolve_unit(plan.unit, VENDOR, UNITS))
        self._gaps: list[str] = []
        self._broken: set[str] = set()
        """Contents that made every page fail that held them."""
        self._files: dict[str, str | None] = {}
        """What attachments that have comments hang on."""

    def frames(self) -> Generator[pl.DataFrame, None, SliceReport]:
        """Batches of about 500 rows, at least one; then what was promised and what was withheld."""
        some: list[Row] = []
        given = 0
        with typed_errors(what=self._plan.unit.unit_id):
            for row in self._read():
                some.append(row)
                if len(some) >= _ROWS_PER_BATCH:
                    yield self._reader.frame(some)
                    given, some = given + len(some), []
            # A login that lapses half-way is served as a stranger's: 200, and lists that end early.
            self._client.prove_login()
        if some or not given:
            yield self._reader.frame(some)
        lost = [str(self._params["space"])] if "space" in self._params else [one.key for one in self._spaces]
        observed: Any = {GAPS_IN: lost} if self._gaps else {}
        expected = None if self._name not in BY_CONTENT else given + len(some)
        return SliceReport(expected_rows=expected, observed=observed, gaps=tuple(self._gaps))

    def _read(self) -> Iterator[Row]:
        params = self._params
        if "unseen" in params:
            self._gaps.append(f"space {params['unseen']} does not exist or may not be seen")
        elif "gap" in params:
            self._gaps.append(str(params["gap"]))
        elif "one_by_one" in params:
            yield from self._one_by_one([str(one) for one in params["one_by_one"]])  # type: ignore[union-attr]
        elif "ids" in params:
            yield from self._of_contents(str(params["kind"]), [str(one) for one in params["ids"]])  # type: ignore[union-attr]
        elif "list" in params:
            since = datetime_of(params.get("since"))
            only = {str(one) for one in params.get("only") or ()}  # type: ignore[union-attr]
            yield from (row for row in self._listed(str(params["list"]), since) if not only or row["id"] in only)
        elif self._name == "space":
            yield from self._space_rows()
        elif self._name == "label":
            yield from self._label_rows()
        else:
            yield from self._permissions()

    # --- found through pages and blog posts --------------------------------------------------------------------------

    def _of_contents(self, kind: str, ids: Sequence[str]) -> Iterator[Row]:
        size = self._client.config.page_size
        for start in range(0, len(ids), size):
            chunk = ids[start : start + size]
            if self._name == "version":
                for one in chunk:
                    yield from self._versions(kind, one)
            elif self._name == "acl":
                for one in chunk:
                    yield from self._restrictions(kind, one)
            else:
                yield from self._with_bodies(kind, chunk)

    def _with_bodies(self, kind: str, ids: Sequence[str]) -> Iterator[Row]:
        names = self._labels.names() if self._name == "page" and self._params.get("labels") == "site" else None
        asked, missing = list(ids), {*ids}
        # One that was in the trash for a moment is there when it is asked for once more.
        for _ in range(_TIMES_ASKED):
            for row in self._fetched(kind, asked):
                missing.discard(str(row["id"]))
                yield from self._rows_of(kind, row, names)
            missing -= self._broken
            asked = [one for one in sorted(missing) if self._is_there(kind, one)]
        self._gaps += [f"{kind} {one} is there and does not arrive" for one in asked]

    def _rows_of(self, kind: str, row: Row, names: dict[str, list[str]] | None) -> Iterator[Row]:
        """Rows of one payload with its body; ``names`` are the site's labels, None: they are asked for."""
        if not self._is_wanted(row):
            return
        if self._name == "page":
            number = str(row["id"])
            labels = names.get(number, []) if names is not None else labels_of(self._client, kind, number)
            yield self._make.page(kind, row, labels)
            return
        links, fault = self._make.links(kind, row)
        if fault:
            self._gaps.append(f"the links of {kind} {row['id']} could not be read: {fault}")
        yield from links

    def _fetched(self, kind: str, ids: Sequence[str]) -> Iterator[Row]:
        """Payloads with bodies; a member that makes its page fail is found by halves and named."""
        left = dict.fromkeys(ids)
        try:
            for row in self._client.contents(kind, ids, bodies=True):
                left.pop(str(row["id"]), None)
                yield row
        except SourcePageFailedError as error:
            rest = [*left]
            if len(self._broken) >= _MOST_BROKEN or error.facts.get("status") == 429:
                raise
            if len(rest) == 1:
                self._broken.add(rest[0])
                self._gaps.append(f"{kind} {rest[0]} could not be read ({error})")
                return
            middle = len(rest) // 2
            for half in (rest[:middle], rest[middle:]):
                if half:
                    yield from self._fetched(kind, half)

    def _is_wanted(self, row: Row) -> bool:
        """Still inside the selection: it may have been moved since it was listed."""
        return self._chosen.whole_site or any(one.space_id == str(row["spaceId"]) for one in self._spaces)

    def _account_for(self, kind: str, content_id: str) -> None:
        """What hangs on it was not found: it is gone, or that is a gap."""
        if self._is_there(kind, content_id):
            self._gaps.append(f"{kind} {content_id} is there and does not arrive")

    def _is_there(self, kind: str, content_id: str) -> bool:
        """Whether the site has it and lists it; one that the site does not tell of is a gap."""
        try:
            found = self._client.one(f"/{kind}s/{content_id}")
        except (Refusal, SourcePageFailedError) as error:
            self._gaps.append(f"{kind} {content_id} could not be read ({error})")
            return False
        return found is not None and found.get("status") in _LISTED

    def _versions(self, kind: str, content_id: str) -> Iterator[Row]:
        try:
            found = self._client.versions_of(f"/{kind}s/{content_id}/versions")
        except Refusal as refusal:
            if refusal.status == 404:
                self._account_for(kind, content_id)
            else:
                self._gaps.append(f"versions of {kind} {content_id} could not be read ({refusal})")
            return
        yield from (rows.version(content_id, kind, one) for one in found)

    def _restrictions(self, kind: str, content_id: str) -> Iterator[Row]:
        try:
            held = self._client.restrictions(content_id)
        except Refusal as refusal:
            if refusal.status == 404:
                self._account_for(kind, content_id)
            else:
                self._gaps.append(f"restrictions of {kind} {content_id} could not be read ({refusal})")
            return
        yield from rows.restrictions(content_id, kind, str(self._params["space_id"]), held)

    # --- listed for the whole site -----------------------------------------------------------------------------------

    def _listed(self, name: str, since: datetime | None) -> Iterator[Row]:
        """Comments or files, the newest first down to ``since``; replies may name their parent only."""
        form = None if name == "attachments" else "storage"
        kind = name.partition("-")[0]
        containers: dict[str, tuple[str | None, str | None]] = {}
        waiting: list[Row] = []
        for page in self._client.rows(f"/{name}", sort="-modified-date", body_format=form, limit=MOST_PER_PAGE):
            for row in page:
                container = rows.container_of(row)
                containers[str(row["id"])] = container
                if container[0] is None and row.get("parentCommentId") is not None:
                    waiting.append(row)
                    continue
                if self._is_inside(container) and _is_since(row, since):
                    yield self._listed_row(kind, row, container)
            if since is not None and page and not _is_since(page[-1], since):
                break
        for row in waiting:
            container = self._container(name, row, containers)
            if self._is_inside(container) and _is_since(row, since):
                yield self._listed_row(kind, row, container)

    def _listed_row(self, kind: str, row: Row, container: tuple[str | None, str | None]) -> Row:
        return self._make.attachment(row) if kind == "attachments" else self._make.comment(kind, row, container)

    def _container(
        self, name: str, row: Row, known: dict[str, tuple[str | None, str | None]]
    ) -> tuple[str | None, str | None]:
        """Of a reply: that of the comment it replies to."""
        above, seen = row, set[str]()
        while (container := rows.container_of(above))[0] is None:
            parent = str(above.get("parentCommentId"))
            if known.get(parent, (None, None))[0] is not None:
                return known[parent]
            found = None if parent in seen or parent == "None" else self._client.one(f"/{name}/{parent}")
            seen.add(parent)
            if found is None:
                return (None, None)
            above = found
        return container

    @cached_property
    def _inside(self) -> set[str] | None:
        return self._chosen.inside()

    def _is_inside(self, container: tuple[str | None, str | None]) -> bool:
        """Whether what it hangs on is selected; of a comment on a file, what the file hangs on."""
        if self._inside is None:
            return True
        number, kind = container
        if kind == "attachment" and number is not None:
            if number not in self._files:
                file = self._client.one(f"/attachments/{number}")
                self._files[number] = rows.container_of(file)[0] if file else None
            number = self._files[number]
        return number in self._inside

    def _one_by_one(self, ids: Sequence[str]) -> Iterator[Row]:
        """Comments or files by id; single ones have more in ``raw``, so they only tell that they are there."""
        for one in ids:
            for name in BY_LIST[self._name]:
                form = {} if name == "attachments" else {"body_format": "storage"}
                row = self._client.one(f"/{name}/{one}", **form)
                if row is None or row.get("status") not in _LISTED:
                    continue
                container = self._container(name, row, {})
                if self._is_inside(container):
                    yield self._listed_row(name.partition("-")[0], row, container)

    # --- listed in full ----------------------------------------------------------------------------------------------

    def _space_rows(self) -> Iterator[Row]:
        chosen = {one.space_id for one in self._spaces}
        for page in self._client.rows("/spaces", description_format="plain", limit=MOST_PER_PAGE):
            yield from (self._make.space(row) for row in page if str(row["id"]) in chosen)

    def _label_rows(self) -> Iterator[Row]:
        seen: set[str] = set()
        for label, kind, row in labelled(self._client, every_label(self._client)):
            inside = rows.container_of(row)[0] if kind == "attachment" else str(row["id"])
            made = rows.label(str(row["id"]), kind, label)
            if made["id"] not in seen and (self._inside is None or inside in self._inside):
                seen.add(made["id"])
                yield made

    def _permissions(self) -> Iterator[Row]:
        for space in self._spaces:
            try:
                for page in self._client.rows(f"/spaces/{space.space_id}/permissions", limit=MOST_PER_PAGE):
                    yield from (rows.space_permission(space.space_id, row) for row in page)
            except Refusal as refusal:
                self._gaps.append(f"permissions of space {space.key} could not be read ({refusal})")


def datetime_of(text: Any) -> datetime | None:
    """A moment of a slice's parameters."""
    return None if text is None else moment(str(text))


def _is_since(row: Row, since: datetime | None) -> bool:
    return since is None or moment(row["version"]["createdAt"]) >= since
