from __future__ import annotations

import pytest

from tests.connector_kit.promote.authored_notebook import repository


@pytest.fixture(scope="session", autouse=True)
def mypy_cache(request):
    """Every promotion of these tests, in all workers, uses what mypy learned of packages before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPY_CACHE_DIR", str(request.config.cache.mkdir("mypy")))
        yield


@pytest.fixture
def root(tmp_path):
    """A repository to promote to."""
    return repository(tmp_path / "repository")
