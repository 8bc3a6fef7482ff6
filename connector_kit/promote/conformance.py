"""The test that is written beside a promoted connector: the shared suite over the notebook's lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_kit.promote.home import Home

_OURS = '''"""What every source over an API does, done by ``{template_id}``."""

from __future__ import annotations

import pytest

from {lab} import lab as opened
from tests.conformance.api_source_suite import ApiSourceSuite


class Test{camel}(ApiSourceSuite):
    @pytest.fixture
    def lab(self):
        with opened() as lab:
            yield lab
'''
_THEIRS = '''"""``{template_id}`` is found by its entry point and reads from its lab."""

from __future__ import annotations

from contextlib import closing

from connectors.registry import EndpointRegistry
from {lab} import lab as opened


def test_it_is_registered():
    assert EndpointRegistry().get("{template_id}").descriptor.template_id == "{template_id}"


def test_it_connects_and_lists_its_unit():
    with opened() as lab, closing(lab.source()) as source:
        assert source.test_connection().ok
        units = source.list_units(source.collect_catalog("endpoint"))
        assert lab.unit_id in {{unit.unit_id for unit in units}}
'''


def test_text(home: Home, template_id: str) -> str:
    """The text of the test module."""
    camel = "".join(word.capitalize() for word in home.name.split("_"))
    return (_OURS if home.ours else _THEIRS).format(lab=home.dotted("lab"), camel=camel, template_id=template_id)
