"""HMAC-SHA256 over timestamp and body, for requests that come in and callbacks that go out.

``Nucleus-Timestamp`` is Unix seconds; ``Nucleus-Signature`` is ``sha256=`` and the hex digest of
``<timestamp>.<body>``. Which key signed is found by trying all of them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from metadata_api.errors import StaleError, UnsignedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMESTAMP, SIGNATURE = "nucleus-timestamp", "nucleus-signature"
WINDOW_S = 300
_SECONDS = re.compile(r"[0-9]{1,12}")
_DIGEST = re.compile(r"sha256=[0-9a-f]{64}")
_HINT = "Sign '<timestamp>.<body>' with HMAC-SHA256; docs/metadata-api.md has the recipe."


class Signed(NamedTuple):
    """A request whose signature holds."""

    key_id: str
    digest: str
    """Of timestamp and body under that key: names the request."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The value of ``Nucleus-Signature``."""
    mac = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256)
    return f"sha256={mac.hexdigest()}"


def verify(
    headers: Mapping[str, str], body: bytes, keys: Mapping[str, str], now: Callable[[], float] = time.time
) -> Signed:
    """Who signed the request. Every key is tried, whichever fits, so that the time taken tells nothing.

    Raises:
        UnsignedError: A header is missing or malformed, or no valid key made the signature.
        StaleError: The timestamp is more than 300 seconds away, in either direction.
    """
    stamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
    if not _SECONDS.fullmatch(stamp) or not _DIGEST.fullmatch(signature):
        raise UnsignedError("The request is not signed", _HINT)
    if abs(now() - int(stamp)) > WINDOW_S:
        raise StaleError(
            f"The timestamp is more than {WINDOW_S} seconds from this clock", "Sign it anew, and set the clock."
        )
    fits = [name for name, secret in keys.items() if hmac.compare_digest(sign(secret, int(stamp), body), signature)]
    if not fits:
        raise UnsignedError("No valid key made this signature", _HINT)
    return Signed(fits[0], signature.removeprefix("sha256="))
