"""Every namespace and key of the state store.

===============  ============  =========================================  =======================
namespace        scope         key                                        value
===============  ============  =========================================  =======================
``ingestion``    endpoint id   ``ingest::…`` (``contracts.state``)        checkpoint, transient
``catalogs``     endpoint id   ``snapshots``                              latest and previous
``unit_configs`` endpoint id   ``unit::<unit>``                           operator's settings
``unit_states``  endpoint id   ``unit::<unit>::sink::<sink>``             status of the unit
``unit_holds``   endpoint id   ``unit::<unit>::sink::<sink>``             paused
``endpoints``    endpoint id   ``switch``                                 on or off
``endpoints``    endpoint id   ``profile``                                name, labels
``endpoints``    endpoint id   ``collection``                             when its catalog is collected
``knowledge``    ``outbox``    who speaks                                 what the graph is to be told
===============  ============  =========================================  =======================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.state import KvKey, checkpoint_key

if TYPE_CHECKING:
    from contracts.receipts import RunRef

CHECKPOINTS = checkpoint_key("", "", "", "").namespace
"""Namespace of checkpoints and transient state, as defined by ``contracts.state``."""

CATALOGS = "catalogs"
UNIT_CONFIGS = "unit_configs"
UNIT_STATES = "unit_states"
UNIT_HOLDS = "unit_holds"
ENDPOINTS = "endpoints"
OUTBOX = "knowledge"


def catalog_key(endpoint_id: str) -> KvKey:
    """Key of the endpoint's catalog snapshots."""
    return KvKey(namespace=CATALOGS, scope_id=endpoint_id, key="snapshots")


def unit_config_key(endpoint_id: str, unit_id: str) -> KvKey:
    """Key of an operator's settings for one unit."""
    return KvKey(namespace=UNIT_CONFIGS, scope_id=endpoint_id, key=f"unit::{_part(unit_id)}")


def unit_state_key(ref: RunRef) -> KvKey:
    """Key of the status of one (endpoint, unit, sink)."""
    key = f"unit::{_part(ref.unit_id)}::sink::{_part(ref.sink_id)}"
    return KvKey(namespace=UNIT_STATES, scope_id=ref.endpoint_id, key=key)


def unit_hold_key(ref: RunRef) -> KvKey:
    """Key of the hold that pauses one (endpoint, unit, sink)."""
    return unit_state_key(ref).model_copy(update={"namespace": UNIT_HOLDS})


def endpoint_switch_key(endpoint_id: str) -> KvKey:
    """Key of the switch that enables or disables an endpoint."""
    return KvKey(namespace=ENDPOINTS, scope_id=endpoint_id, key="switch")


def collection_schedule_key(endpoint_id: str) -> KvKey:
    """Key of the endpoint's schedule of collections."""
    return KvKey(namespace=ENDPOINTS, scope_id=endpoint_id, key="collection")


def endpoint_profile_key(endpoint_id: str) -> KvKey:
    """Key of what people call an endpoint."""
    return KvKey(namespace=ENDPOINTS, scope_id=endpoint_id, key="profile")


def outbox_key(source_ref: str) -> KvKey:
    """Key of what the knowledge graph is still to be told by one who speaks; a later word replaces an earlier one."""
    return KvKey(namespace=OUTBOX, scope_id="outbox", key=source_ref)


def _part(name: str) -> str:
    # Without escaping, a colon in a name could give two different pairs of names the same key.
    return name.replace("%", "%25").replace(":", "%3A")
