"""The test that is written beside a promoted connector: every check of the kit, over the notebook's test systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from connector_kit.promote.layout import ConnectorLayout

_SYSTEM = "TestSystem"
_TEST = '''"""What every source over HTTP promises, checked for ``{template_id}``."""

from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from {system} import {names}
'''
_SUITE = """

class Test{name}(ConnectorSuite):
    system_class = {name}TestSystem
"""
_THEIRS = """

def test_it_is_registered():
    assert EndpointRegistry().get("{template_id}").descriptor.template_id == "{template_id}"
"""


def test_text(layout: ConnectorLayout, template_id: str, systems: Collection[str]) -> str:
    """The text of the test module: a suite for each test system, by the names of their classes.

    A third party's also asks whether the entry point is installed.
    """
    names = sorted(name for name in systems if name.endswith(_SYSTEM) and name != _SYSTEM)
    text = _TEST.format(system=layout.dotted("system"), template_id=template_id, names=", ".join(names))
    text += "".join(_SUITE.format(name=name.removesuffix(_SYSTEM)) for name in names)
    if layout.ours:
        return text
    suite = "from connector_kit.checks.pytest_suite import ConnectorSuite\n"
    registry = suite + "from connectors.registry import EndpointRegistry\n"
    return text.replace(suite, registry) + _THEIRS.format(template_id=template_id)
