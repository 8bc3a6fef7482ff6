"""Bodies in storage format: the text a person would read, and what the body points at.

Source: Atlassian support, "Confluence Storage Format": XHTML with elements of the prefixes ``ac`` and ``ri``, HTML's
named characters, and CDATA in macros. Text in macros counts; their parameters do not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from html.entities import html5
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Callable

ParserT = TypeVar("ParserT", bound="_BodyParser")
_BLOCKS = frozenset(
    {
        "p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "tr", "pre", "blockquote", "hr", "ul", "ol", "table", "div",
        "ac:task", "ac:task-body", "ac:layout-cell", "ac:plain-text-body", "ac:rich-text-body", "ac:structured-macro",
    }
)  # fmt: skip
_ENDS = {**dict.fromkeys(_BLOCKS, "\n"), "td": "\t", "th": "\t"}
_BREAKS = frozenset(_ENDS.values())
_LINKS = frozenset({"a", "ac:link"})
_MACROS = frozenset({"ac:structured-macro", "ac:macro"})
_SILENT = frozenset({"ac:parameter", "ac:task-id", "ac:task-status", "ac:placeholder"})
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_OWN = frozenset({"amp", "lt", "gt", "quot", "apos"})
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TAG = re.compile(r"<[^>]*>")
_PAGE_PATH = re.compile(
    r"/wiki/(?:spaces/(?P<space>[^/]+)/(?:pages|blog)(?:/\d{4}/\d\d/\d\d)?/(?P<id>\d+)|pages/viewpage\.action$)"
)


class Target(NamedTuple):
    """What a body points at, in the columns of a link.

    Attributes:
        kind: ``page``, ``attachment``, ``user``, ``external``, ``space`` or ``issue``.
        target: What is pointed at, as text that is the same for the same thing.
    """

    kind: str
    target: str
    space_key: str | None = None
    title: str | None = None
    target_id: str | None = None
    url: str | None = None


class LinksRead(NamedTuple):
    """The links of one body.

    Attributes:
        times: How often each target is pointed at.
        words: The words of the first link to a target, where it has some.
        fault: Why the body could not be parsed; None: it could.
    """

    times: dict[Target, int]
    words: dict[Target, str]
    fault: str | None = None


def text_of(body: str | None) -> str:
    """What a person would read: one line per block, cells separated by a tab. Of a body that is no XML, its words."""
    if not body:
        return ""
    try:
        return _fed(_TextParser, body).text()
    except expat.ExpatError:
        return unescape(_TAG.sub(" ", _writable(body))).strip()


def links_of(body: str | None, site_url: str, space_key: str | None) -> LinksRead:
    """What a body points at.

    Args:
        body: Storage format.
        site_url: Of the site, without ``/wiki``: addresses below it are pages.
        space_key: Of the content: a page that is named without a space is in the same one.
    """
    if not body:
        return LinksRead({}, {})
    try:
        return _fed(lambda: _LinkParser(site_url, space_key), body).links()
    except expat.ExpatError as error:
        return LinksRead({}, {}, str(error))


def _writable(body: str) -> str:
    """Without the characters that XML cannot hold."""
    return _UNWRITABLE.sub("\ufffd", body)


def _fed(make: Callable[[], ParserT], body: str) -> ParserT:
    """A parser that has read the body; raises ``ExpatError`` for what is not well-formed."""
    parser = make()
    try:
        parser.feed(body)
    except (expat.ExpatError, UnicodeEncodeError):
        # Looked for only now: few bodies hold such characters, and looking takes as long as parsing.
        mended = _writable(body)
        if mended == body:
            raise
        parser = make()
        parser.feed(mended)
    return parser


@lru_cache(maxsize=1024)
def _declared(names: frozenset[str]) -> tuple[str, tuple[str, ...]]:
    """(a document type that declares HTML's named characters among the names, the names that are none)."""
    known = {name: html5[f"{name};"] for name in sorted(names) if f"{name};" in html5}
    entities = "".join(
        f'<!ENTITY {name} "{"".join(f"&#38;#{ord(one)};" for one in text)}">' for name, text in known.items()
    )
    return f"<!DOCTYPE body [{entities}]>" if entities else "", tuple(names - set(known))


class _BodyParser:
    """One pass over one body."""

    def feed(self, body: str) -> None:
        """Parse; raises ``ExpatError`` for what is not well-formed."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        names = frozenset(_NAMED.findall(body)) - _XML_OWN
        declared, unknown = _declared(names) if names else ("", ())
        for name in unknown:
            body = body.replace(f"&{name};", f"&amp;{name};")
        parser.Parse(f"{declared}<body>{body}</body>", True)  # noqa: FBT003 - the library's signature

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def _end(self, name: str) -> None:
        raise NotImplementedError

    def _text(self, text: str) -> None:
        raise NotImplementedError


class _TextParser(_BodyParser):
    """Text in macros counts, their parameters do not."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._silent = 0

    def text(self) -> str:
        """Lines that hold something."""
        text = "".join(self._parts).replace("\u00a0", " ")
        return "\n".join([line for each in text.split("\n") if (line := each.rstrip())])

    def _start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - the library's signature
        if name == "br":
            self._parts.append("\n")
        elif name in _SILENT:
            self._silent += 1

    def _end(self, name: str) -> None:
        end = _ENDS.get(name)
        if end is not None:
            _end_block(self._parts, end)
        elif name in _SILENT:
            self._silent -= 1

    def _text(self, text: str) -> None:
        if not self._silent:
            self._parts.append(text)


class _LinkParser(_BodyParser):
    """Links, resources that stand alone, and issues that macros name."""

    def __init__(self, site_url: str, space_key: str | None) -> None:
        self._site, self._space_key = site_url.rstrip("/"), space_key
        self._times: dict[Target, int] = {}
        self._words: dict[Target, str] = {}
        self._open: list[tuple[Target | None, list[str]]] = []
        """Links that are open: what they point at, and their words."""
        self._macro: list[str] = []
        self._parameter: list[str] | None = None
        self._named = ""
        self._silent = 0

    def links(self) -> LinksRead:
        """What was found."""
        return LinksRead(self._times, self._words)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "a":
            self._open.append((self._address(attributes.get("href", "")), []))
        elif name == "ac:link":
            self._open.append((None, []))
        elif name.startswith("ri:"):
            self._point(_resource(name, attributes, self._space_key))
        elif name in _MACROS:
            self._macro.append(attributes.get("ac:name", ""))
        elif name == "ac:parameter":
            self._parameter, self._named = [], attributes.get("ac:name", "")
        elif name == "br":
            self._add("\n")
        self._silent += name in _SILENT

    def _end(self, name: str) -> None:
        if name in _LINKS:
            target, words = self._open.pop()
            if target is not None:
                self._count(target, "".join(words).strip())
            if self._open:
                self._open[-1][1].extend(words)
        elif name in _MACROS:
            self._macro.pop()
        elif name == "ac:parameter":
            self._end_parameter()
        self._silent -= name in _SILENT
        if self._open and name in _ENDS:
            _end_block(self._open[-1][1], _ENDS[name])

    def _end_parameter(self) -> None:
        value = "".join(self._parameter or ()).strip()
        if self._macro[-1:] == ["jira"] and self._named == "key" and value:
            self._count(Target("issue", value), "")
        self._parameter = None

    def _text(self, text: str) -> None:
        if self._parameter is not None:
            self._parameter.append(text)
        if not self._silent:
            self._add(text)

    def _add(self, text: str) -> None:
        """To the words of the link that is open."""
        if self._open:
            self._open[-1][1].append(text)

    def _address(self, href: str) -> Target | None:
        if not href.lower().startswith(("http://", "https://")):
            return None
        if href.startswith(f"{self._site}/"):
            parts = urlsplit(href)
            if match := _PAGE_PATH.match(parts.path.removeprefix(urlsplit(self._site).path)):
                number = match["id"] or next(iter(parse_qs(parts.query).get("pageId", [])), None)
                return Target("page", href, match["space"], None, number, href)
        return Target("external", href, url=href)

    def _point(self, target: Target | None) -> None:
        """At a resource; inside a link, its words come when the link ends."""
        if target is None:
            return
        if self._open and self._open[-1][0] is None:
            self._open[-1] = (target, self._open[-1][1])
        else:
            self._count(target, "")

    def _count(self, target: Target, words: str) -> None:
        self._times[target] = self._times.get(target, 0) + 1
        if words:
            self._words.setdefault(target, words)


def _end_block(parts: list[str], end: str) -> None:
    """One break where blocks end, however many of them."""
    while parts and parts[-1] in _BREAKS:
        parts.pop()
    if parts:
        parts.append(end)


def _resource(name: str, attributes: dict[str, str], own_space: str | None) -> Target | None:
    """A resource identifier (``ri:…``) as a target."""
    space = attributes.get("ri:space-key") or own_space
    title = attributes.get("ri:content-title")
    if name in {"ri:page", "ri:blog-post"} and title is not None:
        return Target("page", f"{space}:{title}", space, title)
    if name == "ri:attachment":
        return Target("attachment", attributes.get("ri:filename", ""), None, attributes.get("ri:filename"))
    if name == "ri:user":
        account = attributes.get("ri:account-id") or attributes.get("ri:userkey")
        return Target("user", account) if account else None
    if name == "ri:space":
        key = attributes.get("ri:space-key", "")
        return Target("space", key, key)
    if name == "ri:url":
        value = attributes.get("ri:value", "")
        return Target("external", value, url=value)
    return None
