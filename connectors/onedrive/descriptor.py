"""What the template ``http.onedrive`` says of itself."""

from __future__ import annotations

from connectors.http.registration import describe
from connectors.onedrive.config import OneDriveConfig
from connectors.onedrive.scope import SELECTORS
from connectors.onedrive.units import UNITS

DESCRIPTOR = describe(
    "onedrive",
    "OneDrive and SharePoint",
    "Drives, items, versions and permissions of OneDrive and SharePoint, over Microsoft Graph v1.0.",
    OneDriveConfig,
    UNITS,
    capabilities=("ingest.filter_options",),
    docs_url="docs/connectors/onedrive.md",
    auth_modes=("client_credentials", "access_token"),
    aliases=("onedrive.http",),
    selectors=SELECTORS,
)
