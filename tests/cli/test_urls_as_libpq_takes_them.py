"""What psql takes, the command takes: libpq decides, no list of ours."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from connectors.postgres.config import PostgresConfig, conninfo
from connectors.postgres.source import PostgresSource
from tests.cli.command import fails, succeeds

EVERYDAY = (
    "channel_binding=prefer&target_session_attrs=any&options=-c%20geqo%3Doff&keepalives=1&keepalives_idle=7"
    "&connect_timeout=0&fallback_application_name=a+b&client_encoding=LATIN1&require_auth=scram-sha-256,password,md5,none"
    "&load_balance_hosts=disable&sslcrl=&gssencmode=disable&sslpassword=hidden-secret"
)


def test_a_copy_with_every_kind_of_parameter(source, sink, numbers, tmp_path, monkeypatch):
    parts = urlsplit(source.url)
    login, _, address = parts.netloc.rpartition("@")
    several = f"postgresql://{login}@127.0.0.1:1,{address}{parts.path}?{EVERYDAY}"
    assert succeeds("copy", several, numbers, sink.url)["run"]["rows_read"] == 100
    services = tmp_path / "services.conf"
    services.write_text(
        f"[numbers]\nhost={parts.hostname}\nport={parts.port}\ndbname={source.name}\nuser={parts.username}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGPASSWORD", str(parts.password))
    assert succeeds("copy", "postgresql://?service=numbers", "numbers", sink.url, "again")["run"]["rows_read"] == 100
    for wrong, words in (
        ("colour=blue", 'invalid connection option "colour"'),
        ("channel_binding=sometimes", 'invalid channel_binding value: "sometimes"'),
        ("service=nowhere", 'definition of service "nowhere" not found'),
        ("keepalives=many", 'invalid integer value "many" for connection option "keepalives"'),
    ):
        error = fails(
            "E_CONFIG_INVALID", "copy", f"{source.url}?{wrong}&sslpassword=hidden-secret", "numbers", sink.url
        )
        assert words in error["message"]
        assert "hidden-secret" not in str(error)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql:///", "host='localhost' port='5432' dbname='postgres'"),
        ("postgresql://%2FVar%2Frun/x", "host='/Var/run' port='5432' dbname='x'"),
        ("postgresql://[::1]:5433/", "host='::1' port='5433'"),
        ("postgresql://a:1,[::2],c:3/", "host='a,::2,c' port='1,,3'"),
        ("postgresql://a,b:7/", "host='a,b' port=',7'"),
        ("postgresql://a:7/?host=b&port=8", "host='b' port='8'"),
        ("postgresql://a/?ssl=true", "sslmode='require'"),
        ("postgresql://a/?keepalives_idle=7", "keepalives_idle='7'"),
        ("postgresql://a/?options=-c%20a%3D'b'+c", "options='-c a=\\'b\\'+c'"),
    ],
)
def test_the_words_of_libpq(url, said):
    told = conninfo(PostgresConfig.model_validate({"url": url}))
    assert all(f"{pair}" in told for pair in said.split("' ")), told
    saved = PostgresConfig.model_validate(PostgresConfig.model_validate({"url": url}).model_dump())
    assert conninfo(saved) == told


def test_a_field_beside_the_url(database):
    config = PostgresConfig.model_validate(
        {"url": f"{database}?keepalives=1", "connection_options": "tcp_user_timeout=9"}
    )
    assert "tcp_user_timeout='9'" in conninfo(config)
    assert "keepalives='1'" in conninfo(config)
    source = PostgresSource(config)
    source.test_connection()
    source.close()
