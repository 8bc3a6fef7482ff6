"""Plain text of an Atlassian document (ADF): what a person would read, one line per block.

Source: Atlassian Document Format reference, "Nodes". Unknown nodes give the text inside them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

_INLINE_TEXT = {"mention": "text", "emoji": "text", "status": "text", "inlineCard": "url", "blockCard": "url"}
_INLINE = frozenset({*_INLINE_TEXT, "date", "hardBreak"})
_CELLS = frozenset({"tableCell", "tableHeader"})
_BLOCKS = frozenset(
    {
        "paragraph", "heading", "codeBlock", "blockquote", "panel", "listItem", "taskItem", "decisionItem", "tableRow",
        "rule", "mediaSingle", "mediaGroup", "expand", "nestedExpand", "blockCard", "bulletList", "orderedList",
        "table",
    }
)  # fmt: skip


class Node(msgspec.Struct, gc=False):
    """One node of a document; what it carries depends on its type."""

    type: str = ""
    text: str | None = None
    content: list[Node] | None = None
    attrs: Any = None


_decoder = msgspec.json.Decoder(Node)


def plain_text(document: bytes | None) -> str | None:
    """Text of a document's JSON, or of a plain JSON string; None for null and for what is neither.

    Blocks end with a line break; cells of a table row are separated by a tab.
    """
    if document is None or document == b"null":
        return None
    try:
        if document[:1] == b'"':
            return str(msgspec.json.decode(document, type=str))
        root = _decoder.decode(document)
    except (msgspec.DecodeError, RecursionError):
        return None
    parts: list[str] = []
    _walk(root, parts)
    return "".join(parts).strip("\n")


def _walk(node: Node, parts: list[str]) -> None:
    if node.text is not None:
        parts.append(node.text)
    elif node.type in _INLINE:
        parts.append(_attribute(node))
    for child in node.content or ():
        _walk(child, parts)
    if node.type in _CELLS:
        _end_with("\t", parts)
    elif node.type in _BLOCKS and parts and not parts[-1].endswith("\n"):
        _end_with("\n", parts)


def _end_with(end: str, parts: list[str]) -> None:
    while parts and parts[-1] in {"\n", "\t"}:
        parts.pop()
    parts.append(end)


def _attribute(node: Node) -> str:
    if node.type == "hardBreak":
        return "\n"
    attrs = node.attrs if isinstance(node.attrs, dict) else {}
    if node.type == "date":
        return _day(str(attrs.get("timestamp", "")))
    value = attrs.get(_INLINE_TEXT[node.type]) or attrs.get("shortName") or attrs.get("id") or ""
    return str(value)


def _day(timestamp_ms: str) -> str:
    try:
        return datetime.fromtimestamp(int(timestamp_ms) / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return timestamp_ms
