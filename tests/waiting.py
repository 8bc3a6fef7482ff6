"""Every process that the tests start has been waited for when they end.

Python warns of one that was not, but only when the object goes away: at the very end, when no test can fail any more.
"""

from __future__ import annotations

import gc
import subprocess
from typing import TYPE_CHECKING

import pytest

from flows.local.processes import LastingProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """The first fixture that is set up, so the last that is taken down."""
    yield
    assert not unwaited(), "end each, and wait for it"


def unwaited() -> list[object]:
    """The commands of processes nobody has waited for; those of a control plane may outlive who started them."""
    # By type(): isinstance asks a dead weak proxy for its class, which raises.
    started = (each for each in gc.get_objects() if issubclass(type(each), subprocess.Popen))
    return [each.args for each in started if each.returncode is None and not isinstance(each, LastingProcess)]
