from __future__ import annotations

import pytest

from tests.connector_kit.promote.authored_notebook import repository


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory):
    """What mypy learns of packages in one test serves the next."""
    return tmp_path_factory.mktemp("mypy")


@pytest.fixture
def root(tmp_path, monkeypatch, mypy_cache):
    """A repository to promote to."""
    monkeypatch.setenv("MYPY_CACHE_DIR", str(mypy_cache))
    return repository(tmp_path / "repository")
