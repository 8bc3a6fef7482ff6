"""No document that the schema allows makes a fault, and none of them starts a run: drawn from the schema itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

from metadata_api.schema.build import SCHEMA

if TYPE_CHECKING:
    from tests.metadata_api.conftest import Caller

OPERATIONS = [name for root in ("Query", "Mutation") for name in SCHEMA._schema.get_type(root).fields]
EXAMPLES = 60 if os.environ.get("NUCLEUS_PROVE") else 5
"""For each operation; 125 together in the suite."""
JSON = st.one_of(
    st.text(max_size=12).map(nodes.String),
    st.integers(-(2**31), 2**31 - 1).map(nodes.Int),
    st.booleans().map(nodes.Boolean),
)
SCALARS = {"JSON": JSON, "DateTime": st.sampled_from(["2026-01-01T00:00:00Z", "yesterday", ""]).map(nodes.String)}
STARTING = {"startIngestion", "resumeIngestion"} & set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_document_makes_a_fault_or_starts_a_run(caller: Caller, operation: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(document=from_schema(SCHEMA._schema, fields=[operation], custom_scalars=SCALARS))
    def asked(document: str) -> None:
        got = caller.ask(document)
        codes = {error.get("extensions", {}).get("code") for error in got.get("errors", ())}
        assert "E_FAULT" not in codes, (document, got)
        assert not _started(operation, got), (document, got)

    asked()


def test_what_starts_runs_is_among_them() -> None:
    assert STARTING, "the assertion above looks for these"


def _started(operation: str, got: dict[str, Any]) -> bool:
    """True when an operation that starts runs answered without an error: no endpoint of these names exists."""
    return operation in STARTING and "errors" not in got
