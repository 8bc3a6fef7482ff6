"""The API beside the shared control plane, and somebody who calls it; endpoints of their own per test."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import httpx
import pytest

from flows.local.up import up
from flows.prefect_api.client import connect
from flows.prefect_api.runs import ENDED
from metadata_api.signing import SIGNATURE, TIMESTAMP, sign
from tests.control_plane import locked
from tests.flows.conftest import pair, plane, workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.local.control_plane import LocalControlPlane

__all__ = ["pair", "plane", "workspace"]

KEYS = {"first": "first-key-0123456789", "second": "second-key-0123456789"}
TOKENS = {"admin": "admin-token-0123456789", "viewer": "viewer-token-0123456789"}
ENVIRONMENT = {
    "NUCLEUS_API_SIGNING_KEYS": ",".join(f"{name}:{secret}" for name, secret in KEYS.items()),
    "NUCLEUS_API_TOKENS": ",".join(f"{role}:{token}" for role, token in TOKENS.items()),
    "NUCLEUS_API_CALLBACK_HOSTS": "127.0.0.1:*,hooks.example.com",
    "NUCLEUS_API_CALLBACK_PRIVATE": "1",
    "NUCLEUS_API_RATE": "500",
    "NUCLEUS_API_PREFECT_TIMEOUT_S": "30",  # servers of tests share two cores
}


@pytest.fixture(scope="session")
def control_plane(control_plane: LocalControlPlane) -> LocalControlPlane:
    """The one that all tests share, with the API beside it; whoever ends the one ends the other."""
    with locked(control_plane.home), patch.dict(os.environ, ENVIRONMENT):
        return up(control_plane.home, api=True)


def signed_post(client: httpx.Client, body: Any, key: str, at: int | None = None, **headers: str) -> httpx.Response:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    at = int(time.time()) if at is None else at
    signed = {TIMESTAMP: str(at), SIGNATURE: sign(KEYS.get(key, key), at, sent), "content-type": "application/json"}
    return client.post("/webhooks/ingestion", content=sent, headers={**signed, **headers})


class Caller:
    """Somebody outside: signs webhooks, holds tokens."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def post(self, body: Any, *, key: str = "first", at: int | None = None, **headers: str) -> httpx.Response:
        """A signed webhook; ``body`` as JSON, or bytes as they are."""
        return signed_post(self.client, body, key, at, **headers)

    def ask(self, query: str, role: str = "admin", **variables: Any) -> dict[str, Any]:
        """A GraphQL answer, whatever it is."""
        headers = {"authorization": f"Bearer {TOKENS.get(role, role)}"}
        got = self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        assert got.status_code in {200, 400, 401}, got.text
        return dict(got.json())

    def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        got = self.ask(query, **variables)
        assert "errors" not in got, got
        return dict(got["data"])

    def code(self, query: str, **variables: Any) -> str:
        """The code of the one error."""
        (error,) = self.ask(query, **variables)["errors"]
        return str(error["extensions"]["code"])


@pytest.fixture
def caller(control_plane: LocalControlPlane) -> Iterator[Caller]:
    assert control_plane.nucleus_api_url is not None
    made = Caller(control_plane.nucleus_api_url)
    yield made
    made.client.close()


@pytest.fixture
def home(control_plane: LocalControlPlane) -> Path:
    return control_plane.home


def until(condition: Any, timeout_s: float = 60.0) -> Any:
    """The first true value; asked for ever less often, as each question costs the server what it is waited for with."""
    deadline = time.monotonic() + timeout_s
    pause_s = 0.05
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.5)
    return value


def wait_for_end(run_id: str, timeout_s: float = 60.0) -> None:
    """Returns when Prefect says that the run has ended: asking the API for whole lists costs the servers far more."""
    with connect() as plane:
        until(lambda: plane.call("GET", f"/flow_runs/{run_id}")["state_type"] in ENDED, timeout_s)
