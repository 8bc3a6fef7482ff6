"""The server's words without the credentials that some servers repeat."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.http.settings import HttpSettings

_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_SHORTEST = 6
"""A shorter secret would be found in ordinary words."""


class Redactor:
    """Knows the credentials of one client. Immutable, so safe between threads.

    Args:
        settings: Its ``SecretStr`` fields are secret.
        headers: Sent with every request. Those that carry credentials by their name are secret, others if they hold a
            secret of the settings.
    """

    def __init__(self, settings: HttpSettings, headers: Mapping[str, str]) -> None:
        kept = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
        sent = [word for name, value in headers.items() if _holds(name, value, kept) for word in _words(value)]
        self._secrets = sorted({one for one in (*kept, *sent) if len(one) >= _SHORTEST}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text with ``…`` in the place of every secret."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


def _holds(name: str, value: str, secrets: list[str]) -> bool:
    return name.lower() in _CREDENTIALS or any(secret in value for secret in secrets)


def _words(value: str) -> Iterator[str]:
    """A header's full value, its credentials alone, and the decoded parts of Basic ones."""
    credentials = value.rpartition(" ")[2]
    yield from (value, credentials)
    try:
        inside = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return  # a bearer token, say
    yield from (inside, inside.partition(":")[2])
