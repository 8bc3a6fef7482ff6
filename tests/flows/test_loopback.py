"""A proxy in the environment is for the world outside."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from flows.prefect_api.loopback import keep_loopback_direct
from staging.config import S3StagingConfig
from staging.s3 import _client

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server on loopback, in an environment without proxies."""
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_loopback_is_asked_directly_and_others_are_not(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", NOBODY)
    monkeypatch.setenv("NO_PROXY", "internal.example.com")
    with pytest.raises(httpx.ConnectError):
        httpx.get(here)
    keep_loopback_direct()
    assert httpx.get(here).status_code == 501
    assert get_proxy(parse_uri(here.replace("http", "ws"))) is None
    assert get_proxy(parse_uri("ws://internal.example.com")) is None
    assert get_proxy(parse_uri("ws://example.com")) == NOBODY
    keep_loopback_direct()
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://example.com")


@pytest.mark.parametrize(
    ("given", "after"),
    [
        ({}, None),
        ({"no_proxy": "a"}, "a"),
        ({"http_proxy": ""}, None),
        ({"HTTPS_PROXY": "p"}, "127.0.0.1,localhost,::1"),
        ({"ALL_PROXY": "p", "no_proxy": "a, ::1"}, "a,::1,127.0.0.1,localhost"),
        ({"http_proxy": "p", "no_proxy": "*"}, "*"),
    ],
)
def test_what_is_added(given: dict[str, str], after: str | None) -> None:
    keep_loopback_direct(given)
    assert given.get("no_proxy") == after


def test_staging_on_loopback(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", NOBODY)
    for url, proxies in ((here, {}), ("http://localhost:1", {}), ("http://s3.example.com", None)):
        client = _client(S3StagingConfig(bucket="b", endpoint_url=url, access_key_id="a", secret_access_key="s"))
        assert client.meta.config.proxies == proxies
        client.close()
