"""A look at a unit: what is at the top of the drives, without reading a feed to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.onedrive.drives import find_drives
from connectors.onedrive.reading import children_of
from connectors.onedrive.rows import drive_row, frame_of, item_row, permission_row, stripped, version_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from connectors.onedrive.client import GraphClient
    from connectors.onedrive.rows import Payload
    from connectors.onedrive.scope import DriveScope


def preview_rows(client: GraphClient, unit: str, scope: DriveScope, limit: int) -> pl.DataFrame:
    """The first rows.

    Raises:
        Refusal: Graph refuses.
    """
    client.login()
    rows: list[Payload] = []
    for row in _rows(client, unit, scope):
        if len(rows) >= limit:
            break
        rows.append(row)
    return frame_of(unit, rows)


def _rows(client: GraphClient, unit: str, scope: DriveScope) -> Iterator[Payload]:
    found = find_drives(client, scope)
    for drive_id, payload in found.payloads.items():
        if unit == "drive":
            yield drive_row(bytes(payload))
            continue
        for item in _top(client, drive_id):
            if unit == "item":
                yield item
            elif unit == "permission" or item["kind"] == "file":
                made = version_row if unit == "version" else permission_row
                for one in children_of(client, drive_id, item["item_id"], f"{unit}s"):
                    yield made(drive_id, item["item_id"], one)


def _top(client: GraphClient, drive_id: str) -> Iterator[Payload]:
    yield item_row(drive_id, stripped(client.item(drive_id, "root")), "/")
    for page in client.of_item(drive_id, "root", "children"):
        for payload in page:
            row = item_row(drive_id, stripped(payload), "/")
            yield row | {"path": f"/{row['name']}"}
