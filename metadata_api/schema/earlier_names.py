"""Documents that use the type names of earlier versions of the schema are answered all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import TypeInfo, TypeInfoVisitor, Visitor, visit
from graphql.language import FieldNode, NamedTypeNode, NameNode
from strawberry.extensions import SchemaExtension

from metadata_api.schema.vendor_filters import EARLIER_FILTER_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import DocumentNode, GraphQLSchema

EARLIER_NAMES = {
    "RegisterEndpointInput": "EndpointInput",
    "EndpointTestResult": "TestResult",
    "EndpointTemplate": "MetadataEndpointTemplate",
    "EndpointField": "MetadataEndpointField",
    "MetadataDataset": "CatalogDataset",
    "DatasetPreview": "CatalogDatasetPreview",
    **EARLIER_FILTER_NAMES,
}
"""Name of a type in earlier versions to its name now."""
_TEMPLATE = EARLIER_NAMES["EndpointTemplate"]


class EarlierNames(SchemaExtension):
    """Puts today's names into a parsed document; places in the text stay what they were."""

    def on_parse(self) -> Iterator[None]:
        """After parsing, before validation."""
        yield
        context = self.execution_context
        if context.graphql_document is not None:
            context.graphql_document = with_names_of_today(context.graphql_document, context.schema._schema)  # noqa: SLF001 - strawberry offers no other way to the schema itself


def with_names_of_today(document: DocumentNode, schema: GraphQLSchema) -> DocumentNode:
    """The document with the names that types have now."""
    types = TypeInfo(schema)
    renamed = visit(document, _Types())
    answered: DocumentNode = visit(renamed, TypeInfoVisitor(types, _Capabilities(types)))
    return answered


class _Types(Visitor):
    def enter_named_type(self, node: NamedTypeNode, *_: Any) -> NamedTypeNode | None:
        name = EARLIER_NAMES.get(node.name.value)
        return None if name is None else NamedTypeNode(name=NameNode(value=name, loc=node.name.loc), loc=node.loc)


class _Capabilities(Visitor):
    """Capabilities of a template were a list of texts: without a selection they still are."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        parent = self._types.get_parent_type()
        if node.name.value != "capabilities" or node.selection_set or parent is None or parent.name != _TEMPLATE:
            return None
        return FieldNode(
            alias=node.alias or node.name,
            name=NameNode(value="capabilityKeys", loc=node.name.loc),
            arguments=node.arguments,
            directives=node.directives,
            selection_set=None,
            loc=node.loc,
        )
