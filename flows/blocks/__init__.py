"""The Prefect collection ``nucleus``: every block type that ``prefect block register --module flows.blocks`` finds."""

from flows.blocks.types import (
    CheckpointBlock,
    LocalStagingBlock,
    MemoryStagingBlock,
    StateEntryBlock,
    __dir__,
    __getattr__,
)

__all__ = ["CheckpointBlock", "LocalStagingBlock", "MemoryStagingBlock", "StateEntryBlock", "__dir__", "__getattr__"]
