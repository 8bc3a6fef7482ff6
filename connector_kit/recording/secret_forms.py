"""How one secret can look in a request or an answer: as it is, percent-encoded, escaped in JSON, inside base64.

A pattern takes each character in any of its encodings, because encoders differ in which characters they leave alone.
Base64 is found at all three alignments, so that a secret is seen inside ``Basic base64(user:secret)`` and other text.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Form = tuple[str, re.Pattern[str]]
"""A needle that every match holds, which makes the search quick, and the pattern."""

_SHORT = {"\n": "n", "\t": "t", "\r": "r", "\b": "b", "\f": "f"}
_CODECS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")


def forms_of(secret: str) -> list[Form]:
    """Patterns for every form of the secret in text."""
    data = secret.encode("utf-8", "surrogatepass")
    return [_form(secret, _any_encoding), *(_form(_core(data, offset), _in_base64) for offset in range(3))]


def in_bytes(secret: str) -> list[bytes]:
    """The secret as bodies that are not UTF-8 may hold it, longest first."""
    forms = {_encoded(secret, codec) for codec in _CODECS} - {b""}
    return sorted(forms, key=lambda one: (-len(one), one))


def _encoded(secret: str, codec: str) -> bytes:
    try:
        return secret.encode(codec)
    except UnicodeEncodeError:
        return b""  # what cannot be written in a codec is not there in it


def _form(plain: str, encode: Callable[[str], str]) -> Form:
    needle = max(re.findall(r"[A-Za-z0-9]*", plain), key=len)
    return needle, re.compile("".join(encode(char) for char in plain))


def _core(data: bytes, offset: int) -> str:
    """The characters of base64 that depend on the secret alone when ``offset`` bytes (mod 3) stand before it."""
    coded = base64.b64encode(bytes(offset) + data + bytes(3)).decode()
    return coded[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]


def _any_encoding(char: str) -> str:
    """The character plain, percent-encoded (more than once, too), or as an escape of JSON (in JSON in JSON, too)."""
    data = char.encode("utf-8", "surrogatepass")
    percent = "(?i:" + "".join(f"%(?:25)*{byte:02X}" for byte in data) + ")"
    units = char.encode("utf-16-be", "surrogatepass")
    escape = "".join(rf"\\{{1,3}}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    ways = [re.escape(char), percent, f"(?i:{escape})"]
    if char in _SHORT:
        ways.append(rf"\\{{1,3}}{_SHORT[char]}")
    if char in '"/':
        ways.append(rf"\\{{1,3}}{char}")
    if char == "\\":
        ways.insert(0, r"\\{1,4}")
    if char == " ":
        ways.append(r"\+")
    return "(?:" + "|".join(ways) + ")"


def _in_base64(char: str) -> str:
    """The character in either alphabet of base64, percent-encoded or escaped where it is no letter."""
    if char in "+-":
        return r"(?:[+-]|(?i:%(?:25)*2B))"
    if char in "/_":
        return r"(?:\\{0,3}/|_|(?i:%(?:25)*2F))"
    return char
