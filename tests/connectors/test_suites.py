"""No connector without its suites: every registered template has a test file that subclasses them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from connectors.registry import BUILT_IN, EndpointRegistry

HERE = Path(__file__).parent
SUITES = {"source": "SourceSuite", "sink": "SinkSuite"}
NEEDED = [
    (descriptor.template_id, role)
    for descriptor in EndpointRegistry(third_parties=lambda: ()).descriptors()
    for role in descriptor.roles
]


@pytest.mark.parametrize(("template_id", "role"), NEEDED)
def test_every_template_has_its_suites(template_id, role):
    room = BUILT_IN[template_id].split(".")[1]
    bases = {
        ast.unparse(base)
        for path in (HERE / room).glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    assert SUITES[role] in bases, f"tests/connectors/{room}/ has no subclass of {SUITES[role]}"


def test_there_is_something_to_test():
    assert ("jdbc.postgres", "source") in NEEDED
    assert EndpointRegistry(third_parties=lambda: ()).broken() == ()
