from __future__ import annotations

import os
import shutil

import pytest

from connector_kit.promote.promotion import promote
from tests.connector_kit.promote.authored_notebook import ROOT, notebook_of, repository, saved
from tests.control_plane import locked


@pytest.fixture(scope="session", autouse=True)
def mypy_cache(request):
    """Every promotion of these tests, in all workers, uses what mypy learned of packages before, here or in the suite."""
    place, ours = request.config.cache.mkdir("mypy"), ROOT / ".mypy_cache"
    with locked(place):
        if ours.is_dir() and not (place / "learned").exists():
            shutil.copytree(ours, place / "learned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPY_CACHE_DIR", str(place / "learned"))
        yield


@pytest.fixture
def root(tmp_path):
    """A repository to promote to."""
    return repository(tmp_path / "repository")


@pytest.fixture(scope="session")
def promoted_once(tmp_path_factory):
    """A repository to which the notebook is promoted, by the first process that asks; not to be changed."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "promoted"
    shared.mkdir(exist_ok=True)
    with locked(shared):
        if not (shared / "finished").exists():
            shutil.rmtree(shared / "repository", ignore_errors=True)
            made = repository(shared / "repository")
            assert promote(saved(made, notebook_of()), made, check=None).changed
            (shared / "finished").touch()
    return shared / "repository"


@pytest.fixture
def promoted(promoted_once, tmp_path):
    """A repository of the test's own to which the notebook is promoted, and where that notebook lies there."""
    made = shutil.copytree(promoted_once, tmp_path / "repository")
    return made, made / "notebooks" / "prototypes" / "acme.ipynb"
