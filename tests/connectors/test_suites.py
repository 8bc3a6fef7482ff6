"""No connector without its suites: every registered template has a test file that subclasses them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from connectors.registry import BUILT_IN, EndpointRegistry

HERE = Path(__file__).parent


def suite_of(descriptor, role: str) -> str:
    """Which suite a template's source or sink passes, by what it declares."""
    if role == "sink":
        return "CdmSinkSuite" if "sink.cdm" in descriptor.capabilities else "SinkSuite"
    return "SourceSuite" if "ingest.consistent_view" in descriptor.capabilities else "ConnectorSuite"


NEEDED = [
    (descriptor.template_id, suite_of(descriptor, role))
    for descriptor in EndpointRegistry(third_parties=lambda: ()).descriptors()
    for role in descriptor.roles
]


@pytest.mark.parametrize(("template_id", "suite"), NEEDED)
def test_every_template_has_its_suites(template_id, suite):
    room = BUILT_IN[template_id].split(".")[1]
    bases = {
        ast.unparse(base)
        for path in (HERE / room).glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    assert suite in bases, f"tests/connectors/{room}/ has no subclass of {suite}"


def test_there_is_something_to_test():
    assert ("jdbc.postgres", "SourceSuite") in NEEDED
    assert EndpointRegistry(third_parties=lambda: ()).broken() == ()
