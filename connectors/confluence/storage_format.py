"""Bodies in storage format: the text a person would read, and what the body points at.

Source: Atlassian support, "Confluence Storage Format": XHTML with elements of the prefixes ``ac`` and ``ri``, HTML's
named characters, and CDATA in macros. Text in macros counts; their parameters do not.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from html import unescape
from html.entities import html5
from urllib.parse import parse_qs, urlsplit
from xml.parsers import expat

_BLOCKS = frozenset(
    {
        "p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "tr", "pre", "blockquote", "hr", "ul", "ol", "table", "div",
        "ac:task", "ac:task-body", "ac:layout-cell", "ac:plain-text-body", "ac:rich-text-body", "ac:structured-macro",
    }
)  # fmt: skip
_CELLS = frozenset({"td", "th"})
_SILENT = frozenset({"ac:parameter", "ac:task-id", "ac:task-status", "ac:placeholder"})
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_OWN = frozenset({"amp", "lt", "gt", "quot", "apos"})
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TAG = re.compile(r"<[^>]*>")
_PAGE_PATH = re.compile(
    r"/wiki/(?:spaces/(?P<space>[^/]+)/(?:pages|blog)(?:/\d{4}/\d\d/\d\d)?/(?P<id>\d+)|pages/viewpage\.action$)"
)


@dataclass(frozen=True)
class Target:
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


@dataclass
class Reading:
    """What was read of one body.

    Attributes:
        text: One line per block, cells separated by a tab.
        links: How often each target is pointed at.
        words: The words of the first link to a target, where it has some.
        fault: Why the body could not be parsed; None: it could.
    """

    text: str = ""
    links: Counter[Target] = field(default_factory=Counter)
    words: dict[Target, str] = field(default_factory=dict)
    fault: str | None = None


def read(body: str | None, site_url: str, space_key: str | None) -> Reading:
    """Text and links of a body.

    Args:
        body: Storage format.
        site_url: Of the site, without ``/wiki``: addresses below it are pages.
        space_key: Of the content: a page that is named without a space is in the same one.
    """
    if not body:
        return Reading()
    parser = _Parser(site_url, space_key)
    try:
        parser.feed(_UNWRITABLE.sub("\ufffd", body))
    except expat.ExpatError as error:
        return Reading(text=unescape(_TAG.sub(" ", body)).strip(), fault=str(error))
    return parser.reading()


class _Parser:
    """One pass over one body."""

    def __init__(self, site_url: str, space_key: str | None) -> None:
        self._site, self._space_key = site_url.rstrip("/"), space_key
        self._parts: list[str] = []
        self._links: Counter[Target] = Counter()
        self._words: dict[Target, str] = {}
        self._open: list[tuple[Target | None, int]] = []
        """Links that are open: what they point at, and where their words begin."""
        self._macro: list[str] = []
        self._parameter: list[str] | None = None
        self._named = ""
        self._silent = 0

    def feed(self, body: str) -> None:
        """Parse; raises ``ExpatError`` for what is not well-formed."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        names = set(_NAMED.findall(body)) - _XML_OWN
        known = {name: html5[f"{name};"] for name in names if f"{name};" in html5}
        entities = "".join(
            f'<!ENTITY {name} "{"".join(f"&#38;#{ord(one)};" for one in text)}">' for name, text in known.items()
        )
        for name in names - set(known):
            body = body.replace(f"&{name};", f"&amp;{name};")
        parser.Parse(f"<!DOCTYPE body [{entities}]><body>{body}</body>", True)  # noqa: FBT003 - the library's signature

    def reading(self) -> Reading:
        """What was found."""
        lines = "".join(self._parts).replace("\u00a0", " ").split("\n")
        text = "\n".join(line.rstrip() for line in lines)
        return Reading(re.sub(r"\n{2,}", "\n", text).strip("\n"), self._links, self._words)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "a":
            self._open.append((self._address(attributes.get("href", "")), len(self._parts)))
        elif name == "ac:link":
            self._open.append((None, len(self._parts)))
        elif name.startswith("ri:"):
            self._point(_resource(name, attributes, self._space_key))
        elif name in {"ac:structured-macro", "ac:macro"}:
            self._macro.append(attributes.get("ac:name", ""))
        elif name == "ac:parameter":
            self._parameter, self._named = [], attributes.get("ac:name", "")
        elif name == "br":
            self._parts.append("\n")
        self._silent += name in _SILENT

    def _end(self, name: str) -> None:
        if name in {"a", "ac:link"}:
            target, begin = self._open.pop()
            if target is not None:
                self._count(target, "".join(self._parts[begin:]).strip())
        elif name in {"ac:structured-macro", "ac:macro"}:
            self._macro.pop()
        elif name == "ac:parameter" and self._parameter is not None:
            value = "".join(self._parameter).strip()
            if self._macro[-1:] == ["jira"] and self._named == "key" and value:
                self._count(Target("issue", value), "")
            self._parameter = None
        self._silent -= name in _SILENT
        if name in _CELLS:
            self._break("\t")
        elif name in _BLOCKS:
            self._break("\n")

    def _text(self, text: str) -> None:
        if self._parameter is not None:
            self._parameter.append(text)
        if not self._silent:
            self._parts.append(text)

    def _break(self, end: str) -> None:
        while self._parts and self._parts[-1] in {"\n", "\t"}:
            self._parts.pop()
        if self._parts:
            self._parts.append(end)

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
        self._links[target] += 1
        if words:
            self._words.setdefault(target, words)


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
