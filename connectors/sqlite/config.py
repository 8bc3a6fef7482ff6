"""What an operator says about a SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SqliteConfig(BaseModel):
    """Where the file is. A ``url`` fills ``path``."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str | None = Field(
        None, description="sqlite:///relative/path or sqlite:////absolute/path; takes the place of path."
    )
    path: Path = Field(Path("database.db"), description="The database file.")
    lock_timeout_s: float = Field(
        5.0, ge=0.0, description="Seconds to wait for writers when a view is opened, and for locks of a read."
    )
    readers: int = Field(8, ge=1, le=64, description="Connections that share the view of a run.")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_url(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("url"):
            return data
        parts = urlsplit(str(data["url"]))
        if parts.scheme != "sqlite" or parts.netloc or len(parts.path) < 2:
            raise ValueError("url must be sqlite:///relative/path or sqlite:////absolute/path")
        return {**data, "path": unquote(parts.path[1:])}
