"""Certificates: checked unless somebody says otherwise, and the authorities are read once a process."""

from __future__ import annotations

import json

import httpx
import pytest

from connectors.http import settings as settings_module
from connectors.http.client import HttpClient
from connectors.http.settings import HttpSettings
from contracts.errors import SourceTlsError
from tests.certificates import certificate
from tests.connectors.http.scripted import Answer, Scripted

FINE = Answer(body=b'{"ok": true}')


def asked(server: Scripted, **fields) -> object:
    client = HttpClient(server.url, HttpSettings(max_tries=1, **fields), {})
    try:
        return client.get("/thing", json.loads)
    finally:
        client.close()


def test_a_certificate_is_checked_unless_somebody_says_otherwise(tmp_path):
    own, other = certificate(tmp_path, "own"), certificate(tmp_path, "other")
    with Scripted(FINE, certificate=own) as server:
        for _ in range(2):  # the second client uses what the first one read
            with pytest.raises(SourceTlsError):
                asked(server)
        with pytest.raises(SourceTlsError):
            asked(server, ca_file=other)
        assert server.arrivals == []
        assert asked(server, ca_file=own) == {"ok": True}
        assert asked(server, verify_tls=False) == {"ok": True}
        with pytest.raises(SourceTlsError):  # what one client was told holds for that client
            asked(server)


def test_the_authorities_are_read_once_a_process(monkeypatch):
    read = []
    create = httpx.create_ssl_context
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **how: read.append(how) or create(**how))
    settings_module._usual_authorities.cache_clear()
    with Scripted(FINE) as server:
        for _ in range(3):
            asked(server)
    assert read == [{"trust_env": False}]
