"""What a site holds. Moments are milliseconds since 1970, UTC."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
Piece = tuple[Any, ...]
"""One part of a body as it was meant: its kind, then what the kind needs (see ``bodies``)."""


def as_json(value: Any) -> bytes:
    """Compact; lone surrogates as escapes, as the product's serializer writes them."""
    return json.dumps(value, separators=(",", ":")).encode()


def moment(ms: int) -> datetime:
    """As a datetime, UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


def stamp(ms: int) -> str:
    """As v2 writes it: milliseconds and ``Z``."""
    return moment(ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


@dataclass
class ContentVersion:
    """One version of a page, comment or attachment; a comment has one text piece."""

    number: int
    created_ms: int
    author: str | None
    title: str
    pieces: tuple[Piece, ...] = ()
    message: str = ""
    minor: bool = False


@dataclass
class SpaceRecord:
    """A space; ``grants`` are (permission id, principal type, principal id, operation key, target type)."""

    space_id: int
    key: str
    name: str
    kind: str
    author: str
    created_ms: int
    description: str
    status: str = "current"
    home_id: int | None = None
    grants: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    labels: dict[int, int] = field(default_factory=dict)


@dataclass
class ContentRecord:
    """A page or a blog post; ``restrictions`` are (operation, user or group, principal id)."""

    content_id: int
    kind: str
    space_id: int
    author: str
    created_ms: int
    versions: list[ContentVersion]
    status: str = "current"
    parent_id: int | None = None
    parent_type: str | None = None
    position: int | None = None
    owner: str | None = None
    last_owner: str | None = None
    hidden: bool = False
    labels: dict[int, int] = field(default_factory=dict)
    """Label ids, and when each was added."""
    restrictions: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def last(self) -> ContentVersion:
        """The version that is shown."""
        return self.versions[-1]

    @property
    def title(self) -> str:
        """Of the last version."""
        return self.last.title


@dataclass
class CommentRecord:
    """A comment; its container is ``(page|blogpost|attachment|custom, id)``."""

    comment_id: int
    kind: str
    container: tuple[str, int]
    parent_id: int | None
    created_ms: int
    versions: list[ContentVersion]
    resolution: str | None = None
    selection: str | None = None

    @property
    def last(self) -> ContentVersion:
        """The version that is shown."""
        return self.versions[-1]


@dataclass
class AttachmentRecord:
    """An attachment; shown as ``att<id>``."""

    attachment_id: int
    container: tuple[str, int]
    media_type: str
    file_id: str
    size: int
    created_ms: int
    versions: list[ContentVersion]
    status: str = "current"
    labels: dict[int, int] = field(default_factory=dict)

    @property
    def last(self) -> ContentVersion:
        """The version that is shown."""
        return self.versions[-1]

    @property
    def name(self) -> str:
        """The id as the product writes it."""
        return f"att{self.attachment_id}"


@dataclass(frozen=True)
class LabelRecord:
    """A label of the site; the same name under another prefix is another label."""

    label_id: int
    name: str
    prefix: str
