"""What the Confluence tests share: runs of a stand-in's units into real sinks, and comparison with the site's data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.confluence.config import ConfluenceConfig
from connectors.confluence.source import ConfluenceSource
from tests.connectors.ingestion import SiteIngestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.unit import DataMode, IngestionMode
    from flows.stages.plan import RunRequest
    from sandbox.confluence import SandboxConfluence

QUICK = {"retry_pause_s": 0.005, "request_timeout_s": 5.0, "slice_pages": 20, "concurrency": 4, "max_tries": 30}
_MOMENT_SQL = 'YYYY-MM-DD"T"HH24:MI:SS.US'
UNITS = ("space", "page", "comment", "attachment", "version", "link", "label", "acl")


def settings_of(server: SandboxConfluence, **settings: Any) -> dict[str, Any]:
    """A config over the stand-in, quick to retry and with small slices."""
    return {"base_url": server.url, "email": server.email, "api_token": server.token, **QUICK, **settings}


def source_of(server: SandboxConfluence, **settings: Any) -> ConfluenceSource:
    """A source over the stand-in, quick to retry and with small slices."""
    return ConfluenceSource(ConfluenceConfig.model_validate(settings_of(server, **settings)))


class ConfluenceIngestion(SiteIngestion):
    """Runs of a site's units into one database, as raw rows or as a common model's."""

    def __init__(self, server: SandboxConfluence, sink_url: str, data_mode: DataMode = "raw", **settings: Any) -> None:
        super().__init__(source_of(server, **settings), sink_url, endpoint_id="wiki", data_mode=data_mode)
        self.server = server

    def request(self, name: str, mode: IngestionMode = "full", **policy: Any) -> RunRequest:
        """A unit that is always listed in full is, whatever the mode."""
        return super().request(name, mode if mode in self.unit(name).supported_modes else "full", **policy)

    def rows(self, name: str) -> dict[str, dict[str, Any]]:
        """Raw rows in the sink by key."""
        columns = self.unit(name).columns
        names = [one.name for one in columns]
        shown = [
            f"to_char({one.name} AT TIME ZONE 'UTC', '{_MOMENT_SQL}') AS {one.name}"
            if one.logical_type == "timestamptz"
            else one.name
            for one in columns
        ]
        found = self.query(f'SELECT {", ".join(shown)} FROM "{self.unit(name).dataset.namespace}".{name}')
        return {row[0]: dict(zip(names, row, strict=True)) for row in found}


def truth(mover: ConfluenceIngestion, name: str, spaces: Sequence[str] | None = None) -> dict[Any, dict[str, Any]]:
    """What the site holds, in comparable columns."""
    found = mover.server.site.truth(name, spaces=spaces)
    if name == "version":
        return {key: row for key, row in found.items() if row["content_type"] != "attachment"}
    return found


def held(mover: ConfluenceIngestion, name: str) -> dict[Any, dict[str, Any]]:
    """What the sink holds, by the keys of the truth."""
    rows = mover.rows(name)
    if name == "link":
        return {(row["content_id"], row["kind"], row["target"]): row for row in rows.values()}
    if name == "acl":
        return {
            key.partition(":")[2] if row["scope"] == "content" else key.split(":")[2]: row for key, row in rows.items()
        }
    return rows


def assert_equal(mover: ConfluenceIngestion, *names: str, spaces: Sequence[str] | None = None) -> None:
    """Entity by entity, field by field."""
    for name in names or UNITS:
        theirs, ours = truth(mover, name, spaces), held(mover, name)
        lost, extra = set(theirs) - set(ours), set(ours) - set(theirs)
        assert not lost, f"{name}: {len(lost)} lost, {sorted(lost)[:5]}"
        assert not extra, f"{name}: {len(extra)} not at the source, {sorted(extra)[:5]}"
        for key, row in theirs.items():
            different = {one: (row[one], ours[key][one]) for one in row if plain(row[one]) != plain(ours[key][one])}
            assert not different, f"{name} {key}: {different}"


def plain(value: Any) -> Any:
    """A value as both sides write it: text without NUL and halves of pairs, moments in UTC, lists as JSON."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    return value
