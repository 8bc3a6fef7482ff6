"""Access tokens by client credentials, shared between the threads of an endpoint and renewed before they expire."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import msgspec

from connectors.http.client import Refusal
from connectors.http.errors import CHECK_CREDENTIALS
from contracts.errors import SourceAuthError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.http.client import HttpClient

_LONGEST_MARGIN_S = 300.0


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0


_answer = msgspec.json.Decoder(_TokenAnswer, strict=False).decode


class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749, 4.4). One request at a time asks for a token; the others wait for it.

    Args:
        login: The authorization server; its settings hold the secret, so that its words are repeated without it.
        path: Of the token endpoint.
        form: What is sent.
        clock: Monotonic seconds.
    """

    def __init__(
        self, login: HttpClient, path: str, form: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._login, self._path, self._form, self._clock = login, path, dict(form), clock
        self._lock = threading.Lock()
        self._token, self._renew_at = "", float("-inf")

    def current(self) -> str:
        """A token that is valid for a while.

        Raises:
            SourceAuthError: The server does not accept the credentials.
        """
        with self._lock:
            return self._token if self._clock() < self._renew_at else self._ask()

    def renewed(self, refused: str) -> str:
        """A token in place of one that was refused; another thread's when that has renewed it already."""
        with self._lock:
            return self._ask() if self._token == refused else self._token

    def close(self) -> None:
        """Close connections."""
        self._login.close()

    def _ask(self) -> str:
        began = self._clock()
        try:
            answer = self._login.send("POST", self._path, _answer, data=self._form)
        except Refusal as refusal:
            raise SourceAuthError(
                f"The login does not accept the credentials ({refusal.status} {refusal.message})", CHECK_CREDENTIALS
            ) from refusal
        margin = min(_LONGEST_MARGIN_S, answer.expires_in / 10)
        self._token, self._renew_at = answer.access_token, began + answer.expires_in - margin
        return self._token
