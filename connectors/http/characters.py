"""Answers whose text is not whole: halves of surrogate pairs and bytes that are no UTF-8 become U+FFFD.

Services store what a user pasted, so one text can hold half an emoji. JSON allows its escape, but no text column can
hold it; without a repair the page that contains it could never be read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_REPLACEMENT = rb"\ufffd"


def with_whole_characters(body: bytes) -> bytes:
    """The JSON text as UTF-8 in which escaped surrogates come in pairs; the same bytes where nothing is wrong."""
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode("utf-8", "replace").encode()
    if rb"\ud" not in body and rb"\uD" not in body:
        return body
    return _ESCAPE.sub(lambda escape: _REPLACEMENT if escape["half"] else escape[0], body)


def decoder(kind: type[T]) -> Callable[[bytes], T]:
    """Decodes JSON to a type, with characters repaired."""
    decode = msgspec.json.Decoder(kind).decode
    return lambda body: decode(with_whole_characters(body))
