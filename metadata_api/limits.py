"""How much of a request is read, and how many requests of one key are taken."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from metadata_api.errors import MediaTypeError, RateLimitedError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

BURST_S = 2.0
"""A key may save up so many seconds of its rate."""


async def read_json_body(request: Request, most_bytes: int) -> bytes:
    """The body, read no further than ``most_bytes``; nothing of it is parsed.

    Raises:
        MediaTypeError: Its content type is not JSON.
        TooLargeError: It is announced larger, or turns out to be.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise MediaTypeError("The body has another content type than application/json", "Send JSON, and say so.")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or len(announced) > 12 or int(announced) > most_bytes:
        raise _too_large(most_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
    return bytes(body)


class _Bucket(NamedTuple):
    tokens: float
    at: float


class RateLimiter:
    """A bucket per key id that fills at ``rate`` per second; safe between threads. Per process.

    Args:
        rate: Requests per second.
        clock: Monotonic seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._most = max(1.0, rate * BURST_S)
        self._buckets: dict[str, _Bucket] = {}
        self._lock = Lock()

    def take(self, key_id: str) -> None:
        """Count one request; raises RateLimitedError that says when the next one will be taken."""
        with self._lock:
            now = self._clock()
            held = self._buckets.get(key_id, _Bucket(self._most, now))
            tokens = min(self._most, held.tokens + (now - held.at) * self._rate)
            enough = tokens >= 1.0
            self._buckets[key_id] = _Bucket(tokens - 1.0 if enough else tokens, now)
        if not enough:
            wait_s = (1.0 - tokens) / self._rate
            raise RateLimitedError(
                f"More than {self._rate:g} requests per second with one key or token",
                "Wait as long as Retry-After says.",
                retry_after_s=wait_s,
            )


def _too_large(most_bytes: int) -> TooLargeError:
    return TooLargeError(f"The body is larger than {most_bytes} bytes", "Send less.")
