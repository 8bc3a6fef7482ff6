"""TLS with a server that has a certificate: asked for, checked, or refused."""

from __future__ import annotations

import ssl
from contextlib import closing

import pytest

from connectors.mysql.client import connect
from connectors.mysql.config import MySqlConfig
from connectors.mysql.source import MySqlSource
from contracts.errors import SourceTlsError
from sandbox.mariadb import SandboxMariaDb
from tests.certificates import certificate
from tests.selection import require_mariadb

pytestmark = pytest.mark.mariadb


def test_tls_is_asked_for_and_checked(tmp_path_factory):
    require_mariadb()
    folder = tmp_path_factory.mktemp("tls")
    own, other = certificate(folder, "own"), certificate(folder, "other")
    settings = {"ssl-cert": str(own), "ssl-key": str(own.with_suffix(".key"))}
    with SandboxMariaDb(settings=settings) as server:
        for how in (
            {"tls": "prefer"},
            {"tls": "require"},
            *({"tls": f"verify-{x}", "tls_ca": own} for x in ("ca", "full")),
        ):
            fields = {name: str(value) for name, value in how.items()}
            source = MySqlSource(MySqlConfig.model_validate({"url": server.url(), **fields}))
            with closing(source), closing(source._reader()) as session:
                ((_, cipher),) = session.rows("SHOW STATUS LIKE 'Ssl_cipher'", "asking for the cipher")
                assert cipher, how
        ca = {"tls": "verify-ca", "tls_ca": str(other)}
        host = {"tls": "verify-full", "tls_ca": str(own), "host": "localhost"}
        for how in (ca, host, {"tls": "verify-ca"}):
            with pytest.raises(SourceTlsError):
                MySqlSource(
                    MySqlConfig.model_validate({"url": server.url(), **how}).model_copy(update=how)
                ).test_connection()


def test_authorities_are_read_only_where_a_certificate_is_checked(mariadb, monkeypatch):
    """Reading those of the machine is 70 ms of CPU, for each of the connections of a run."""
    looks = []
    read = ssl.SSLContext.load_default_certs
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *known: [looks.append(1), read(*known)])
    for tls in ("prefer", "disable"):
        with closing(connect(MySqlConfig.model_validate({"url": mariadb.url(), "tls": tls}))) as session:
            assert session.rows("SELECT 1", "asking") == [("1",)]
    assert not looks
