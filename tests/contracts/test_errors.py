import copy
import inspect
import pickle
import re

import pytest

from contracts import errors
from contracts.errors import IngestionError, OutcomeUnknown, Retriable, Skippable, Terminal

RECOVERIES = {"R": Retriable, "T": Terminal, "S": Skippable, "O": OutcomeUnknown}

TABLE = {
    "ConfigError": {
        "E_CONFIG_INVALID": "T",
        "E_ENDPOINT_UNKNOWN": "T",
        "E_DEPENDENCY_MISSING": "T",
        "E_CONTROL_PLANE_UNREACHABLE": "R",
        "E_SERVER_SERVICE_FAILING": "R",
    },
    "MetadataError": {
        "E_CATALOG_MISSING": "T",
        "E_DATASET_NOT_IN_CATALOG": "ST",
        "E_ENDPOINT_DISABLED": "T",
        "E_ENDPOINT_IN_USE": "R",
        "E_UNIT_DISABLED": "ST",
    },
    "PlanError": {
        "E_FILTER_NOT_SUPPORTED": "T",
        "E_MODE_UNSUPPORTED": "T",
        "E_CURSOR_UNSUPPORTED": "T",
        "E_KEY_NOT_UNIQUE": "T",
    },
    "ExportError": {
        "E_SOURCE_UNREACHABLE": "R",
        "E_SOURCE_AUTH": "T",
        "E_SOURCE_TLS": "T",
        "E_SOURCE_PRIVILEGE": "ST",
        "E_SOURCE_SCHEMA_CHANGED": "T",
        "E_SOURCE_VIEW_LOST": "R",
        "E_SOURCE_REREAD": "R",
        "E_SOURCE_PAGE_FAILED": "R",
        "E_SOURCE_VALUE": "T",
    },
    "StageError": {
        "E_STAGING_UNAVAILABLE": "R",
        "E_STAGING_REFUSED": "T",
        "E_STAGE_TOO_LARGE": "T",
        "E_STAGE_UNSEALED": "R",
        "E_STAGE_CORRUPT": "R",
    },
    "MapError": {"E_CDM_MODEL_UNSUPPORTED": "T"},
    "UpsertError": {
        "E_SINK_UNREACHABLE": "OR",
        "E_SINK_AUTH": "T",
        "E_SINK_TLS": "T",
        "E_SINK_PRIVILEGE": "T",
        "E_SINK_NOT_PROVISIONED": "T",
        "E_SINK_SCHEMA_CONFLICT": "T",
        "E_SINK_NAME": "T",
        "E_SINK_CORRUPT": "T",
        "E_SINK_VALUE": "T",
        "E_SINK_OWNER": "T",
        "E_SINK_LOCKED": "R",
        "E_SINK_WRITE_FAILED": "R",
    },
    "StateError": {"E_CHECKPOINT_CONFLICT": "R", "E_STATE_UNAVAILABLE": "R"},
    "RunError": {
        "E_RUN_IN_PROGRESS": "R",
        "E_RUN_PAUSED": "R",
        "E_RUN_STOPPED": "R",
        "E_RUN_SUPERSEDED": "T",
        "E_COMPLETENESS_GAP": "T",
        "E_DELETE_GUARD": "T",
        "E_VERIFY_MISMATCH": "T",
    },
}

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, IngestionError)]
# Other rooms may add phases of their own in the same process.
PHASES = [kind for kind in IngestionError.__subclasses__() if kind.__module__ == errors.__name__]
LEAVES = [kind for kind in CLASSES if kind is not IngestionError and kind not in PHASES]


def recovery_of(kind):
    return "".join(sorted(letter for letter, recovery in RECOVERIES.items() if issubclass(kind, recovery)))


def test_the_tree_is_the_table():
    tree = {
        phase.__name__: {kind.code: recovery_of(kind) for kind in LEAVES if issubclass(kind, phase)} for phase in PHASES
    }
    assert tree == TABLE


def test_every_error_is_of_one_phase_and_either_retriable_or_terminal():
    for kind in LEAVES:
        assert sum(issubclass(kind, phase) for phase in PHASES) == 1
        assert issubclass(kind, Retriable) != issubclass(kind, Terminal)


def test_phases_do_not_decide_recovery():
    assert [phase for phase in PHASES if recovery_of(phase)] == []
    assert recovery_of(IngestionError) == ""


def test_codes_are_unique_and_named_after_what_they_are():
    codes = [kind.code for kind in LEAVES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"E(_[A-Z]+)+", code) for code in codes)
    assert all("code" in vars(kind) for kind in LEAVES)
    assert [kind for kind in CLASSES if not kind.__name__.endswith("Error")] == []


def test_the_drawing_names_every_phase_every_recovery_and_only_codes_that_exist():
    drawing = errors.__doc__
    assert {phase.__name__ for phase in PHASES} == set(re.findall(r"──\s(\w+)", drawing))
    assert all(re.search(rf"^\s.*\b{recovery.__name__}\s", drawing, re.MULTILINE) for recovery in RECOVERIES.values())
    lines = {phase: line for line in drawing.splitlines() for phase in TABLE if f"── {phase}" in line}
    for phase, line in lines.items():
        drawn = set(re.findall(r"E_[A-Z_]+", line))
        assert drawn <= set(TABLE[phase])
        assert drawn == set(TABLE[phase]) or line.endswith("…") or phase == "StateError", line


@pytest.mark.parametrize("kind", CLASSES)
def test_facts_survive_pickle_and_copy(kind):
    facts = {"table": "orders", "rows": 3, "columns": ["a", {"b": None}]}
    error = kind("Something happened", "Do this next.", **facts)
    for again in (
        pickle.loads(pickle.dumps(error)),  # noqa: S301
        copy.copy(error),
        copy.deepcopy(error),
    ):
        assert type(again) is kind
        assert (again.what, again.next_step, again.facts) == ("Something happened", "Do this next.", facts)
        assert (str(again), again.args) == (str(error), error.args)
        assert again.to_json() == error.to_json()


@pytest.mark.parametrize("kind", CLASSES)
def test_the_message_ends_with_the_next_step(kind):
    assert str(kind("It broke", "Mend it.")) == "It broke. Mend it."
    assert str(kind("It broke.", "Mend it.")) == "It broke. Mend it."
    assert str(kind("It broke")) == "It broke."


@pytest.mark.parametrize("kind", CLASSES)
def test_the_json_form(kind):
    assert kind("It broke", "Mend it.", rows=1).to_json() == {
        "code": kind.code,
        "message": "It broke",
        "hint": "Mend it.",
        "retryable": issubclass(kind, Retriable),
        "facts": {"rows": 1},
    }


def test_retriable_errors_say_no_time_unless_the_system_did():
    for kind in LEAVES:
        assert getattr(kind("It broke"), "retry_after_s", None) is None


def test_every_error_says_what_it_is():
    assert [kind for kind in CLASSES if not (inspect.getdoc(kind) or "").endswith((".", ":"))] == []
