"""The server of `nucleus up` with one background service more, which always fails: for ``uvicorn --factory``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from docket import Perpetual
from prefect.server.services.perpetual_services import perpetual_service

from flows.local import prefect_server

EVERY_S = 0.2


@perpetual_service(enabled_getter=lambda: True)
async def planted_service(
    perpetual: Perpetual = Perpetual(automatic=True, every=timedelta(seconds=EVERY_S)),  # noqa: B008 - how docket asks
) -> None:
    raise RuntimeError("postgresql://user:secret@host")


def create_app() -> Any:
    return prefect_server.create_app()
