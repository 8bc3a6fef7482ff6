"""Signatures, replay, rates, settings and callback URLs, each alone."""

from __future__ import annotations

import asyncio
import json
import stat
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from contracts.errors import ConfigInvalidError, RunInProgressError, SourceAuthError, UnitDisabledError
from metadata_api.callbacks import allowed, deliver
from metadata_api.dispatcher import LONGEST_DELAY_S, delay_s
from metadata_api.errors import (
    CallbackRefusedError,
    MalformedError,
    RateLimitedError,
    ReplayedError,
    StaleError,
    UnsignedError,
    error_body,
    internal_error_body,
    status_of,
)
from metadata_api.graphql_view import answer
from metadata_api.limits import RateLimiter
from metadata_api.replay import NAMESPACE, ReplayGuard
from metadata_api.requests import read_json, read_request
from metadata_api.sealed_urls import seal, unseal
from metadata_api.settings import ApiSettings, load_settings
from metadata_api.signing import SIGNATURE, TIMESTAMP, sign, verify
from state.memory import MemoryKvStore
from state.table import open_table_store
from tests.metadata_api.receiver import Receiver

if TYPE_CHECKING:
    from metadata_api.settings import Role

KEYS = {"old": "old-secret-0123456789", "new": "new-secret-0123456789"}
NOW = 1_700_000_000


def headers(body: bytes, key: str = "old", at: int = NOW) -> dict[str, str]:
    return {TIMESTAMP: str(at), SIGNATURE: sign(KEYS[key], at, body)}


def test_the_signature_is_the_documented_one() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac old-secret-0123456789
    expected = "sha256=542b95f43d560a4f5c3597aa531e60ed9c4f661e2baad3252710bba6136041f3"
    assert sign(KEYS["old"], NOW, b"{}") == expected


@pytest.mark.parametrize("key", KEYS)
def test_both_keys_of_a_rotation_are_valid(key: str) -> None:
    assert verify(headers(b"{}", key), b"{}", KEYS, lambda: NOW).key_id == key


@pytest.mark.parametrize("off_s", [-300, 300])
def test_the_window_has_two_sides(off_s: int) -> None:
    assert verify(headers(b"{}", at=NOW + off_s), b"{}", KEYS, lambda: NOW)
    beyond = off_s + (1 if off_s > 0 else -1)
    with pytest.raises(StaleError):
        verify(headers(b"{}", at=NOW + beyond), b"{}", KEYS, lambda: NOW)


@given(body=st.binary(max_size=50), other=st.binary(max_size=50), off=st.integers(-200, 200))
def test_any_change_breaks_it(body: bytes, other: bytes, off: int) -> None:
    signed = headers(body)
    if other != body:
        with pytest.raises(UnsignedError):
            verify(signed, other, KEYS, lambda: NOW)
    if off:
        with pytest.raises(UnsignedError):
            verify({**signed, TIMESTAMP: str(NOW + off)}, body, KEYS, lambda: NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {TIMESTAMP: ""}, {TIMESTAMP: "1e9"}, {TIMESTAMP: "-5"}, {TIMESTAMP: "9" * 5000}, {TIMESTAMP: "\u0661" * 10},
        {SIGNATURE: ""}, {SIGNATURE: "sha256="}, {SIGNATURE: "md5=" + "0" * 64}, {SIGNATURE: "sha256=" + "0" * 64},
        {SIGNATURE: "sha256=" + "é" * 64},
    ],
)  # fmt: skip
def test_malformed_headers(changes: dict[str, str]) -> None:
    with pytest.raises(UnsignedError):
        verify({**headers(b"{}"), **changes}, b"{}", KEYS, lambda: NOW)


