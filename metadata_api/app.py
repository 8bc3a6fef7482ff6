"""The ASGI application: ``/webhooks/ingestion``, ``/graphql``, ``/console`` and ``/health``."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from metadata_api.console.routes import ROUTES
from metadata_api.errors import internal_error_body
from metadata_api.graphql_view import answer
from metadata_api.services import ApiServices
from metadata_api.webhook import receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request


def create_app() -> Starlette:
    """The application, for ``uvicorn --factory``; the Prefect server is contacted when it starts up."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs URLs, and those may hold secrets
    routes = [
        Route("/webhooks/ingestion", receive, methods=["POST"]),
        Route("/graphql", answer, methods=["POST"]),
        Route("/health", health, methods=["GET"]),
        *ROUTES,
    ]
    handlers = {HTTPException: _http_error, Exception: _unforeseen}
    return Starlette(routes=routes, lifespan=_lifespan, exception_handlers=handlers)


async def health(_: Request) -> JSONResponse:
    """200 while the process answers."""
    return JSONResponse({"ok": True})


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    services = await run_in_threadpool(ApiServices.open)
    dispatcher = services.dispatcher()
    app.state.services = services
    dispatcher.start()
    try:
        yield
    finally:
        await run_in_threadpool(dispatcher.stop)
        await run_in_threadpool(services.close)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    codes = {404: ("E_NOT_FOUND", "There is nothing here"), 405: ("E_METHOD", "The method is not taken here")}
    code, message = codes.get(status, ("E_REQUEST_INVALID", "The request cannot be answered"))
    hint = "POST /webhooks/ingestion, POST /graphql and GET /console are what there is."
    headers = getattr(error, "headers", None)
    return JSONResponse({"code": code, "message": message, "retryable": False, "hint": hint}, status, headers=headers)


async def _unforeseen(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse(internal_error_body(error), 500)
