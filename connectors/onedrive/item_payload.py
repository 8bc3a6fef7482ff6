"""What columns need of an item's payload, decoded without what they do not need.

Source: Microsoft Graph v1.0, "driveItem resource type". Values are taken as they come and judged by their columns; a
facet that is no object is refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from connectors.http.errors import unexpected_payload


class ItemActor(msgspec.Struct, gc=False):
    """An identity."""

    id: Any = None
    displayName: Any = None  # noqa: N815 - Graph's name, as all below


class ItemActors(msgspec.Struct, gc=False):
    """An identity set; the first that there is counts, in this order."""

    user: ItemActor | None = None
    application: ItemActor | None = None
    device: ItemActor | None = None


class ItemHashes(msgspec.Struct, gc=False):
    """Of a file."""

    quickXorHash: Any = None  # noqa: N815


class ItemFile(msgspec.Struct, gc=False):
    """The facet of a file."""

    mimeType: Any = None  # noqa: N815
    hashes: ItemHashes | None = None


class ItemFolder(msgspec.Struct, gc=False):
    """The facet of a folder."""

    childCount: Any = None  # noqa: N815


class ItemPlace(msgspec.Struct, gc=False):
    """A reference to a parent."""

    id: Any = None
    driveId: Any = None  # noqa: N815


class RemoteItem(msgspec.Struct, gc=False):
    """The facet of an item that stands for one of another drive."""

    id: Any = None
    parentReference: ItemPlace | None = None  # noqa: N815


class ItemPayload(msgspec.Struct):
    """An item."""

    id: str
    name: Any = None
    size: Any = None
    createdBy: ItemActors | None = None  # noqa: N815
    lastModifiedBy: ItemActors | None = None  # noqa: N815
    createdDateTime: Any = None  # noqa: N815
    lastModifiedDateTime: Any = None  # noqa: N815
    eTag: Any = None  # noqa: N815
    cTag: Any = None  # noqa: N815
    webUrl: Any = None  # noqa: N815
    parentReference: ItemPlace | None = None  # noqa: N815
    file: ItemFile | None = None
    folder: ItemFolder | None = None
    remoteItem: RemoteItem | None = None  # noqa: N815
    package: Any = None
    root: Any = None
    shared: Any = None

    @property
    def kind(self) -> str:
        """``root``, ``remote``, ``package``, ``folder`` or ``file``: the first facet that there is."""
        if self.root is not None:
            return "root"
        if self.remoteItem is not None:
            return "remote"
        if self.package is not None:
            return "package"
        return "file" if self.folder is None else "folder"


_decode = msgspec.json.Decoder(ItemPayload, float_hook=Decimal).decode


def item_of(payload: bytes) -> ItemPayload:
    """An item.

    Raises:
        SourceValueError: It is no object with an id, or a facet is no object.
    """
    try:
        return _decode(payload)
    except msgspec.DecodeError as error:
        raise unexpected_payload("the drive", error) from error
