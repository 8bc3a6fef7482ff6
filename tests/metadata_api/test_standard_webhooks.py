"""Callbacks verify with the library of Standard Webhooks, and calls that it signed are accepted beside ours."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from metadata_api.callbacks import deliver
from metadata_api.errors import StaleError, UnsignedError
from metadata_api.settings import ApiSettings
from metadata_api.signing import MOST_SIGNATURES, SIGNATURE, TIMESTAMP, sign, verify
from tests.metadata_api.conftest import KEYS
from tests.metadata_api.receiver import Receiver

if TYPE_CHECKING:
    from tests.metadata_api.conftest import Caller

NOW = 1_700_000_000


def library(key: str) -> Webhook:
    """As docs/metadata-api.md says: the key's bytes in base64 after ``whsec_``."""
    return Webhook("whsec_" + base64.b64encode(KEYS[key].encode()).decode())


def headers(body: bytes, key: str = "first", at: int = NOW, message_id: str = "msg_1") -> dict[str, str]:
    signature = library(key).sign(message_id, datetime.fromtimestamp(at, UTC), body.decode())
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signature}


@pytest.mark.parametrize("key", KEYS)
def test_a_receiver_verifies_a_callback_with_the_library(key: str) -> None:
    settings = ApiSettings(signing_keys=KEYS, tokens={}, callback_hosts=("127.0.0.1:*",), callback_private=True)
    with Receiver() as receiver:
        assert deliver(receiver.url, {"word": "\u00e9"}, "run.state", key, settings).delivered
        (call,) = receiver.calls
    assert library(key).verify(call.body, call.headers) == {"word": "\u00e9"}
    assert call.headers["webhook-id"] == "run_state"
    assert call.signed_by == key, "the other form, beside it"
    for changed in ({"webhook-id": "another"}, {"webhook-timestamp": str(int(time.time()) - 5)}):
        with pytest.raises(WebhookVerificationError):
            library(key).verify(call.body, {**call.headers, **changed})
    with pytest.raises(WebhookVerificationError):
        library(key).verify(call.body + b" ", call.headers)


@pytest.mark.parametrize("key", KEYS)
def test_both_keys_of_a_rotation_are_valid(key: str) -> None:
    assert verify(headers(b"{}", key), b"{}", KEYS, lambda: NOW).key_id == key


def test_a_sender_that_rotates_may_send_several_signatures() -> None:
    signed = headers(b"{}", "second")
    signed["webhook-signature"] = f"v1a,AAAA v1,AAAA {signed['webhook-signature']}"
    assert verify(signed, b"{}", KEYS, lambda: NOW).key_id == "second"
    signed["webhook-signature"] += " v1,AAAA" * MOST_SIGNATURES
    with pytest.raises(UnsignedError):
        verify(signed, b"{}", KEYS, lambda: NOW)


@pytest.mark.parametrize("off_s", [-300, 300])
def test_the_window_has_two_sides(off_s: int) -> None:
    assert verify(headers(b"{}", at=NOW + off_s), b"{}", KEYS, lambda: NOW)
    beyond = off_s + (1 if off_s > 0 else -1)
    with pytest.raises(StaleError):
        verify(headers(b"{}", at=NOW + beyond), b"{}", KEYS, lambda: NOW)


@given(body=st.text(max_size=50), other=st.binary(max_size=50), off=st.integers(-200, 200), message_id=st.text())
def test_any_change_breaks_it(body: str, other: bytes, off: int, message_id: str) -> None:
    signed = headers(body.encode())
    changes: list[tuple[dict[str, str], bytes]] = []
    if other != body.encode():
        changes.append(({}, other))
    if off:
        changes.append(({"webhook-timestamp": str(NOW + off)}, body.encode()))
    if message_id != "msg_1":
        changes.append(({"webhook-id": message_id}, body.encode()))
    for changed, sent in changes:
        with pytest.raises(UnsignedError):
            verify({**signed, **changed}, sent, KEYS, lambda: NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": ""}, {"webhook-id": "a b"}, {"webhook-timestamp": ""}, {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "9" * 5000}, {"webhook-signature": ""}, {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,\u00e9"}, {"webhook-signature": "no comma"},
    ],
)  # fmt: skip
def test_malformed_headers(changes: dict[str, str]) -> None:
    with pytest.raises(UnsignedError):
        verify({**headers(b"{}"), **changes}, b"{}", KEYS, lambda: NOW)


def test_a_request_signed_in_both_forms_must_be_valid_in_both_and_counts_as_seen_in_both() -> None:
    ours = {TIMESTAMP: str(NOW), SIGNATURE: sign(KEYS["first"], NOW, b"{}")}
    both = verify({**ours, **headers(b"{}")}, b"{}", KEYS, lambda: NOW)
    alone = [verify(each, b"{}", KEYS, lambda: NOW) for each in (ours, headers(b"{}"))]
    assert both.digests == tuple(digest for each in alone for digest in each.digests)
    assert len({*both.digests}) == 2
    for wrong in ({SIGNATURE: "sha256=" + "0" * 64}, {"webhook-signature": "v1,AAAA"}, {TIMESTAMP: ""}):
        with pytest.raises(UnsignedError):
            verify({**ours, **headers(b"{}"), **wrong}, b"{}", KEYS, lambda: NOW)


def test_a_call_signed_by_the_library_is_taken_once(caller: Caller) -> None:
    body = json.dumps({"endpointId": "nowhere", "unitId": "public.orders", "sinkId": "nowhere"}).encode()
    signed = headers(body, at=int(time.time()), message_id=f"msg_{time.time_ns()}")

    def post(**changes: Any) -> tuple[int, str]:
        sent = {**signed, **changes, "content-type": "application/json"}
        answer = caller.client.post("/webhooks/ingestion", content=body, headers=sent)
        return answer.status_code, answer.json()["code"]

    assert post(**{"webhook-id": "another"}) == (401, "E_SIGNATURE")
    assert post() == (404, "E_ENDPOINT_UNKNOWN"), "the signature is valid: only the endpoint is not"
    assert post() == (409, "E_REPLAYED")
