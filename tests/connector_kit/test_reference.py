"""The reference for authors is what the docstrings say."""

from __future__ import annotations

from connector_kit.reference import page
from tests.architecture.rooms import ROOT


def test_the_page_is_made_from_the_docstrings():
    told = "run `python -m connector_kit.reference > docs/author-reference.md`"
    assert (ROOT / "docs" / "author-reference.md").read_text(encoding="utf-8") == page(), told


def test_every_name_of_the_vocabulary_is_there():
    for name in ("PageRequest", "ApiUnit", "PageShape", "TestSystem", "JsonApi", "Cassette"):
        assert f"`{name}`\n" in page()
