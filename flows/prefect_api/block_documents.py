"""Block documents by the cheap calls of the API: a name, a type, a JSON object.

``Block.save`` registers the whole schema tree every time (a fifth of a second and more); here a type is looked up
once per process and a document is one call.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prefect.blocks.core import Block

    from flows.prefect_api.client import ControlPlane

_PAGE = 100


class Document(NamedTuple):
    """One saved block."""

    id: str
    name: str
    slug: str
    """Of its type."""
    data: dict[str, Any]


class BlockDocuments:
    """Documents of any type; safe between threads. Every method raises ControlPlaneError."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._ids: dict[str, tuple[str, str]] = {}
        self._lock = Lock()

    def get(self, slug: str, name: str) -> Document | None:
        """The document, secrets in the clear, or None."""
        path = f"/block_types/slug/{slug}/block_documents/name/{name}"
        document = self._plane.call("GET", path, params={"include_secrets": True})
        return None if document is None else Document(document["id"], document["name"], slug, document["data"])

    def find(
        self, slugs: Sequence[str], *, name: str | None = None, like: str | None = None, secrets: bool = False
    ) -> Iterator[Document]:
        """Documents of these types, of that name or with a name that contains ``like``; by name."""
        names = {**({} if name is None else {"any_": [name]}), **({"like_": like} if like else {})}
        body = {
            "block_types": {"slug": {"any_": list(slugs)}},
            "block_documents": {"is_anonymous": {"eq_": False}, **({"name": names} if names else {})},
            "include_secrets": secrets,
            "limit": _PAGE,
        }
        offset = 0
        while page := self._plane.call("POST", "/block_documents/filter", {**body, "offset": offset}):
            yield from (_document(document) for document in page)
            if len(page) < _PAGE:
                return
            offset += _PAGE

    def create(self, kind: type[Block], name: str, data: Mapping[str, Any]) -> Document:
        """Save a new document; raises AlreadyThereError when the name is taken. Atomic."""
        type_id, schema_id = self._registered(kind)
        body = {"name": name, "data": dict(data), "block_type_id": type_id, "block_schema_id": schema_id}
        made = self._plane.call("POST", "/block_documents/", body)
        return Document(made["id"], name, kind.get_block_type_slug(), dict(data))

    def replace(self, kind: type[Block], document_id: str, data: Mapping[str, Any]) -> bool:
        """Put ``data`` in place of what the document holds, under today's schema; False when it is gone."""
        _, schema_id = self._registered(kind)
        body = {"data": dict(data), "block_schema_id": schema_id, "merge_existing_data": False}
        return self._plane.call("PATCH", f"/block_documents/{document_id}", body) is not None

    def delete(self, document_id: str) -> None:
        """Remove the document; removing what is gone already is no error."""
        self._plane.call("DELETE", f"/block_documents/{document_id}")

    def register(self, kind: type[Block]) -> None:
        """Make the type and today's schema known to the server."""
        self._registered(kind)

    def _registered(self, kind: type[Block]) -> tuple[str, str]:
        """Ids of the type and of its schema as it is now; registered where the server lacks them."""
        slug = kind.get_block_type_slug()
        with self._lock:
            if slug not in self._ids:
                self._ids[slug] = self._known(kind, slug) or self._register(kind)
            return self._ids[slug]

    def _known(self, kind: type[Block], slug: str) -> tuple[str, str] | None:
        known_type = self._plane.call("GET", f"/block_types/slug/{slug}")
        schema = self._plane.call("GET", f"/block_schemas/checksum/{checksum(kind)}") if known_type else None
        return (known_type["id"], schema["id"]) if schema else None

    def _register(self, kind: type[Block]) -> tuple[str, str]:
        kind.register_type_and_schema(client=None)
        return str(kind._block_type_id), str(kind._block_schema_id)  # noqa: SLF001 - where Prefect leaves them


def checksum(kind: type[Block]) -> str:
    """What the server files the type's schema under."""
    return str(kind._calculate_schema_checksum())  # noqa: SLF001 - Prefect has no public name for it


def _document(document: dict[str, Any]) -> Document:
    return Document(document["id"], document["name"], document["block_type"]["slug"], document["data"])