def test_replay_survives_a_restart_and_is_forgotten_in_time(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/seen.sqlite3"
    clock = [float(NOW)]
    for _ in range(2):
        store = open_table_store(url)
        guard = ReplayGuard(store, lambda: clock[0])
        if _ == 0:
            guard.take("one")
        with pytest.raises(ReplayedError):
            guard.take("one")
        clock[0] += 599
        guard.sweep()
        assert len(store.list(NAMESPACE)) == 1
        clock[0] -= 599
        guard.close()
    clock[0] += 1_201
    guard.sweep()
    assert store.list(NAMESPACE) == ()
    guard.close()


def test_a_store_that_cannot_compare_is_no_guard() -> None:
    class Weak(MemoryKvStore):
        compare_and_set = False

    with pytest.raises(ValueError, match="cannot refuse"):
        ReplayGuard(Weak())


def test_a_token_has_a_rate_too() -> None:
    tokens: dict[str, Role] = {"a-token-0123456789": "viewer", "b-token-0123456789": "viewer"}
    app = Starlette(routes=[Route("/graphql", answer, methods=["POST"])])
    app.state.services = SimpleNamespace(
        settings=ApiSettings(signing_keys=KEYS, tokens=tokens), limiter=RateLimiter(1.0, lambda: 0.0)
    )

    async def ask(token: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            return await client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)

    first, second = tokens
    answers = [asyncio.run(ask(token)) for token in (first, first, first, second)]
    assert [each.status_code for each in answers] == [200, 200, 429, 200]
    assert answers[2].json()["errors"][0]["extensions"]["code"] == "E_RATE_LIMITED"
    assert answers[2].headers["retry-after"] == "1"


def test_a_callback_url_is_readable_by_who_has_the_signing_key() -> None:
    url = "https://hooks.example.com/done?token=canary"
    sealed = seal(url, "old", KEYS)
    assert "canary" not in sealed
    assert unseal(sealed, KEYS) == unseal(url, KEYS) == url
    with pytest.raises(CallbackRefusedError, match="no longer valid"):
        unseal(sealed, {"new": KEYS["new"]})


def test_rate_per_key() -> None:
    clock = [0.0]
    limiter = RateLimiter(2.0, lambda: clock[0])
    for _ in range(4):
        limiter.take("a")
    with pytest.raises(RateLimitedError) as refused:
        limiter.take("a")
    assert refused.value.retry_after_s == pytest.approx(0.5)
    limiter.take("b")
    clock[0] = 0.5
    limiter.take("a")


def test_keys_are_made_once_and_only_the_owner_reads_them(tmp_path: Any) -> None:
    first, second = load_settings(tmp_path, {}), load_settings(tmp_path, {})
    assert first == second
    assert stat.S_IMODE((tmp_path / "api.json").stat().st_mode) == 0o600
    assert sorted(first.tokens.values()) == ["admin", "viewer"]
    secrets = [*first.tokens, *first.signing_keys.values()]
    assert all(secret not in repr(first) for secret in secrets)
    assert [each.name for each in tmp_path.iterdir()] == ["api.json"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NUCLEUS_API_SIGNING_KEYS", "a:short"), ("NUCLEUS_API_SIGNING_KEYS", "no-colon-in-this-one"),
        ("NUCLEUS_API_TOKENS", "root:0123456789abcdef"), ("NUCLEUS_API_RATE", "nan"), ("NUCLEUS_API_BODY_BYTES", "x"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used(tmp_path: Any, name: str, value: str) -> None:
    with pytest.raises(ConfigInvalidError, match=name) as refused:
        load_settings(tmp_path, {name: value})
    assert value not in str(refused.value)


def settings(hosts: str = "hooks.example.com,*.example.org,odd.example.net:8443", **more: Any) -> ApiSettings:
    return ApiSettings(signing_keys=KEYS, tokens={}, callback_hosts=tuple(hosts.split(",")), **more)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/x?y=1",
        "https://a.b.example.org",
        "https://odd.example.net:8443/",
        "https://HOOKS.example.com:443/",
    ],
)
def test_allowed_callbacks(url: str) -> None:
    assert allowed(url, settings()).scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/", "https://example.org/", "https://evil-example.org/", "https://hooks.example.com:22/",
        "https://hooks.example.com.evil.net/", "https://hooks.example.com@evil.net/", "https://u:p@hooks.example.com/",
        "https://odd.example.net/", "ftp://hooks.example.com/", "https:///x", "//hooks.example.com", "https://[::1",
        "https://hooks.example.com\\@evil.net/", "https://hooks.example.com/\n", "https://hooks.example.com:99999/",
        "https://hooks.example.com/#f", "",
    ],
)  # fmt: skip
def test_refused_callbacks(url: str) -> None:
    with pytest.raises(CallbackRefusedError):
        allowed(url, settings())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "172.16.0.1", "100.64.0.1", "0.0.0.1", "224.0.0.1", "::1",
        "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_a_name_that_points_into_a_private_network_is_not_called(address: str) -> None:
    outcome = deliver("https://hooks.example.com/", {}, "d", "old", settings(), lambda *_: ["93.184.215.14", address])
    assert not outcome.delivered
    assert outcome.final


