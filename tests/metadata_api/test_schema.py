"""What clients are promised: docs/schema.graphql is the schema, and it only ever grows."""

from __future__ import annotations

from pathlib import Path

from graphql import build_schema
from graphql.utilities import find_breaking_changes

from metadata_api.schema.build import sdl

ROOT = Path(__file__).parents[2]
PROMISED = ROOT / "docs" / "schema.graphql"
CONTRACT = Path(__file__).parent / "contract.graphql"


def test_the_file_is_the_schema() -> None:
    assert PROMISED.read_text() == sdl(), "run: python -m metadata_api.schema > docs/schema.graphql"


def test_nothing_the_platform_calls_is_gone() -> None:
    broken = find_breaking_changes(build_schema(CONTRACT.read_text()), build_schema(sdl()))
    assert [each.description for each in broken] == []


def test_a_broken_promise_would_be_seen() -> None:
    for old, new in (
        ("ingestionSinks:", "sinks:"),
        ("sinkId: String, sinkEndpointId", "sinkId: String!, sinkEndpointId"),
    ):
        changed = CONTRACT.read_text().replace(old, new, 1)
        assert changed != CONTRACT.read_text()
        assert find_breaking_changes(build_schema(CONTRACT.read_text()), build_schema(changed))


def test_vendors_are_named_in_one_file() -> None:
    named = {
        path.name
        for path in (ROOT / "metadata_api").rglob("*.py")
        for word in ("jira", "confluence", "onedrive")
        if word in path.read_text().lower()
    }
    assert named == {"vendor_filters.py"}
