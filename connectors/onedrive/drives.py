"""Which drives there are: those of the config, found now, and those of them that a unit selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from connectors.http.client import Refusal
from connectors.onedrive.errors import UNSEEN
from connectors.onedrive.rows import without_addresses
from contracts.endpoint import FilterOption

if TYPE_CHECKING:
    from connectors.onedrive.client import GraphClient
    from connectors.onedrive.scope import DriveScope


class _DriveName(msgspec.Struct):
    id: str
    name: str = ""
    driveType: str = ""  # noqa: N815 - Graph's name
    webUrl: str = ""  # noqa: N815 - Graph's name


class FoundDrives(NamedTuple):
    """Drives.

    Attributes:
        payloads: By drive id, in order.
        unseen: Drives, users and sites that are configured and cannot be seen, with Graph's words.
    """

    payloads: dict[str, msgspec.Raw]
    unseen: dict[str, str]


def find_drives(client: GraphClient, scope: DriveScope | None = None) -> FoundDrives:
    """The endpoint's drives, those that the scope selects. What it selects beside them is unseen.

    Raises:
        SourceAuthError: The login does not count.
        Refusal: Graph refuses for another reason than 403 or 404.
    """
    config = client.config
    found: dict[str, msgspec.Raw] = {}
    unseen: dict[str, str] = {}
    owners = [*(f"users/{one}" for one in config.user_ids), *(f"sites/{one}" for one in config.site_ids)]
    if not owners and not config.drive_ids:
        owners = ["me"]
    for drive_id in config.drive_ids:
        try:
            payload = client.drive(drive_id)
            found[msgspec.json.decode(payload, type=_DriveName).id] = payload
        except Refusal as refusal:
            _note(unseen, drive_id, refusal)
    for owner in owners:
        try:
            for page in client.drives_of(owner):
                found |= {msgspec.json.decode(one, type=_DriveName).id: one for one in page}
        except Refusal as refusal:
            _note(unseen, owner, refusal)
    if scope is not None and scope.drive_ids:
        chosen = set(scope.drive_ids)
        unseen = {one: why for one, why in unseen.items() if one in chosen or (chosen - found.keys())}
        unseen |= dict.fromkeys(chosen - found.keys() - unseen.keys(), "it is none of the endpoint's drives")
        found = {one: payload for one, payload in found.items() if one in chosen}
    return FoundDrives(dict(sorted(found.items())), dict(sorted(unseen.items())))


def drive_options(client: GraphClient) -> tuple[FilterOption, ...]:
    """The endpoint's drives as options of a selector, ordered by label."""
    drives = [msgspec.json.decode(one, type=_DriveName) for one in find_drives(client).payloads.values()]
    made = [
        FilterOption(value=one.id, label=one.name or one.id, details=without_addresses(_details(one))) for one in drives
    ]
    return tuple(sorted(made, key=lambda one: (one.label, one.value)))


def _details(drive: _DriveName) -> dict[str, str]:
    return {name: value for name, value in (("type", drive.driveType), ("url", drive.webUrl)) if value}


def _note(unseen: dict[str, str], what: str, refusal: Refusal) -> None:
    if refusal.status not in UNSEEN:
        raise refusal
    unseen[what] = str(refusal)
