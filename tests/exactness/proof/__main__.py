"""``python -m tests.exactness.proof``: the long form, with its report."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.local.contexts import using
from flows.local.up import down, up
from flows.stages import retries
from tests.exactness.executors import QUICK_DELAYS_S
from tests.exactness.proof.places import PLACES, can_be_here, walk_over
from tests.exactness.proof.tally import page, within_marks
from tests.prefect_template import seed as seeded_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.exactness.proof.tally import Tally


def main() -> int:
    """0 when no row was lost and none doubled, and every promise was kept."""
    options = _options()
    retries.DELAYS_S = QUICK_DELAYS_S
    places = [place for place in PLACES if can_be_here(place) and options.only in str(place)]
    each, more = divmod(options.failures, len(places))
    tallies: list[Tally] = []
    with TemporaryDirectory(prefix="nucleus-proof-") as folder, _control_plane(Path(folder) / "home") as restart:
        for number, place in enumerate(places):
            began = time.monotonic()
            own = Path(folder) / str(number)
            with walk_over(place, own, options.seed * 1000 + number, restart) as walk:
                tallies.append(walk.go(each + (number < more)))
            said = "exact" if tallies[-1].is_exact else "NOT EXACT"
            print(
                f"{place}: {tallies[-1].failures.total()} failures, {said}, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    report = page(tallies, options.seed)
    print(f"\n{report}")
    if options.page is not None:
        options.page.write_text(within_marks(options.page.read_text(), report))
    return 0 if all(each.is_exact for each in tallies) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.exactness.proof", description=__doc__)
    parser.add_argument("--failures", type=int, default=200, help="how many, over all places")
    parser.add_argument("--seed", type=int, default=1, help="of every draw: which failures, in which order")
    parser.add_argument("--only", default="", help="places whose name holds this")
    parser.add_argument("--page", type=Path, help="a page whose measured part is replaced: docs/exactness.md")
    return parser.parse_args()


@contextmanager
def _control_plane(home: Path) -> Iterator[Callable[[], None]]:
    """A Prefect server for the flow runs; gives what kills it and starts it again, as `nucleus up` does."""
    plane = up(seeded_home(home), worker=False)

    def restart() -> None:
        nonlocal plane
        os.kill(plane.pids["server"], signal.SIGKILL)
        time.sleep(1.0)
        plane = up(home, worker=False)

    try:
        with using(plane), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield restart
    finally:
        down(home)


if __name__ == "__main__":
    sys.exit(main())
