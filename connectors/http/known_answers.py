"""Answers with an ``ETag``, kept for a while: the server is asked whether they changed, and says 304 if they did not.

RFC 9110, 13.1.2 and 15.4.5. A 304 is short, and some services do not count it against a rate limit (GitHub: "Best
practices for using the REST API", conditional requests). A list that is read until two readings agree, and pages that
planning looks at before they are read, gain by it.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 8 * 1024 * 1024
"""Of bodies; those used longest ago make room."""


class KnownAnswers:
    """Good answers to GET requests, by address and parameters. Safe between threads.

    Args:
        most_bytes: Of all bodies together.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._bytes, self._lock = most_bytes, 0, Lock()
        self._kept: OrderedDict[str, httpx.Response] = OrderedDict()

    def condition(self, method: str, url: str, how: Mapping[str, Any]) -> dict[str, str]:
        """The header that asks for news only; none where nothing is known."""
        with self._lock:
            known = self._kept.get(_name(method, url, how))
        return {} if known is None else {"If-None-Match": known.headers["ETag"]}

    def answer(self, method: str, url: str, how: Mapping[str, Any], given: httpx.Response) -> httpx.Response:
        """The answer itself; for a 304 the one that it confirms, if that is still here."""
        name = _name(method, url, how)
        with self._lock:
            if given.status_code == httpx.codes.NOT_MODIFIED and name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
            if method == "GET" and given.status_code == httpx.codes.OK and "ETag" in given.headers:
                self._keep(name, given)
        return given

    def _keep(self, name: str, answer: httpx.Response) -> None:
        before = self._kept.pop(name, None)
        self._bytes -= len(before.content) if before is not None else 0
        self._kept[name] = answer
        self._bytes += len(answer.content)
        while self._bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.content)


def _name(method: str, url: str, how: Mapping[str, Any]) -> str:
    return f"{method} {url} {sorted((how.get('params') or {}).items(), key=str)} {how.get('json')}"
