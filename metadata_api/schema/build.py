"""The schema with its limits, and its text for ``docs/schema.graphql``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry.extensions import MaxAliasesLimiter, MaxTokensLimiter, QueryDepthLimiter

from metadata_api.schema.earlier_names import EarlierNames
from metadata_api.schema.mutations import Mutation
from metadata_api.schema.operations import OperationNameRequired
from metadata_api.schema.queries import QueryRoot

if TYPE_CHECKING:
    from graphql import GraphQLError
    from strawberry.types import ExecutionContext

MOST_DEEP = 12
"""The usual introspection query is eleven deep."""
MOST_ALIASES = 30
MOST_TOKENS = 2_000


class QuietSchema(strawberry.Schema):
    """Errors are formatted by `graphql_view` alone; Strawberry's own log would print what they hold."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: see the class."""


SCHEMA = QuietSchema(
    query=QueryRoot,
    mutation=Mutation,
    extensions=[
        OperationNameRequired,
        lambda: QueryDepthLimiter(max_depth=MOST_DEEP),
        lambda: MaxAliasesLimiter(max_alias_count=MOST_ALIASES),
        lambda: MaxTokensLimiter(max_token_count=MOST_TOKENS),
        EarlierNames,
    ],
)


def sdl() -> str:
    """The schema in its own language."""
    return SCHEMA.as_str() + "\n"
