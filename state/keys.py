"""Where each kind of state lives: every namespace and key, spelled once.

===============  ============  =========================================  =======================
namespace        scope         key                                        value
===============  ============  =========================================  =======================
``ingestion``    endpoint id   ``ingest::…`` (``contracts.state``)        checkpoint, transient
``catalogs``     endpoint id   ``snapshots``                              latest and previous
``unit_configs`` endpoint id   ``unit::<unit>``                           what the operator set
``unit_states``  endpoint id   ``unit::<unit>::sink::<sink>``             where the unit stands
``unit_holds``   endpoint id   ``unit::<unit>::sink::<sink>``             paused: runs to end
``endpoints``    endpoint id   ``switch``                                 on or off
===============  ============  =========================================  =======================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.state import KvKey, checkpoint_key

if TYPE_CHECKING:
    from contracts.receipts import RunRef

CHECKPOINTS = checkpoint_key("", "", "", "").namespace
"""Namespace of checkpoints and transient state; the contract chose it."""

CATALOGS = "catalogs"
UNIT_CONFIGS = "unit_configs"
UNIT_STATES = "unit_states"
UNIT_HOLDS = "unit_holds"
ENDPOINTS = "endpoints"


def catalog_key(endpoint_id: str) -> KvKey:
    """Where the endpoint's snapshots live."""
    return KvKey(namespace=CATALOGS, scope_id=endpoint_id, key="snapshots")


def unit_config_key(endpoint_id: str, unit_id: str) -> KvKey:
    """Where the operator's settings of one unit live."""
    return KvKey(namespace=UNIT_CONFIGS, scope_id=endpoint_id, key=f"unit::{_part(unit_id)}")


def unit_state_key(ref: RunRef) -> KvKey:
    """Where the state of one (endpoint, unit, sink) lives."""
    key = f"unit::{_part(ref.unit_id)}::sink::{_part(ref.sink_id)}"
    return KvKey(namespace=UNIT_STATES, scope_id=ref.endpoint_id, key=key)


def unit_hold_key(ref: RunRef) -> KvKey:
    """Where it stands that (endpoint, unit, sink) is paused."""
    return unit_state_key(ref).model_copy(update={"namespace": UNIT_HOLDS})


def endpoint_switch_key(endpoint_id: str) -> KvKey:
    """Where it stands whether the endpoint is on."""
    return KvKey(namespace=ENDPOINTS, scope_id=endpoint_id, key="switch")


def _part(name: str) -> str:
    # A colon inside a name could otherwise make two different pairs of names one key.
    return name.replace("%", "%25").replace(":", "%3A")
