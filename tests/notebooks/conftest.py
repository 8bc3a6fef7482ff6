"""The sandboxes of the tours, once for all of them, and a place for what Jupyter writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from notebooks.sandboxes import sandboxes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def addresses() -> Iterator[dict[str, str]]:
    """Parameters by name, as ``make notebooks`` gives them."""
    with sandboxes() as found:
        yield found


@pytest.fixture(autouse=True)
def jupyter_writes_elsewhere(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not into the home folder."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
