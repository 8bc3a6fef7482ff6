"""Talks to Microsoft Graph v1.0: one method per request, raw payloads from the answers, typed errors.

Sources: Microsoft Graph REST API v1.0 reference (drive: get, list; driveItem: get, delta, list versions, list
permissions), "Get access without a user", "Throttling". Addresses that a page gives for the next one are used as they
are, and only below ``base_url``; pre-authenticated download addresses are never requested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from connectors.http.characters import decoder
from connectors.http.client import HttpClient
from connectors.http.tokens import ClientCredentials
from connectors.onedrive.errors import check_login, message_of
from contracts.errors import SourceAuthError, SourcePageFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.onedrive.config import OneDriveConfig

T = TypeVar("T")
_API = "/v1.0"
_MOST_RENEWALS = 2
"""For one request: between a renewal and its use another may become necessary."""
_SCOPE = "https://graph.microsoft.com/.default"


class GraphPage(msgspec.Struct):
    """A page of a collection: a ``nextLink``, or at the end of a delta a ``deltaLink``."""

    value: list[msgspec.Raw]
    next_link: str | None = msgspec.field(name="@odata.nextLink", default=None)
    delta_link: str | None = msgspec.field(name="@odata.deltaLink", default=None)


class _Account(msgspec.Struct):
    id: str
    displayName: str | None = None  # noqa: N815 - Graph's name
    userPrincipalName: str | None = None  # noqa: N815 - Graph's name


_page = decoder(GraphPage)
_account = decoder(_Account)
_raw = decoder(msgspec.Raw)


class GraphClient:
    """Requests of one endpoint. Safe between threads.

    Args:
        config: Where Graph is, and the login.
    """

    def __init__(self, config: OneDriveConfig) -> None:
        self.config = config
        self._tokens: ClientCredentials | None = None
        if config.client_secret is not None:
            # National clouds have their own resource; a test's address is none that the login knows.
            clouds = config.base_url.startswith("https://")
            form = {
                "client_id": config.client_id or "",
                "client_secret": config.client_secret.get_secret_value(),
                "scope": f"{config.base_url}/.default" if clouds else _SCOPE,
                "grant_type": "client_credentials",
            }
            login = HttpClient(config.login_url, config, {"Accept": "application/json"}, message_of=message_of)
            self._tokens = ClientCredentials(login, f"/{config.tenant}/oauth2/v2.0/token", form)
        self.http = HttpClient(config.base_url, config, {"Accept": "application/json"}, check_login, message_of)

    def login(self) -> str:
        """Whose access it is, proven by a request that strangers are refused.

        Raises:
            SourceAuthError: The login does not count.
        """
        if self._tokens is None:
            account = self._get(f"{_API}/me", _account)
            return account.displayName or account.userPrincipalName or account.id
        self._tokens.current()
        return f"application {self.config.client_id}"

    def drive(self, drive_id: str) -> msgspec.Raw:
        """A drive."""
        return self._get(f"{_API}/drives/{_quoted(drive_id)}", _raw)

    def drives_of(self, owner: str) -> Iterator[list[msgspec.Raw]]:
        """Drives of ``users/<id>``, ``sites/<id>`` or ``me``."""
        kind, _, name = owner.partition("/")
        return self._pages(f"{_API}/{kind}/{_quoted(name)}/drives" if name else f"{_API}/{kind}/drives")

    def delta(self, drive_id: str, link: str | None = None) -> Iterator[GraphPage]:
        """Pages of a drive's delta from a link that it gave, or from the beginning; the last has a ``delta_link``.

        Raises:
            Refusal: 410, the link is too old; 400, it is none.
            SourcePageFailedError: A page has neither link, or a link leads elsewhere.
        """
        path = f"{_API}/drives/{_quoted(drive_id)}/root/delta?$top={self.config.page_size}"
        path = path if link is None else self._own(link)
        seen = set()
        while True:
            page = self._get(path, _page)
            if page.delta_link is not None:
                self._own(page.delta_link)
                yield page
                return
            if page.next_link is None or page.next_link in seen:
                raise SourcePageFailedError("A page of delta leads to no other and is not the last", "Run again.")
            yield page
            seen.add(page.next_link)
            path = self._own(page.next_link)

    def item(self, drive_id: str, item_id: str) -> msgspec.Raw:
        """An item by id."""
        return self._get(f"{_API}/drives/{_quoted(drive_id)}/items/{_quoted(item_id)}", _raw)

    def of_item(self, drive_id: str, item_id: str, what: str) -> Iterator[list[msgspec.Raw]]:
        """``versions``, ``permissions`` or ``children`` of an item."""
        return self._pages(f"{_API}/drives/{_quoted(drive_id)}/items/{_quoted(item_id)}/{what}")

    def close(self) -> None:
        """Close connections."""
        self.http.close()
        if self._tokens is not None:
            self._tokens.close()

    def _pages(self, path: str) -> Iterator[list[msgspec.Raw]]:
        seen = set()
        while True:
            page = self._get(path, _page)
            yield page.value
            if page.next_link is None:
                return
            if page.next_link in seen:
                raise SourcePageFailedError("A collection gave the same next page twice", "Run again.")
            seen.add(page.next_link)
            path = self._own(page.next_link)

    def _get(self, path: str, decode: Callable[[bytes], T]) -> T:
        """GET with a token, a new one when it is refused: tokens can be revoked before they expire."""
        if self._tokens is None:
            token = self.config.access_token.get_secret_value() if self.config.access_token else ""
            return self._sent(path, decode, token)
        token = self._tokens.current()
        for _ in range(_MOST_RENEWALS):
            try:
                return self._sent(path, decode, token)
            except SourceAuthError:
                token = self._tokens.renewed(token)
        return self._sent(path, decode, token)

    def _sent(self, path: str, decode: Callable[[bytes], T], token: str) -> T:
        return self.http.send("GET", path, decode, headers={"Authorization": f"Bearer {token}"})

    def _own(self, link: str) -> str:
        """A link's path and query as they are; credentials are sent nowhere but below ``base_url``."""
        if link.startswith(f"{self.config.base_url}/"):
            return link.removeprefix(self.config.base_url)
        raise SourcePageFailedError(
            f"Graph's link leads to another server ({urlsplit(link).hostname})",
            "Check base_url: links must begin with it. After a change of base_url reset the checkpoint.",
        )


def _quoted(name: str) -> str:
    return quote(name, safe="!,")
