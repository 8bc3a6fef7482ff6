"""The block driver of KvStore keeps the promises of the suite, and an operator can read and edit a checkpoint."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from contracts.errors import ConfigInvalidError, StateUnavailableError
from contracts.receipts import RunRef
from contracts.state import Checkpoint, KvKey, checkpoint_key
from flows.blocks.kv_store import BlockKvStore
from flows.prefect_api.block_documents import BlockDocuments
from flows.prefect_api.client import ControlPlane
from state.checkpoints import Checkpoints
from tests.conformance.kv_suite import KvStoreSuite

if TYPE_CHECKING:
    from collections.abc import Callable


def emptied(plane: ControlPlane, namespace: str) -> BlockKvStore:
    store = BlockKvStore(plane)
    for entry in store.list(namespace):
        store.delete(entry.key)
    return store


class TestBlockKvStore(KvStoreSuite):
    increments = 3

    @pytest.fixture
    def store(self, plane: ControlPlane) -> BlockKvStore:
        return emptied(plane, "suite")

    @pytest.fixture
    def reopen(self, plane: ControlPlane) -> Callable[[], BlockKvStore]:
        return lambda: BlockKvStore(plane)


def test_a_checkpoint_is_a_form_that_can_be_edited(plane: ControlPlane) -> None:
    store = emptied(plane, "ingestion")
    ref = RunRef(endpoint_id="shop", unit_id="public.orders", sink_id="lake")
    saved = Checkpoint(**ref.model_dump(), cursor={"settled": "5"}, last_run_id="r1", last_updated_at=datetime.now(UTC))
    Checkpoints(store, "any").save(saved)
    document = next(BlockDocuments(plane).find(["nucleus-checkpoint"]))
    assert document.name.startswith("ingestion--shop-ingest-any-endpoint-shop-unit-public-orders-sink-lake--")
    assert document.data["cursor"] == {"settled": "5"}
    plane.call("PATCH", f"/block_documents/{document.id}", {"data": {"cursor": {"settled": "3"}}})
    checkpoints = Checkpoints(store, "any")
    loaded = checkpoints.load(ref)
    assert loaded is not None
    assert loaded.cursor == {"settled": "3"}
    checkpoints.save(loaded)
    plane.call("PATCH", f"/block_documents/{document.id}", {"data": {"version": "seven"}})
    with pytest.raises(ConfigInvalidError, match="edited"):
        checkpoints.load(ref)
    assert store.delete(checkpoint_key("any", "shop", "public.orders", "lake"))


def test_a_server_that_is_gone() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        store = BlockKvStore(ControlPlane(get_client(httpx_settings={"headers": {}}, sync_client=True)))
    with pytest.raises(StateUnavailableError, match="nucleus up"):
        store.get(KvKey(namespace="a", scope_id="b", key="c"))
