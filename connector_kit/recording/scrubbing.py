"""What is a secret in recorded traffic, and what stands in its place.

A value is secret by its name (a header, a query parameter, a field of a form or of JSON) or because it is known: handed
in by the author, or learned from the credentials that a request carried. Known values are found wherever they are, in
every form of :mod:`connector_kit.recording.secret_forms`. Names and addresses of people are not secrets unless a
pattern says so.
"""

from __future__ import annotations

import base64
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import BaseModel, SecretBytes, SecretStr

from connector_kit.recording.secret_forms import Form, forms_of, in_bytes
from connector_kit.recording.secret_names import ENDINGS, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connector_kit.recording.cassette_lines import Pairs

SCRUBBED = "SCRUBBED"
"""Stands in the place of a secret."""
SHORTEST = 4
"""Characters a known secret has at least: a shorter one would be found everywhere."""
_SHORTEST_LEARNED = 8
_PASSES = 5

_IN_JSON = re.compile(
    r'(?P<name>"(?P<key>[^"\\]{1,64})"\s*:\s*)(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<number>-?\d[\d.eE+-]*))'
)
_IN_FORM = re.compile(r"(?P<name>(?:^|[?&;]|\\u0026|&amp;)(?P<key>[A-Za-z][\w.\-]{0,63})=)(?P<text>[^&;#\"'\s\\<>]+)")
_USERINFO = re.compile(
    r"(?P<name>[a-z][a-z0-9+.-]{0,20}:(?://|\\/\\/)[^/?#\s\"'@:]{0,256}:)(?P<text>[^/?#\s\"'@]+)(?=@)"
)


class Scrubber:
    """Replaces secrets by ``SCRUBBED``. Safe between threads; doing it twice changes nothing.

    Args:
        secrets: Known values; see :func:`secrets_of`. Empty ones are passed over.
        names: More names whose values are secret, in any spelling (``X-Api-Key`` is ``xapikey``).
        keep: Names whose values are not: ``token`` where it is the token of a page.
        patterns: Regular expressions of more that has to go (addresses of people, say).

    Raises:
        ValueError: A secret is shorter than four characters.
    """

    def __init__(
        self,
        secrets: Iterable[str | SecretStr] = (),
        *,
        names: Iterable[str] = (),
        keep: Iterable[str] = (),
        patterns: Iterable[str] = (),
    ) -> None:
        self._keep = {_plain(name) for name in keep}
        self._names = SECRET | {_plain(name) for name in names}
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._lock = threading.Lock()
        self._forms: dict[str, list[Form]] = {}
        self._bytes: list[bytes] = []
        for secret in secrets:
            value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
            if 0 < len(value) < SHORTEST:
                raise ValueError(f"a secret of {len(value)} characters is too short to be found: use a longer one")
            self._know(value)

    def is_secret(self, name: str) -> bool:
        """Whether a header, parameter or field of that name holds a secret."""
        plain = _plain(name)
        return plain not in self._keep and (plain in self._names or plain.endswith(ENDINGS))

    def learn(self, headers: Pairs) -> None:
        """Know the credentials a request carries: they are secret in everything that follows."""
        for name, value in headers:
            if self.is_secret(name):
                for part in _credentials(value):
                    if len(part) >= _SHORTEST_LEARNED:
                        self._know(part)

    def by_name(self, text: str) -> str:
        """Text without the values of secret names in JSON, forms and URLs, and without passwords in URLs."""
        text = _IN_JSON.sub(self._named, text)
        text = _IN_FORM.sub(self._named, text)
        return _USERINFO.sub(rf"\g<name>{SCRUBBED}", text)

    def by_value(self, text: str) -> str:
        """Text without known secrets, in whatever form, and without what the author's patterns match."""
        for needle, pattern in self._known():
            if needle in text:
                text = pattern.sub(SCRUBBED, text)
        for pattern in self._patterns:
            text = pattern.sub(SCRUBBED, text)
        return text

    def text(self, text: str) -> str:
        """Text without secrets."""
        for _ in range(_PASSES):  # what stands around a replaced secret may be another one together with it
            before, text = text, self.by_value(self.by_name(text))
            if text == before:
                break
        return text

    def pair(self, name: str, value: str) -> tuple[str, str]:
        """A header or query parameter without secrets."""
        return self.text(name), SCRUBBED if value and self.is_secret(name) else self.text(value)

    def content(self, body: bytes) -> bytes:
        """Bytes that are no text, without the literal bytes of known secrets. What is compressed is not looked into."""
        with self._lock:
            known = list(self._bytes)
        for secret in known:
            body = body.replace(secret, SCRUBBED.encode())
        return body

    def holds_secret(self, text: str) -> bool:
        """Whether a known secret is left in the text."""
        return any(
            needle in text and any(match.group() not in SCRUBBED for match in pattern.finditer(text))
            for needle, pattern in self._known()
        )

    def _named(self, match: re.Match[str]) -> str:
        if not self.is_secret(match["key"]) or match["text"] == "":
            return match.group()
        if match.re is _IN_JSON:
            return f'{match["name"]}"{SCRUBBED}"' if match["number"] is None else f"{match['name']}0"
        return f"{match['name']}{SCRUBBED}"

    def _know(self, secret: str) -> None:
        if not secret or secret in SCRUBBED:
            return
        with self._lock:
            if secret in self._forms:
                return
            self._forms[secret] = forms_of(secret)
            # The longest first: a secret may be part of another.
            self._forms = dict(sorted(self._forms.items(), key=lambda one: (-len(one[0]), one[0])))
            self._bytes = [form for known in self._forms for form in in_bytes(known)]

    def _known(self) -> list[Form]:
        with self._lock:
            return [form for forms in self._forms.values() for form in forms]


def secrets_of(config: object) -> Iterator[str]:
    """Every ``SecretStr`` and ``SecretBytes`` of a config, however deep."""
    if isinstance(config, SecretStr):
        yield config.get_secret_value()
    elif isinstance(config, SecretBytes):
        yield config.get_secret_value().decode("utf-8", "replace")
    else:
        for value in _inside(config):
            yield from secrets_of(value)


def _inside(config: object) -> Iterable[object]:
    if isinstance(config, BaseModel):
        return [getattr(config, name) for name in type(config).model_fields]
    if isinstance(config, dict):
        return config.values()
    return config if isinstance(config, list | tuple | set | frozenset) else ()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _credentials(value: str) -> Iterator[str]:
    """The parts of a header that are secret: a token without its scheme, the password of Basic, values of cookies."""
    scheme, _, rest = value.partition(" ")
    if not rest:
        rest = value
    if scheme.lower() == "basic":
        with suppress(ValueError):  # not base64: then the whole of it is secret, as below
            rest = base64.b64decode(rest, validate=True).decode().partition(":")[2]
    if "=" in rest.rstrip("="):
        yield from (part.partition("=")[2].strip('" ') for part in re.split(r"[;,]", rest))
    else:
        yield rest
