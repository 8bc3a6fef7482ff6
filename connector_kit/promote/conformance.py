"""The test that is written beside a promoted connector: every check of the kit, over the notebook's test system."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_kit.promote.layout import ConnectorLayout

_TEST = '''"""What every source over HTTP promises, checked for ``{template_id}``."""

from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from {system} import {camel}TestSystem


class Test{camel}(ConnectorSuite):
    system_class = {camel}TestSystem
'''
_THEIRS = """

def test_it_is_registered():
    assert EndpointRegistry().get("{template_id}").descriptor.template_id == "{template_id}"
"""


def test_text(layout: ConnectorLayout, template_id: str) -> str:
    """The text of the test module; a third party's also asks whether the entry point is installed."""
    text = _TEST.format(system=layout.dotted("system"), camel=layout.camel, template_id=template_id)
    if layout.ours:
        return text
    suite = "from connector_kit.checks.pytest_suite import ConnectorSuite\n"
    registry = suite + "from connectors.registry import EndpointRegistry\n"
    return text.replace(suite, registry) + _THEIRS.format(template_id=template_id)
