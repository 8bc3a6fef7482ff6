"""A saved secret goes nowhere new: whoever changes where it is sent has to know it."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.errors import ConfigInvalidError
from flows.blocks.endpoint_changes import changed_config
from flows.blocks.types import REGISTRY, config_of

SECRET = "canary-0123456789"
POSTGRES = {"host": "db.example.com", "password": SECRET}
JIRA = {"base_url": "https://x.atlassian.net", "email": "me@example.com", "api_token": SECRET}
HELD: dict[str, dict[str, Any]] = {
    "jdbc.postgres": POSTGRES,
    "cdm.jdbc": POSTGRES,
    "http.jira": JIRA,
    "http.confluence": JIRA,
    "http.onedrive": {
        "base_url": "https://graph.microsoft.com",
        "login_url": "https://login.microsoftonline.com",
        "tenant": "contoso.example",
        "client_id": "app",
        "client_secret": SECRET,
        "drive_ids": ("b!1",),
    },
    "jdbc.mysql": {"host": "db", "port": 3306, "user": "reader", "password": SECRET, "tls": "require"},
    "http.openshelf": {"base_url": "https://shelf.example.com", "token": SECRET},
    "object.parquet": {"root": "s3://lake/raw", "secret_access_key": SECRET},
    "warehouse.iceberg": {
        "catalog_type": "rest", "uri": "https://catalog.example.com", "warehouse": "raw", "token": SECRET,
    },
}  # fmt: skip
ELSEWHERE: dict[str, Any] = {
    "connection_options": "hostaddr=203.0.113.1", "host": "attacker.example", "port": 1, "ssl_mode": "disable", "ssl_root_cert": "ca.pem", "socket": "attacker.sock", "tls": "disable", "tls_ca": "ca.pem", "base_url": "https://attacker.example", "login_url": "https://attacker.example",
    "endpoint_url": "https://attacker.example", "glue_endpoint_url": "https://attacker.example", "root": "s3://attacker/raw", "uri": "https://attacker.example", "warehouse": "attacker", "properties": {"s3.endpoint": "https://attacker.example"},
    "object.parquet-url": "s3://attacker/raw", "warehouse.iceberg-url": "iceberg+https://attacker.example",
    "gateway_url": "https://attacker.example", "proxy": "http://attacker.example", "ca_file": "ca.pem", "verify_tls": False,
}  # fmt: skip
WITHOUT_SECRETS = {"jdbc.sqlite"}
"""A file has no login."""
SPELLED_BY = {"object.parquet-url": "root", "warehouse.iceberg-url": "uri"}
"""A URL for the command line is kept as the fields that it spells."""
CASES = [
    (about.template_id, field.name)
    for about in REGISTRY.descriptors()
    for field in about.fields
    if field.destination
]  # fmt: skip


def change(template_id: str, changes: dict[str, Any], held: dict[str, Any] | None = None) -> dict[str, Any]:
    return changed_config(template_id, config_of(template_id, held or HELD[template_id]), changes)


@pytest.mark.parametrize(("template_id", "field"), CASES)
def test_what_decides_where_a_secret_goes_needs_it_again(template_id: str, field: str) -> None:
    secret = next(name for name, value in HELD[template_id].items() if value == SECRET)
    said = SPELLED_BY.get(f"{template_id}-{field}", field)
    elsewhere = ELSEWHERE.get(f"{template_id}-{field}", ELSEWHERE.get(field))
    with pytest.raises(ConfigInvalidError, match=f"{said} cannot be changed alone.*{secret}") as refused:
        change(template_id, {field: elsewhere})
    assert SECRET not in f"{refused.value!r}{refused.value.facts}"
    assert change(template_id, {field: elsewhere, secret: SECRET})[secret] == SECRET
    assert change(template_id, {field: HELD[template_id].get(field)})[secret] == SECRET


def test_every_template_says_where_its_secrets_go() -> None:
    assert {template_id for template_id, _ in CASES} == set(HELD) == {*REGISTRY.template_ids()} - WITHOUT_SECRETS
    about = {each.template_id: each for each in REGISTRY.descriptors()}
    assert not [field.name for name in WITHOUT_SECRETS for field in about[name].fields if field.secret]


def test_a_url_says_both_or_is_refused() -> None:
    assert change("jdbc.postgres", {"url": f"postgresql://me:{SECRET}@other.example/shop"})["password"] == SECRET
    with pytest.raises(ConfigInvalidError, match="host"):
        change("jdbc.postgres", {"url": "postgresql://me@other.example/shop"})


def test_what_the_secret_does_not_follow_is_free() -> None:
    changed = change(
        "http.jira", {"page_size": 50, "email": "you@example.com"}, {**JIRA, "proxy": "http://me:pw@proxy"}
    )
    assert (changed["page_size"], changed["api_token"]) == (50, SECRET)
    assert change("jdbc.postgres", {"host": "other.example"}, {"host": "db"})["host"] == "other.example"
