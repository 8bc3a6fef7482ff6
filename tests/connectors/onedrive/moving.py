"""What the OneDrive tests share: runs of a stand-in's units into real sinks, and comparison with its truth."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.onedrive.config import OneDriveConfig
from connectors.onedrive.source import OneDriveSource
from tests.connectors.ingestion import SiteIngestion

if TYPE_CHECKING:
    from contracts.unit import DataMode
    from sandbox.onedrive import SandboxOneDrive

QUICK = {"retry_pause_s": 0.005, "request_timeout_s": 5.0, "concurrency": 4, "max_tries": 30, "slice_items": 20}
UNITS = ("drive", "item", "version", "permission")
MOMENTS = {"created", "last_modified", "expires"}


def settings_of(server: SandboxOneDrive, **settings: Any) -> dict[str, Any]:
    """A config over all drives of the stand-in, quick to retry and with small pages and slices."""
    return {
        "base_url": server.url,
        "login_url": server.login_url,
        "tenant": server.tenant,
        "client_id": server.client_id,
        "client_secret": server.client_secret,
        "drive_ids": [one.drive_id for one in server.site.drives()],
        "page_size": 40,
        **QUICK,
        **settings,
    }


class DriveIngestion(SiteIngestion):
    """Runs of the drives' units into one database."""

    def __init__(
        self,
        server: SandboxOneDrive,
        sink_url: str,
        endpoint_id: str = "site",
        data_mode: DataMode = "raw",
        **settings: Any,
    ) -> None:
        source = OneDriveSource(OneDriveConfig.model_validate(settings_of(server, **settings)))
        super().__init__(source, sink_url, endpoint_id=endpoint_id, data_mode=data_mode)
        self.server = server

    def rows(self, name: str) -> dict[str, dict[str, Any]]:
        """Rows in the sink by key, without payload and address."""
        dataset = self.unit(name).dataset
        found = self.query(f'SELECT to_jsonb(t)::text AS r FROM "{dataset.namespace}"."{dataset.name}" t')
        columns = {column.name for column in dataset.columns} - {"url", "raw"}
        read = (json.loads(row[0]) for row in found)
        return {row["id"]: {one: _value(one, row[one]) for one in columns} for row in read}

    def differences(self, name: str, root_path: str | None = None) -> dict[str, Any]:
        """Keys whose rows are not as they are at the source: (ours, theirs), field by field."""
        drives = [one.drive_id for one in self.server.site.drives() if one.blocked is None]
        ours, theirs = self.rows(name), self.server.site.truth(name, drives, root_path)
        return {
            key: [
                (column, ours.get(key, {}).get(column), theirs.get(key, {}).get(column))
                for column in sorted({*ours.get(key, {}), *theirs.get(key, {})})
                if ours.get(key, {}).get(column) != theirs.get(key, {}).get(column)
            ]
            for key in ours.keys() | theirs.keys()
            if ours.get(key) != theirs.get(key)
        }


def _value(column: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if column in MOMENTS and value is not None else value


def assert_equal(mover: DriveIngestion, *names: str, root_path: str | None = None) -> None:
    """Row by row, field by field."""
    for name in names or UNITS:
        wrong = mover.differences(name, root_path)
        assert not wrong, f"{name}: {len(wrong)} differ: {[*wrong.items()][:2]}"
        assert mover.rows(name), name
