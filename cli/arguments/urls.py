"""From a URL on the command line to an endpoint, by the schemes that connectors declare."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from cli.terminal.redaction import is_secret_option
from connectors.load_config import load_config
from connectors.registry import EndpointRegistry
from contracts.errors import ConfigError, ConfigInvalidError, EndpointUnknownError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from contracts.endpoint import EndpointFactory, SinkEndpoint, SourceEndpoint


@dataclass(frozen=True)
class UrlEndpoint:
    """An endpoint that nobody registered.

    Attributes:
        factory: Of the connector that declares the URL's scheme.
        url: As written; may hold a password.
    """

    factory: EndpointFactory
    url: str

    @property
    def default_namespace(self) -> str | None:
        """Where a table without a schema is looked for; the connector says."""
        return getattr(self.factory, "default_namespace", None)

    def endpoint_id(self, *more: str) -> str:
        """Stable for the same place, whatever the password: a readable part and a hash."""
        parts = urlsplit(self.url)
        place = _without_secrets(parts)
        named = "\n".join([self.factory.descriptor.template_id, place, *more])
        digest = hashlib.sha256(named.encode()).hexdigest()
        words = [parts.hostname or "local", unquote(parts.path), *more]
        readable = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(words)).strip("-")
        return f"{readable[:40].strip('-')}-{digest[:10]}"

    def source(self, namespace: str | None) -> SourceEndpoint:
        """A source that catalogues one namespace, where its config can be narrowed so."""
        only = {"include_schemas": [_glob_of(namespace)]} if namespace and self._has("include_schemas") else {}
        return self.factory.source(self._config(only))

    def sink(self) -> SinkEndpoint:
        """A sink."""
        return self.factory.sink(self._config({}))

    def _has(self, field: str) -> bool:
        return field in getattr(self.factory.config_class, "model_fields", {})

    def _config(self, more: dict[str, Any]) -> Any:
        return load_config(self.factory.config_class, {"url": self.url, **more}, self.factory.descriptor.template_id)


def endpoint_of(url: str, role: str, registry: EndpointRegistry | None = None) -> UrlEndpoint:
    """The endpoint behind a URL.

    Raises:
        EndpointUnknownError: No connector declares the scheme, or the connector cannot be a ``role``.
        ConfigInvalidError: The URL is malformed.
    """
    parts = _split(url, role)
    factory = _factory_of(parts.scheme, registry or EndpointRegistry())
    if role not in factory.descriptor.roles:
        raise EndpointUnknownError(
            f"{factory.descriptor.title} cannot be a {role}",
            f"Give the URL of another {role}.",
            scheme=parts.scheme,
        )
    return UrlEndpoint(factory, url)


def _split(url: str, role: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _place(parts)  # asked here because ports are checked only when asked for
    except ValueError:
        # Nothing of it is repeated: nobody knows where a password ends in a malformed URL.
        raise ConfigInvalidError(
            f"The {role}'s URL is malformed",
            "Percent-encode special characters in the password, as %23 for #.",
        ) from None
    if not parts.scheme or "://" not in url:
        raise ConfigInvalidError(f"The {role} is not a URL", "Write scheme://user@host:port/database.")
    return parts


def _factory_of(scheme: str, registry: EndpointRegistry) -> EndpointFactory:
    known: set[str] = set()
    # A connector whose vendor is part of the scheme is asked first: most often no other has to load.
    for template_id in sorted(registry.template_ids(), key=lambda name: name.rpartition(".")[2] not in scheme):
        try:
            factory = registry.get(template_id)
        except ConfigError:
            continue
        schemes = getattr(factory, "url_schemes", ())
        if scheme in schemes:
            return factory
        known.update(schemes)
    there = ", ".join(f"{each}://" for each in sorted(known)) or "none"
    raise EndpointUnknownError(f"No connector knows URLs of the form {scheme}://", f"Known: {there}.", scheme=scheme)


def _without_secrets(parts: SplitResult) -> str:
    user = f"{parts.username}@" if parts.username else ""
    options = sorted((name, value) for name, value in parse_qsl(parts.query) if not is_secret_option(name))
    return f"{user}{_place(parts)}{parts.path}?{urlencode(options)}"


def _place(parts: SplitResult) -> str:
    """``host:port``, of several hosts with commas between them. Raises ValueError for a port that is no number."""
    hosts = [urlsplit(f"//{each}") for each in parts.netloc.rpartition("@")[2].split(",")]
    return ",".join(f"{(each.hostname or '').lower()}:{each.port or ''}" for each in hosts)


def _glob_of(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
