"""An API whose Prefect server, sinks and site are in memory, and somebody who looks at its console."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import polars as pl
from starlette.applications import Starlette

from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
from contracts.endpoint import ConnectionReport, FilterOption, ProvisionedModel
from contracts.errors import SourceAuthError
from contracts.plan import IngestionPlan, IngestionSlice
from contracts.receipts import FrozenRun, RunRef, UpsertReceipt
from contracts.unit import EndpointUnitDescriptor, UnitConfig, UnitPolicy
from flows.blocks.endpoints import EndpointEntry
from flows.blocks.types import endpoint_block, factory_of, masked, plain_fields
from flows.prefect_api.runs import Runs
from knowledge.layout import INDEXES, TABLES
from knowledge.sql_graph import SqlGraphStore
from metadata_api.console.routes import ROUTES
from metadata_api.limits import RateLimiter
from metadata_api.metadata_cache import MetadataCache
from metadata_api.services import ApiServices
from metadata_api.settings import ApiSettings
from metadata_api.unit_state_cache import UnitStateCache
from state.layout import TableLayout
from state.memory import MemoryKvStore
from state.table import open_database
from tests.cli.in_memory_workspace import InMemoryEndpoints, InMemoryWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKENS = {"admin-token-0123456789": "admin", "viewer-token-0123456789": "viewer"}
ADMIN = next(iter(TOKENS))
HOSTILE = "<script>alert('x')</script>\" onmouseover=alert(1) {{7*1191}}"
SECRET = "canary-secret-9f3b"
UNIT, ISSUES = "public.orders", "jira.issues"
REF = RunRef(endpoint_id="shop", unit_id=UNIT, sink_id="lake")


class PrefectInMemory:
    """As much of Prefect's API as the API asks for: flow runs with filters, one deployment, its schedules, artifacts."""

    def __init__(self) -> None:
        self.flow_runs: dict[str, dict[str, Any]] = {}
        self.schedules: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []

    def add(
        self,
        ref: RunRef,
        state: str,
        *,
        name: str = "",
        message: str = "",
        due_in_s: float | None = None,
        flow: str = "ingest-unit",
        title: str = "",
    ) -> str:
        run_id, now = str(uuid4()), datetime.now(UTC)
        began = None if state == "SCHEDULED" else now - timedelta(seconds=30)
        ended = now if state in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None
        self.flow_runs[run_id] = {
            "id": run_id, "name": title or f"{ref.endpoint_id}/{ref.unit_id} → {ref.sink_id}", "flow": flow,
            "state_type": state, "state_name": name or state.capitalize(), "state_id": run_id, "run_count": 1, "labels": {}, "tags": [],
            "state": {"type": state, "message": message, "timestamp": now.isoformat()}, "parameters": ref.model_dump(),
            "start_time": began and began.isoformat(), "end_time": ended and ended.isoformat(),
            "expected_start_time": (now + timedelta(seconds=due_in_s or 0)).isoformat(),
        }  # fmt: skip
        return run_id

    def call(self, method: str, path: str, body: Any = None, params: Any = None) -> Any:
        self.calls.append(f"{method} {path}")
        if path == "/flow_runs/filter":
            return self._found(body)
        if path.startswith("/flow_runs/"):
            return self.flow_runs.get(path.rpartition("/")[2]) if method == "GET" else {"status": "ACCEPT"}
        if path.startswith("/artifacts/"):
            return self.artifacts.get(path.split("/")[2])
        if path.startswith("/deployments/name/"):
            names = (*RunRef.model_fields, "mode", "data_mode", "policy")
            return {"id": path, "parameter_openapi_schema": {"properties": {name: {} for name in names}}}
        if path.endswith("/create_flow_run"):
            ref = RunRef(
                **{
                    "unit_id": "",
                    "sink_id": "",
                    **{name: value for name, value in body["parameters"].items() if name in RunRef.model_fields},
                }
            )
            collects = "collect-catalog" in path
            made = self.flow_runs[
                self.add(
                    ref, "SCHEDULED", flow="collect-catalog" if collects else "ingest-unit", title=body.get("name", "")
                )
            ]
            made["tags"] = body["tags"]
            return made
        return self._scheduled(method, path, body)

    def close(self) -> None:
        """Nothing is open."""

    def _found(self, body: Any) -> list[dict[str, Any]]:
        wanted, flows = body["flow_runs"], body["flows"]["name"]["any_"]
        fits = [each for each in self.flow_runs.values() if each["flow"] in flows and _fits(each, wanted)]
        fits.sort(key=lambda each: each["expected_start_time"], reverse=body["sort"].endswith("DESC"))
        return fits[body.get("offset", 0) :][: body["limit"]]

    def _scheduled(self, method: str, path: str, body: Any) -> Any:
        if method == "POST" and path.endswith("/schedules"):
            self.schedules |= {each["slug"]: {"id": each["slug"], **each} for each in body}
        elif method == "DELETE":
            del self.schedules[path.rpartition("/")[2]]
        return [*self.schedules.values()]


