"""Which operation of a document is executed: the only one, or the one that the request names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, ValidationRule
from strawberry.extensions import SchemaExtension

if TYPE_CHECKING:
    from collections.abc import Iterator


class OperationNameRequired(SchemaExtension):
    """Refuses a document of several operations when the request names none; Strawberry would execute the first.

    https://spec.graphql.org/October2021/#GetOperation()
    """

    def on_operation(self) -> Iterator[None]:
        """Add the rule to those of this request."""
        context = self.execution_context
        if not context.context.names_operation:
            context.validation_rules = (*context.validation_rules, _OnlyOneOperation)
        yield


class _OnlyOneOperation(ValidationRule):
    def enter_document(self, node: DocumentNode, *_: Any) -> None:
        operations = [each for each in node.definitions if isinstance(each, OperationDefinitionNode)]
        if len(operations) > 1:
            message = "The document has several operations and the request names none. Send operationName."
            self.report_error(GraphQLError(message, operations[1:]))