def test_the_checked_address_is_the_one_that_is_called() -> None:
    with Receiver() as receiver:
        port = receiver.url.rpartition(":")[2]
        allowing = settings(f"hooks.example.com:{port}", callback_private=True)
        # The name does not exist here: only the address that was looked at can have been used.
        outcome = deliver(
            f"http://hooks.example.com:{port}/x", {"a": 1}, "d", "gone", allowing, lambda *_: ["127.0.0.1"]
        )
        assert outcome.delivered
        assert receiver.calls[0].headers["host"] == f"hooks.example.com:{port}"
        assert receiver.calls[0].headers["nucleus-key-id"] == "old"


def test_redirects_are_not_followed() -> None:
    with Receiver(307) as receiver:
        outcome = deliver(f"{receiver.url}/x", {}, "d", "old", settings("127.0.0.1:*", callback_private=True))
        assert (outcome.delivered, outcome.why, len(receiver.calls)) == (False, "status 307", 1)


def test_delays_double_up_to_an_hour() -> None:
    assert [delay_s(tries) for tries in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert delay_s(60) == LONGEST_DELAY_S


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 1, "a": 2}', b"[" * 100_000,
        b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b'{"\\ud800": 1}', b'{"__prefect_kind": "jinja"}',
        b'{"a": [{"__prefect_kind": "workspace_variable"}]}', b'{"a": ' + b"9" * 5000 + b"}", b'{"a": ' + b"9" * 30 + b"}",
        b'{"a":' * 20 + b"1" + b"}" * 20,
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read_json(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"endpointId": None}, {"endpointId": 5}, {"endpointId": ""}, {"endpoint_id": "a"}, {"unknown": 1}, {"runMode": "FULL"},
        {"dataMode": "both"}, {"filter": "x"}, {"policy": []}, {"checkpoint": "x"}, {"unitId": "a\nb"}, {"callbackUrl": 1},
        {"idempotencyKey": "x" * 501}, {"z" * 10_000: 1},
    ],
)  # fmt: skip
def test_fields_that_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as refused:
        read_request(json.dumps({"endpointId": "a", "unitId": "u", **changes}).encode())
    assert len(str(refused.value)) < 1_000


def test_every_error_has_its_status_and_no_facts() -> None:
    assert status_of(UnitDisabledError("x")) == 409
    assert status_of(RunInProgressError("x")) == 409
    assert status_of(SourceAuthError("x")) == 422
    assert error_body(UnitDisabledError("It is off", "Enable it.", secret="hunter2")) == {
        "code": "E_UNIT_DISABLED", "message": "It is off", "retryable": False, "hint": "Enable it.",
    }  # fmt: skip


def test_a_fault_is_told_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError) as raised:
        {}["hunter2"]
    shown = internal_error_body(raised.value)
    assert shown["code"] == "E_FAULT"
    assert "hunter2" not in str(shown) + caplog.text
    assert "KeyError" in caplog.text
