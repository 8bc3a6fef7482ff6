"""Documents in folders: a service with a list per folder, the connector that an author writes for it, its test system.

Documents are read incrementally, folder by folder; the setting ``labels`` narrows what is read.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, SecretStr

from connector_kit.checks.local_system import LocalTestSystem
from connector_kit.checks.system import FieldLocation, PageLocation
from connector_kit.recording.page_shape import PageShape
from connectors.http.paged import (
    Account,
    ApiUnit,
    Column,
    JsonApi,
    Page,
    PagedSettings,
    PagedSource,
    PageRequest,
    describe,
    source_only,
)
from sandbox.http_service import HttpFaults, HttpReply, HttpService, IncomingRequest

START = datetime(2025, 3, 1, tzinfo=UTC)
TOKEN = "token-of-the-folders"
DOCUMENTS = {"empty": 0, "F1": 12, "F10": 8, "F2": 14, "F3": 70}
"""So many documents of each folder; folders changed one after the other, the last one last."""
LABELS = ("draft", "final")


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


class FolderService(HttpService[HttpFaults]):
    """``/folders`` and ``/folders/<id>/documents``; documents by folder, each a row."""

    def __init__(self) -> None:
        super().__init__(HttpFaults(), 0.0)
        self.folders: dict[str, dict[int, dict[str, Any]]] = {}
        for folder, count in DOCUMENTS.items():
            self.add(folder, count, START + timedelta(days=len(self.folders)))

    def reply(self, request: IncomingRequest) -> HttpReply:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.failed(401, "who are you?")
        query = {name: values[0] for name, values in request.query.items()}
        with self.lock:
            match request.path.strip("/").split("/"):
                case ["me"]:
                    return _json({"name": "archivist"})
                case ["folders"]:
                    return _json({"results": [{"id": one, "name": f"Folder {one}"} for one in self.folders]})
                case ["folders", folder, "documents"] if folder in self.folders:
                    return self._listed(folder, query)
        return self.failed(404, "not found")

    def failed(self, status: int, message: str) -> HttpReply:
        return HttpReply(json.dumps({"message": message}).encode(), status)

    def documents(self) -> dict[int, dict[str, Any]]:
        """All of them, by id."""
        return {number: row for rows in self.folders.values() for number, row in rows.items()}

    def add(self, folder: str, count: int, moment: datetime) -> None:
        """Documents that changed a minute after each other; the folder is made if there is none."""
        rows, first = self.folders.setdefault(folder, {}), max(self.documents(), default=0) + 1
        for number in range(first, first + count):
            changed = moment + timedelta(minutes=number - first - (number % 10 == 0))
            rows[number] = {
                "id": number, "folder": folder, "title": f"Document {number}, ä", "label": LABELS[number % 2],
                "size": 7 * number, "price": number / 4, "changed": _text(changed),
            }  # fmt: skip

    def edit(self, number: int, moment: datetime) -> str:
        """Its key."""
        with self.lock:
            row = self.documents()[number]
            self.folders[row["folder"]][number] = {**row, "title": f"changed {moment}", "changed": _text(moment)}
        return str(number)

    def newest(self, folder: str | None = None) -> datetime:
        """The newest change; a day before that of all in an empty folder."""
        rows = self.documents() if folder is None else self.folders[folder]
        if not rows:
            return self.newest() - timedelta(days=1)
        return max(datetime.fromisoformat(row["changed"]) for row in rows.values())

    def _listed(self, folder: str, query: dict[str, str]) -> HttpReply:
        since, before = (datetime.fromisoformat(query[name]) if name in query else None for name in ("since", "before"))
        labels = query.get("labels", ",".join(LABELS)).split(",")
        moment = datetime.fromisoformat
        rows = sorted(self.folders[folder].values(), key=lambda row: (row["changed"], row["id"]))
        rows = [
            row
            for row in rows
            if row["label"] in labels
            and (since is None or moment(row["changed"]) >= since)
            and (before is None or moment(row["changed"]) < before)
        ]
        changed, _, number = query.get("after", "|0").rpartition("|")
        rest, size = [row for row in rows if (row["changed"], row["id"]) > (changed, int(number))], int(query["limit"])
        page = rest[:size]
        following = f"{page[-1]['changed']}|{page[-1]['id']}" if len(rest) > size else None
        return _json({"results": page, "next": following, "total": len(rows)})


def _json(answer: Any) -> HttpReply:
    return HttpReply(json.dumps(answer).encode())


UNITS = (
    ApiUnit("folders", "Folders", (Column("id"), Column("name")), primary_key=("id",)),
    ApiUnit(
        "documents",
        "Documents",
        (
            Column("id", "int64"),
            Column("folder"),
            Column("title"),
            Column("size", "int64"),
            Column("price", "decimal(12,2)"),
            Column("changed", "timestamptz"),
        ),
        primary_key=("id",),
        cursor="changed",
        windows=True,
        parent="folders",
    ),
)


class FolderSettings(PagedSettings):
    """A login, and what to read."""

    token: SecretStr = Field(description="Access token.")
    folders: tuple[str, ...] = Field((), description="Folders to read; all when empty.")
    labels: tuple[str, ...] = Field((), description="Only documents with one of these labels.")
    narrowing = ("labels",)


class FolderSource(PagedSource[JsonApi]):
    """Documents in folders."""

    descriptor = describe("filed", "Filed", "Documents in folders.", FolderSettings, UNITS)
    units = UNITS

    def __init__(self, config: FolderSettings) -> None:
        super().__init__(config, JsonApi(config, {"Authorization": f"Bearer {config.token.get_secret_value()}"}))
        self._labels = ",".join(config.labels) or None

    def account(self) -> Account:
        return Account(self.client.get_json("/me")["name"], "1")

    def page(self, request: PageRequest) -> Page:
        if request.parent is None:
            return Page(self.client.get_json("/folders")["results"])
        answer = self.client.get_json(
            f"/folders/{request.parent['id']}/documents",
            since=request.since,
            before=request.before,
            after=request.token,
            limit=request.limit,
            labels=self._labels,
        )
        return Page(answer["results"], answer["next"], answer["total"])


FACTORY = source_only(FolderSource.descriptor, FolderSettings, FolderSource)


class DocumentsTestSystem(LocalTestSystem[FolderService]):
    """Five folders, one of them empty, one in several windows."""

    factory = FACTORY
    unit_id = "filed.documents"
    pages = PageLocation("/documents", PageShape("results", next="next"), total="total")
    fields = {
        "text": FieldLocation("title", "title"),
        "integer": FieldLocation("size", "size"),
        "decimal": FieldLocation("price", "price"),
        "timestamp": FieldLocation("changed", "changed"),
    }
    settings = {"page_size": 8, "slice_rows": 20, "slice_parents": 3}
    smallest_overlap = {"overlap_s": 0}
    narrower = {"folders": ("F2",), "labels": ("draft",)}
    buffered_rows = 400

    def start(self) -> FolderService:
        """A new service."""
        return FolderService().start()

    def config(self, url: str) -> dict[str, Any]:
        """The connector's config, with the service at ``url``."""
        return {"base_url": url, "token": TOKEN}

    def keys(self) -> set[str]:
        """Known from the service itself."""
        return {*map(str, self.server.documents())}

    def change(self, count: int) -> set[str]:
        """An hour later, those that changed longest ago."""
        service = self.server_to_change
        rows = sorted(service.documents().values(), key=lambda row: (row["changed"], row["id"]))[:count]
        moment = service.newest() + timedelta(hours=1)
        return {service.edit(row["id"], moment) for row in rows}

    def change_late(self, seconds: float) -> str:
        """In the folder that changed last."""
        service = self.server_to_change
        return service.edit(min(service.folders["F3"]), service.newest() - timedelta(seconds=seconds))

    def change_in_part(self, part: str) -> str:
        """A second after the newest of that folder; a document that is new where there was none."""
        service = self.server_to_change
        moment = service.newest(part) + timedelta(seconds=1)
        if rows := service.folders[part]:
            return service.edit(min(rows, key=lambda number: rows[number]["changed"]), moment)
        service.add(part, 1, moment)
        return str(max(service.documents()))

    def add_part(self, rows: int) -> str:
        """A folder that was moved here, with documents that are older than all others."""
        service = self.server_to_change
        folder = f"F{len(service.folders)}-moved"
        service.add(folder, rows, START - timedelta(days=30))
        return folder

    def remove(self) -> str:
        """One of them."""
        service = self.server_to_change
        number = min(service.folders["F1"]) + 4
        del service.folders["F1"][number]
        return str(number)

    def grow(self, rows: int) -> None:
        """Many more in one folder, with one moment."""
        service = self.server_to_change
        number = min(service.folders["F3"])
        row = service.folders["F3"][number]
        service.folders["F3"] |= {one: {**row, "id": one} for one in range(10_000, 10_000 + rows)}
