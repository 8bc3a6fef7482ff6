"""The checks made against the live system, their traffic kept, and the same checks made again from that recording.

``python -m connector_kit.checks.record MODULE FOLDER CASSETTE [CHECK…]`` does it for every test system of a module.
A live system is not written to: hooks that change it are off. What faults do to answers is not recorded, so one
recording serves all checks.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connector_kit.checks.check import CORE
from connector_kit.checks.context import CheckContext
from connector_kit.checks.on_tape import OnTape
from connector_kit.checks.run import run_checks
from connector_kit.checks.subprocess_run import test_systems_of
from connector_kit.checks.system import HookMissingError
from connector_kit.recording.cassette import Cassette, key_of
from connector_kit.recording.dead_ends import one_answer_each
from connector_kit.recording.scrubbing import SHORTEST, Scrubber, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from connector_kit.checks.scorecard import Scorecard
    from connector_kit.checks.system import TestSystem
    from connector_kit.recording.cassette import Key
    from connector_kit.recording.cassette_lines import Exchange

WRITING_HOOKS = ("change", "change_late", "remove", "grow")


@dataclass(frozen=True)
class Recorded:
    """What became of a recording.

    Attributes:
        live: The checks against the system.
        replayed: The same checks against the recording.
    """

    live: Scorecard
    replayed: Scorecard

    @property
    def differences(self) -> tuple[str, ...]:
        """Core checks that pass against the system and not from the recording, a sentence each."""
        passed = {one.check for one in self.live.results if one.verdict == "passed" and one.group in CORE}
        return tuple(
            f"{one.check} passes against the system; from the recording: {one.verdict}, {one.reason or one.received}"
            for one in self.replayed.results
            if one.check in passed and one.verdict != "passed"
        )


def record_checks(system: TestSystem, cassette: Cassette, only: Iterable[str] | None = None) -> Recorded:
    """Make the checks against the system, keep their traffic in the cassette, make them again from it.

    The cassette then holds one answer to each request: nothing changes the system meanwhile. The test system is not
    closed.

    Raises:
        ConfigInvalidError: There is no such check or group.
    """
    for hook in WRITING_HOOKS:
        setattr(system, hook, _off(hook))
    chosen = None if only is None else tuple(only)
    system.recording = Cassette(scrub=cassette.scrub)
    live = run_checks(system, chosen)
    cassette.replace_all(_settled([*cassette.as_added(), *system.recording.exchanges()]))
    system.recording, system.tape, system.truth, system.plan = None, cassette, None, None
    return Recorded(live, run_checks(system, chosen))


def scrubber_of(system: TestSystem) -> Scrubber:
    """Knows the secrets of the test system's config."""
    config = CheckContext(system).config("http://127.0.0.1:9")
    known = (one for one in (*secrets_of(config), *system.secrets) if len(one) >= SHORTEST)
    return Scrubber(known, keep=system.unsecret)


def record_module(module: str, folder: Path, path: Path, only: Sequence[str]) -> None:
    """What the process does: ``<number>.json`` for each test system, and the cassette.

    Raises:
        ConfigInvalidError: A secret would be in the cassette, or there is no such check; it is not written.
    """
    exchanges: list[Exchange] = []
    live = [kind for kind in test_systems_of(module) if not issubclass(kind, OnTape)]
    for number, kind in enumerate(live):
        with kind() as system:
            cassette = Cassette(exchanges, scrub=scrubber_of(system))
            done = record_checks(system, cassette, only or None)
            exchanges = cassette.as_added()
        cassette.save(path)
        document = {
            "live": json.loads(done.live.json()),
            "differences": done.differences,
            "exchanges": len(cassette),
            "text": done.live.text(),
        }
        (folder / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")


def _off(hook: str) -> Callable[..., object]:
    def missing(*_: object) -> object:
        raise HookMissingError(hook, "a live system is not written to")

    return missing


def _settled(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """One answer to each request; answers that pass (429, 5xx) only where there is no good one."""
    answers: dict[Key, list[Exchange]] = defaultdict(list)
    for one in exchanges:
        answers[key_of(one)].append(one)
    good = ([one for one in each if one.status < 300] or each for each in answers.values())
    return one_answer_each([one for each in good for one in each], key_of)


if __name__ == "__main__":
    record_module(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
