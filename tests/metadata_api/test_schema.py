"""What clients are promised: docs/schema.graphql is the schema, and documents that it answered it still answers."""

from __future__ import annotations

from pathlib import Path

from graphql import GraphQLField, GraphQLObjectType, GraphQLOutputType, build_schema, get_named_type, parse, validate
from graphql.utilities import find_breaking_changes

from metadata_api.schema.build import SCHEMA, sdl
from metadata_api.schema.earlier_names import EARLIER_NAMES, with_names_of_today

ROOT = Path(__file__).parents[2]
PROMISED = ROOT / "docs" / "schema.graphql"
CONTRACT = Path(__file__).parent / "contract.graphql"
FIRST = Path(__file__).parent / "first_schema.graphql"
"""What docs/schema.graphql was before it took the platform's names."""
CONDITIONS = EARLIER_NAMES.keys() - {"MetadataDataset"}
"""Types that conditions of fragments name otherwise now; a provisioned table is more than a dataset now."""


def test_the_file_is_the_schema() -> None:
    assert PROMISED.read_text() == sdl(), "run: python -m metadata_api.schema > docs/schema.graphql"


def test_nothing_the_platform_calls_is_gone() -> None:
    broken = find_breaking_changes(build_schema(CONTRACT.read_text()), build_schema(sdl()))
    assert [each.description for each in broken] == []


def test_a_broken_promise_would_be_seen() -> None:
    for old, new in (
        ("ingestionSinks:", "sinks:"),
        ("unitId: ID!, sinkId: String)", "unitId: ID!, sinkId: String!)"),
        ("sinkId: String!\n", "sinkId: String\n"),
    ):
        changed = CONTRACT.read_text().replace(old, new, 1)
        assert changed != CONTRACT.read_text()
        assert find_breaking_changes(build_schema(CONTRACT.read_text()), build_schema(changed))


def test_documents_for_the_first_schema_are_still_answered() -> None:
    first, now = build_schema(FIRST.read_text()), SCHEMA._schema
    for root in (first.query_type, first.mutation_type):
        for name, field in root.fields.items():
            kind = "query" if root is first.query_type else "mutation"
            document = parse(_whole(kind, name, field))
            assert validate(first, document) == []
            assert validate(now, with_names_of_today(document, now)) == [], name


def _whole(kind: str, name: str, field: GraphQLField) -> str:
    """An operation that gives every argument of the field as a variable, and asks for all there is."""
    variables = ", ".join(f"${each}: {argument.type}" for each, argument in field.args.items())
    given = ", ".join(f"{each}: ${each}" for each in field.args)
    return f"{kind}({variables}) {{ {name}({given}) {_selection(field.type)} }}".replace("()", "")


def _selection(of: GraphQLOutputType) -> str:
    held = get_named_type(of)
    if not isinstance(held, GraphQLObjectType):
        return ""
    inside = f"{{ {' '.join(f'{name} {_selection(each.type)}' for name, each in held.fields.items())} }}"
    return f"{{ ... on {held.name} {inside} }}" if held.name in CONDITIONS else inside


def test_vendors_are_named_in_one_file() -> None:
    named = {
        path.name
        for path in (ROOT / "metadata_api").rglob("*.py")
        for word in ("jira", "confluence", "onedrive")
        if word in path.read_text().lower()
    }
    assert named == {"vendor_filters.py"}
