"""The site leads to every page, and the index of decisions to every decision."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def pages_in(nav):
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from pages_in(value)


def test_every_page_is_in_the_navigation_once():
    pages = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*") if path.suffix in {".md", ".graphql"}]
    assert sorted(pages_in(SITE["nav"])) == sorted(pages)


def test_whatever_is_wrong_with_a_link_fails_the_site():
    assert SITE["strict"] is True
    assert {*SITE["validation"]["nav"].values(), *SITE["validation"]["links"].values()} == {"warn"}


def test_the_site_asks_nobody_else_for_anything():
    assert SITE["theme"]["font"] is False


def test_the_index_of_decisions_is_whole():
    rows = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \|", (DOCS / "decisions" / "README.md").read_text(), re.MULTILINE)
    decisions = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    assert rows == [(name[:4], name) for name in decisions]
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
