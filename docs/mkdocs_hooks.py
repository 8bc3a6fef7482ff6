"""For mkdocs: a link that leaves the documentation leads to a file of the repository, so its path is named instead."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

_LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:)([^)#]+)[^)]*\)")


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """``[the example](../tests/x.py)`` as ``the example (`tests/x.py`)``."""
    folder = PurePosixPath("docs") / PurePosixPath(page.file.src_uri).parent

    def named(link: re.Match[str]) -> str:
        path = _resolved(folder / link[2])
        return link[0] if path.parts[0] == "docs" else f"{link[1]} (`{path}`)"

    return _LINK.sub(named, markdown)


def _resolved(path: PurePosixPath) -> PurePosixPath:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)
