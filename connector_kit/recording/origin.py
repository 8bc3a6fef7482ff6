"""Rewrites a system's absolute URLs in headers and bodies, so that links in them lead through the proxy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from connector_kit.recording.cassette_lines import Pairs

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin:
    """Scheme, host and port of one system.

    Args:
        url: ``https://host`` or ``http://host:port``. A path belongs into the connector's base URL.

    Raises:
        ValueError: It is something else.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.query:
            raise ValueError(f"an upstream is https://host or http://host:port; {parts.path!r} is not part of it")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.url = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
        self._host = host.encode()
        port, usual = parts.port, _DEFAULT_PORTS[parts.scheme]
        at_usual_port = port in {None, usual}
        # A server behind a proxy that ends TLS may write http:// into its links.
        scheme = "https?" if at_usual_port else parts.scheme
        colon, slashes = r"(?::|%3A)", r"(?://|\\/\\/|%2F%2F)"
        behind = rf"(?:{colon}{usual})?" if at_usual_port else f"{colon}{port}"
        self._pattern = re.compile(
            rf"\b{scheme}{colon}(?P<slashes>{slashes}){re.escape(host)}{behind}(?![\w-]|\.\w|:\d)",
            re.IGNORECASE,
        )

    def replaced(self, text: str, new: str) -> str:
        """The text with ``new`` for this origin, escaped or percent-encoded where this one is."""

        def written(found: re.Match[str]) -> str:
            if found["slashes"].startswith("%"):
                return quote(new, safe="")
            return new.replace("/", r"\/") if found["slashes"].startswith("\\") else new

        return self._pattern.sub(written, text)

    def replaced_in(self, headers: Pairs, body: bytes, new: str) -> tuple[Pairs, bytes]:
        """Headers and body likewise; a body that is no text stays."""
        made = tuple((name, self.replaced(value, new)) for name, value in headers)
        if self._host not in body.lower():
            return made, body
        try:
            return made, self.replaced(body.decode(), new).encode()
        except UnicodeDecodeError:
            return made, body
