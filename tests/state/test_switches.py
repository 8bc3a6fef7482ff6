"""Switched-off endpoints and held units, over the store in memory."""

from __future__ import annotations

import pytest

from contracts.errors import EndpointDisabledError
from contracts.receipts import RunRef
from state.memory import MemoryKvStore
from state.switches import EndpointSwitches, UnitHolds

REF = RunRef(endpoint_id="shop", unit_id="public.a:b", sink_id="lake")
OTHER = RunRef(endpoint_id="shop", unit_id="public.a", sink_id="b:lake")


def test_an_endpoint_is_on_until_somebody_switches_it_off():
    switches = EndpointSwitches(MemoryKvStore())
    switches.require_on("shop")
    switches.switch("shop", on=False)
    assert (switches.is_on("shop"), switches.is_on("other")) == (False, True)
    with pytest.raises(EndpointDisabledError, match="shop"):
        switches.require_on("shop")
    switches.switch("shop", on=True)
    switches.require_on("shop")
    switches.switch("shop", on=False)
    switches.forget("shop")
    assert switches.is_on("shop"), "an endpoint of that name that is registered later"


def test_a_hold_is_of_one_unit_and_sink():
    holds = UnitHolds(MemoryKvStore())
    assert not holds.release(REF)
    holds.hold(REF)
    assert holds.list() == {REF}
    assert (holds.is_held(REF), holds.is_held(OTHER)) == (True, False)
    holds.hold(OTHER)
    assert holds.list("shop") == {REF, OTHER}
    assert holds.list("elsewhere") == frozenset()
    assert holds.release(REF)
    assert holds.list() == {OTHER}
