"""The commands over a source of pages: what an operator sees of one, from its template to its rows."""

from __future__ import annotations

import pytest

from cli import workspace
from flows.wiring import close_live
from sandbox.openshelf import SandboxOpenshelf, ShelfSite
from tests.cli.command import fails, nucleus, succeeds
from tests.cli.in_memory_workspace import InMemoryWorkspace


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    made = InMemoryWorkspace(tmp_path)
    monkeypatch.setattr(workspace, "open_workspace", lambda: made)
    with SandboxOpenshelf(ShelfSite(books=30)) as server:
        add = ("endpoint", "add", "shelf", "--template", "http.openshelf", "--set", f"base_url={server.url}")
        succeeds(*add, "--secret", "token=env:TOKEN", TOKEN=server.token)
        yield server
    made.close()
    close_live()


def test_the_template_explains_itself():
    shown = succeeds("template", "show", "http.openshelf")["template"]
    fields = {field["name"]: field for field in shown["fields"]}
    assert fields["token"]["secret"]
    assert fields["base_url"]["required"]
    assert all(field["description"] for field in fields.values())


def test_from_endpoint_to_rows(shelf):
    assert succeeds("endpoint", "test", "shelf")["connection"]["account"] == "Reader"
    catalog = succeeds("catalog", "collect", "shelf")
    assert shelf.token not in str(catalog)
    assert succeeds("plan", "shelf", "openshelf.books")["plan"]["slices"]
    rows = succeeds("preview", "shelf", "openshelf.books", "--limit", "3")["rows"]
    assert len(rows) == 3
    assert rows[0]["price"] is not None
    assert "Ñandú" in nucleus("preview", "shelf", "openshelf.books", "--limit", "30").out


def test_a_token_that_ran_out(shelf):
    shelf.expired = True
    error = fails("E_SOURCE_AUTH", "endpoint", "test", "shelf")
    assert shelf.token not in str(error)
