"""Names of namespaces, tables and columns: what is refused, and how they become paths.

The limit of 63 bytes is ours, the same as of every sink: a table can be copied to a database later. Iceberg itself
sets none; the SQL catalog keeps 255 characters.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from contracts.errors import SinkNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 63
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")

Identifier = tuple[str, str]
"""Namespace and name of a table."""


def check_names(names: Iterable[str]) -> None:
    """Refuse what cannot be a name.

    Raises:
        SinkNameError: It is empty, too long, or holds NUL.
    """
    for name in names:
        size = len(name.encode())
        if not name or "\0" in name or size > MAX_BYTES:
            raise SinkNameError(
                f"{name[:80]!r} cannot be a name here ({size} bytes)",
                f"Names have 1 to {MAX_BYTES} bytes and no NUL: rename it, or set another target.",
                name=name[:80],
                size_bytes=size,
            )


def identifier(namespace: str, name: str) -> Identifier:
    """As the catalog is asked for the table; pyiceberg refuses a namespace of blanks alone, which is spelled out."""
    check_names((namespace, name))
    return (namespace if namespace.strip() else "".join(f"_x{ord(sign):02x}" for sign in namespace), name)


def folder(table: Identifier) -> str:
    """A path for the table that every file system and every reader takes; different tables have different paths."""
    return "/".join(_safe(part) for part in table)


def _safe(part: str) -> str:
    plain = _UNSAFE.sub("_", part)
    if plain == part and not part.startswith("."):
        return part
    return f"{plain.lstrip('.')}-{hashlib.sha256(part.encode()).hexdigest()[:12]}"
