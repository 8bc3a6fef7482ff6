"""HMAC-SHA256 signatures of requests that come in and callbacks that go out, in two forms with the same secrets.

Ours: ``Nucleus-Timestamp`` is Unix seconds; ``Nucleus-Signature`` is ``sha256=`` and the hex digest of
``<timestamp>.<body>``. Standard Webhooks (https://www.standardwebhooks.com): ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature`` over ``<id>.<timestamp>.<body>``, for which there are libraries in many languages. Callbacks carry
both. A request carries either; if it carries both, both must be valid. Which key signed is found by trying all of them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from standardwebhooks.webhooks import Webhook

from metadata_api.errors import StaleError, UnsignedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMESTAMP, SIGNATURE = "nucleus-timestamp", "nucleus-signature"
STANDARD_ID, STANDARD_TIMESTAMP, STANDARD_SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
WINDOW_S = 300
MOST_SIGNATURES = 10
"""Of one request in the standard form: a sender that rotates its keys sends one for each."""
_SECONDS = re.compile(r"[0-9]{1,12}")
_DIGEST = re.compile(r"sha256=[0-9a-f]{64}")
_MESSAGE_ID = re.compile(r"[!-~]{1,256}")
_HINT = "Sign '<timestamp>.<body>' with HMAC-SHA256, or as Standard Webhooks; docs/metadata-api.md has the recipe."


class Signed(NamedTuple):
    """A request whose signature is valid."""

    key_id: str
    digests: tuple[str, ...]
    """One for each form that the request is signed in. Each names the request, so none may be accepted again."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The value of ``Nucleus-Signature``."""
    mac = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256)
    return f"sha256={mac.hexdigest()}"


def sign_standard(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``; raises UnicodeDecodeError for a body that is not UTF-8."""
    return Webhook(secret.encode()).sign(message_id, datetime.fromtimestamp(timestamp, UTC), body.decode())


def verify(
    headers: Mapping[str, str], body: bytes, keys: Mapping[str, str], now: Callable[[], float] = time.time
) -> Signed:
    """Who signed the request. Every key is tried, whichever matches, so that timing reveals nothing.

    Args:
        headers: With names in lower case.
        body: As received.
        keys: Key id to secret; every one is valid.
        now: Unix seconds.

    Raises:
        UnsignedError: A header is missing or malformed, or no valid key made the signature.
        StaleError: The timestamp is more than 300 seconds away, in either direction.
    """
    forms = [_verify_ours] if TIMESTAMP in headers or SIGNATURE in headers else []
    forms += [_verify_standard] if STANDARD_SIGNATURE in headers else []
    found = [form(headers, body, keys, now) for form in forms]
    if not found:
        raise UnsignedError("The request is not signed", _HINT)
    key_id = found[0].key_id
    # Recorded together: otherwise one captured request could be sent once in each form.
    return Signed(key_id, tuple(digest for each in found for digest in each.digests))


def _verify_ours(headers: Mapping[str, str], body: bytes, keys: Mapping[str, str], now: Callable[[], float]) -> Signed:
    stamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
    if not _SECONDS.fullmatch(stamp) or not _DIGEST.fullmatch(signature):
        raise UnsignedError("The request is not signed", _HINT)
    _require_recent(int(stamp), now)
    valid = [name for name, secret in keys.items() if hmac.compare_digest(sign(secret, int(stamp), body), signature)]
    return Signed(_first(valid), (signature.removeprefix("sha256="),))


def _verify_standard(
    headers: Mapping[str, str], body: bytes, keys: Mapping[str, str], now: Callable[[], float]
) -> Signed:
    message_id, stamp = headers.get(STANDARD_ID, ""), headers.get(STANDARD_TIMESTAMP, "")
    given = headers[STANDARD_SIGNATURE].encode().split(b" ")
    if not _MESSAGE_ID.fullmatch(message_id) or not _SECONDS.fullmatch(stamp) or len(given) > MOST_SIGNATURES:
        raise UnsignedError("The request is not signed", _HINT)
    _require_recent(int(stamp), now)
    try:
        expected = {name: sign_standard(secret, message_id, int(stamp), body) for name, secret in keys.items()}
    except UnicodeDecodeError:
        raise UnsignedError("The body is not UTF-8, so it has no signature of this form", _HINT) from None
    # All are compared, and as text: another spelling of the same base64 would be another name of the same request.
    matches = {name: [hmac.compare_digest(one.encode(), each) for each in given] for name, one in expected.items()}
    key_id = _first([name for name, found in matches.items() if any(found)])
    return Signed(key_id, (hashlib.sha256(expected[key_id].encode()).hexdigest(),))


def _require_recent(timestamp: int, now: Callable[[], float]) -> None:
    if abs(now() - timestamp) > WINDOW_S:
        raise StaleError(
            f"The timestamp is more than {WINDOW_S} seconds from this clock", "Sign it again, and set the clock."
        )


def _first(key_ids: list[str]) -> str:
    if not key_ids:
        raise UnsignedError("No valid key made this signature", _HINT)
    return key_ids[0]
