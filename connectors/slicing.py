"""How many keys one slice names: its parameters travel in a task's inputs, which have to stay small."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import JsonValue

T = TypeVar("T", bound="JsonValue")
MAX_PARAMS_BYTES = 32 * 1024
"""A slice's parameters, as JSON, are smaller than this."""
MAX_KEYS_BYTES = MAX_PARAMS_BYTES - 2 * 1024
"""What is left for keys: the other parameters are a query and a sentence."""


def key_chunks(keys: Iterable[T], max_keys: int, max_bytes: int = MAX_KEYS_BYTES) -> Iterator[list[T]]:
    """The keys in order, in lists of at most ``max_keys`` whose JSON has at most ``max_bytes`` bytes.

    A key that is larger than that is in a list of its own. The same keys always make the same lists.
    """
    chunk: list[T] = []
    size_bytes = 0
    for key in keys:
        # Escaped and with its separator: no writer of JSON needs more.
        key_bytes = len(json.dumps(key)) + 2
        if chunk and (len(chunk) == max_keys or size_bytes + key_bytes > max_bytes):
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(key)
        size_bytes += key_bytes
    if chunk:
        yield chunk
