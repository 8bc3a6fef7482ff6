"""Endpoints as saved blocks: their id is the block's name, their template the block's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.load_config import load_config
from contracts.errors import ConfigInvalidError, EndpointUnknownError
from flows.blocks import types as blocks
from flows.prefect_api.client import AlreadyThereError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.prefect_api.block_documents import BlockDocuments, Document


class EndpointEntry(NamedTuple):
    """One registered endpoint, secrets left out."""

    endpoint_id: str
    template_id: str
    fields: dict[str, Any]
    """What was configured; secrets read ``********``."""


class Endpoints:
    """What operators registered. Every method raises ControlPlaneError when the Prefect API does not answer."""

    def __init__(self, documents: BlockDocuments) -> None:
        self._documents = documents

    def add(
        self, endpoint_id: str, template_id: str, config: Mapping[str, Any], *, replace: bool = False
    ) -> EndpointEntry:
        """Check the config and save it; nothing is contacted.

        Raises:
            ConfigInvalidError: The id or a field is malformed, or the id is taken and ``replace`` is False.
            EndpointUnknownError: There is no such template.
        """
        template_id = blocks.factory_of(template_id).descriptor.template_id
        checked = load_config(blocks.factory_of(template_id).config_class, config, template_id)
        kind, data = blocks.endpoint_block(template_id), blocks.plain_fields(checked)
        document = self._find(blocks.check_id(endpoint_id))
        if document is not None and not (replace and document.slug == kind.get_block_type_slug()):
            raise _taken(endpoint_id, document)
        try:
            if document is None:
                self._documents.create(kind, endpoint_id, data)
            else:
                self._documents.replace(kind, document.id, data)
        except AlreadyThereError:
            raise _taken(endpoint_id, document) from None
        return EndpointEntry(endpoint_id, template_id, blocks.masked(kind, data))

    def get(self, endpoint_id: str) -> tuple[str, Any]:
        """Template id and config, secrets inside.

        Raises:
            EndpointUnknownError: No endpoint has that id.
            ConfigInvalidError: It was edited so that its fields make no config.
        """
        document = self._find(endpoint_id, secrets=True)
        if document is None:
            raise _unknown(endpoint_id)
        template_id = blocks.template_slugs()[document.slug]
        return template_id, blocks.config_of(template_id, document.data)

    def template(self, endpoint_id: str) -> str:
        """Template id of the endpoint; raises EndpointUnknownError."""
        document = self._find(endpoint_id)
        if document is None:
            raise _unknown(endpoint_id)
        return blocks.template_slugs()[document.slug]

    def list(self) -> tuple[EndpointEntry, ...]:
        """Every endpoint by id, secrets masked."""
        templates = blocks.template_slugs()
        matching = self._documents.find([*templates])
        entries = [EndpointEntry(each.name, templates[each.slug], each.data) for each in matching]
        return tuple(sorted(entries, key=lambda entry: entry.endpoint_id))

    def remove(self, endpoint_id: str) -> bool:
        """Forget the endpoint; False when there was none. Its state stays."""
        document = self._find(endpoint_id)
        if document is not None:
            self._documents.delete(document.id)
        return document is not None

    def _find(self, endpoint_id: str, *, secrets: bool = False) -> Document | None:
        matching = self._documents.find([*blocks.template_slugs()], name=endpoint_id, secrets=secrets)
        return next(iter(matching), None)


def _unknown(endpoint_id: str) -> EndpointUnknownError:
    return EndpointUnknownError(
        f"No endpoint is registered as {endpoint_id!r}",
        "`nucleus endpoint list` shows what there is; `nucleus endpoint add` registers one.",
        endpoint_id=endpoint_id,
    )


def _taken(endpoint_id: str, document: Document | None) -> ConfigInvalidError:
    as_what = "" if document is None else f" as {blocks.template_slugs()[document.slug]}"
    return ConfigInvalidError(
        f"An endpoint {endpoint_id!r} is registered{as_what} already",
        "Choose another id, remove that one first, or replace it with the same template.",
        endpoint_id=endpoint_id,
    )
