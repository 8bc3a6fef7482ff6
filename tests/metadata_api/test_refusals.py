"""Over HTTP: what the webhook refuses, with which code and status; nothing is started by any of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.unit import UnitConfig
from flows.prefect_api.runs import ALIVE, ENDED, WAITING, Runs
from metadata_api.metadata_cache import KEEP_CONFIGS_S
from metadata_api.signing import TIMESTAMP

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair
    from tests.metadata_api.conftest import Caller


@pytest.fixture
def runs(plane: ControlPlane, pair: RegisteredPair) -> Any:
    """Runs of this test's endpoints: other tests use the same server meanwhile."""
    ours = {pair.source_id, pair.sink_id, "nobody", ""}

    def count() -> int:
        found = Runs(plane).find((*WAITING, *ALIVE, *ENDED))
        return sum(run.parameters.get("endpoint_id") in ours for run in found)

    before = count()
    yield count
    assert count() == before, "a refused request started something"


def refused(caller: Caller, body: Any, **more: Any) -> tuple[int, str]:
    answer = caller.post(body, **more)
    assert set(answer.json()) == {"code", "message", "retryable", "hint"}
    return answer.status_code, answer.json()["code"]


def test_who_asks(caller: Caller, runs: Any) -> None:
    body = {"endpointId": "nobody", "unitId": "u"}
    now = int(time.time())
    plain = {"content-type": "application/json"}
    assert caller.client.post("/webhooks/ingestion", json=body, headers=plain).status_code == 401
    assert refused(caller, body, key="a-key-that-nobody-knows") == (401, "E_SIGNATURE")
    assert refused(caller, body, at=now - 400) == (401, "E_TIMESTAMP")
    assert refused(caller, body, at=now + 400) == (401, "E_TIMESTAMP")
    assert refused(caller, body, **{TIMESTAMP: str(now - 1)}) == (401, "E_SIGNATURE")
    assert refused(caller, b"x" * 70_000) == (413, "E_BODY_TOO_LARGE")
    assert refused(caller, b"{}", **{"content-type": "text/plain"}) == (415, "E_MEDIA_TYPE")
    assert refused(caller, b"{") == (400, "E_REQUEST_INVALID")
    assert caller.client.get("/webhooks/ingestion").status_code == 405
    assert caller.client.get("/nothing").json()["code"] == "E_NOT_FOUND"


def test_a_body_without_a_length_is_read_no_further_than_the_limit(caller: Caller, runs: Any) -> None:
    sent = []

    def endless() -> Any:
        for _ in range(10_000):
            sent.append(1)
            yield b"x" * 10_000

    try:
        answer = caller.client.post(
            "/webhooks/ingestion", content=endless(), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413
    except Exception as error:
        assert type(error).__name__ in {"WriteError", "RemoteProtocolError", "ReadError"}
    assert len(sent) < 2_000


def test_replay(caller: Caller, runs: Any) -> None:
    body, at = {"endpointId": "nobody", "unitId": "replayed"}, int(time.time())
    assert refused(caller, body, at=at) == (404, "E_ENDPOINT_UNKNOWN")
    assert refused(caller, body, at=at) == (409, "E_REPLAYED")
    assert refused(caller, body, at=at, key="second") == (404, "E_ENDPOINT_UNKNOWN")


def test_metadata_first(caller: Caller, pair: RegisteredPair, workspace: Workspace, runs: Any) -> None:
    good = {"endpointId": pair.source_id, "unitId": "public.orders", "sinkId": pair.sink_id}

    def said(**changes: Any) -> tuple[int, str]:
        return refused(caller, {name: value for name, value in {**good, **changes}.items() if value is not None})

    assert said(endpointId="nobody") == (404, "E_ENDPOINT_UNKNOWN")
    assert said(endpointId=pair.sink_id) == (409, "E_CATALOG_MISSING")
    assert said(unitId="public.nothing") == (404, "E_DATASET_NOT_IN_CATALOG")
    assert said(sinkId="nowhere") == (404, "E_ENDPOINT_UNKNOWN")
    assert said(sinkId=None) == (400, "E_REQUEST_INVALID")
    assert said(sinkEndpointId="another") == (400, "E_REQUEST_INVALID")
    assert said(dataMode="cdm") == (422, "E_CDM_MODEL_UNSUPPORTED")
    assert said(filter={"projectKeys": ["A"]}) == (422, "E_FILTER_NOT_SUPPORTED")
    assert said(filter=[{"column": "nothing", "op": "eq", "value": 1}]) == (422, "E_FILTER_NOT_SUPPORTED")
    assert said(filter=[{"column": "id", "op": "like"}]) == (422, "E_FILTER_NOT_SUPPORTED")
    assert said(policy={"target_slice_bites": 1}) == (422, "E_CONFIG_INVALID")
    assert said(stagingProviderId="nowhere") == (404, "E_ENDPOINT_UNKNOWN")
    assert said(runMode="full", checkpoint={"settled": "1"}) == (400, "E_REQUEST_INVALID")
    assert said(callbackUrl="https://evil.example.net/") == (422, "E_CALLBACK_HOST")
    switch_off(workspace, pair)
    assert said(policy={}) == (409, "E_UNIT_DISABLED")


def switch_off(workspace: Workspace, pair: RegisteredPair) -> None:
    """From another process than the API's, which may believe for two seconds what it read before."""
    workspace.units.configure(UnitConfig(endpoint_id=pair.source_id, unit_id="public.orders", enabled=False))
    time.sleep(KEEP_CONFIGS_S)


@pytest.fixture
def switched_off(workspace: Workspace, pair: RegisteredPair) -> RegisteredPair:
    switch_off(workspace, pair)
    return pair


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
IDS = st.sampled_from(["SOURCE", "public.orders", "SINK", ""]) | st.text(max_size=20)
NAMES = (
    "endpointId", "unitId", "sinkId", "sinkEndpointId", "stagingProviderId", "runMode", "dataMode", "filter", "policy",
    "checkpoint", "callbackUrl",
)  # fmt: skip
BODIES = st.fixed_dictionaries(
    {"endpointId": st.just("SOURCE") | IDS, "unitId": st.just("public.orders") | IDS},
    optional=dict.fromkeys(NAMES[2:], JSON | IDS),
) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON, max_size=6)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_no_body_makes_a_fault(caller: Caller, switched_off: RegisteredPair, runs: Any, body: dict[str, Any]) -> None:
    pair = switched_off
    names = {"SOURCE": pair.source_id, "SINK": pair.sink_id}
    real = {name: names.get(value, value) if isinstance(value, str) else value for name, value in body.items()}
    answer = caller.post(real)
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text, real)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=80), key=st.sampled_from(["first", "second"]))
def test_no_bytes_make_a_fault(caller: Caller, runs: Any, body: bytes, key: str) -> None:
    assert 400 <= caller.post(body, key=key).status_code < 500
