"""One exchange as a line of JSON, and back.

A body that is JSON on one line stands in the line as it is, to the last digit: ``{"json": …}``. Other text is a string,
and what is no UTF-8 is ``{"base64": …}``.
"""

from __future__ import annotations

import msgspec

Pairs = tuple[tuple[str, str], ...]


class Bytes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body that is no text."""

    base64: str


Body = str | Bytes


class Exchange(msgspec.Struct, frozen=True):
    """What was asked (``sent`` is the request's body) and answered; header names in lower case."""

    method: str
    path: str
    query: Pairs
    sent: Body
    status: int
    headers: dict[str, str]
    body: Body


class _Json(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    json: msgspec.Raw


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    method: str
    path: str
    query: Pairs
    sent: msgspec.Raw
    status: int
    headers: dict[str, str]
    body: msgspec.Raw


_line = msgspec.json.Decoder(_Line).decode
_json = msgspec.json.Decoder(_Json).decode
_plain = msgspec.json.Decoder(Body).decode


def written(one: Exchange) -> bytes:
    """The line, without its end."""
    return msgspec.json.encode(
        _Line(one.method, one.path, one.query, _packed(one.sent), one.status, one.headers, _packed(one.body))
    )


def read(line: bytes) -> Exchange:
    """The exchange.

    Raises:
        ValueError: The line holds something else.
    """
    got = _line(line)
    return Exchange(got.method, got.path, got.query, _unpacked(got.sent), got.status, got.headers, _unpacked(got.body))


def _packed(body: Body) -> msgspec.Raw:
    if isinstance(body, str) and _is_json_line(body):
        return msgspec.Raw(b'{"json":' + body.encode() + b"}")
    return msgspec.Raw(msgspec.json.encode(body))


def _is_json_line(text: str) -> bool:
    """An object or a list that comes back from the line as it went in."""
    if text[:1] not in {"{", "["} or "\n" in text or "\r" in text or text != text.strip():
        return False
    try:
        msgspec.json.decode(text)
    except ValueError:
        return False
    return True


def _unpacked(body: msgspec.Raw) -> Body:
    data = bytes(body)
    return bytes(_json(data).json).decode() if data.startswith(b'{"json":') else _plain(data)
