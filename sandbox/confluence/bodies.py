"""Bodies in storage format, written from what they are meant to hold, so that nobody has to parse them for the truth.

Source: Atlassian support, "Confluence Storage Format" (links, macros, ``ri:`` resource identifiers).

A piece is ``(kind, …)``: ``text words`` · ``page space-key-or-"" title words`` ·
``page_url form id space-key title`` · ``external url words`` · ``user account`` · ``attachment name image?`` ·
``issue key`` · ``space key`` · ``code words`` · ``info words`` · ``jql query`` · ``table rows`` ·
``decoy url`` (in a comment and in CDATA, so no link) · ``nest piece…`` (inside a panel, a layout and a table) ·
``big bytes``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote_plus
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from sandbox.confluence.records import Piece

LINKS = frozenset({"page", "page_url", "external", "user", "attachment", "issue", "space"})
_EXTERNAL = (
    "https://example.com/search?q=a&lang=en", "http://example.org/", "https://example.com/caf%C3%A9#top",
    "https://example.net/wiki/spaces/ENG/pages/98304/Not+ours", "https://example.com/a(b)'c",
)  # fmt: skip
_WORDS = (
    "Deploy &nbsp;notes",
    "caf&eacute; &amp; th&eacute;",
    "5 &lt; 6 &mdash; fine",
    "plain words",
    "line<br/>break",
    "\u202eodd\u202c",
)


def page_url(base: str, piece: Piece) -> str:
    """The address a ``page_url`` piece is written with."""
    _, form, number, key, title = piece
    if form == "old":
        return f"{base}/wiki/pages/viewpage.action?pageId={number}&focus=1"
    return f"{base}/wiki/spaces/{key}/pages/{number}/{quote_plus(title)}"


def storage(pieces: Iterable[Piece], base: str) -> str:
    """The markup."""
    return "".join(_MARKUP.get(piece[0], _piece)(piece, base) for piece in pieces)


def links(pieces: Iterable[Piece], base: str, space_key: str) -> Counter[tuple[str, str]]:
    """How often each (kind, target) is pointed at; ``space_key`` is of the content, for pages named without a space."""
    found: Counter[tuple[str, str]] = Counter()
    for piece in pieces:
        if piece[0] == "nest":
            found += links(piece[1:], base, space_key)
        elif piece[0] == "page":
            found["page", f"{piece[1] or space_key}:{piece[2]}"] += 1
        elif piece[0] == "page_url":
            found["page", page_url(base, piece)] += 1
        elif piece[0] in LINKS:
            found[piece[0], piece[1]] += 1
    return found


def _page(piece: Piece, _base: str) -> str:
    _, key, title, words = piece
    space = f" ri:space-key={quoteattr(key)}" if key else ""
    inner = f'<ri:page{space} ri:content-title={quoteattr(title)} ri:version-at-save="3" />'
    if not words:
        return f"<p><ac:link>{inner}</ac:link></p>"
    if len(words) % 2:
        body = f"<ac:plain-text-link-body><![CDATA[{words}]]></ac:plain-text-link-body>"
    else:
        body = f"<ac:link-body><strong>{escape(words)}</strong></ac:link-body>"
    return f'<p>see <ac:link ac:anchor="part">{inner}{body}</ac:link>.</p>'


def _attachment(piece: Piece, _base: str) -> str:
    name = f"<ri:attachment ri:filename={quoteattr(piece[1])} />"
    if piece[2]:
        return f'<ac:image ac:height="150">{name}</ac:image>'
    return f"<p><ac:link>{name}</ac:link></p>"


def _piece(piece: Piece, base: str) -> str:
    kind: str = piece[0]
    value = piece[1]
    if kind == "page_url":
        return f"<p><a href={quoteattr(page_url(base, piece))} data-card-appearance='inline'>here</a></p>"
    if kind == "table":
        rows = "".join(f"<tr><th><p>{n}</p></th><td><p>v&nbsp;{n}</p></td></tr>" for n in range(value))
        return f'<table data-layout="default"><colgroup><col /><col /></colgroup><tbody>{rows}</tbody></table>'
    if kind == "big":
        line = "<p>0123456789 abcdefghij &amp; more of it</p>"
        return line * (int(value) // len(line) + 1)
    return _TEMPLATES[kind].format(value, escape(str(value)), quoteattr(str(value)), piece[-1])


_TEMPLATES = {
    "text": "<p>{0}</p>",
    "external": "<p>at <a class='x'\n href={2}>{3}</a></p>",
    "user": "<p><ac:link><ri:user ri:account-id={2} /></ac:link> said</p>",
    "issue": '<ac:structured-macro ac:name="jira" ac:schema-version="1" ac:macro-id="m">'
    '<ac:parameter ac:name="server">System Jira</ac:parameter>'
    '<ac:parameter ac:name="key">{1}</ac:parameter></ac:structured-macro>',
    "jql": '<ac:structured-macro ac:name="jira">'
    '<ac:parameter ac:name="jqlQuery">{1}</ac:parameter></ac:structured-macro>',
    "space": "<p><ac:link><ri:space ri:space-key={2} /></ac:link></p>",
    "code": '<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">xml</ac:parameter>'
    "<ac:plain-text-body><![CDATA[{0}]]></ac:plain-text-body></ac:structured-macro>",
    "info": '<ac:structured-macro ac:name="info">'
    "<ac:rich-text-body><p>{1}</p></ac:rich-text-body></ac:structured-macro>",
    "decoy": '<!-- <a href="{0}">old</a> --><ac:structured-macro ac:name="code"><ac:plain-text-body>'
    '<![CDATA[<p><a href="{0}">no link</a> ]]]]><![CDATA[> <ri:user ri:account-id="nobody" /></p>]]>'
    "</ac:plain-text-body></ac:structured-macro>",
}


def _nest(piece: Piece, base: str) -> str:
    """Deep inside; a task, a time and an emoticon stand beside it."""
    inner = storage(piece[1:], base)
    return (
        '<ac:layout><ac:layout-section ac:type="two_equal"><ac:layout-cell><ac:structured-macro ac:name="panel">'
        f"<ac:rich-text-body><table><tbody><tr><td>{inner}</td></tr></tbody></table></ac:rich-text-body>"
        "</ac:structured-macro></ac:layout-cell><ac:layout-cell><ac:task-list><ac:task><ac:task-id>1</ac:task-id>"
        '<ac:task-status>incomplete</ac:task-status><ac:task-body>by <time datetime="2024-02-29" />&hellip; &#128640;'
        '<ac:emoticon ac:name="smile" /></ac:task-body></ac:task></ac:task-list></ac:layout-cell></ac:layout-section>'
        "</ac:layout>"
    )


_MARKUP = {"page": _page, "attachment": _attachment, "nest": _nest}


def composed(
    number: int,
    chance: random.Random,
    keys: Sequence[str],
    titles: Sequence[tuple[int, str, str]],
    people: Sequence[str],
) -> tuple[Piece, ...]:
    """A body by number; ``titles`` are (id, space key, title) of content to point at."""
    if number % 17 == 5:
        return ()
    pieces: list[Piece] = [("text", _WORDS[number % len(_WORDS)])]
    if titles:
        pieces += _to_page(number, *titles[int(chance.random() * len(titles))])
    pieces.append(_MORE[number % len(_MORE)](number, people, keys))
    if number % 5 == 3:
        pieces += [("external", _EXTERNAL[number % len(_EXTERNAL)], "out there"), ("table", 2)]
    if number % 8 == 6:
        pieces.append(("nest", ("external", "https://example.com/deep?a=1&b=2", "deep"), pieces[-1]))
    if number % 11 == 4:
        pieces += [("decoy", "https://decoy.example/"), ("issue", f"OPS-{number}"), ("issue", f"OPS-{number}")]
    return tuple(pieces)


def _to_page(number: int, ident: int, key: str, title: str) -> list[Piece]:
    shape = number % 6
    if shape == 0:
        return [("page", key, title, "there" if number % 4 else "")] * (1 + number % 3)
    if shape == 1:
        return [("page_url", "old" if number % 4 == 1 else "new", ident, key, title)]
    return [("page", "", f"Missing & gone {number % 7}", "no such page")] if shape == 2 else []


_MORE = (
    lambda n, people, _: ("user", people[n % len(people)]),
    lambda n, *_: ("issue", f"ENG-{n % 40 + 1}"),
    lambda n, _, keys: ("space", keys[n % len(keys)]),
    lambda n, *_: ("code", f"if (a < {n} && b > 1) {{ return; }}"),
    lambda n, *_: ("info", f"take care & read <{n}>"),
    lambda *_: ("jql", "project = OPS AND status != Done"),
    lambda n, *_: ("attachment", f"file {n % 5} & co.png", n % 2 == 0),
)
