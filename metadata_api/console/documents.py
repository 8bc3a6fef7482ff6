"""The console's GraphQL operations by name, each as a document of its own."""

from __future__ import annotations

from pathlib import Path

from graphql import OperationDefinitionNode, parse, print_ast

_FILE = Path(__file__).parent / "operations.graphql"

DOCUMENTS = {
    node.name.value: print_ast(node)
    for node in parse(_FILE.read_text(), no_location=True).definitions
    if isinstance(node, OperationDefinitionNode) and node.name is not None
}
"""Operation name to document."""
