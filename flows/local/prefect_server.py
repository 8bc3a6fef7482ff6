"""The Prefect server of ``nucleus up``: Prefect's own app, with four changes.

Prefect opens a write as ``BEGIN DEFERRED``: it reads first, and when another write commits before its own, SQLite ends
it at once (SQLITE_BUSY_SNAPSHOT, which no timeout covers). Callers get 503, and Prefect's client then waits two, four,
eight seconds. ``BEGIN IMMEDIATE`` waits for the other write instead. SQLite waits by sleeping and asking again, up to a
tenth of a second at a time and in no order; so the writes of this process queue before it.

For every run it creates, Prefect asks whether the schemas of parameters and of the pool's variables are schemas;
jsonschema checks them against the meta-schema, which is a third of the whole call. A schema that passed is not checked
again.

Whenever a deployment is read, each of its schedules is parsed, and for each the names of all time zones are read from
the disk: 4 ms, so that a run of a deployment with 500 schedules took two seconds to create. They are read once.

A background service that fails is only seen in the log; here failures are counted, and :mod:`flows.local.services`
asks for them.

All four replace functions that Prefect does not promise to keep. On another version than the tested one, or when one
of them is missing, Prefect's app runs unchanged and the log says so. Nothing of this applies to a server that somebody
else runs.
"""

from __future__ import annotations

import gc
import logging
from contextlib import asynccontextmanager
from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import prefect
from prefect.server.api.server import create_app as prefect_app
from starlette.responses import JSONResponse
from starlette.routing import Route

from flows.local.pacing import WriteQueue, checked_once
from flows.local.services import SERVICES_PATH, ServiceMonitor

if TYPE_CHECKING:
    from starlette.requests import Request

CHANGED_VERSION = "3.8."
"""Of Prefect: the one whose internals were read."""
REPLACED = (
    "prefect.server.database.configurations:AioSqliteConfiguration.begin_transaction",
    "prefect.utilities.schema_tools.validation:_VALIDATOR.check_schema",
    "prefect._internal.schemas.validators:get_timezones",
    "prefect.server.services.perpetual_services:_PERPETUAL_SERVICES",
    "prefect.server.services.base:Service.all_services",
)
"""What is replaced or reached into."""
_log = logging.getLogger("prefect.server.nucleus")


def create_app() -> Any:
    """The ASGI application, for ``uvicorn --factory``."""
    obstacle = reason_to_run_unchanged()
    if obstacle is None:
        monitor = ServiceMonitor()
        queue_writes()
        check_schemas_once()
        read_timezones_once()
        watch_services(monitor)
        app = prefect_app()
        app.router.routes.insert(0, services_route(monitor))
    else:
        app = prefect_app()
        _log.warning("Prefect's server runs unchanged, slower under load and without service counts: %s", obstacle)
    gc.collect()
    gc.freeze()  # hundreds of thousands of objects that last as long as the process: looking at them stops it
    return app


def reason_to_run_unchanged() -> str | None:
    """Why this Prefect is not the one that the changes were written for; None when it is."""
    if not prefect.__version__.startswith(CHANGED_VERSION):
        return f"Prefect is {prefect.__version__}, and the changes are written for {CHANGED_VERSION}x"
    missing = []
    for name in REPLACED:
        try:
            resolve_name(name)
        except (ImportError, AttributeError):
            missing.append(name)
    return f"Prefect {prefect.__version__} has no {', '.join(missing)}" if missing else None


def queue_writes() -> None:
    """Write transactions of SQLite begin IMMEDIATE and in the order they came."""
    configuration = resolve_name("prefect.server.database.configurations:AioSqliteConfiguration")
    begin = configuration.begin_transaction
    queue = WriteQueue()

    @asynccontextmanager
    async def begin_immediate(self: Any, session: Any, with_for_update: bool = False) -> Any:  # noqa: ARG001, FBT001, FBT002
        async with queue.turn(), begin(self, session, with_for_update=True) as transaction:
            yield transaction

    configuration.begin_transaction = begin_immediate


def check_schemas_once() -> None:
    """The schema of parameters or job variables that passed is not checked again."""
    validator = resolve_name("prefect.utilities.schema_tools.validation:_VALIDATOR")
    validator.check_schema = staticmethod(checked_once(validator.check_schema))


def read_timezones_once() -> None:
    """The names of time zones are those that there were when they were first asked for."""
    validators = resolve_name("prefect._internal.schemas.validators")
    validators.get_timezones = cache(validators.get_timezones)


def watch_services(monitor: ServiceMonitor) -> None:
    """Count the failures of every background service."""
    for config in resolve_name("prefect.server.services.perpetual_services:_PERPETUAL_SERVICES"):
        if config.enabled_getter():
            config.function = monitor.watch_rounds(config.function)
    for service in resolve_name("prefect.server.services.base:Service").all_services():
        service.start = monitor.watch_start(service.__name__, service.start)


def services_route(monitor: ServiceMonitor) -> Route:
    """Where ``nucleus up`` and ``nucleus status`` ask."""

    async def services(request: Request) -> JSONResponse:  # noqa: ARG001 - what a route is
        return JSONResponse({"services": monitor.report()})

    return Route(SERVICES_PATH, services)