def _fits(run: dict[str, Any], wanted: dict[str, Any]) -> bool:
    state, name = wanted.get("state", {}), wanted.get("name", {})
    checks = [
        run["state_type"] in state.get("type", {}).get("any_", [run["state_type"]]),
        run["state_name"] in state.get("name", {}).get("any_", [run["state_name"]]),
        run["name"] in name.get("any_", [run["name"]]),
        name.get("like_", "") in run["name"],
        set(wanted.get("tags", {}).get("all_", ())) <= set(run["tags"]),
        "start_time" not in wanted or run["start_time"] is not None,
        "end_time" not in wanted or (run["end_time"] or "") > wanted["end_time"]["after_"],
        run["expected_start_time"] > wanted.get("expected_start_time", {}).get("after_", ""),
    ]
    return all(checks)


class ListedEndpoints(InMemoryEndpoints):
    """As registered ones are listed: with their fields, secrets masked."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[int, dict[str, Any]] = {}

    def list(self) -> tuple[EndpointEntry, ...]:
        return tuple(
            EndpointEntry(name, template, self._fields(template, config))
            for name, (template, config) in sorted(self._held.items())
        )

    def _fields(self, template: str, config: Any) -> dict[str, Any]:
        if id(config) not in self._shown:  # a block's schema takes milliseconds
            self._shown[id(config)] = masked(endpoint_block(template), plain_fields(config))
        return self._shown[id(config)]


class TableSystem:
    """A source and a sink of the template `jdbc.postgres` without a server."""

    supported_cdm_models = ("cdm.work.*",)

    def __init__(self, template: str, units: tuple[EndpointUnitDescriptor, ...] = ()) -> None:
        self.descriptor = factory_of(template).descriptor
        self.units = units
        self.run: FrozenRun | None = None
        self.done: dict[str, UpsertReceipt] = {}
        self.pages: list[Any] = []
        self.fails: Exception | None = None

    def test_connection(self) -> ConnectionReport:
        if self.fails:
            raise self.fails
        return ConnectionReport(server_version="17.0", account="reader", warnings=())

    def list_units(self, catalog: CatalogSnapshot) -> tuple[EndpointUnitDescriptor, ...]:
        return self.units

    def plan(self, request: Any) -> IngestionPlan:
        return plan_of(request.unit, request.mode, request.policy)

    def filter_options(self) -> dict[str, tuple[FilterOption, ...]]:
        if self.fails:
            raise self.fails
        many = tuple(FilterOption(value=f"P{number}", label=f"Project {number}") for number in range(12))
        return {"projectKeys": many, "statuses": (FilterOption(value=HOSTILE, label=HOSTILE),)}

    def check_selection(self, unit: Any, policy: Any) -> None:
        """Everything fits."""

    def is_locked(self, ref: RunRef) -> bool:
        return False

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        return self.run

    def receipts(self, run: Any) -> dict[str, UpsertReceipt]:
        return self.done

    def landed_rows(self, plan: IngestionPlan, page: Any) -> pl.DataFrame:
        return self._rows(page)

    def model_rows(self, model: Any, page: Any) -> pl.DataFrame:
        return self._rows(page)

    def model_values(self, model: Any, column: str, limit: int) -> tuple[str, ...]:
        return ("open", HOSTILE)

    def close(self) -> None:
        """Nothing is open."""

    def _rows(self, page: Any) -> pl.DataFrame:
        self.pages.append(page)
        numbers = range(page.offset, min(page.offset + page.limit, 120))
        return pl.DataFrame(
            {"id": [str(each) for each in numbers], "note": [HOSTILE if each == 0 else None for each in numbers]},
            schema={"id": pl.String, "note": pl.String},
        )


class CommonTables(TableSystem):
    """A sink of common models, which makes this table when it is asked."""

    def __init__(self, template: str, table: DatasetDescriptor) -> None:
        super().__init__(template)
        self._table = table

    def provision_model(self, model: Any) -> ProvisionedModel:
        return ProvisionedModel(dataset=self._table)

    def require_model(self, model: Any) -> None:
        """Taken."""

    def tombstones(self, plan: IngestionPlan) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame()


class ConsoleWorkspace(InMemoryWorkspace):
    """A shop, a lake, a site of issues and common tables; nothing is contacted."""

    def __init__(self, home: Path, *, empty: bool = False) -> None:
        super().__init__(home)
        self.prefect = PrefectInMemory()
        graph = SqlGraphStore(open_database(f"sqlite:///{home / 'knowledge.db'}", TableLayout(TABLES, INDEXES)))
        self.__dict__.update(
            endpoints=ListedEndpoints(), store=MemoryKvStore(), plane=self.prefect, runs=Runs(self.prefect), graph=graph  # type: ignore[arg-type]
        )  # fmt: skip
        self.systems: dict[str, TableSystem] = {}
        if not empty:
            self._fill()

    def _endpoint(self, role: str, endpoint_id: str) -> Any:
        template = self.endpoints.template(endpoint_id)
        return self.systems.setdefault(endpoint_id, TableSystem(template))

    def close(self) -> None:
        self.graph.close()  # type: ignore[attr-defined]

    def _fill(self) -> None:
        login = {"host": "db.example.com", "database": "shop", "user": "reader", "password": SECRET}
        self.endpoints.add("shop", "jdbc.postgres", login)
        self.endpoints.add("lake", "jdbc.postgres", {**login, "database": "lake"})
        self.endpoints.add(
            "common", "cdm.jdbc", {"host": "db.example.com", "database": "lake", "user": "w", "password": SECRET}
        )
        self.endpoints.add(
            "site", "http.jira", {"base_url": "https://site.example.com", "email": "a@example.com", "api_token": SECRET}
        )
        orders, hostile = unit_of(UNIT), unit_of("public.hostile", comment=HOSTILE)
        issues = unit_of(ISSUES, cdm_model_id="cdm.work.item")
        self.systems["shop"] = TableSystem("jdbc.postgres", (hostile, orders))
        self.systems["site"] = TableSystem("http.jira", (issues,))
        self._catalogue("shop", hostile.dataset, orders.dataset)
        self._catalogue("site", issues.dataset)
        self._catalogue(
            "common",
            DatasetDescriptor(
                dataset_id="cdm_work.item",
                kind="table",
                namespace="cdm_work",
                name="item",
                columns=(),
                labels=("cdm_model:cdm.work.item",),
            ),
        )
        self.units.configure(UnitConfig(endpoint_id="shop", unit_id=UNIT, sink_id="lake"))

    def _catalogue(self, endpoint_id: str, *datasets: DatasetDescriptor) -> None:
        self.catalogs.save(CatalogSnapshot(endpoint_id=endpoint_id, collected_at=datetime.now(UTC), datasets=datasets))

    def landed(self, run_id: str, done: int = 2) -> None:
        """The lake knows the run as its last one, with so many of three slices in it."""
        unit, sink = self.systems["shop"].units[1], self.sink("lake")
        plan = plan_of(unit, "full", UnitPolicy())
        frozen = FrozenRun(ref=REF, run_id=run_id.replace("-", ""), epoch=1, plan=plan, started_at=datetime.now(UTC))
        gaps = {1: ("page 7 was refused <b>",)}
        receipts = [
            UpsertReceipt(slice_key=piece.key, sequence=piece.sequence, epoch=1, rows_staged=10, rows_inserted=10, gaps=gaps.get(piece.sequence, ()))
            for piece in plan.slices[:done]
        ]  # fmt: skip
        self.systems["lake"].run, self.systems["lake"].done = frozen, {each.slice_key: each for each in receipts}
        assert sink is self.systems["lake"]


def unit_of(unit_id: str, comment: str | None = None, cdm_model_id: str | None = None) -> EndpointUnitDescriptor:
    columns = tuple(
        ColumnDescriptor(name=name, logical_type="string", declared_type="text") for name in ("id", "note", "at")
    )
    namespace, _, name = unit_id.partition(".")
    dataset = DatasetDescriptor(
        dataset_id=unit_id,
        kind="table",
        namespace=namespace,
        name=name,
        columns=columns,
        primary_key=("id",),
        comment=comment,
    )
    return EndpointUnitDescriptor(
        unit_id=unit_id, dataset=dataset, kind="table", display_name=comment or unit_id, primary_key=("id",),
        cursor_candidates=("at",), supported_modes=("full", "incremental"), cdm_model_id=cdm_model_id,
    )  # fmt: skip


def plan_of(unit: EndpointUnitDescriptor, mode: Any, policy: UnitPolicy) -> IngestionPlan:
    slices = tuple(
        IngestionSlice(key=f"part-{n}", sequence=n, expected_rows=10 * (n + 1), params={"explain": HOSTILE})
        for n in range(3)
    )
    return IngestionPlan(
        endpoint_id="shop", unit=unit, mode=mode, strategy="key-range", reason="By key.", slices=slices, policy=policy
    )


def services_of(workspace: ConsoleWorkspace, **settings: Any) -> ApiServices:
    made = ApiSettings(signing_keys={}, tokens=TOKENS, rate=1_000.0, **settings)  # type: ignore[arg-type]
    return ApiServices(
        settings=made, workspace=workspace, metadata=MetadataCache(workspace), unit_states=UnitStateCache(workspace),
        runs=workspace.runs, replays=None, limiter=RateLimiter(made.rate), api_url="http://127.0.0.1:4200/api",  # type: ignore[arg-type]
    )  # fmt: skip


class HeadlessBrowser:
    """Keeps cookies, fills in the form token of the last page, and never follows a redirect by itself."""

    def __init__(self, services: ApiServices, url: str = "http://127.0.0.1:8400", address: str = "127.0.0.1") -> None:
        self.app = Starlette(routes=ROUTES)
        self.app.state.services = services
        self.url, self.address = url, address
        self.cookies = httpx.Cookies()
        self.form_token = ""

    def send(self, method: str, path: str, **how: Any) -> httpx.Response:
        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self.address, 1))
            async with httpx.AsyncClient(transport=transport, base_url=self.url, cookies=self.cookies) as client:
                answer = await client.request(method, path, **how)
                self.cookies = client.cookies
                return answer

        answer = asyncio.run(sent())
        if found := re.search(r'name="form_token" value="([^"]+)"', answer.text):
            self.form_token = found.group(1)
        return answer

    def get(self, path: str, **query: str) -> httpx.Response:
        return self.send("GET", f"/console{path}", params=query)

    def sign_in(self, token: str = ADMIN) -> HeadlessBrowser:
        self.get("/sign-in")
        assert (
            self.send("POST", "/console/sign-in", data={"form_token": self.form_token, "token": token}).status_code
            == 303
        )
        self.get("/add", template="jdbc.postgres")
        return self

    def post(self, path: str, script: bool = True, **fields: Any) -> httpx.Response:
        headers = {"x-console-fragment": "1"} if script else {}
        data = {"form_token": self.form_token, **fields}
        return self.send("POST", f"/console{path}", data=data, headers=headers)


def words_of(answer: httpx.Response) -> str:
    """What a person reads: without tags, one space between words."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


class ScriptsFound(HTMLParser):
    """What a browser would run of a page: scripts and styles in it, and attributes that are code."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.found: list[str] = []
        self.addresses: list[str] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if (tag == "script" and not (given.get("src") or "").startswith("/console/static/")) or tag in {
            "style",
            "iframe",
            "object",
        }:
            self.found.append(tag)
        self.found += [name for name in given if name.startswith("on") or name == "style"]
        self.addresses += [str(given[name]) for name in ("src", "href", "action") if name in given]


def refused_login() -> Exception:
    return SourceAuthError("The token was refused", "Create a new one.")
